"""What a caller gave, before any schema sees it: JSON parsed once, plain data, and nothing without end."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from toolcase.schema.words import Misfit, Problem

ARGUMENTS = 100_000
DEPTH = 200
VALUES = 1_000_000
LONGEST_INTEGER = 10**4_300
"""Python shows no integer of more digits as text, so one of these breaks whatever prints it."""

TOO_DEEP = "are nested too deeply"


def own(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A dict of any mapping's items; Misfit if there is no end to them."""
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
    # One byte is found in a tenth of the time that a word takes.
    if isinstance(text, str):
        if ("N" in text or "I" in text) and ("NaN" in text or "Infinity" in text):
            _parsed(text)
    elif (0x4E in text or 0x49 in text) and (b"NaN" in text or b"Infinity" in text):
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
        if kind is list or (kind is tuple and self.only_json):
            return [self.copy(item, (*where, number)) for number, item in enumerate(value)]
        if kind in _CONTAINERS and not self.only_json:
            return kind(self.copy(item, (*where, number)) for number, item in enumerate(value))
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
            text = str.__str__(value)
            try:
                text.encode()
            except UnicodeEncodeError:
                raise Misfit([Problem(where, "should be text without half a surrogate pair", text)]) from None
            return text if self.only_json else value
        if isinstance(value, float):
            number = float.__float__(value)
            if number - number != 0:
                raise Misfit([Problem(where, "should be a finite number", number)])
            return number if self.only_json else value
        whole = int.__int__(value)
        if not -LONGEST_INTEGER < whole < LONGEST_INTEGER:
            raise Misfit([Problem(where, "should be a shorter number")])
        return whole if self.only_json else value


_CONTAINERS = frozenset({dict, list, tuple, set, frozenset})
