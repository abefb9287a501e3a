"""A limit on how often tools are called: a token bucket for each key."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

from toolcase import Call, Inner, Overloaded, RateLimited, Stage, ToolError, remaining
from toolcase.events import CallAdmitted, CallRejected, CallWaiting
from toolcase.runtime import OneLoop, by_tool, count
from toolcase_limits.bucket import Bucket, Buckets, Flow
from toolcase_limits.checks import finite, function, positive


@dataclass(frozen=True, slots=True, eq=False)
class RateLimitMiddleware:
    """Let `rate` calls start in `per` seconds, and up to `burst` at once; refuse or hold back the others.

    In any `t` seconds at most `burst + rate / per * t` calls start, of those for which `key` gives the same.
    A call that is refused ends with `RateLimited`, whose `retry_after` says when there is room. With
    `wait=True` it waits for its turn instead, with a number up to that many seconds; turns come in the order
    of calling. One that could only start at its deadline or later is refused at once.

    Inside a retry it limits attempts, outside a retry calls. It counts in this process alone. Its state
    belongs to the registries of one event loop.
    """

    rate: float
    """Above 0; `math.inf` is no limit."""
    _: KW_ONLY
    per: float = 1.0
    """Seconds."""
    burst: int | None = None
    """None is for what comes in one second, and at least 1."""
    wait: bool | float = False
    key: Callable[[Call], Hashable] = by_tool
    cost: Callable[[Call], int] | None = None
    """How many calls it counts as: a whole number of at least 0. None is for 1."""
    max_keys: int = 10_000
    max_waiting: int = 1_000
    """Calls of one key."""
    stage: ClassVar[Stage] = Stage.ACT
    _buckets: Buckets | None = field(init=False, repr=False)
    """None where nothing is limited. Only the loop's thread touches it, and awaits nothing meanwhile."""
    _loop: OneLoop = field(default_factory=OneLoop, init=False, repr=False)

    def __post_init__(self) -> None:
        positive(self.rate, "rate", "; leave the middleware out, or use math.inf, for no limit")
        finite(self.per, "per", "; it is the seconds in which `rate` calls may start")
        if self.burst is not None:
            count(self.burst, "burst")
        if not isinstance(self.wait, bool):
            positive(self.wait, "wait", "; use False to refuse at once")
        function(self.key, "key")
        if self.cost is not None:
            function(self.cost, "cost")
        count(self.max_keys, "max_keys")
        count(self.max_waiting, "max_waiting", least=0)
        limited = self.rate < math.inf
        buckets = Buckets(Flow(self.rate, self.per, self.burst), self.max_keys) if limited else None
        object.__setattr__(self, "_buckets", buckets)

    def __str__(self) -> str:
        return f"RateLimitMiddleware({self.rate:g} in {self.per:g} s)"

    async def __call__(self, call: Call, inner: Inner) -> Any:
        if self._buckets is None:
            return await inner(call)
        try:
            bucket, cost, wait = self._ask(call, self._buckets)
        except ToolError as error:
            if call.observed:
                call.notify(CallRejected(tool=call.name, middleware=self, error=error))
            raise
        if wait is not None:
            await self._wait(call, bucket, cost)
        elif call.observed:
            call.notify(CallAdmitted(tool=call.name, middleware=self, waited=0.0))
        return await inner(call)

    def _ask(self, call: Call, buckets: Buckets) -> tuple[Bucket, int, float | None]:
        """Its bucket, what it costs, and None where that was taken; else the seconds that it is to wait."""
        cost, most = 1, buckets.flow.burst
        if self.cost is not None:
            cost = count(self.cost(call), f"the cost of {call.name!r}", least=0)
        if cost > most:
            raise RateLimited(
                f"{call.name!r} counts as {cost} calls, and no more than {most} are let through at once; "
                "ask for less at a time (the host can raise burst)",
                retryable=False,
            )
        if self._loop.changed(call, waiting=lambda: buckets.waiting, whose=self):
            buckets.forget_who_waits()
        now = call.host.clock.monotonic()
        bucket = buckets.get(self.key(call), now)
        if bucket is None:
            raise Overloaded(
                f"{call.name!r} was refused: there is no room for a further key (max_keys={self.max_keys}), "
                "and all of them were in use lately; try again later (the host can raise that)"
            )
        wait = bucket.take(cost, now)
        if wait is not None and (reason := self._reason(call, bucket, wait)):
            raise RateLimited(
                f"{call.name!r} is called too often: {self.rate:g} calls in {self.per:g} s are let through, "
                f"and {most} at once; {reason}",
                retry_after=wait,
            )
        return bucket, cost, wait

    def _reason(self, call: Call, bucket: Bucket, wait: float) -> str:
        """Why a call does not wait for so long; nothing where it does."""
        if self.wait is False:
            return "try again later"
        if bucket.waiting >= self.max_waiting:
            return f"{bucket.waiting} calls wait already (the host can raise max_waiting); try again later"
        if self.wait is not True and wait > self.wait:
            return f"it would wait for {wait:g} s, longer than wait={self.wait:g}; try again later"
        if wait >= remaining(call):
            return f"it would wait for {wait:g} s, beyond its deadline; try again later, or allow more time"
        return ""

    async def _wait(self, call: Call, bucket: Bucket, cost: int) -> None:
        monotonic = call.host.clock.monotonic
        began = monotonic()
        if call.observed:
            call.notify(CallWaiting(tool=call.name, middleware=self))
        await bucket.wait(cost, monotonic)
        if call.observed:
            call.notify(CallAdmitted(tool=call.name, middleware=self, waited=monotonic() - began))
