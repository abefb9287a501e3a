"""Any value as plain JSON data, soon."""

import collections
import dataclasses
import datetime
import enum
import ipaddress
import itertools
import json
import math
import types
import uuid
from decimal import Decimal
from pathlib import Path

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolcase.plain import DEPTH, as_json, encodable, plain, printable, size_of


@dataclasses.dataclass
class Point:
    x: object


@dataclasses.dataclass(slots=True)
class Slotted:
    x: object


@pydantic.dataclasses.dataclass
class Checked:
    x: object


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    thing: object
    other: object = pydantic.Field(None, alias="otherName")


class Hidden(pydantic.BaseModel):
    """Says little of what it holds."""

    thing: object = pydantic.Field(None, exclude=True)


class Endless(pydantic.BaseModel):
    @pydantic.computed_field
    def items(self) -> object:
        return itertools.count()


class Broken(pydantic.BaseModel):
    @pydantic.model_serializer
    def said(self):
        raise RuntimeError("broken")


class Row(msgspec.Struct, rename="camel", tag_field="kind", tag="row"):
    first_name: object


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Odd:
    """Nothing can be said of it."""

    def __repr__(self):
        raise RuntimeError("odd")


class Loop(list):
    """Gives itself out as endless."""

    def __iter__(self):
        return itertools.count()


class Wide(collections.abc.Mapping):
    """Has no end, and a length."""

    def __init__(self, length):
        self.length = length

    def __getitem__(self, key):
        return key

    def __iter__(self):
        return itertools.count()

    def __len__(self):
        return self.length


class Named(type):
    """Keeps its name to itself."""

    @property
    def __name__(cls):
        raise RuntimeError("no name")


class Nameless(metaclass=Named):
    pass


class Classless:
    """Fails to say what it is."""

    @property
    def __class__(self):
        raise RuntimeError("no class")


def generator():
    while True:
        yield 1


def nested(depth):
    """A list that many levels deep."""
    value = []
    for _ in range(depth):
        value = [value]
    return value


def bomb(kind=lambda inner: [inner, inner]):
    """A few containers that would be a text of 2**60 characters."""
    value = "boom"
    for _ in range(60):
        value = kind(value)
    return value


SAID = [
    ({"a": [1, 2.5, True, None, "ü"]}, {"a": [1, 2.5, True, None, "ü"]}),
    (math.nan, "NaN"),
    ([math.inf, -math.inf, Odd()], ["Infinity", "-Infinity", "<Odd>"]),
    ([math.nan, math.inf], ["NaN", "Infinity"]),
    ([math.nan, Odd()], ["NaN", "<Odd>"]),
    (b"ab", "YWI="),
    ([bytearray(b"ab"), memoryview(b"ab")], ["YWI=", "YWI="]),
    (["\ud800", "\ud83d\ude00"], ["\ufffd", "😀"]),
    ({"\ud800": 1}, {"\ufffd": 1}),
    (10**5_000, "<int>"),
    ([10**5_000, 1], ["<int>", 1]),
    (Point(1), {"x": 1}),
    (Slotted(1), {"x": 1}),
    (Checked(1), {"x": 1}),
    (Model(thing=Point(1), otherName=2), {"thing": {"x": 1}, "otherName": 2}),
    (Model(thing=Odd()), {"thing": "<Odd>", "otherName": None}),
    (Row([Point(1)]), {"kind": "row", "firstName": [{"x": 1}]}),
    ([Color.RED, Level.LOW], ["red", 1]),
    ({1: 4, None: 3}, {"1": 4, "null": 3}),
    ({(1, 2): Odd(), Color.RED: 1, 5: 2}, {"[1,2]": "<Odd>", "red": 1, "5": 2}),
    (datetime.date(2026, 1, 2), "2026-01-02"),
    ({datetime.date(2026, 1, 2): math.nan}, {"2026-01-02": "NaN"}),
    ([Path("\udcff")], ["\ufffd"]),
    ([uuid.UUID(int=1), Decimal("1.50"), Path("a"), ipaddress.ip_address("::1")],
     ["00000000-0000-0000-0000-000000000001", "1.50", "a", "::1"]),
    (collections.deque([1, 2]), [1, 2]),
    (types.MappingProxyType({"a": 1}), {"a": 1}),
    (collections.OrderedDict(a=frozenset([1])), {"a": [1]}),
    (pydantic.SecretStr("hunter2"), "**********"),
    ([object, len, OSError("secret")], ["<type>", "<builtin_function_or_method>", "<OSError>"]),
    (Model, "<ModelMetaclass>"),
    (Point, "<type>"),
    ([range(3), generator()], ["<range>", "<generator>"]),
    (Broken(), "<Broken>"),
    (Loop([1]), [1]),
    ([Nameless()], ["<Nameless>"]),
    ([memoryview(b"abcd")[::2]], ["YWM="]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "data"), SAID, ids=[str(n) for n in range(len(SAID))])
