"""Which calls may share a value: those of one tool with equal arguments, in the name of the same caller."""

from __future__ import annotations

import dataclasses
import ipaddress
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from pydantic import AnyUrl, BaseModel
from pydantic_core import TzInfo

from toolcase import Call, Tool

MOST_VALUES = 10_000
"""In the arguments of one call; more are not looked through while the event loop waits."""
DEPTH = 100

RUN = "toolcase_cache.run"
"""In the state of a call: that of the shared run whose value it has; None if another one keeps that."""

STREAM = "stream"

_OF_ONE_CALL = frozenset({"trace_id", "span_id", "parent_span_id"})
_UNORDERED = (set, frozenset, dict, MappingProxyType)
_HOLD_MORE = (
    str,
    bytes,
    bytearray,
    int,
    float,
    complex,
    list,
    tuple,
    set,
    frozenset,
    dict,
    BaseException,
    type,
)
"""A dataclass that is also one of these has more than its fields."""


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """What calls must have in common to share a value."""

    tool: Tool[..., Any]
    """The very object: two tools of one name may do different things."""
    digest: str
    """SHA-256 of the tool's name and version, the arguments and the caller; the same in every process."""


def key_of(call: Call, tools: Collection[str]) -> Key | None:
    """None where the call shares with nobody: what it asks for cannot be compared, or may have an effect.

    `tools` are patterns of names that may share although nobody has declared whether they are read-only. What
    is given chunk by chunk has another key than the one value that a `call` of the same tool gives.
    """
    tool = call.tool
    if tool is None or not _may_share(tool, tools):
        return None
    try:
        whole: tuple[Any, ...] = (tool.name, tool.version, dict(call.arguments), _caller(call, tool))
        if call.emit is not None:
            whole = (*whole, STREAM)
        return Key(tool, sha256(_Saying().said(whole, 0)).hexdigest())
    except (_Unsayable, RecursionError):
        return None


def _may_share(tool: Tool[..., Any], tools: Collection[str]) -> bool:
    named = tool.read_only is None and not tool.destructive and any(fnmatchcase(tool.name, p) for p in tools)
    return bool(tool.read_only) or named


def _caller(call: Call, tool: Tool[..., Any]) -> Any:
    """As much of the context as the value may depend on."""
    context = call.context
    if tool.shared:
        return None
    if not tool.schema.injected:
        return context.scope_id, context.principal_id
    try:  # the tool is given its call, or the context, and may look at all of it
        data = context.to_dict()
    except TypeError as error:
        raise _Unsayable from error
    return {name: value for name, value in data.items() if name not in _OF_ONE_CALL}


class _Unsayable(Exception):
    """This value cannot be told from others for sure."""


class _Saying:
    """Says a value in bytes, such that different values, or equal ones of different types, differ.

    Only of types whose whole state we know; mappings and sets in an order of their own.
    """

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def said(self, value: Any, depth: int) -> bytes:
        self._left -= 1
        if depth > DEPTH or self._left < 0:
            raise _Unsayable
        kind = type(value)
        if (scalar := _SCALARS.get(kind)) is not None:
            body = scalar(value)
            return b"%b=%d:%b" % (_name(kind), len(body), body)
        parts = [self.said(part, depth + 1) for part in _parts(value)]
        if kind in _UNORDERED:
            parts.sort()
        return b"%b*%d:%b" % (_name(kind), len(parts), b"".join(parts))


def _parts(value: Any) -> Iterable[Any]:
    """What a value is made of, besides its type."""
    kind = type(value)
    if kind in (list, tuple, set, frozenset):
        return value  # type: ignore[no-any-return]
    if kind in (dict, MappingProxyType):
        return value.items()  # type: ignore[no-any-return]
    if isinstance(value, Flag):
        return (value.value,)  # members together have no name of their own
    if isinstance(value, Enum):
        return (value.name,)
    if kind.__bases__ == (tuple,) and hasattr(kind, "_fields") and not hasattr(value, "__dict__"):
        return tuple(value)
    if isinstance(value, AnyUrl):
        return (str(value),)
    return _fields(value)


def _fields(value: Any) -> Iterable[Any]:
    if isinstance(value, BaseModel):
        # Which were set counts: in a filter, what is not set may mean another thing than what is None.
        return (
            value.__dict__,
            value.__pydantic_extra__,
            value.__pydantic_private__,
            value.model_fields_set,
        )
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
    elif dataclasses.is_dataclass(value) and not isinstance(value, _HOLD_MORE):
        names = tuple(field.name for field in dataclasses.fields(value))
    else:
        raise _Unsayable
    try:
        fields = {name: getattr(value, name) for name in names}
    except AttributeError as error:  # never set
        raise _Unsayable from error
    return fields, getattr(value, "__dict__", None)


def _name(kind: type) -> bytes:
    name = f"{kind.__module__}.{kind.__qualname__}".encode()
    return b"%d:%b" % (len(name), name)


def _text(value: object) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


def _moment(value: datetime | time) -> bytes:
    zone = value.tzinfo
    if isinstance(zone, ZoneInfo) and zone.key is not None:
        said = zone.key
    elif zone is None or type(zone) in (timezone, TzInfo):
        said = repr(zone)
    else:
        raise _Unsayable  # it may say the hours in any way
    return f"{value.replace(tzinfo=None).isoformat()} {value.fold} {said}".encode()


_SCALARS: Mapping[type, Callable[[Any], bytes]] = MappingProxyType(
    {
        type(None): lambda _: b"",
        bool: _text,
        int: lambda value: hex(value).encode(),  # str() refuses one of very many digits
        float: lambda value: struct.pack(">d", value),
        complex: lambda value: struct.pack(">dd", value.real, value.imag),
        str: _text,
        bytes: bytes,
        bytearray: bytes,
        Decimal: _text,
        UUID: _text,
        date: _text,
        timedelta: _text,
        datetime: _moment,
        time: _moment,
        **dict.fromkeys((PurePosixPath, PureWindowsPath, type(Path())), _text),
        **dict.fromkeys((ipaddress.IPv4Address, ipaddress.IPv6Address), _text),
        **dict.fromkeys((ipaddress.IPv4Network, ipaddress.IPv6Network), _text),
        **dict.fromkeys((ipaddress.IPv4Interface, ipaddress.IPv6Interface), _text),
    }
)
