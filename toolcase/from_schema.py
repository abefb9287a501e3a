"""Tools that a JSON Schema declares: what a remote server offers, and objects that say all themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from toolcase.schema import Declared
from toolcase.tool import Tool, tool_of

R = TypeVar("R")


class ToolObject(Protocol):
    """An object that is a tool: `tool(thing)` and `registry.add(thing)` take it as it is.

    Any other setting of `tool` may be an attribute as well: `description`, `tags`, `timeout`, ...
    """

    @property
    def name(self) -> str:
        """What callers say."""

    @property
    def input_schema(self) -> Mapping[str, Any]:
        """JSON Schema of the arguments."""

    @property
    def __call__(self) -> Callable[..., Any]:
        """A method of any kind, which takes the arguments by keyword."""


def tool_from_schema(
    function: Callable[..., R],
    *,
    name: str,
    input_schema: Mapping[str, Any],
    description: str | None = None,
    **options: Any,
) -> Tool[..., R]:
    """A tool whose arguments a JSON Schema declares; `function` takes them in one mapping.

    `options` are those of `tool`. Nothing is converted: "5" is no integer. TypeError for a schema that is
    none, that refers to something outside itself, or whose patterns cannot be matched in bounded time.
    """
    declared = Declared(input_schema, in_one=True)
    return tool_of(function, declared=declared, name=name, description=description, **options)
