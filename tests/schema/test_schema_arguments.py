"""What a caller gives, checked; and a misfit, in words that a model can act on."""

import contextlib
import json
import math
from collections import ChainMap, OrderedDict
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from toolcase import InvalidArguments, tool
from toolcase.schema import nearest


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Order(BaseModel):
    lines: list[int]


class Unshowable:
    """Has no text of its own."""

    def __repr__(self):
        raise RuntimeError("no")


def even(value):
    """A check as users write it."""
    if value % 2:
        raise ValueError("must be even")
    return value


@tool
def draw(
    at: Point, order: Order | None = None, colour: Colour = Colour.RED, size: Annotated[int, Field(ge=1)] = 1
): ...


@tool
def add(first: int, second: int = 2): ...


@tool(strict=True)
def exact(first: int, colour: Colour = Colour.RED, **rest: int): ...


def refusal(made, arguments):
    """What is said of arguments that do not fit."""
    with pytest.raises(InvalidArguments) as caught:
        made.schema.validate(arguments)
    return str(caught.value)


class TestForms:
    """A mapping of any kind, or a JSON object."""

    @pytest.mark.parametrize(
        "given",
        [
            {"first": 1},
            OrderedDict(first=1),
            MappingProxyType({"first": 1}),
            ChainMap({"first": 1}),
            b'{"first": 1}',
            '{"first": 1}',
            '{"first": 0, "first": 1}',
        ],
    )
    def test_takes_every_form(self, given):
        assert add.schema.validate(given) == {"first": 1, "second": 2}

    @pytest.mark.parametrize("given", [None, 5, [("first", 1)], bytearray(b"{}")])
    def test_refuses_what_is_no_mapping(self, given):
        assert f"arguments of 'add' must be a mapping or a JSON object, got {given!r}" == refusal(add, given)

    @pytest.mark.parametrize("given", ["null", "[]", b"1", '"first"'])
    def test_refuses_json_that_is_no_object(self, given):
        assert refusal(add, given) == "invalid arguments for 'add': the arguments should be an object"

    @pytest.mark.parametrize(
        "given",
        [
            b"",
            "",
            "{",
            b"\xff",
            '{"first": "\\ud800"}',
            '{"\\ud800": 1}',
            "[" * 100_000,
            '{"a":' + "9" * 5_000 + "}",
        ],
    )
    def test_refuses_what_is_no_json(self, given):
        assert "'add': the arguments are no JSON: " in refusal(add, given)

    def test_refuses_text_that_no_encoding_can_carry(self):
        assert "the arguments should be a valid string" in refusal(add, '{"\ud800": 1}')

    def test_reads_a_lax_value_for_a_model(self):
        assert add.schema.validate({"first": "5"})["first"] == 5

    def test_strict_takes_no_text_for_a_number(self):
        assert refusal(exact, {"first": "5"}).endswith("argument 'first' should be a valid integer; got '5'")

    def test_strict_holds_for_unknown_arguments_too(self):
        assert "'more' should be a valid integer" in refusal(exact, {"first": 5, "more": "5"})

    def test_strict_takes_from_json_what_json_has_no_type_for(self):
        assert exact.schema.validate('{"first": 5, "colour": "red"}')["colour"] is Colour.RED

    def test_makes_models_of_what_is_given(self):
        given = {"at": {"x": "1"}, "order": {"lines": [1]}, "colour": "red", "size": 2}

        validated = draw.schema.validate(given)

        assert validated == {"at": Point(1), "order": Order(lines=[1]), "colour": Colour.RED, "size": 2}

    def test_takes_models_as_they_are(self):
        point = Point(1)

        assert draw.schema.validate({"at": point})["at"] is point

    def test_leaves_what_is_given_alone(self):
        given = {"first": "1"}

        add.schema.validate(given)

        assert given == {"first": "1"}

    @pytest.mark.parametrize("sign", [1, -1])
    def test_takes_an_integer_as_long_as_python_can_show(self, sign):
        longest = sign * (10**4_300 - 1)

        assert add.schema.validate({"first": longest})["first"] == longest

    @pytest.mark.parametrize("sign", [1, -1])
    def test_refuses_an_integer_that_python_cannot_show(self, sign):
        assert refusal(add, {"first": sign * 10**4_300}).endswith("'first' should be a shorter number")

    def test_refuses_text_with_half_a_surrogate_pair(self):
        def say(text: str): ...

        assert "argument 'text' should be a valid string, unable to" in refusal(tool(say), {"text": "\ud800"})

    @pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, "nan", "-inf"])
    def test_refuses_a_float_that_is_no_number(self, number):
        def wait(seconds: float): ...

        assert "argument 'seconds' should be a finite number" in refusal(tool(wait), {"seconds": number})

    @pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
    @pytest.mark.parametrize("encode", [str, str.encode])
    def test_refuses_json_with_what_is_no_json(self, literal, encode):
        def echo(value: Any): ...

        assert "the arguments are no JSON: " in refusal(tool(echo), encode(f'{{"value": [{literal}]}}'))

    @pytest.mark.parametrize("encode", [str, str.encode])
    def test_takes_those_words_as_text(self, encode):
        def echo(value: Any): ...

        assert tool(echo).schema.validate(encode('{"value": "NaN Infinity"}')) == {"value": "NaN Infinity"}

    def test_bounds_show_in_no_schema(self):
        assert add.input_schema["properties"]["first"] == {"type": "integer"}

    def test_strict_takes_a_mapping_of_any_kind_too(self):
        assert exact.schema.validate(MappingProxyType({"first": 1}))["first"] == 1


