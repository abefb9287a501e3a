"""Where a cache keeps its values: the port for it, and the memory of this process."""

from __future__ import annotations

import gc
import math
import sys
from collections import OrderedDict
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple, Protocol

from toolcase import Clock
from toolcase.runtime import count
from toolcase_cache.key import Key
from toolcase_cache.settings import bytes_or_inf

_COUNTED_ELSEWHERE = (type, ModuleType, FunctionType, BuiltinFunctionType)


class Kept(NamedTuple):
    """A value that a store has, which may well be None."""

    value: Any


class CacheStore(Protocol):
    """Keeps values for a while. It may fail, and then the cache does without it.

    The value of a stream is a `KeptStream`. What it is given, and what it gives, the cache
    copies: it may keep the object itself.
    """

    async def get(self, key: Key, clock: Clock) -> Kept | None:
        """The value of this key, or None. `clock` is the host's; what several hosts share has its own."""

    async def put(self, key: Key, value: Any, ttl_seconds: float, clock: Clock) -> None:
        """Keep it for that long, in the place of what this key had; `math.inf` is for ever."""

    async def clear(self, tool: str | None) -> None:
        """Forget the values of the tools of that name, or of all."""


class MemoryCache:
    """Values in the memory of this process; when it is full, those that were used least recently go.

    For one event loop.
    """

    def __init__(self, *, max_entries: int = 1_000, max_bytes: float = 64 * 1024 * 1024) -> None:
        """`max_bytes` is of all values together, as they take memory; `math.inf` is for not weighing them.

        A value that alone takes more is not kept.
        """
        self.max_entries = count(max_entries, "max_entries")
        self.max_bytes = bytes_or_inf(max_bytes, "max_bytes")
        self.evicted = 0
        """How many values went because it was full."""
        self.bytes = 0
        """What the values take, where they are weighed."""
        # Used least recently first. All is done between two awaits, so no other call sees half of it.
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()

    def __len__(self) -> int:
        """How many values it has, those included whose time is over and for which nobody has asked since."""
        return len(self._entries)

    async def get(self, key: Key, clock: Clock) -> Kept | None:
        """See `CacheStore`."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if not entry.since <= clock.monotonic() < entry.expires:  # a clock that went back is another loop's
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return Kept(entry.value)

    async def put(self, key: Key, value: Any, ttl_seconds: float, clock: Clock) -> None:
        """See `CacheStore`."""
        if key in self._entries:
            self._drop(key)
        size = 0 if self.max_bytes == math.inf else weight(value, self.max_bytes)
        if size > self.max_bytes:
            return
        now = clock.monotonic()
        self._entries[key] = _Entry(value, now, now + ttl_seconds, size)
        self.bytes += size
        while len(self._entries) > self.max_entries or self.bytes > self.max_bytes:
            self._drop(next(iter(self._entries)))
            self.evicted += 1

    async def clear(self, tool: str | None) -> None:
        """See `CacheStore`."""
        for key in [key for key in self._entries if tool in (None, key.tool.name)]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        self.bytes -= self._entries.pop(key).size


class _Entry(NamedTuple):
    value: Any
    since: float
    expires: float
    size: int


def weight(value: Any, most: float) -> int:
    """The bytes that a value takes, with all that it holds; above `most` it is not weighed to its end."""
    size, left, known = 0, [value], set[int]()
    while left and size <= most:
        each = left.pop()
        if id(each) not in known and not isinstance(each, _COUNTED_ELSEWHERE):
            known.add(id(each))
            size += sys.getsizeof(each)
            left += gc.get_referents(each)
    return size
