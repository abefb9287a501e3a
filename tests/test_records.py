"""Immutable records as plain JSON data, and what their fields are checked with."""

import copy
import json

import pytest

from toolcase.records import ReadOnly


@pytest.mark.parametrize(
    "change",
    [
        lambda mapping: mapping.__setitem__("a", 2),
        lambda mapping: mapping.__delitem__("a"),
        lambda mapping: mapping.__ior__({"a": 2}),
        lambda mapping: mapping.update(a=2),
        lambda mapping: mapping.setdefault("b", 2),
        lambda mapping: mapping.pop("a"),
        lambda mapping: mapping.popitem(),
        lambda mapping: mapping.clear(),
    ],
)
def test_nobody_assigns_to_a_read_only_mapping(change):
    mapping = ReadOnly(a=1)

    with pytest.raises(TypeError, match="this mapping is read-only; make another one"):
        change(mapping)

    assert mapping == {"a": 1}


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_a_copy_is_read_only_too(again):
    assert type(again(ReadOnly(a=1))) is ReadOnly


def test_another_one_is_made_of_it_with_ease():
    mapping = ReadOnly(a=1)

    assert {**mapping, "b": 2} == mapping | {"b": 2} == {"a": 1, "b": 2}
    assert json.dumps(mapping) == '{"a": 1}'
