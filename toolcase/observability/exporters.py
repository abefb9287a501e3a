"""Where finished spans can go without a collector: to memory, or as lines of JSON."""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

import msgspec

from toolcase.clock import count
from toolcase.observability.spans import FinishedSpan
from toolcase.plain import plain

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult


class Exporter(Protocol):
    """What the SDK hands finished spans to: its own `SpanExporter`s, and ours."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take them."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits; whether the time was enough."""

    def shutdown(self) -> None:
        """Take no more."""


def exported() -> SpanExportResult:
    """What an exporter says when all went well; the SDK is there, because it is the SDK that asks."""
    from opentelemetry.sdk.trace.export import SpanExportResult

    return SpanExportResult.SUCCESS


def write(lines: Iterable[str], stream: TextIO | None) -> None:
    """Write lines at once; standard error is what it is at that moment, for hosts and tests change it."""
    stream = stream or sys.stderr
    stream.write("".join(f"{line}\n" for line in lines))
    stream.flush()


class MemoryExporter:
    """Keeps the last `most_spans` finished spans, for tests."""

    def __init__(self, most_spans: int = 10_000) -> None:
        self._spans: deque[FinishedSpan] = deque(maxlen=count(most_spans, "most_spans"))

    @property
    def spans(self) -> tuple[FinishedSpan, ...]:
        """In the order in which they ended."""
        return tuple(self._spans.copy())

    def clear(self) -> None:
        """Forget them."""
        self._spans.clear()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called by the SDK."""
        self._spans.extend(map(FinishedSpan.of, spans))
        return exported()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return True

    def shutdown(self) -> None:
        """What is kept stays."""


class JsonExporter:
    """Writes each span as one line of JSON when it ends, to `stream` or standard error.

    Any thread may end spans; a lock keeps their lines apart.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called by the SDK."""
        lines = [json.dumps(plain(msgspec.structs.asdict(FinishedSpan.of(span)))) for span in spans]
        with self._lock:
            write(lines, self._stream)
        return exported()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return True

    def shutdown(self) -> None:
        """The stream is the host's to close."""
