"""From a signature to a JSON Schema. Annotations are text here, as users of this import have them."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal, Optional, Union, Unpack

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from toolcase import Call, ExecutionContext, InvalidResult, tool


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: int = 0


class Order(BaseModel):
    lines: list[int]


class Filters(TypedDict):
    limit: int


class Mute:
    """Cannot be shown as text."""

    def __str__(self):
        raise RuntimeError("mute")

    __hash__ = None


MUTE = Mute()


class OneOfAKind:
    """Cannot be copied."""

    def __deepcopy__(self, memo):
        raise TypeError("there is one")


def properties(function):
    """What the schema says of each parameter."""
    return tool(function).input_schema["properties"]


class TestParameters:
    """Annotations become types, defaults become optional."""

    def test_says_types_and_what_is_required(self):
        def area(width: float, height: float = 1.0): ...

        assert tool(area).input_schema == {
            "type": "object",
            "properties": {"width": {"type": "number"}, "height": {"type": "number", "default": 1.0}},
            "required": ["width"],
            "additionalProperties": False,
        }

    def test_takes_anything_where_nothing_is_annotated(self):
        def echo(value, times=2): ...

        assert properties(echo) == {"value": {}, "times": {"default": 2}}

    @pytest.mark.parametrize(
        ("annotation", "said"),
        [
            (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045  it is tested
            (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            (Literal["fast", "slow"], {"enum": ["fast", "slow"], "type": "string"}),
            (Annotated[int, Field(ge=1, le=5)], {"maximum": 5, "minimum": 1, "type": "integer"}),
            (list[str], {"items": {"type": "string"}, "type": "array"}),
            (Colour, {"$ref": "#/$defs/Colour"}),
            (Point, {"$ref": "#/$defs/Point"}),
            (Order, {"$ref": "#/$defs/Order"}),
        ],
    )
    def test_says_what_is_annotated(self, annotation, said):
        def take(value, other): ...

        take.__annotations__["value"] = annotation

        assert properties(take) == {"value": said, "other": {}}

    def test_takes_positional_only_and_keyword_only_parameters_by_name(self):
        def mixed(first: int, /, second: int, *, third: int): ...

        schema = tool(mixed).schema

        assert schema.validate({"first": 1, "second": 2, "third": 3}) == {"first": 1, "second": 2, "third": 3}
        assert schema.positional == ("first",)

    def test_describes_from_the_docstring(self):
        def greet(name: str):
            """Greet.

            Args:
                name: whom to greet
            """

        assert properties(greet)["name"]["description"] == "whom to greet"

    def test_prefers_the_description_of_the_annotation(self):
        def greet(name: Annotated[str, Field(description="annotated")]):
            """Greet.

            :param name: documented
            """

        assert properties(greet)["name"]["description"] == "annotated"

    def test_keeps_a_title_that_somebody_wrote(self):
        def greet(name: Annotated[str, Field(title="Full name")], other: str): ...

        assert properties(greet) == {
            "name": {"type": "string", "title": "Full name"},
            "other": {"type": "string"},
        }

    def test_gives_a_new_schema_each_time(self):
        greet = tool(name="greet")(lambda name: name)

        greet.input_schema["properties"].clear()

        assert "name" in greet.input_schema["properties"]

    def test_shows_an_alias_and_takes_the_name_too(self):
        @tool
        def search(query: Annotated[str, Field(alias="q")]): ...

        assert list(search.input_schema["properties"]) == ["q"]
        assert search.schema.validate({"q": "a"}) == search.schema.validate({"query": "a"}) == {"query": "a"}


class TestDefaults:
    """A call gets the default that the function has."""

    def test_takes_a_pydantic_field_as_the_default(self):
        @tool
        def page(size: int = Field(5, ge=1, description="rows")): ...

        assert page.schema.validate({}) == {"size": 5}
        assert page.input_schema["properties"]["size"] == {
            "default": 5,
            "description": "rows",
            "minimum": 1,
            "type": "integer",
        }

    def test_requires_what_a_pydantic_field_gives_no_default(self):
        def page(size: int = Field(ge=1)): ...

        assert tool(page).input_schema["required"] == ["size"]

    @pytest.mark.parametrize("default", [math.nan, math.inf, object(), {1, object()}, len])
    def test_leaves_out_a_default_that_json_cannot_say(self, default):
        def wait(seconds: Any = default): ...

        assert properties(wait) == {"seconds": {}}

    def test_fills_in_a_default_that_json_cannot_say(self):
        marker = object()

        def find(after: Any = marker): ...

        assert tool(find).schema.validate({})["after"] is marker

    def test_copies_a_mutable_default_for_each_call(self):
        validate = tool(name="see")(lambda seen=[]: seen).schema.validate

        validate({})["seen"].append("mine")

        assert validate({}) == {"seen": []}

    @pytest.mark.parametrize("default", [OneOfAKind(), [OneOfAKind()], [threading.Lock()], ...])
    def test_shares_a_default_that_cannot_be_copied(self, default):
        def hold(thing: Any = default): ...

        assert tool(hold).schema.validate({})["thing"] is default

    def test_does_not_check_a_default(self):
        def find(limit: int = None): ...  # noqa: RUF013  it is tested

        assert tool(find).schema.validate({}) == {"limit": None}

    def test_says_which_tool_has_no_schema_because_of_a_default(self):
        broken = tool(name="broken")(lambda thing=MUTE: thing)

        with pytest.raises(TypeError, match="parameters of tool 'broken' have no JSON Schema: mute"):
            _ = broken.input_schema


class TestExtra:
    """A tool with **kwargs takes names that it does not know."""

    def test_takes_unknown_arguments(self):
        def note(**facts): ...

        assert tool(note).schema.validate({"a": 1, "self": "b"}) == {"a": 1, "self": "b"}
        assert tool(note).input_schema["additionalProperties"] is True

    def test_checks_them_against_their_annotation(self):
        @tool
        def count(**numbers: int): ...

        assert count.schema.validate({"a": "1"}) == {"a": 1}
        # pydantic up to 2.11 says no more than that they are taken.
        assert count.input_schema["additionalProperties"] in ({"type": "integer"}, True)

    def test_refuses_a_typed_dict(self):
        def find(**filters: Unpack[Filters]): ...

        with pytest.raises(TypeError, match="cannot make a schema of tool 'find'"):
            _ = tool(find).schema

    def test_does_not_inject_into_them(self):
        def find(**calls: Call): ...

        with pytest.raises(TypeError, match="schema of tool 'find'"):
            _ = tool(find).schema


class TestInjection:
    """What toolcase gives is no part of the schema."""

    @pytest.mark.parametrize(
        "annotation",
        [Call, ExecutionContext | None, Union[int, Call], Annotated[Call, "note"]],  # noqa: UP007  it is tested
    )
    def test_gives_the_call_and_the_context(self, annotation):
        def find(given, query: str): ...

        find.__annotations__["given"] = annotation

        assert list(tool(find).schema.injected) == ["given"]
        assert list(properties(find)) == ["query"]

    @pytest.mark.parametrize("annotation", [list[Call], type[Call], Callable[[Call], Call]])
    def test_does_not_take_a_container_of_calls_for_a_call(self, annotation):
        def find(given): ...

        find.__annotations__["given"] = annotation

        assert dict(tool(find).schema.injected) == {}

    def test_takes_no_attribute_that_cannot_be_called_for_an_injection(self):
        class Odd:
            __from_call__ = "a word"

        def find(given: Odd): ...

        find.__annotations__["given"] = Odd

        assert dict(tool(find).schema.injected) == {}


class TestRefusal:
    """A signature that cannot make a tool is a TypeError that names the tool."""

    def test_refuses_positional_arguments_without_end(self):
        def wrapped(*args): ...

        wrapped.__wrapped__ = lambda *numbers: numbers

        with pytest.raises(TypeError, match=r"'wrapped': it cannot take \*numbers: .* by name"):
            _ = tool(wrapped).schema

    def test_refuses_an_annotation_that_it_cannot_resolve(self):
        class Local: ...

        def find(thing: Local): ...

        with pytest.raises(TypeError, match="'find': name 'Local' is not defined; define or import"):
            _ = tool(find).schema

    @pytest.mark.parametrize(
        "annotation", ["int |", "math.nothing", ClassVar[int], Annotated[str, Field(pattern="(")]]
    )
    def test_refuses_an_annotation_that_means_nothing(self, annotation):
        def find(thing): ...

        find.__annotations__["thing"] = annotation

        with pytest.raises(TypeError, match="schema of tool 'find'") as caught:
            _ = tool(find).schema
        assert caught.value.__cause__ is not None

    def test_refuses_a_builtin_without_a_signature(self):
        with pytest.raises(TypeError, match="tool 'max': no signature"):
            _ = tool(max).schema

    def test_has_no_json_schema_for_a_type_that_json_cannot_say(self):
        def guard(lock: threading.Thread): ...

        with pytest.raises(
            TypeError, match="parameters of tool 'guard' have no JSON Schema: .* types that JSON"
        ):
            _ = tool(guard).input_schema


class TestResult:
    """A value against the return annotation."""

    def test_gives_the_value_as_annotated(self):
        def count() -> int: ...

        assert tool(validate_result=True)(count).schema.validate_result("5") == 5

    def test_takes_anything_without_annotation(self):
        value = object()

        assert tool(name="give", validate_result=True)(lambda: value).schema.validate_result(value) is value

    def test_says_where_a_value_does_not_fit(self):
        def count() -> dict[str, list[int]]: ...

        with pytest.raises(
            InvalidResult, match=r"'count' gave what does not fit .* result\['a'\]\[1\] should be .*; got 'x'"
        ):
            tool(validate_result=True)(count).schema.validate_result({"a": [1, "x"]})

    def test_takes_any_class_as_annotation(self):
        def current() -> threading.Thread: ...

        with pytest.raises(InvalidResult, match="result should be an instance of Thread; got 5"):
            tool(validate_result=True)(current).schema.validate_result(5)

    def test_refuses_an_annotation_without_meaning_before_the_tool_runs(self):
        def count() -> Annotated[str, Field(pattern="(")]: ...

        with pytest.raises(TypeError, match="schema of tool 'count'"):
            _ = tool(validate_result=True)(count).schema

    def test_leaves_the_return_annotation_of_other_tools_alone(self):
        def count() -> Annotated[str, Field(pattern="(")]: ...

        assert tool(count).schema.validate({}) == {}


def test_every_schema_is_plain_json():
    def everything(a: Point, b: Order, c: Colour = Colour.RED, d: Point = Point(1), e: float = math.inf): ...  # noqa: B008

    said = tool(everything).input_schema

    assert json.loads(json.dumps(said, allow_nan=False)) == said
