"""Which calls share: equal ones do, and never two that could differ."""

import dataclasses
import enum
import io
import ipaddress
import pathlib
import uuid
from collections import OrderedDict, defaultdict
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from pydantic import BaseModel, HttpUrl, SecretStr, TypeAdapter

from asking import ADA, BOB
from toolcase import Call, CancellationToken, ExecutionContext, Registry, Stage, tool
from toolcase.testing.strategies import json_values
from toolcase_cache.key import DEPTH, MOST_VALUES, key_of


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Shade(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    ONE = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Model(BaseModel):
    a: Any = None
    b: int = 0


class Open(BaseModel, extra="allow"):
    _seen: int = 0


class Record(msgspec.Struct):
    a: Any = None


class Loose(msgspec.Struct, dict=True):
    pass


@dataclasses.dataclass
class Plain:
    a: Any = None


@dataclasses.dataclass(slots=True)
class Slotted:
    a: Any = None


@dataclasses.dataclass
class Named(dict):
    a: Any = None


class Pair(NamedTuple):
    a: int
    b: int


class Other(NamedTuple):
    a: int
    b: int


class Strange(tzinfo):
    def utcoffset(self, moment):
        return timedelta(0)

    def dst(self, moment):
        return None

    def tzname(self, moment):
        return "UTC"


@tool(read_only=True)
async def takes(value: Any = None, other: int = 1) -> None:
    """Anything."""


async def key(what=takes, /, *, named=(), context=None, **arguments):
    """The key of one call of this tool."""
    registry, keys = Registry(), []

    async def probe(call, inner):
        keys.append(key_of(call, named))

    probe.stage = Stage.ACT
    registry.use(probe)
    registry.add(what)
    result = await registry.execute(what.name, arguments, context=context)
    assert result.ok, result.error
    return keys[0]


class Bare(tuple):
    _fields = ("a",)


def seen(number):
    model = Open()
    model._seen = number
    return model


def with_attribute(value, number):
    value.extra = number
    return value


MOMENT = datetime.fromisoformat("2024-10-27T02:30")
BERLIN = ZoneInfo("Europe/Berlin")

DIFFERENT = [
    [None, False, 0, 0.0, -0.0, 0j, "", b"", bytearray(), (), [], set(), frozenset(), {}, Decimal(0)],
    [True, 1, 1.0, "1", b"1", Decimal(1), Decimal("1.0"), [1], (1,), {1}, frozenset({1}), {1: 1}, Level.ONE],
    ["a", "b", "ab", ["a", "b"], ["ab"], [["a"], "b"], ["a", ["b"]], ["a", "b", None], "\ud800", "é"],
    [{"a": 1}, {"a": "1"}, {"b": 1}, {"a": 1, "b": None}, {1: "a"}, [("a", 1)], {("a", 1)}],
    [{1}, {1.0}, {True}, {"1"}, {1, 2}, {(1, 2)}],
    [Color.RED, Color.BLUE, Shade.RED, "RED", Right(0), Right.READ, Right.WRITE, Right.READ | Right.WRITE],
    [Model(), Model(a=None), Model(a=1), Model(b=1), Open(), Open(x=1), Open(x=2), Record(), Record(1)],
    [Plain(), Plain(1), Slotted(), Slotted(1), {"a": 1}],
    [Plain(), with_attribute(Plain(), 1), with_attribute(Plain(), 2)],
    [seen(0), seen(1)],
    [Loose(), with_attribute(Loose(), 1), with_attribute(Loose(), 2)],
    [Pair(1, 2), Other(1, 2), (1, 2), Pair(2, 1)],
    [MOMENT, MOMENT.replace(fold=1), MOMENT.date(), MOMENT.time(), MOMENT.time().replace(fold=1)],
    [MOMENT.replace(tzinfo=zone) for zone in (UTC, timezone(timedelta(hours=1)), BERLIN)],
    [timedelta(1), timedelta(seconds=1), date(2024, 1, 1), date(2024, 1, 2), time(1), time(1, tzinfo=UTC)],
    [uuid.UUID(int=1), uuid.UUID(int=2), str(uuid.UUID(int=1))],
    [pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"), pathlib.Path("a"), pathlib.Path("b"), "a"],
    [ipaddress.ip_address("::1"), ipaddress.ip_address("1.2.3.4"), ipaddress.ip_network("1.2.3.4/32"), "::1"],
    [HttpUrl("https://a.example/"), HttpUrl("https://b.example/"), "https://a.example/"],
    [10**5000, 10**5000 + 1, -(10**5000)],
    [float("inf"), float("-inf"), float("nan")],
]


@pytest.mark.parametrize("values", DIFFERENT)
async def test_different_values_have_different_keys(values):
    keys = [await key(value=value) for value in values]

    assert None not in keys
    assert len({found.digest for found in keys}) == len(values)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (MappingProxyType({"a": 1, "b": 2}), MappingProxyType({"b": 2, "a": 1})),
        ({"x", "y", "z"}, {"z", "y", "x"}),
        (Model(a=[1], b=2), Model(b=2, a=[1])),
        (Plain([1]), Plain([1])),
        (Record([1]), Record([1])),
        (MOMENT.replace(tzinfo=BERLIN), MOMENT.replace(tzinfo=ZoneInfo.no_cache("Europe/Berlin"))),
        (float("nan"), float("nan")),
    ],
)
async def test_equal_values_have_one_key(one, same):
    assert await key(value=one) == await key(value=same) is not None


