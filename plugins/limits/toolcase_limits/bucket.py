"""A bucket of tokens, the queue of those that wait for some of them, and buckets by key."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable
from fractions import Fraction
from functools import partial

import anyio

from toolcase.runtime import Keyed

TICKS = 128
"""A second has 2 to this power ticks: what a clock tells, above 1e-22 seconds, is a whole number of them."""

LONGEST_SECONDS = 1e15
"""What is longer is said to be this, because not every float can be added to a clock."""


class Flow:
    """How fast a bucket fills and how much it holds, in whole numbers, because their sums are exact.

    A tick has as many parts as tokens come in some whole number of seconds: so one token is whole parts too.
    """

    __slots__ = ("burst", "full", "parts", "token")

    def __init__(self, rate: float, per: float, burst: int | None) -> None:
        """`rate` tokens come in `per` seconds, where a float means what it prints.

        A full bucket holds `burst`; None is for what comes in one second, and at least 1.
        """
        each_second = Fraction(str(rate)) / Fraction(str(per))
        self.burst = math.ceil(each_second) if burst is None else burst
        self.parts = each_second.numerator
        """Of a tick."""
        self.token = each_second.denominator << TICKS
        """The parts in which one comes."""
        self.full = self.burst * self.token
        """The parts in which an empty bucket gets full."""

    def at(self, now: float) -> int:
        """The time in parts."""
        return int(math.ldexp(now, TICKS)) * self.parts

    def until(self, due: int, now: float) -> float:
        """Seconds such that `now + seconds`, which is rounded, is not before `due`."""
        wait = Fraction(max(due - self.at(now), 0), self.parts << TICKS)
        if wait > LONGEST_SECONDS:
            return LONGEST_SECONDS
        seconds = float(wait)
        while self.at(now + seconds) < due:  # rounded down, by an ulp or two
            seconds += math.ulp(now + seconds)
        return seconds


class Bucket:
    """Tokens come steadily until it is full, and are given in the order in which they are asked for.

    It belongs to one event loop. Nothing is awaited between a look at it and what is done about it.
    """

    __slots__ = ("_flow", "_full_at", "_queue", "_queued")

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        # When it will be full, in parts; None at first. What is missing now is what comes until then.
        self._full_at: int | None = None
        # One for each that waits, set when nobody is before it any more.
        self._queue: deque[anyio.Event] = deque()
        # How many tokens all in the queue wait for.
        self._queued = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    def is_full(self, now: float) -> bool:
        """Whether nothing is missing and nobody waits, as at first."""
        return not self._queue and (self._full_at is None or self._full_at <= self._flow.at(now))

    def take(self, cost: int, now: float) -> float | None:
        """Take tokens and give None; where there are too few or others wait, the seconds until its turn."""
        if not self._queue and self._take(cost, now):
            return None
        return self._flow.until(self._due(self._queued + cost, now), now)

    async def wait(self, cost: int, monotonic: Callable[[], float]) -> None:
        """Wait for one's turn and take tokens then. Who is cancelled takes none, and those behind move up."""
        first, queue = anyio.Event(), self._queue
        queue.append(first)
        self._queued += cost
        try:
            if queue[0] is not first:
                await first.wait()
            now = monotonic()
            while not self._take(cost, now):  # again only where the loop wakes us a moment early
                await anyio.sleep(self._flow.until(self._due(cost, now), now))
                now = monotonic()
        finally:
            queue.remove(first)
            if queue is self._queue:
                self._queued -= cost
                if queue:
                    queue[0].set()

    def forget_who_waits(self) -> None:
        """Their loop has gone."""
        self._queue, self._queued = deque(), 0

    def _take(self, cost: int, now: float) -> bool:
        if self._due(cost, now) > self._flow.at(now):
            return False
        self._full_at = self._due(cost, now) + self._flow.full
        return True

    def _due(self, cost: int, now: float) -> int:
        """When so many tokens will be there, in parts, if nobody else takes any."""
        at = self._flow.at(now)
        # An empty bucket is full at `at + full`; later only by a clock that went back: that of another loop.
        missing_until = at if self._full_at is None else min(max(self._full_at, at), at + self._flow.full)
        return missing_until + cost * self._flow.token - self._flow.full


class Buckets:
    """At most `most` buckets by key; one that is full is as good as none, and makes room."""

    __slots__ = ("_kept", "_now", "flow")

    def __init__(self, flow: Flow, most: int) -> None:
        self.flow = flow
        self._now: float  # of the last `get`, for what it asks meanwhile
        self._kept: Keyed[Bucket] = Keyed(
            partial(Bucket, flow), idle=lambda bucket: bucket.is_full(self._now), most=most
        )

    def get(self, key: Hashable, now: float) -> Bucket | None:
        """That of this key; None where there is no room for one more."""
        self._now = now
        return self._kept.get(key)

    @property
    def waiting(self) -> bool:
        """Whether anybody waits at any of them."""
        return any(bucket.waiting for _, bucket in self._kept)

    def forget_who_waits(self) -> None:
        """Their loop has gone; what was taken stays taken."""
        for _, bucket in self._kept:
            bucket.forget_who_waits()