def test_says_as_much_as_json_can(value, data):
    assert plain(value) == data
    assert json.loads(json.dumps(data, allow_nan=False).encode()) == data


@pytest.mark.parametrize(
    "value",
    [
        itertools.count(),
        [itertools.count()],
        {"a": {"b": (generator(),)}},
        Point([generator()]),
        Row(generator()),
        Model(thing=generator()),
        Model(thing=[generator()]),
        Endless(),
        [Endless()],
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_iterator_without_end_is_not_read(value):
    text = as_json(value)

    assert "<generator>" in text or "<count>" in text or "<SerializationIterator>" in text


def test_an_object_that_fails_to_say_what_it_is_is_named():
    value = Classless()

    assert as_json(value) == '"<Classless>"'
    assert as_json([value]) == '"<list>"'
    assert size_of(value, 1) == len('"<Classless>"')


def test_an_iterator_stays_unread():
    values = iter([1, 2])

    as_json([values])

    assert list(values) == [1, 2]


@pytest.mark.parametrize(
    "value",
    [
        bomb(),
        bomb(lambda inner: (inner, inner, Odd())),
        bomb(lambda inner: {"a": inner, "b": inner}),
        bomb(lambda inner: Point([inner, inner])),
        bomb(lambda inner: Row([inner, inner])),
        Model(thing=bomb()),
        bomb(lambda inner: collections.OrderedDict(a=inner, b=inner)),
        bomb(lambda inner: Model(thing=[inner, inner])),
    ],
    ids=["list", "odd", "dict", "dataclass", "struct", "model", "ordered", "models"],
)
def test_a_few_containers_that_hold_each_other_many_times_make_no_text_without_end(value):
    assert as_json(value) == f'"<{type(value).__name__}>"'
    assert size_of(value, 1_000) > 1_000


def test_what_is_held_very_often_is_said_as_often():
    held = ["a"]

    assert plain([held] * 20_000) == [["a"]] * 20_000


def test_a_mapping_is_read_as_far_as_it_says_that_it_goes():
    assert plain([Wide(2)]) == [{"0": 0, "1": 1}]


def test_a_mapping_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr("toolcase.plain.MOST_BYTES", 5_000)

    assert plain([Wide(10**9)]) == "<list>"
    assert plain([Wide(400)])[0]["399"] == 399


def test_a_container_inside_itself_is_named():
    circle = [1]
    circle.append({"again": circle})

    assert plain(circle) == [1, {"again": "<list>"}]


def test_a_container_held_twice_is_said_twice():
    held = [Odd()]

    assert plain([held, held]) == [["<Odd>"], ["<Odd>"]]


@pytest.mark.parametrize("depth", [DEPTH + 1, 300, 10_000])
def test_what_is_nested_too_deeply_is_named(depth):
    text = as_json(nested(depth))

    assert text == "[" * DEPTH + '"<list>"' + "]" * DEPTH


def test_what_is_nested_as_deeply_as_may_be_is_said():
    assert plain(nested(DEPTH - 1)) == nested(DEPTH - 1)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_data_stays_as_it_is_and_its_size_is_known(value):
    assert plain(value) == value
    exact = len(as_json(value).encode())
    assert size_of(value, 0) <= exact
    assert (size_of(value, exact - 1) > exact - 1) or exact == 0
    assert size_of(value, exact) <= exact


@pytest.mark.parametrize(
    "value",
    [Point("x" * 100), Model(thing="x" * 100), [Model(thing="x" * 100)], [b"x" * 100], [10**100], "x" * 100],
    ids=lambda value: type(value).__name__,
)
def test_the_size_of_what_a_record_holds_counts(value):
    assert size_of(value, 100) >= 84
    assert size_of(value, 10) > 10


def test_what_a_record_does_not_say_does_not_count():
    assert size_of(Hidden(thing="x" * 1_000), 100) <= len("{}")
    assert size_of([Hidden(thing="x" * 1_000)], 100) == len("[{}]")


@pytest.mark.parametrize("value", [Broken(), Nameless()], ids=["broken", "nameless"])
def test_what_fails_to_say_what_it_is_has_a_size_too(value):
    assert 1 < size_of(value, 1) <= len(as_json(value)) == size_of(value, 100)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("dear all", "dear all"),
        ("dear ü 😀\N{NO-BREAK SPACE}", "dear ü 😀\\xa0"),
        ("a\r\n\tb\x1b[0m\x9b", "a\\r\\n\\tb\\x1b[0m\\x9b"),
        ("\u202eevil\u2066\u200f\u2028", "\\u202eevil\\u2066\\u200f\\u2028"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_would_steer_a_terminal_is_escaped(text, shown):
    assert printable(text) == shown


def test_what_is_to_be_kept_is_kept():
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_half_a_surrogate_pair_is_replaced_and_a_whole_one_joined():
    assert encodable("\ud83d\ude00 \ud83d a") == "😀 \ufffd a"
