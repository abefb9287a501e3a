"""Immutable records as plain JSON data, and what their fields are checked with."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any, NoReturn


class ReadOnly(dict[str, Any]):
    """A dict that nobody assigns to; unlike `MappingProxyType` it can be copied, pickled and sent as JSON."""

    __slots__ = ()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("this mapping is read-only; make another one: {**mapping, ...}")

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def read_only(value: Mapping[str, Any], setting: str) -> ReadOnly:
    """A copy of the mapping, else an error that names the setting."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{setting} must be a mapping, got {value!r}")
    return ReadOnly(value)


def text(value: str | None, setting: str) -> None:
    """TypeError, with the setting's name, unless it is text or None."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{setting} must be text, got {value!r}")


def plain_fields(record: Any, *, without: Collection[str] = (), path: str = "") -> dict[str, Any]:
    """What is set in a dataclass, as plain JSON data of its own; None and empty mappings are not set."""
    data = {}
    for name in (each.name for each in fields(record)):
        value = getattr(record, name)
        if name in without or value is None or value == {}:
            continue
        # Only as a field, whose type says what the text means: within metadata it would come back as text.
        data[name] = str(value) if isinstance(value, Decimal) else _plain(value, f"{path}{name}")
    return data


def known(
    data: Mapping[str, Any], kind: type, called: str, *, without: Collection[str] = ()
) -> dict[str, Any]:
    """A copy of the data, if it is a mapping whose keys are all fields of that dataclass."""
    if not isinstance(data, Mapping):
        raise TypeError(f"{called} must be a mapping, got {data!r}")
    names = {each.name for each in fields(kind)} - set(without)
    for key in data:
        if key not in names:
            raise ValueError(
                f"{called} has the key {key!r}, which {kind.__name__} does not know here; was it written "
                "by a newer version? Read it with that one, or leave the key out"
            )
    return dict(data)


def _plain(value: Any, path: str) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{path} has the key {key!r}; in JSON every key is text")
        return {key: _plain(item, f"{path}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if is_dataclass(value):
        return plain_fields(value, path=f"{path}.")
    raise TypeError(f"{path} is {value!r}, which JSON cannot say; give it as text or as a number")