@given(json_values(), json_values())
async def test_of_two_values_that_json_can_say_the_keys_are_equal_as_they_are(one, other):
    def shown(value):  # tells 1 from 1.0 and True, and knows no order of mappings
        if isinstance(value, dict):
            return "dict", frozenset((name, shown(item)) for name, item in value.items())
        return ("list", *map(shown, value)) if isinstance(value, list) else repr(value)

    assert (await key(value=one) == await key(value=other)) is (shown(one) == shown(other))


@pytest.mark.parametrize(
    "value",
    [
        object(),
        io.StringIO("x"),
        SecretStr("x"),
        OrderedDict(a=1),
        defaultdict(int),
        Named(1),
        Bare((1,)),
        Plain,
        [object()],
        {"a": {object(): 1}},
        MOMENT.replace(tzinfo=Strange()),
        (number for number in (1, 2)),
        ValueError("x"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_cannot_be_compared_for_sure_has_none(value):
    assert await key(value=value) is None


async def test_a_field_that_was_never_set_has_none():
    value = Slotted()
    del value.a

    assert await key(value=value) is None


async def test_a_zone_from_a_file_has_none():
    zone = ZoneInfo.from_file(_utc())

    assert await key(value=MOMENT.replace(tzinfo=zone)) is None


def _utc():
    header = b"TZif" + b"\0" * 16 + bytes([0, 0, 0, 0] * 4) + bytes([0, 0, 0, 1]) + bytes([0, 0, 0, 4])
    return io.BytesIO(header + bytes(6) + b"UTC\0")


async def test_a_date_as_pydantic_reads_it_has_one():
    moment = TypeAdapter(datetime).validate_python("2024-01-01T00:00:00+02:00")

    assert await key(value=moment) is not None


async def test_what_holds_itself_has_none():
    value = []
    value += [value, value]

    assert await key(value=value) is None


async def test_values_nested_as_deep_as_the_stack_have_none(monkeypatch):
    monkeypatch.setattr("toolcase_cache.key.DEPTH", 10**9)
    monkeypatch.setattr("toolcase_cache.key.MOST_VALUES", 10**9)
    value = []
    for _ in range(100_000):
        value = [value]

    assert await key(value=value) is None


@pytest.mark.parametrize(("levels", "has_one"), [(DEPTH - 4, True), (DEPTH, False)])
async def test_values_are_looked_into_up_to_a_depth(levels, has_one):
    value = 1
    for _ in range(levels):
        value = [value]

    assert (await key(value=value) is not None) is has_one


@pytest.mark.parametrize(("values", "has_one"), [(MOST_VALUES - 50, True), (MOST_VALUES, False)])
async def test_up_to_so_many_values_are_looked_at(values, has_one):
    assert (await key(value=[None] * values) is not None) is has_one


async def test_a_default_that_is_given_is_the_default():
    assert await key(other=1) == await key(other="1") == await key() != await key(other=2)


async def test_a_key_is_short_whatever_the_arguments():
    assert len((await key(value="x" * 10**7)).digest) == 64


class TestTool:
    """Its name, its version and what it is."""

    async def test_two_of_one_name_have_different_keys_and_one_digest(self):
        one, other = await key(takes), await key(takes.with_options(tags=["x"]))

        assert one != other
        assert one.digest == other.digest

    @pytest.mark.parametrize("change", [{"version": "2"}, {"name": "other"}])
    async def test_its_name_and_version_are_in_the_digest(self, change):
        assert (await key(takes)).digest != (await key(takes.with_options(**change))).digest

    @pytest.mark.parametrize(
        ("declared", "named", "has_one"),
        [
            ({"read_only": True}, (), True),
            ({"read_only": True}, ("other",), True),
            ({}, (), False),
            ({}, ("t",), True),
            ({}, ("x", "t*"), True),
            ({}, ("x",), False),
            ({"idempotent": True}, (), False),
            ({"destructive": True}, ("t",), False),
            ({"read_only": False}, ("t",), False),
        ],
    )
    async def test_shares_if_it_is_read_only_or_named_and_not_said_to_change_anything(
        self, declared, named, has_one
    ):
        @tool(name="t", **declared)
        async def t() -> None: ...

        assert (await key(t, named=named) is not None) is has_one

    async def test_that_streams_has_one(self):
        @tool(read_only=True)
        async def chunks():
            yield 1

        assert await key(chunks) is not None


class TestCaller:
    """One caller is not given what was made for another."""

    async def test_scope_and_principal_are_in_the_key(self):
        contexts = [None, ADA, BOB, ExecutionContext(principal_id="ada"), ExecutionContext(scope_id="ada")]

        assert len({await key(context=context) for context in contexts}) == 5

    async def test_the_rest_of_the_context_is_not(self):
        asked = [ExecutionContext(session_id=said, run_id=said, metadata={"a": said}) for said in "xy"]

        assert await key(context=asked[0]) == await key(context=asked[1])

    async def test_of_a_shared_tool_they_are_not(self):
        shared = takes.with_options(shared=True)

        assert await key(shared, context=ADA) == await key(shared, context=BOB)

    @pytest.mark.parametrize("kind", [Call, ExecutionContext])
    @pytest.mark.parametrize(
        "said", [{"session_id": "s"}, {"run_id": "r"}, {"metadata": {"locale": "de"}}, {"principal_id": "p"}]
    )
    async def test_a_tool_that_may_look_at_the_context_shares_among_equal_ones_only(self, kind, said):
        looks = looking(kind)
        asked = ExecutionContext(**said, trace_id="a" * 32, cancellation=CancellationToken())

        assert await key(looks) != await key(looks, context=asked)
        assert await key(looks, context=asked) == await key(looks, context=ExecutionContext(**said))

    async def test_a_shared_tool_that_may_look_at_it_says_that_this_does_not_matter(self):
        looks = looking(ExecutionContext).with_options(shared=True)

        assert await key(looks, context=ADA) == await key(looks, context=BOB)

    async def test_a_context_that_cannot_be_compared_has_none(self):
        asked = ExecutionContext(metadata={"connection": object()})

        assert await key(looking(ExecutionContext), context=asked) is None
        assert await key(context=asked) is not None


def looking(kind):
    """A tool that is given its call or context."""

    async def looks(given) -> None: ...

    looks.__annotations__["given"] = kind
    return tool(read_only=True)(looks)
