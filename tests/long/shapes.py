"""Tools of every shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, Field, SecretStr
from typing_extensions import TypedDict

from toolcase import Tool, tool, tool_from_schema


class Colour(Enum):
    RED = "red"


class Line(BaseModel):
    price: float
    tags: dict[str, int] = {}


class Order(BaseModel):
    """Something ordered."""

    first: int
    lines: list[Line] = []
    secret: SecretStr | None = None
    next: Order | None = None


class Entry(msgspec.Struct):
    first: int
    name: str = ""
    share: float = 0.5
    inner: list[Entry] = []
    anything: Any = None


@dataclass
class Point:
    first: int
    share: float = 0.0


class Filters(TypedDict, total=False):
    first: int
    name: str


SCHEMA: dict[str, Any] = {
    "properties": {
        "first": {"type": "integer"},
        "name": {"type": "string", "pattern": "^(a+)+$"},
        "lines": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/line"}},
        "share": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]},
    },
    "required": ["first"],
    "$defs": {"line": {"properties": {"lines": {"items": {"$ref": "#/$defs/line"}}, "n": {"enum": [1, 2]}}}},
}


class Declared:
    """A class tool."""

    name = "declared"
    input_schema = SCHEMA

    async def __call__(self, **arguments: Any) -> None: ...


async def proxy(arguments: Mapping[str, Any]) -> None: ...


@tool
def plain(first: int, name: str = "", share: float = 0.5) -> None: ...


@tool(strict=True)
def strict(first: int, name: str = "", lines: list[list[int]] = []) -> None: ...  # noqa: B006


@tool
def anything(first: Any, name: Any = None) -> None: ...


@tool
def nested(first: Order, lines: list[Line] | None = None, share: float | None = None) -> None: ...


@tool
def chosen(first: Literal["a", "b"], name: Colour = Colour.RED, share: int | str | None = None) -> None: ...


@tool
def secretive(first: SecretStr, name: Annotated[SecretStr, Field(min_length=30)]) -> None: ...


@tool
def further(first: int, **rest: float) -> None: ...


@tool
def model(order: Order) -> None: ...


@tool
def struct(entry: Entry) -> None: ...


@tool(strict=True)
def strict_struct(entry: Entry) -> None: ...


@tool
def point(at: Point) -> None: ...


@tool
def filters(given: Filters) -> None: ...


@tool
def nothing() -> None: ...


TOOLS: list[Tool[..., Any]] = [
    plain,
    strict,
    anything,
    nested,
    chosen,
    secretive,
    further,
    model,
    struct,
    strict_struct,
    point,
    filters,
    nothing,
    tool_from_schema(proxy, name="remote", input_schema=SCHEMA),
    tool_from_schema(proxy, name="open", input_schema={}),
    tool(Declared()),
]
