"""What every bulkhead does: permits by key, and a call that runs with one, waits for one, or is refused."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, ClassVar

from toolcase.call import Call, Inner, Stage
from toolcase.clock import current_loop, turns
from toolcase.errors import Overloaded, ToolTimeout
from toolcase.events import CallAdmitted, CallRejected, CallWaiting
from toolcase.keyed import MOST_KEYS, Keyed, by_tool
from toolcase.permits import Permit, Permits
from toolcase.timer import remaining

Priority = Callable[[Call], int]
"""From a call to its place in the queue: the lowest number goes first."""


class KeyedPermits:
    """Permits by key, for one event loop at a time.

    RuntimeError in a second loop while calls in the first one have permits: who waits belongs to its loop.
    """

    __slots__ = ("_by_key", "_loop")

    def __init__(self, most: int = MOST_KEYS) -> None:
        self._by_key: Keyed[Permits] = Keyed(Permits, idle=lambda permits: not permits.running, most=most)
        self._loop: Any = None

    def of(self, call: Call, key: Hashable, limit: int, queue: int | None) -> Permits | None:
        """Those of this key, of this size from now on; None where permits of too many keys are out."""
        loop = call.host.loop or current_loop()
        if loop is not self._loop:
            self._settle(loop)
        permits = self._by_key.get(key)
        if permits is not None and permits.limit != limit:
            permits.resize(limit, queue)
        return permits

    def find(self, key: Hashable) -> Permits:
        """Those of this key, to be looked at."""
        return self._by_key.find(key) or Permits()

    def _settle(self, loop: Any) -> None:
        busy = [key for key, permits in self._by_key if permits.running]
        if busy and turns(self._loop):
            raise RuntimeError(
                f"this bulkhead is in use on another event loop that still runs (for {busy[0]!r}); "
                "make one for each loop"
            )
        for key in busy:  # what ran there has gone with its loop
            self._by_key.drop(key)
        self._loop = loop


async def run_within(
    permits: Permits | None,
    call: Call,
    inner: Inner,
    bulkhead: Any,
    seconds: float = math.inf,
    priority: Priority | None = None,
) -> Any:
    """Run inner with a permit, and wait for one where none is free; `bulkhead` is who is named in events."""
    if permits is None:
        raise _refused(
            call,
            bulkhead,
            f"calls of too many keys run; try again later (the host can raise max_keys of {bulkhead})",
        )
    waited, permit = 0.0, permits.take(call)
    if permit is None:
        if permits in call._within:  # we stand around it twice
            return await inner(call)
        clock = call.host.clock
        began = clock.monotonic()
        permit = await _queued(permits, call, bulkhead, seconds, priority)
        waited = clock.monotonic() - began
    outer = call._within
    try:
        call._within = (*outer, permits)
        if call.observed:
            call.notify(CallAdmitted(tool=call.name, middleware=bulkhead, waited=waited))
        return await inner(call)
    finally:
        call._within = outer
        permits.give_back(permit)


async def _queued(
    permits: Permits, call: Call, bulkhead: Any, seconds: float, priority: Priority | None
) -> Permit:
    place = 0 if priority is None else priority(call)
    if not isinstance(place, int):  # found out later, it would hit a call that comes to be compared with it
        raise TypeError(f"priority of {bulkhead} must give a whole number, and gave {place!r}")
    if permits.waiting >= permits.queue:
        raise _refused(
            call,
            bulkhead,
            f"{permits.running} of {permits.limit} calls run and {permits.waiting} of {permits.queue} wait; "
            f"try again later (the host can raise the limit of {bulkhead})",
        )
    if remaining(call) <= 0:  # nothing would end the wait: that deadline has struck already
        raise _refused(call, bulkhead, "it would have to wait, and its time is over; give it more")
    if call.observed:
        call.notify(CallWaiting(tool=call.name, middleware=bulkhead))
    try:
        return await permits.wait(call, priority=place, seconds=seconds)
    except ToolTimeout as error:
        call.notify(CallRejected(tool=call.name, middleware=bulkhead, error=error))
        raise


def _refused(call: Call, bulkhead: Any, reason: str) -> Overloaded:
    error = Overloaded(f"{call.name!r} has no room: {reason}")
    call.notify(CallRejected(tool=call.name, middleware=bulkhead, error=error))
    return error


@dataclass(frozen=True, slots=True)
class ToolsOwnBulkhead:
    """What `@tool(max_concurrent=)` adds where no bulkhead counts the calls of this tool.

    The permits are those of the registry, by the tool's name, so that they outlive this very chain.
    """

    limit: int
    permits: KeyedPermits
    stage: ClassVar[Stage] = Stage.ACT

    def __str__(self) -> str:
        return f"ToolsOwnBulkhead({self.limit} at once)"

    def __call__(self, call: Call, inner: Inner) -> Awaitable[Any]:
        permits = self.permits.of(call, by_tool(call), self.limit, None)
        return run_within(permits, call, inner, self)
