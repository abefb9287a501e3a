"""Any Python value as plain JSON data: there is always some, and it is there soon."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime
import json
import math
import re
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import Any

import msgspec

DEPTH = 100
"""Containers below that level stand there as their type."""
MOST_BYTES = 256 * 1024 * 1024
MOST_STEPS = 2_000_000
DIGITS = 4_300
"""No Python reads a longer integer unless told to."""

_SMALL = frozenset({
    bool, type(None), float, datetime.datetime, datetime.date, datetime.time, datetime.timedelta, uuid.UUID,
    Decimal,
})  # fmt: skip
_SCALARS = _SMALL | {int, str}
_SEQUENCES = (list, tuple, set, frozenset, deque)
_BYTES = (bytes, bytearray, memoryview)

# Control characters, line separators, marks of direction, and half surrogate pairs.
_STEERS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def as_json(value: Any) -> str:
    """The value as JSON; what JSON cannot say stands there as text."""
    from pydantic_core import to_json

    with contextlib.suppress(Exception):  # half a surrogate pair, or an odd key, or an object with any fault
        scale = _Scale()
        if sum(scale.weigh(value)) > MOST_BYTES:
            return json.dumps(unsayable(value))
        if scale.pure:
            return to_json(value, inf_nan_mode="strings", bytes_mode="base64").decode()
    return json.dumps(_walked(value), ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """The same as data: dicts, lists, strings, numbers, booleans and None."""
    try:
        return json.loads(as_json(value))
    except ValueError:  # an integer with more digits than Python reads
        return _walked(value)


def size_of(value: Any, most: float) -> int:
    """How many bytes its JSON has, at least; exact only where it may matter to `most`."""
    with contextlib.suppress(Exception):  # an object with any fault; said by as_json as far as can be
        scale = _Scale()
        characters, items = scale.weigh(value)
        if characters + items > MOST_BYTES:  # no serializer of pydantic's would come to an end
            return characters + items
        if not scale.sure:
            value, scale = _reduced(value), _Scale()
            characters, items = scale.weigh(value)
        # An item is at least one byte and its separator; a character at most six, where it is escaped.
        least, largest = characters + items, 6 * characters + 64 * items
        if scale.sure and (least > most or largest <= most):
            return least
    return len(as_json(value).encode())


def encodable(text: str) -> str:
    """The same text, without the half surrogate pairs that no encoding can carry."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def unsayable(value: Any) -> str:
    """What stands for a value that cannot be said."""
    name = type.__dict__["__name__"].__get__(type(value))  # as it is, whatever a metaclass makes of it
    return f"<{name}>"  # not its repr: that may hold an address or a secret


def printable(text: str, keep: str = "") -> str:
    """The text with what would steer a terminal or turn its reading order written as escapes."""
    if text.isprintable():
        return text
    return _STEERS.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


class _Scale:
    """Weighs a value without making its JSON: its characters, and its items.

    Each container is weighed once however often it is held, for a few that hold each other many times
    make a text without end.
    """

    def __init__(self) -> None:
        self.pure = True
        """Whether there are only types that pydantic's serializer writes and never iterates for ever."""
        self.sure = True
        """Whether the weight is that of what will be written."""
        # With the container itself, so that no other one gets its id meanwhile.
        self._weighed: dict[int, tuple[Any, tuple[int, int]]] = {}

    def weigh(self, value: Any, depth: int = 0) -> tuple[int, int]:
        kind = type(value)
        if kind is str:
            return len(value), 1
        if kind in _SMALL:
            return 0, 1
        if kind is int:
            return value.bit_length() // 4, 1
        if isinstance(value, _BYTES):
            self.pure = self.pure and kind is bytes
            return memoryview(value).nbytes * 4 // 3, 1
        known = self._weighed.get(id(value))
        if known is not None:
            return known[1]
        self._weighed[id(value)] = value, (0, 1)  # inside itself it weighs nothing
        weight = self._inside(value, kind, depth)
        self._weighed[id(value)] = value, weight
        return weight

    def _inside(self, value: Any, kind: type, depth: int) -> tuple[int, int]:
        characters, items = self._held(value, kind)
        if depth >= DEPTH:
            self.pure = False
            return 0, 1
        kinds = set(map(type, items))
        if kinds <= _SCALARS:  # the common rows of texts and numbers, without a step into each
            if str in kinds:
                characters += sum([len(item) for item in items if type(item) is str])
            if int in kinds:
                characters += sum([item.bit_length() for item in items if type(item) is int]) // 4
            return characters, len(items) + 1
        count = 1
        for item in items:
            more, of_them = self.weigh(item, depth + 1)
            characters += more
            count += of_them
        return characters, count

    def _held(self, value: Any, kind: type) -> tuple[int, Any]:
        """The characters of its names, and what it holds."""
        if kind is dict:
            return self._names(value), value.values()
        if kind in (list, tuple, set, frozenset):
            return 0, value
        self.pure = False
        if isinstance(value, msgspec.Struct):
            return 0, [getattr(value, name) for name in value.__struct_fields__]
        if _is_dataclass(value):
            return 0, [getattr(value, field.name, None) for field in dataclasses.fields(value)]
        self.sure = False
        return 0, list(vars(value).values()) if _serializer(value) else []

    def _names(self, value: dict[Any, Any]) -> int:
        kinds = set(map(type, value))
        if kinds <= {str}:
            return sum(map(len, value))
        self.pure = self.pure and kinds <= _SCALARS
        return 0


