"""What is known of the calls of one tool, as running sums, and as a record to read."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from toolcase.observability.sketch import Sketch

WINDOW_SECONDS = 60
SLOT_SECONDS = 1.0


class ToolMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one tool so far. Durations are in seconds, from the call's beginning to its end."""

    tool: str
    count: int
    """Calls that ended: `ok`, those in `errors`, and `cancelled`."""
    ok: int
    errors: Mapping[str, int]
    """How many failed, by `ErrorCode`; TOOL_FAILED are those that the tool raised itself."""
    cancelled: int
    """How many their caller left. They are no errors, and their durations are not in the figures below."""
    attempts: int
    """How often the tool was started; more than `count` where calls were tried again."""
    rejected: int
    """How often a breaker, a limit or a bulkhead refused one, each attempt for itself."""
    waited: float
    """Seconds that calls stood in queues, all together."""
    rate: float
    """Calls that ended per second, over the last minute, or since the first one if that is less."""
    mean: float
    p50: float
    """Half of the calls were faster. It and those below are within 1 % of the true one; nan without calls."""
    p95: float
    p99: float
    max: float


class Tally:
    """Running sums. One thread writes; any may read, and may find a call in one and not yet in another."""

    __slots__ = (
        "_first",
        "_in_slot",
        "_recent",
        "_slot",
        "_slot_ends",
        "attempts",
        "cancelled",
        "errors",
        "longest",
        "ok",
        "rejected",
        "seconds",
        "sketch",
        "tool",
        "waited",
    )

    def __init__(self, tool: str) -> None:
        self.tool = tool
        self.ok = self.cancelled = self.attempts = self.rejected = 0
        self.errors: dict[str, int] = {}
        self.waited = self.seconds = self.longest = 0.0
        self.sketch = Sketch()
        # How many ended in the slot that began then, and in those before it, as far as the window goes.
        self._first = self._slot = math.inf
        self._slot_ends = -math.inf
        self._in_slot = 0
        self._recent: tuple[tuple[float, int], ...] = ()

    def took(self, seconds: float, now: float) -> None:
        """A call ended by itself, well or badly, after so many seconds."""
        self.seconds += seconds
        if seconds > self.longest:
            self.longest = seconds
        self.sketch.add(seconds)
        if not self._slot <= now < self._slot_ends:
            self._turn(now)
        self._in_slot += 1

    def left(self, now: float) -> None:
        """A call's caller left it."""
        self.cancelled += 1
        if not self._slot <= now < self._slot_ends:
            self._turn(now)
        self._in_slot += 1

    def _turn(self, now: float) -> None:
        """Begin another slot; a clock that went back is a new one, and what it counted before is history."""
        if now < self._slot:
            self._first, self._recent = now, ()
        else:
            kept = (*self._recent, (self._slot, self._in_slot))
            self._recent = tuple(slot for slot in kept if slot[0] > now - WINDOW_SECONDS)
        self._slot, self._slot_ends, self._in_slot = now, now + SLOT_SECONDS, 0

    def rate(self, now: float) -> float:
        """Calls that ended per second in the window before `now`; the first second counts in full."""
        slots = (*self._recent, (self._slot, self._in_slot))
        ended = sum(count for began, count in slots if began > now - WINDOW_SECONDS)
        return ended / min(max(now - self._first, 1.0), WINDOW_SECONDS) if ended else 0.0

    def read(self, now: float | None = None) -> ToolMetrics:
        """The sums as they are; without `now`, the rate is that at the last call."""
        errors = self.errors.copy()
        finished = self.ok + sum(errors.values())
        p50, p95, p99 = (min(found, self.longest) for found in self.sketch.quantiles((0.5, 0.95, 0.99)))
        return ToolMetrics(
            tool=self.tool,
            count=finished + self.cancelled,
            ok=self.ok,
            errors=errors,
            cancelled=self.cancelled,
            attempts=self.attempts,
            rejected=self.rejected,
            waited=self.waited,
            rate=self.rate(self._slot if now is None else now),
            mean=self.seconds / finished if finished else math.nan,
            p50=p50,
            p95=p95,
            p99=p99,
            max=self.longest if finished else math.nan,
        )
