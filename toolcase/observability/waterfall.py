"""Traces as a person reads them: one line a span, below its parent, with a bar for when it ran."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from toolcase.clock import count
from toolcase.observability import names
from toolcase.observability.exporters import exported, write
from toolcase.observability.spans import FinishedSpan
from toolcase.plain import printable

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult

BAR_COLUMNS = 24
NAME_COLUMNS = 40
DEEPEST = 12
"""Levels below stand as far to the right as this one."""


class ConsoleExporter:
    """Writes a trace when its outermost span in this process has ended, to `stream` or standard error.

    Standard output may belong to a protocol. At most `most_traces` wait for their end, with `most_spans`
    each: beyond that the oldest trace is written as it is, and further spans are left out and counted.
    """

    def __init__(
        self, stream: TextIO | None = None, *, most_traces: int = 100, most_spans: int = 1_000
    ) -> None:
        self._stream = stream
        self._most_traces = count(most_traces, "most_traces")
        self._most_spans = count(most_spans, "most_spans")
        self._lock = threading.Lock()  # any thread may end spans; it guards what follows, and the stream
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called by the SDK, with children before their parents."""
        with self._lock:
            for span in spans:
                self._take(FinishedSpan.of(span))
        return exported()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """A trace that has not ended goes on waiting."""
        return True

    def shutdown(self) -> None:
        """Write what still waits."""
        with self._lock:
            while self._waiting:
                self._write_oldest()

    def _take(self, span: FinishedSpan) -> None:
        waiting = self._waiting.setdefault(span.trace_id, _Waiting())
        if span.local_root:
            write(waiting.lines(span, ""), self._stream)
            if not waiting.spans:
                del self._waiting[span.trace_id]
        elif len(waiting.spans) < self._most_spans:
            waiting.spans[span.span_id] = span
        else:
            waiting.left_out += 1
        if len(self._waiting) > self._most_traces:
            self._write_oldest()

    def _write_oldest(self) -> None:
        _, waiting = self._waiting.popitem(last=False)
        tops = [span for span in waiting.spans.values() if span.parent_id not in waiting.spans]
        for top in tops:
            write(waiting.lines(top, ", what was around it has not ended"), self._stream)


class _Waiting:
    """What has ended of a trace that has not."""

    def __init__(self) -> None:
        self.spans: dict[str, FinishedSpan] = {}
        self.left_out = 0

    def lines(self, root: FinishedSpan, note: str) -> list[str]:
        """A trace as text; its spans wait no more. Spans of the same trace below another root stay."""
        below: dict[str | None, list[FinishedSpan]] = {}
        for span in self.spans.values():
            below.setdefault(span.parent_id, []).append(span)
        lines, stack = [f"trace {root.trace_id}{note}"], [(root, 0)]
        while stack:
            span, depth = stack.pop()
            self.spans.pop(span.span_id, None)
            lines.append(_line(span, root, depth))
            children = sorted(below.get(span.span_id, ()), key=lambda child: child.start)
            stack += [(child, depth + 1) for child in reversed(children)]
        if self.left_out:
            lines.append(f"  and {self.left_out} more spans")
            self.left_out = 0
        return lines


def _line(span: FinishedSpan, root: FinishedSpan, depth: int) -> str:
    title = "  " * min(depth + 1, DEEPEST) + printable(span.name)
    return f"{title:<{NAME_COLUMNS}} |{_bar(span, root)}| {span.duration * 1000:9.1f} ms{_end(span)}"


def _bar(span: FinishedSpan, root: FinishedSpan) -> str:
    """When it ran, as a part of the time that the root took; what took long enough to see is seen."""
    whole = root.duration or 1.0
    begin = min(max(int((span.start - root.start) / whole * BAR_COLUMNS), 0), BAR_COLUMNS - 1)
    length = max(round(span.duration / whole * BAR_COLUMNS), 1)
    return (" " * begin + "=" * length)[:BAR_COLUMNS].ljust(BAR_COLUMNS)


def _end(span: FinishedSpan) -> str:
    """How it ended, where that is worth a word."""
    attempts = span.attributes.get(names.ATTEMPTS, 1)
    words = f"  {attempts} attempts" if attempts != 1 else ""
    chunks = span.attributes.get(names.STREAM_CHUNKS)
    if chunks is not None:
        words += f"  {chunks} chunk{'' if chunks == 1 else 's'}"
    if span.attributes.get(names.CANCELLED):
        words += "  cancelled"
    if span.status == "error":
        words += f"  ERROR {span.attributes.get(names.ERROR_TYPE, '')} {span.description}".rstrip()
    return printable(words)