def _walked(value: Any) -> Any:
    """The slow way, which takes anything."""
    try:
        return _Walk().said(value, 0)
    except Exception:  # noqa: BLE001  no end of it, or an object that fails to say what it is
        return unsayable(value)


class _Walk:
    """Says a value part by part; OverflowError where there is no end of them."""

    def __init__(self) -> None:
        self._steps = 0
        self._path: set[int] = set()

    def said(self, value: Any, depth: int) -> Any:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise OverflowError
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return encodable(str.__str__(value))  # of an enum its text, not its name
        if isinstance(value, int):
            return int(value) if value.bit_length() < DIGITS * 3.32 else unsayable(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else _not_finite(value)
        if isinstance(value, _BYTES):
            return base64.b64encode(bytes(value)).decode()
        if depth >= DEPTH or id(value) in self._path:
            return unsayable(value)
        self._path.add(id(value))
        try:
            return self._composed(value, depth)
        except OverflowError:
            raise
        except Exception:  # noqa: BLE001  it may be any object, with any fault
            return unsayable(value)
        finally:
            self._path.discard(id(value))

    def _composed(self, value: Any, depth: int) -> Any:
        from pydantic_core import to_jsonable_python

        reduced = _reduced(value)
        if reduced is not value:
            return self.said(reduced, depth + 1)
        for kind in _SEQUENCES:
            if isinstance(value, kind):  # by its own iterator, whatever a subclass makes of it
                return [self.said(item, depth + 1) for item in _items(kind, value)]
        if isinstance(value, Mapping):
            # Another mapping is read as far as it says that it goes.
            pairs = dict.items(value) if isinstance(value, dict) else islice(value.items(), len(value))
            return {self._name(name, depth): self.said(item, depth + 1) for name, item in pairs}
        if isinstance(value, Iterable):
            return unsayable(value)  # it may have no end, and can perhaps be read only once
        return to_jsonable_python(value, fallback=unsayable)

    def _name(self, name: Any, depth: int) -> str:
        said = self.said(name, depth + 1)
        return said if isinstance(said, str) else json.dumps(said)


def _items(kind: Any, value: Any) -> Iterator[Any]:
    items: Iterator[Any] = kind.__iter__(value)
    return items


def _reduced(value: Any) -> Any:
    """A record as the dict of its fields, as JSON has them; anything else as it is."""
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        tag = {config.tag_field: config.tag} if config.tag_field else {}
        values = (getattr(value, name) for name in value.__struct_fields__)
        return tag | dict(zip(value.__struct_encode_fields__, values, strict=True))
    if isinstance(value, Enum):
        return value.value
    serializer = _serializer(value)
    if serializer is not None:
        # In Python's mode, because for JSON it would read iterators to their end.
        return serializer.to_python(value, mode="python", by_alias=True, warnings=False)
    if _is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value


def _serializer(value: Any) -> Any:
    """pydantic's own for one of its models or dataclasses."""
    return None if isinstance(value, type) else getattr(type(value), "__pydantic_serializer__", None)


def _is_dataclass(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
