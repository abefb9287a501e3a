"""What msgspec says of a Struct's fields, in our words."""

from datetime import datetime
from typing import Annotated, Generic, TypeVar

import msgspec
import pytest

from toolcase import InvalidArguments, tool
from toolcase.schema.models import is_struct

T = TypeVar("T")


class Line(msgspec.Struct):
    price: float
    tags: dict[str, int] = {}


class Order(msgspec.Struct, rename="camel"):
    order_id: int
    lines: list[Line] = []
    size: Annotated[int, msgspec.Meta(ge=1)] = 1
    codes: set[int] = set()
    by_number: dict[int, str] = {}


class Event(msgspec.Struct, tag=True, kw_only=True):
    when: datetime | None = None


class Tree(msgspec.Struct):
    children: "list[Tree]" = []


class Row(msgspec.Struct, array_like=True):
    a: int


class Box(msgspec.Struct, Generic[T]):
    item: T


class Checked(msgspec.Struct):
    low: int

    def __post_init__(self):
        if self.low < 0:
            raise ValueError("low must not be negative")


class Unsayable(msgspec.Struct):
    thing: object = msgspec.field(default_factory=object)
    call: "type[int] | None" = None


@tool
def place(order: Order): ...


@tool
def tell(event: Event): ...


@tool
def plant(tree: Tree): ...


@tool
def wrap(box: Box[int]): ...


@tool
def check(checked: Checked): ...


def refusal(made, arguments):
    """What is said of arguments that do not fit."""
    with pytest.raises(InvalidArguments) as caught:
        made.schema.validate(arguments)
    return str(caught.value).removeprefix(f"invalid arguments for {made.name!r}: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "argument 'orderId' is missing"),
        ({"orderId": 1, "lines": [{}]}, "argument 'lines[0].price' is missing"),
        (
            {"orderId": 1, "lines": [{"price": 1}, {"price": "x"}]},
            "argument 'lines[1].price' should be float",
        ),
        ({"orderId": 1, "size": 0}, "argument 'size' should be int >= 1; got 0"),
        ({"orderId": None}, "argument 'orderId' should be int; got None"),
        ({"orderId": 1, "codes": ["x"]}, "argument 'codes[0]' should be int"),
        (
            {"orderId": 1, "lines": [{"price": 1, "tags": {"a": "x"}}]},
            "argument 'lines[0].tags[...]' should be int",
        ),
        (
            {"orderId": 1, "lines": [{"price": 1, "tags": {1: 2}}]},
            "argument 'lines[0].tags' has a key that should be str",
        ),
    ],
)
def test_says_what_does_not_fit_and_where(arguments, said):
    assert refusal(place, arguments) == said


def test_says_what_a_check_of_the_author_said():
    assert refusal(check, {"low": -1}) == "the arguments failed a check: low must not be negative"


def test_takes_the_names_that_the_schema_shows():
    schema = place.input_schema

    assert list(schema["properties"]) == ["orderId", "lines", "size", "codes", "byNumber"]
    assert place.schema.validate({"orderId": "7"})["order"].order_id == 7
    assert "unknown argument 'order_id'" in refusal(place, {"order_id": 1})


def test_shows_what_the_fields_refer_to():
    assert list(place.input_schema["$defs"]) == ["Line"]
    assert plant.input_schema["$defs"]["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    assert "$defs" not in check.input_schema


def test_takes_the_tag_as_an_argument():
    assert tell.schema.validate({"type": "Event"}) == tell.schema.validate({}) == {"event": Event()}
    assert "failed a check: Invalid value 'Other'; got 'Other'" in refusal(tell, {"type": "Other"})


def test_reads_a_generic_struct_with_its_types():
    assert wrap.schema.validate({"item": "5"}) == {"box": Box(5)}


@pytest.mark.parametrize("encode", [dict, lambda value: msgspec.json.encode(value)])
def test_reads_dates_and_keys_that_are_numbers(encode):
    assert tell.schema.validate(encode({"when": "2030-01-01T00:00:00Z"}))["event"].when.year == 2030


def test_reads_keys_that_are_numbers_from_json():
    assert place.schema.validate('{"orderId": 1, "byNumber": {"5": "x"}}')["order"].by_number == {5: "x"}


def test_a_struct_that_json_has_as_a_list_is_none():
    assert [is_struct(kind) for kind in (Order, Row, msgspec.Struct, int, None)] == [
        True,
        False,
        False,
        False,
        False,
    ]


def test_a_struct_without_a_json_schema_is_an_error_that_names_the_tool():
    @tool
    def hold(thing: Unsayable): ...

    with pytest.raises(TypeError, match="the parameters of tool 'hold' have no JSON Schema"):
        _ = hold.input_schema
