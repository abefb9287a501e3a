"""Bounds of a validator, and types that hold a secret."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr
from typing_extensions import TypedDict

from toolcase import InvalidArguments, tool
from toolcase.schema.fields import is_secret


class Login(BaseModel):
    password: SecretStr


@dataclass
class Key:
    word: "list[SecretBytes]"


class Settings(TypedDict):
    login: Annotated[Login | None, "kept"]


class Tree(BaseModel):
    children: "list[Tree]" = []


@dataclass
class Lost:
    thing: "Nowhere"  # noqa: F821


@pytest.mark.parametrize(
    ("kind", "secret"),
    [(Login, True), (Key, True), (Settings, True), (dict[str, Login], True), (Tree, False), (Lost, False)],
)
def test_knows_a_secret_inside_of_a_type(kind, secret):
    assert is_secret(kind) is secret


@pytest.mark.parametrize("kind", [list[int], dict[str, int], int | str | None, set[int]])
def test_bounds_hold_within_containers(kind):
    def take(value, other=0): ...

    take.__annotations__ = {"value": kind}
    long = 10**5_000

    for value in ([long], {"a": long}, long):
        with pytest.raises(InvalidArguments):
            tool(take).schema.validate({"value": value})


def test_the_bounds_of_the_author_hold():
    @tool
    def take(size: Annotated[int, Field(ge=1, lt=5)], word: Annotated[str, Field(min_length=2)] = "ab"): ...

    for wrong in ({"size": 0}, {"size": 5}, {"size": 1, "word": "a"}):
        with pytest.raises(InvalidArguments):
            take.schema.validate(wrong)
    assert take.schema.validate({"size": 4}) == {"size": 4, "word": "ab"}


def test_a_parameter_may_be_named_as_a_word_of_the_schema():
    @tool
    def take(default: int, fields: int = 1, config: int = 1, metadata: int = 1): ...

    for name in ("default", "fields", "config", "metadata"):
        with pytest.raises(InvalidArguments, match=f"'{name}' should be a shorter number"):
            take.schema.validate({"default": 1, name: 10**5_000})


@pytest.mark.parametrize(
    "kind",
    [
        *(
            Any,
            list[Any],
            dict[str, object],
            Tree,
            Decimal,
            Login,
            Annotated[float, Field(allow_inf_nan=True)],
        ),
        *(float, int | None, list[float], str, Literal["a"], dict[str, float], tuple[float, ...]),
    ],
)
@pytest.mark.parametrize("text", ['{"value": NaN}', '{"value": [NaN]}', b'{"value": {"a": -Infinity}}'])
def test_no_type_takes_from_json_what_is_no_json(kind, text):
    def take(value, other=0): ...

    take.__annotations__ = {"value": kind, "other": int}

    with pytest.raises(InvalidArguments):
        tool(take).schema.validate(text)


def test_no_further_argument_does_either():
    with pytest.raises(InvalidArguments):
        tool(name="further")(lambda **rest: rest).schema.validate('{"a": NaN}')
