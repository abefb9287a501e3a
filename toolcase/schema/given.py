"""What a caller gave, before any schema sees it: JSON parsed once, plain data, and nothing without end."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from toolcase.schema.words import Misfit, Problem

ARGUMENTS = 100_000
DEPTH = 200
VALUES = 1_000_000
DIGITS = 4_300
"""Python shows no integer of more digits as text, so one of these breaks whatever prints it."""
LONGEST_INTEGER = 10**DIGITS

TOO_DEEP = "are nested too deeply"

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


def own(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A dict of any mapping's items, a dict itself; Misfit if there is no end to them."""
    if type(arguments) is dict:
        return arguments
    taken = {key: arguments[key] for key in islice(arguments, ARGUMENTS + 1)}
    if len(taken) > ARGUMENTS:
        raise Misfit([Problem((), f"are more than {ARGUMENTS:,}")])
    return taken


def parse(text: str | bytes) -> dict[str, Any]:
    """A JSON object, the last of a repeated key; Misfit if it is none. NaN and Infinity are no JSON."""
    parsed = _parsed(text)
    if not isinstance(parsed, dict):
        raise Misfit([Problem((), "should be an object")])
    return parsed


def refuse_literals(text: str | bytes) -> None:
    """Misfit if JSON text holds NaN or Infinity, which are no JSON, outside of strings."""
    literals = ("NaN", "Infinity") if isinstance(text, str) else (b"NaN", b"Infinity")
    if literals[0] in text or literals[1] in text:  # type: ignore[operator]
        _parsed(text)


def _parsed(text: str | bytes) -> Any:
    from pydantic_core import from_json

    try:
        return from_json(text, allow_inf_nan=False, cache_strings="none")
    except (TypeError, ValueError) as error:  # TypeError: text with half a surrogate pair
        reason = str(error) if isinstance(error, ValueError) else "it holds half a surrogate pair"
        raise Misfit([Problem((), f"are no JSON: {reason}")]) from None


def plain(value: Any, *, only_json: bool) -> Any:
    """A copy of plain data all the way down; Misfit for what no JSON text could say.

    That is text with half a surrogate pair, a number without end, too long or none, and nesting without
    end. Other objects are refused if it must be `only_json`, and stay the same if not.
    """
    return _Copying(only_json).copy(value, ())


class _Copying:
    """One copy under way, and how many values it may still hold: a list may hold itself."""

    def __init__(self, only_json: bool) -> None:
        self.only_json = only_json
        self.left = VALUES

    def copy(self, value: Any, where: tuple[Any, ...]) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Misfit([Problem((), f"hold more than {VALUES:,} values")])
        kind = type(value)
        if kind is bool or value is None:
            return value
        if issubclass(kind, str | int | float):
            return self._scalar(value, where)
        if len(where) > DEPTH and kind in _CONTAINERS:
            raise Misfit([Problem((), TOO_DEEP)])
        if kind is dict:
            named = ((self._key(key, where), item) for key, item in value.items())
            return {key: self.copy(item, (*where, key)) for key, item in named}
        if kind in (_LISTS if self.only_json else _CONTAINERS):
            items = (self.copy(item, (*where, number)) for number, item in enumerate(value))
            return list(items) if self.only_json else kind(items)
        if self.only_json:
            raise Misfit([Problem(where, "should be text, a number, a list or the like", value)])
        return value

    def _key(self, key: Any, where: tuple[Any, ...]) -> Any:
        if self.only_json and not issubclass(type(key), str):
            raise Misfit([Problem(where, "should have names that are strings", key)])
        # Its own text even where other values stay the same: messages name it.
        return self._scalar(str.__str__(key), where) if issubclass(type(key), str) else key

    def _scalar(self, value: str | float, where: tuple[Any, ...]) -> Any:
        # By the types' own methods, because those of a subclass may do anything.
        if isinstance(value, str):
            own: Any = str.__str__(value)
            fits, wanted = not _HALF_A_PAIR.search(own), "text without half a surrogate pair"
        elif isinstance(value, float):
            own = float.__float__(value)
            fits, wanted = math.isfinite(own), "a finite number"
        else:
            own = int.__int__(value)
            fits, wanted = abs(own) < LONGEST_INTEGER, "a shorter number"
        if not fits:
            raise Misfit([Problem(where, f"should be {wanted}", own)])
        return own if self.only_json else value


def own_containers(value: Any) -> Any:
    """The value with containers of its own, all the way down; other objects as they are."""
    if type(value) is dict:
        return {key: own_containers(item) for key, item in value.items()}
    if type(value) in _CONTAINERS:
        return type(value)(map(own_containers, value))
    return value


_CONTAINERS = frozenset({dict, list, tuple, set, frozenset})
_LISTS = frozenset({list, tuple})
