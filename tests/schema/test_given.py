"""What a caller gave, before any schema sees it."""

from collections import OrderedDict, UserDict
from enum import IntEnum, StrEnum

import pytest

from toolcase.schema.given import ARGUMENTS, DEPTH, VALUES, own, parse, plain
from toolcase.schema.words import Misfit


class Word(StrEnum):
    A = "a"


class Number(IntEnum):
    ONE = 1


class Share(float):
    pass


def refusal(function, *given, **settings):
    """What is said of what does not fit."""
    with pytest.raises(Misfit) as caught:
        function(*given, **settings)
    (problem,) = caught.value.problems
    return problem


def test_copies_containers_all_the_way_down():
    given = {"a": [{"b": [1]}], "c": "x", "d": None, "e": True, "f": 0.5}

    copied = plain(given, only_json=True)

    assert copied == given
    assert copied["a"][0]["b"] is not given["a"][0]["b"]


def test_json_has_lists_only_and_plain_scalars():
    copied = plain({Word.A: (Word.A, Number.ONE, Share(0.5))}, only_json=True)

    assert copied == {"a": ["a", 1, 0.5]}
    assert [type(one) for one in (*copied, *copied["a"])] == [str, str, int, float]


def test_other_objects_stay_the_same_where_they_may():
    marker = object()
    given = {"a": (marker, {1}), "b": Word.A, 5: frozenset({Number.ONE}), "c": Share(0.5)}

    copied = plain(given, only_json=False)

    assert copied == given
    assert copied["a"][0] is marker
    assert [type(copied["b"]), type(copied["c"])] == [Word, Share]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "should be a finite number"),
        (float("-inf"), "should be a finite number"),
        pytest.param(10**4_300, "should be a shorter number", id="long"),
        ("\ud800", "should be text without half a surrogate pair"),
        ({"\ud800": 1}, "should be text without half a surrogate pair"),
    ],
)
@pytest.mark.parametrize("only_json", [True, False])
def test_says_where_something_is_that_no_json_could_say(value, said, only_json):
    problem = refusal(plain, {"a": [value]}, only_json=only_json)

    assert (problem.where, problem.said) == (("a", 0), said)


@pytest.mark.parametrize("value", [OrderedDict(), UserDict(), {1, 2}, b"a", {1: 2}])
def test_says_where_something_is_that_json_has_no_type_for(value):
    assert refusal(plain, {"a": value}, only_json=True).where == ("a",)


@pytest.mark.parametrize("only_json", [True, False])
def test_goes_no_deeper_than_anyone_means_to(only_json):
    deep = leaf = []
    for _ in range(DEPTH):
        deep = [deep]
    plain(deep, only_json=only_json)
    leaf.append([])

    assert refusal(plain, deep, only_json=only_json).said == "are nested too deeply"


def test_what_holds_itself_many_times_over_has_an_end():
    many = []
    for _ in range(100):
        many = [many, many]

    assert refusal(plain, many, only_json=True).said == f"hold more than {VALUES:,} values"


def test_a_mapping_has_an_end():
    assert own(UserDict(a=1)) == {"a": 1}
    assert refusal(own, UserDict.fromkeys(range(ARGUMENTS + 1))).said == "are more than 100,000"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "should be an object"),
        ("{", "are no JSON: EOF while parsing"),
        ('{"a": NaN}', "are no JSON: expected value"),
        ('{"a": "\ud800"}', "are no JSON: it holds half a surrogate pair"),
    ],
)
def test_says_why_text_is_no_json_object(text, said):
    assert refusal(parse, text).said.startswith(said)