class TestWords:
    """What was wrong, with the value, and the mend."""

    def test_names_a_missing_argument(self):
        assert refusal(add, {}) == "invalid arguments for 'add': argument 'first' is missing"

    def test_names_a_missing_key_further_in(self):
        assert "argument \"at['x']\" is missing" in refusal(draw, {"at": {}})

    def test_gives_the_nearest_name_for_an_unknown_argument(self):
        assert refusal(add, {"first": 1, "secnd": 2}).endswith(
            "unknown argument 'secnd'; did you mean 'second'?"
        )

    def test_gives_all_names_where_none_is_near(self):
        assert refusal(add, {"first": 1, "zzz": 2}).endswith(
            "unknown argument 'zzz'; it takes 'first', 'second'"
        )

    def test_says_that_a_tool_takes_no_arguments(self):
        assert refusal(tool(name="now")(lambda: 1), {"a": 1}).endswith("unknown argument 'a'; it takes none")

    def test_says_what_it_should_be_and_what_it_got(self):
        assert refusal(draw, {"at": {"x": 1}, "size": 0}).endswith(
            "argument 'size' should be greater than or equal to 1; got 0"
        )

    def test_says_where_further_in_it_does_not_fit(self):
        assert "argument \"order['lines'][1]\" should be a valid integer" in refusal(
            draw, {"at": {"x": 1}, "order": {"lines": [1, "x"]}}
        )

    def test_says_what_a_check_of_the_user_said(self):
        def take(number: Annotated[int, AfterValidator(even)]): ...

        assert refusal(tool(take), {"number": 3}).endswith(
            "argument 'number' failed a check: must be even; got 3"
        )

    @pytest.mark.parametrize("key", [1, None, (1, 2)])
    def test_wants_names_that_are_strings(self, key):
        assert f"failed a check: Keys should be strings; got {key!r}" in refusal(add, {key: 1, "first": 1})

    def test_wants_names_that_are_text(self):
        assert "should be a valid string" in refusal(add, {"\ud800": 1})

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_takes_no_number_without_end_for_an_integer(self, value):
        assert refusal(add, {"first": value}).endswith(f"should be a finite number; got {value!r}")

    def test_cuts_a_long_value(self):
        said = refusal(add, {"first": "x" * 10_000})

        assert said.endswith("..." + "x" * 28 + "'")

    def test_cuts_a_long_name(self):
        assert len(refusal(add, {"first": 1, "x" * 10_000: 1})) < 200

    def test_shows_five_problems_and_says_that_there_are_more(self):
        assert refusal(add, {"first": 1, **{f"x{n}": n for n in range(8)}}).endswith("; and more")

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (Unshowable(), "<Unshowable whose repr raised RuntimeError>"),
            ([10**5_000], "<list whose repr raised ValueError>"),
        ],
    )
    def test_shows_a_value_whose_repr_raises(self, value, shown):
        assert refusal(add, {"first": value}).endswith(f"; got {shown}")

    def test_shows_a_value_nested_too_deeply(self):
        deep: Any = []
        for _ in range(100_000):
            deep = [deep]

        assert refusal(add, {"first": deep}).endswith("; got [[[[[[[[[[[...]]]]]]]]]]]")

    def test_raises_without_the_validators_own_error(self):
        with pytest.raises(InvalidArguments) as caught:
            add.schema.validate({})

        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    def test_shows_five_problems_without_a_rest(self):
        assert "more" not in refusal(add, {"first": 1, **{f"x{n}": n for n in range(5)}})

    def test_does_not_take_an_unknown_key_further_in_for_an_argument(self):
        @tool
        def place(order: Closed, urgent: bool = False): ...

        assert refusal(place, {"order": {"x": 1}}).startswith(
            "invalid arguments for 'place': argument \"order['x']\" "
        )

    def test_does_not_take_a_key_further_in_for_the_name_of_an_argument(self):
        @tool
        def find(filters: Filters, limit: int = 5): ...

        assert "argument 'filters[1]' " in refusal(find, {"filters": {1: "x"}})

    def test_shows_sixty_characters_of_a_value(self):
        assert refusal(add, {"first": "x" * 58}).endswith("got '" + "x" * 58 + "'")


@pytest.mark.parametrize(("known", "hint"), [(["add"], "did you mean 'add'?"), (["multiply"], ""), ([], "")])
def test_hints_at_the_nearest_name(known, hint):
    assert nearest("ad", known) == hint


def test_hints_in_short_time_at_a_name_without_end():
    assert nearest("x" * 1_000_000, ["x" * 50]) == f"did you mean {'x' * 50!r}?"


def as_json(value):
    """JSON as careless programs make it: with NaN, and with bytes as whatever text."""
    return json.dumps(value, default=str)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=10,
)
objects = st.dictionaries(st.sampled_from(["at", "order", "colour", "size", "x"]) | st.text(), json_like)


@pytest.mark.parametrize("made", [draw, add, exact])
@settings(derandomize=True, max_examples=100, deadline=None)
@given(given=objects | json_like | objects.map(as_json) | st.text() | st.binary())
def test_arguments_fit_or_are_invalid_arguments(made, given):
    with contextlib.suppress(InvalidArguments):
        assert isinstance(made.schema.validate(given), dict)


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Filters(TypedDict, total=False):
    name: str
