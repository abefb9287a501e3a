"""What is known of the streams of one tool, as running sums, and as a record to read."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from toolcase.observability.sketch import Sketch


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took, in seconds; nan where it never happened."""

    count: int
    mean: float
    p50: float
    """Half of them were shorter. It and those below are within 1 % of the true one."""
    p95: float
    p99: float
    max: float


class StreamMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The streams of one tool so far."""

    tool: str
    count: int
    """Streams that ended: `ok`, those in `errors`, and `cancelled`."""
    ok: int
    errors: Mapping[str, int]
    """How many failed, by `ErrorCode`."""
    cancelled: int
    """How many their reader left, which is no error."""
    chunks: int
    """All together, of streams that have ended or not."""
    bytes: int
    """Of text as UTF-8, of data as it is, of anything else as JSON."""
    first_chunk: Durations
    """From the beginning of a stream to its first chunk."""
    gap: Durations
    """Between two chunks of a stream. A slow reader makes them longer, as a slow tool does."""
    duration: Durations
    """From the beginning to the end, of streams that were not cancelled."""


class Lasting:
    """Running sums of durations. One thread adds; any may read."""

    __slots__ = ("_count", "_longest", "_seconds", "_sketch")

    def __init__(self) -> None:
        self._count, self._seconds, self._longest, self._sketch = 0, 0.0, 0.0, Sketch()

    def add(self, seconds: float) -> None:
        """Take in one."""
        self._count += 1
        self._seconds += seconds
        self._longest = max(self._longest, seconds)
        self._sketch.add(seconds)

    def read(self) -> Durations:
        """The sums as they are."""
        p50, p95, p99 = (min(found, self._longest) for found in self._sketch.quantiles((0.5, 0.95, 0.99)))
        if not self._count:
            return Durations(count=0, mean=math.nan, p50=p50, p95=p95, p99=p99, max=math.nan)
        mean = self._seconds / self._count
        return Durations(count=self._count, mean=mean, p50=p50, p95=p95, p99=p99, max=self._longest)


class StreamTally:
    """Running sums. One thread writes; any may read, and may find a stream in one and not yet in another."""

    __slots__ = ("bytes", "cancelled", "chunks", "duration", "errors", "first_chunk", "gap", "ok", "tool")

    def __init__(self, tool: str) -> None:
        self.tool = tool
        self.ok = self.cancelled = self.chunks = self.bytes = 0
        self.errors: dict[str, int] = {}
        self.first_chunk, self.gap, self.duration = Lasting(), Lasting(), Lasting()

    def read(self) -> StreamMetrics:
        """The sums as they are."""
        errors = self.errors.copy()
        return StreamMetrics(
            tool=self.tool,
            count=self.ok + sum(errors.values()) + self.cancelled,
            ok=self.ok,
            errors=errors,
            cancelled=self.cancelled,
            chunks=self.chunks,
            bytes=self.bytes,
            first_chunk=self.first_chunk.read(),
            gap=self.gap.read(),
            duration=self.duration.read(),
        )
