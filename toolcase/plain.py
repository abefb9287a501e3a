"""Any Python value as plain JSON data: there is always some, and it is there soon."""

from __future__ import annotations

import dataclasses
import datetime
import json
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import Any

import msgspec

DEPTH = 100
"""Containers below that level stand there as their type."""
MOST_BYTES = 256 * 1024 * 1024
LARGEST_BITS = 14_000
"""No Python reads an integer of more than 4,300 digits unless told to."""

_AS_THEY_ARE = frozenset({
    bool, type(None), float, datetime.datetime, datetime.date, datetime.time, datetime.timedelta, uuid.UUID,
    Decimal,
})  # fmt: skip
_SEQUENCES: tuple[Any, ...] = (list, tuple, set, frozenset, deque)


@dataclasses.dataclass(eq=False)
class _TooMuch(Exception):
    """The JSON has at least so many bytes."""

    weight: int


def as_json(value: Any) -> str:
    """The value as JSON; what JSON cannot say stands there as text."""
    try:
        return _json(value, MOST_BYTES).decode()
    except Exception:  # noqa: BLE001  no end of it, or an object that fails to say what it is
        return json.dumps(unsayable(value))


def plain(value: Any) -> Any:
    """The same as data: dicts, lists, strings, numbers, booleans and None."""
    return json.loads(as_json(value))


def size_of(value: Any, most: float) -> int:
    """How many bytes its JSON has; where that is more than `most`, at least so many."""
    try:
        return len(_json(value, most))
    except _TooMuch as found:
        return found.weight
    except Exception:  # noqa: BLE001  as above
        return len(as_json(value))


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
    """With what would steer a terminal or turn its reading order escaped, as `repr` would."""
    if text.isprintable():
        return text
    steers = {one for one in set(text) if not one.isprintable()}.difference(keep)
    return text.translate({ord(one): repr(one)[1:-1] for one in steers})


def printable_data(data: Any) -> Any:
    """Plain data whose texts, names included, are `printable`."""
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, dict):
        return {printable(name): printable_data(item) for name, item in data.items()}
    return [printable_data(item) for item in data] if isinstance(data, list) else data


def given_data(given: Any) -> Any:
    """Arguments as a caller gave them, as plain data; text that is no JSON has no keys to mask by."""
    if isinstance(given, bytes | str):
        try:
            return json.loads(given)
        except (ValueError, RecursionError):
            return f"<{len(given)} {'bytes' if isinstance(given, bytes) else 'characters'}, no JSON>"
    return plain(given)


def cut(text: str, most: int) -> str:
    """At most `most` characters of it; where some are left out, it says so at its end."""
    if len(text) <= most:
        return text
    note = f"... [cut: {len(text)} characters in all]"
    return text[: max(0, most - len(note))] + note[:most]


def _json(value: Any, most: float) -> bytes:
    from pydantic_core import to_json

    return to_json(_Walk(most).said(value, 0), inf_nan_mode="strings", bytes_mode="base64")


class _Walk:
    """Says a value part by part, each container once however often it is held."""

    def __init__(self, most: float, weighs: bool = False) -> None:
        self._most = most
        self._weighs = weighs  # and reads of a model only its fields
        self._weight = 1
        # What was said of a container, and its weight; with itself, so that no other one gets its id.
        self._known: dict[int, tuple[Any, Any, int]] = {}

    def said(self, value: Any, depth: int) -> Any:
        if type(value) in _AS_THEY_ARE:
            return value
        if isinstance(value, str):
            self._add(len(value))
            return encodable(str.__str__(value))  # of an enum its text, not its name
        if isinstance(value, int):
            self._add(value.bit_length() // 4)
            return int(value) if value.bit_length() <= LARGEST_BITS else unsayable(value)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, bytes | bytearray | memoryview):
            self._add(memoryview(value).nbytes)
            return bytes(value)
        return self._contained(value, depth) if depth < DEPTH else unsayable(value)

    def _contained(self, value: Any, depth: int) -> Any:
        if id(value) in self._known:
            _, said, weight = self._known[id(value)]
            self._add(weight)
            return said
        before, said = self._weight, unsayable(value)
        self._known[id(value)] = value, said, 0  # what stands for it inside itself
        try:
            said = self._composed(value, depth + 1)
        except _TooMuch:
            raise
        except Exception:  # noqa: BLE001, S110  it may be any object, with any fault
            pass
        self._known[id(value)] = value, said, self._weight - before
        return said

    def _add(self, weight: int) -> None:
        self._weight += weight
        if self._weight > self._most:
            raise _TooMuch(self._weight)

    def _composed(self, value: Any, depth: int) -> Any:
        from pydantic_core import to_jsonable_python

        reduced, serializer = _reduced(value), _serializer(value)
        if serializer is not None:
            reduced = getattr(value, "__dict__", {})
            if not self._weighs:
                _Walk(MOST_BYTES, weighs=True).said(reduced, depth)  # or pydantic would not come to an end
                # In Python's mode, because for JSON it would read iterators to their end.
                reduced = serializer.to_python(value, mode="python", by_alias=True, warnings=False)
        if reduced is not value:
            return self.said(reduced, depth)
        for kind in _SEQUENCES:
            if isinstance(value, kind):  # by its own methods, whatever a subclass makes of them
                self._add(kind.__len__(value))
                return [self.said(item, depth) for item in kind.__iter__(value)]
        if isinstance(value, Mapping):
            # Another mapping than a dict is read as far as it says that it goes.
            self._add(len(value))
            pairs = dict.items(value) if isinstance(value, dict) else islice(value.items(), len(value))
            return {self._name(name, depth): self.said(item, depth) for name, item in pairs}
        if isinstance(value, Iterable):
            return unsayable(value)  # it may have no end, and can perhaps be read only once
        return self.said(to_jsonable_python(value, fallback=unsayable), depth)

    def _name(self, name: Any, depth: int) -> str:
        said = self.said(name, depth)
        return said if isinstance(said, str) else as_json(said).strip('"')


def _reduced(value: Any) -> Any:
    """What a record or an enum holds, as JSON has it; anything else as it is."""
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        tag = {config.tag_field: config.tag} if config.tag_field else {}
        values = (getattr(value, name) for name in value.__struct_fields__)
        return tag | dict(zip(value.__struct_encode_fields__, values, strict=True))
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and _serializer(value) is None:
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value


def _serializer(value: Any) -> Any:
    """pydantic's own for one of its models or dataclasses."""
    return None if isinstance(value, type) else getattr(type(value), "__pydantic_serializer__", None)
