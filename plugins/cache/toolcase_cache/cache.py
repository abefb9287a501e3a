"""Values that were given before, given again for a while."""

from __future__ import annotations

import copy
import math
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, NamedTuple, TypeVar

import anyio

from toolcase import Call, Inner, Stage
from toolcase.events import MiddlewareFailed
from toolcase.runtime import emit_again, seconds
from toolcase_cache.events import CacheHit, CacheMissed, ValueNotKept
from toolcase_cache.key import RUN, Key, key_of
from toolcase_cache.recording import KeptStream, Recording
from toolcase_cache.settings import bytes_or_inf, patterns
from toolcase_cache.store import CacheStore, Kept, MemoryCache

T = TypeVar("T")

STORE_SECONDS = 1.0
"""How long a store may take over one thing."""
REST_SECONDS = 10.0
"""How long one that failed is left alone, or each call would wait for it."""


class CacheStats(NamedTuple):
    """What a cache has done so far."""

    hits: int
    misses: int
    failures: int
    """How often the store failed."""


@dataclass(slots=True)
class _State:
    hits: int = 0
    misses: int = 0
    failures: int = 0
    rests_since: float = math.inf
    rests_until: float = -math.inf
    clearings: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class CacheMiddleware:
    """Give the value of an earlier call of the same tool, with equal arguments, for the same caller.

    A value is kept for `ttl_seconds`. Only tools declared `read_only=True` are cached, and of those of which
    nobody has declared it the ones that `tools` names, by patterns. Errors are not kept, nor what cannot be
    copied: what is kept, and what each caller is given, are copies. A stream is kept when it has come to its
    end, chunk by chunk, and apart from the one value that a `call` of the same tool gives; one whose chunks
    take more than `max_stream_bytes` passes, and is not kept. A `store` that fails is a miss. For the
    registries of one event loop.
    """

    ttl_seconds: float
    tools: str | Collection[str] = field(default=(), kw_only=True)
    max_stream_bytes: float = field(default=1024 * 1024, kw_only=True)
    store: CacheStore = field(default_factory=MemoryCache, kw_only=True, repr=False)
    stage: ClassVar[Stage] = Stage.ACT
    inside_retry: ClassVar[bool] = False
    # Counts, changed between two awaits.
    _state: _State = field(default_factory=_State, init=False, repr=False)

    def __post_init__(self) -> None:
        seconds(self.ttl_seconds, "ttl_seconds")
        object.__setattr__(self, "tools", patterns(self.tools, "tools"))
        bytes_or_inf(self.max_stream_bytes, "max_stream_bytes")

    def __str__(self) -> str:
        return f"CacheMiddleware({self.ttl_seconds:g} s)"

    async def __call__(self, call: Call, inner: Inner) -> Any:
        key = key_of(call, self.tools)  # before inner may change an argument
        if key is None:
            return await inner(call)
        found = await self._found(call, key)
        if found is not None:
            self._state.hits += 1
            call.notify(CacheHit(tool=call.name))
            return await _given_again(call, found.value)
        self._state.misses += 1
        call.notify(CacheMissed(tool=call.name))
        call.state[self] = self._state.clearings
        if call.emit is not None:
            return await self._streamed(call, inner, key)
        value = await inner(call)
        # What several calls have is kept by one of them, and what was begun before a clearing by none.
        begun = call.state.pop(RUN, call.state)
        if begun is not None and begun.get(self) == self._state.clearings:
            await self._keep(call, key, value)
        return value

    async def clear(self, tool: str | None = None) -> None:
        """Forget the values of the tools of this name, or of all; raises what the store raises."""
        self._state.clearings += 1
        await self.store.clear(tool)

    def stats(self) -> CacheStats:
        """How often it had a value, how often not, and how often the store failed."""
        state = self._state
        return CacheStats(state.hits, state.misses, state.failures)

    async def _streamed(self, call: Call, inner: Inner, key: Key) -> Any:
        """What inner gives, with its chunks kept where they are a whole stream."""
        recording = Recording(call, self.max_stream_bytes)
        value = await inner(call.streaming_to(recording.emit))
        chunks = recording.kept
        if chunks is not None and call.state.get(self) == self._state.clearings:
            await self._keep(call, key, KeptStream(chunks, value))
        return value

    async def _found(self, call: Call, key: Key) -> Kept | None:
        async def ask() -> Kept | None:
            kept = await self.store.get(key, call.host.clock)
            if kept is None:
                return None
            if call.emit is not None and not isinstance(kept.value, KeptStream):
                raise TypeError(f"the store gave {type(kept.value).__name__} for a stream, and no KeptStream")
            return Kept(copy.deepcopy(kept.value))

        return await self._asked(call, ask)

    async def _keep(self, call: Call, key: Key, value: Any) -> None:
        try:
            own = copy.deepcopy(value)
        except Exception as error:  # noqa: BLE001  a generator, a file, a lock, or what any class may raise
            call.notify(ValueNotKept(tool=call.name, error=error))
            return
        await self._asked(call, partial(self.store.put, key, own, self.ttl_seconds, call.host.clock))

    async def _asked(self, call: Call, ask: Callable[[], Awaitable[T]]) -> T | None:
        """What the store says; None where it failed, or did so a short while ago."""
        state, now = self._state, call.host.clock.monotonic()
        if state.rests_since <= now < state.rests_until:  # a clock that went back is another loop's
            return None
        try:
            with anyio.fail_after(STORE_SECONDS):
                return await ask()
        except Exception as error:  # noqa: BLE001  foreign code, and the call does not need it
            state.failures += 1
            state.rests_since = call.host.clock.monotonic()
            state.rests_until = state.rests_since + REST_SECONDS
            call.host.report(MiddlewareFailed(tool=call.name, middleware=self, error=error))
            return None


async def _given_again(call: Call, value: Any) -> Any:
    """What was kept, given as it was given first."""
    if call.emit is None:
        return value
    await emit_again(call, value.chunks)
    return value.value
