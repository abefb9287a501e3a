"""How many chunks tools give, how large they are, and how they follow each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from opentelemetry import metrics

from toolcase.call import Stage
from toolcase.chunk import StreamChunk
from toolcase.chunk_hooks import HookContext
from toolcase.clock import count
from toolcase.content import bytes_of
from toolcase.errors import code_of, lone
from toolcase.observability import names
from toolcase.observability.providers import Watch
from toolcase.observability.stream_tally import StreamMetrics, StreamTally
from toolcase.tool import Tool


@dataclass(slots=True, eq=False)
class StreamMetricsMiddleware:
    """Count streams by tool: chunks, bytes, seconds to the first chunk and between chunks, and durations.

    In memory, see `snapshot`; and where OpenTelemetry has a meter provider, `meter_provider` or the global
    one, by its instruments `tool.stream.*`. Tools beyond the first `most_tools` are counted together as
    `_OTHER`. Calls that are not read as a stream are left to `MetricsMiddleware`. No contents, keys or
    principals. For the registries of one event loop; `snapshot` is for any thread.
    """

    meter_provider: metrics.MeterProvider | None = None
    most_tools: int = 1_000
    stage: ClassVar[Stage] = Stage.OBSERVE
    most_accumulated: ClassVar[int] = 0
    # The one event loop writes all of it; the dict only grows, and readers copy it first.
    _tallies: dict[str, StreamTally] = field(default_factory=dict, init=False, repr=False)
    _watch: Watch[metrics.MeterProvider] = field(init=False, repr=False)
    _instruments: _Instruments | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        count(self.most_tools, "most_tools")
        self._watch = Watch(self.meter_provider, metrics.get_meter_provider)

    def snapshot(self) -> dict[str, StreamMetrics]:
        """What is known of each tool that was read as a stream, by its name; from any thread."""
        return {name: tally.read() for name, tally in self._tallies.copy().items()}

    def on_start(self, tool: Tool[..., Any], params: Mapping[str, Any], ctx: HookContext) -> None:
        """Find where its figures go."""
        if ctx.call.emit is None:
            return
        name = tool.name
        if name not in self._tallies and len(self._tallies) >= self.most_tools:
            name = names.OTHER
        ctx["stream"] = _Running(self._tallies.setdefault(name, StreamTally(name)))
        now = ctx.call.info.started
        if self._instruments is None and not self._watch.since <= now < self._watch.until:
            provider = self._watch.look(now)
            if provider is not None:
                self._instruments = _Instruments(provider.get_meter(names.SCOPE))

    def on_chunk(self, chunk: StreamChunk, ctx: HookContext) -> None:
        """Count it, and the seconds since the one before."""
        running: _Running | None = ctx.get("stream")
        if running is None:
            return
        now, tally, told = ctx.call.host.clock.monotonic(), running.tally, self._instruments
        size = bytes_of(chunk.content, math.inf)
        seconds = now - (ctx.call.info.started if running.last is None else running.last)
        (tally.first_chunk if running.last is None else tally.gap).add(seconds)
        if told is not None:
            (told.first_chunk if running.last is None else told.gap).record(seconds, running.where)
        running.last = now
        running.chunks += 1
        running.bytes += size
        tally.chunks += 1
        tally.bytes += size

    def on_complete(self, accumulated: Any, ctx: HookContext) -> None:
        """Count a stream that ended well."""
        running: _Running | None = ctx.get("stream")
        if running is not None:
            running.tally.ok += 1
            self._took(running, ctx, running.where)

    def on_error(self, error: Exception, ctx: HookContext) -> None:
        """Count one that failed, by its code."""
        running: _Running | None = ctx.get("stream")
        if running is not None:
            code = code_of(lone(error)).value
            running.tally.errors[code] = running.tally.errors.get(code, 0) + 1
            self._took(running, ctx, {**running.where, names.ERROR_TYPE: names.error_type(error)})

    def on_cancel(self, ctx: HookContext) -> None:
        """Count one that its reader left."""
        running: _Running | None = ctx.get("stream")
        if running is not None:
            running.tally.cancelled += 1
            if self._instruments is not None:
                self._instruments.cancelled.add(1, running.where)
                self._instruments.gave(running)

    def _took(self, running: _Running, ctx: HookContext, where: Mapping[str, str]) -> None:
        seconds = ctx.call.elapsed
        running.tally.duration.add(seconds)
        if self._instruments is not None:
            self._instruments.duration.record(seconds, where)
            self._instruments.gave(running)


class _Running:
    """One stream that has not ended."""

    __slots__ = ("bytes", "chunks", "last", "tally", "where")

    def __init__(self, tally: StreamTally) -> None:
        self.tally, self.where = tally, {names.TOOL_NAME: tally.tool}
        self.chunks = self.bytes = 0
        self.last: float | None = None
        """When the last chunk came."""


class _Instruments:
    """Those of OpenTelemetry. To tell one costs about 6 us, so chunks and bytes are told at the end."""

    def __init__(self, meter: metrics.Meter) -> None:
        counter = meter.create_counter
        self._chunks = counter(names.STREAM_CHUNKS, "{chunk}", "Chunks that tools gave to streams.")
        self._bytes = counter(names.STREAM_BYTES, "By", "The size of these chunks.")
        self.cancelled = counter(names.STREAM_CANCELLED, "{stream}", "Streams that their reader left.")
        self.first_chunk, self.gap, self.duration = (
            meter.create_histogram(
                name,
                unit="s",
                description=said,
                explicit_bucket_boundaries_advisory=names.DURATION_SECONDS,
            )
            for name, said in (
                (names.STREAM_FIRST_CHUNK, "From the beginning of a stream to its first chunk."),
                (names.STREAM_GAP, "Between two chunks of a stream."),
                (names.STREAM_DURATION, "From the beginning of a stream to its end."),
            )
        )

    def gave(self, running: _Running) -> None:
        """A stream has ended, however it did."""
        self._chunks.add(running.chunks, running.where)
        self._bytes.add(running.bytes, running.where)
