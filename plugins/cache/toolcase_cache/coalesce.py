"""One run for all who ask for the same at the same time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from toolcase import Call, Inner, Stage
from toolcase.runtime import OneLoop, count
from toolcase_cache.events import CallCoalesced
from toolcase_cache.flight import Flight, NotShared
from toolcase_cache.key import RUN, Key, key_of
from toolcase_cache.settings import patterns


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoalesceMiddleware:
    """Run a tool once for all calls of it that wait at the same time with equal arguments, for one caller.

    The run belongs to none of them: who is cancelled, or whose time is over, leaves alone, and with the last
    one the run is cancelled and awaited. A value or an error is for all; the first gets it itself, the others
    copies. Streams run alone; a call that gathers a stream into one value shares it. Which tools: as for
    `CacheMiddleware`. With `max_flights` runs under way, further calls run alone. For the registries of one
    event loop.
    """

    tools: str | Collection[str] = ()
    max_flights: int = 10_000
    stage: ClassVar[Stage] = Stage.ACT
    inside_retry: ClassVar[bool] = False
    # Those that can be joined. Nothing is awaited between a look and a change.
    _flights: dict[Key, Flight] = field(default_factory=dict, init=False, repr=False)

    _loop: OneLoop = field(default_factory=OneLoop, init=False, repr=False)

    def __post_init__(self) -> None:
        count(self.max_flights, "max_flights")
        object.__setattr__(self, "tools", patterns(self.tools, "tools"))

    def __str__(self) -> str:
        return "CoalesceMiddleware"

    async def __call__(self, call: Call, inner: Inner) -> Any:
        key = None if call.emit is not None else key_of(call, self.tools)  # each reader has its own pace
        if self._loop.changed(call, waiting=lambda: bool(self._flights), whose=self):
            self._flights.clear()  # these have gone with their loop
        while key is not None:
            flight = self._flights.get(key)
            if flight is None:
                if len(self._flights) >= self.max_flights:
                    break
                flight = self._flights[key] = Flight(call, inner, over=partial(self._over, key))
            elif flight.waits_for_us:
                break  # or each would wait for the other
            else:
                call.notify(CallCoalesced(tool=call.name))
            outcome = await flight.outcome(call)
            if outcome is NotShared.ALONE:
                break
            if outcome is not NotShared.AGAIN:
                return outcome
        call.state.pop(RUN, None)
        return await inner(call)

    def _over(self, key: Key, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    @property
    def flights(self) -> int:
        """How many runs are under way."""
        return len(self._flights)
