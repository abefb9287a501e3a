"""Finished spans as plain records, for exporters and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from opentelemetry import trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

NANOSECONDS = 1e9


class SpanEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened within a span."""

    name: str
    offset: float
    """Seconds since the span began."""
    attributes: Mapping[str, Any]


class FinishedSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A span that has ended. Ids are lower-case hex, as in W3C Trace Context."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    local_root: bool
    """Whether its parent, if it has one, is in another process."""
    start: float
    """Seconds since 1970, UTC."""
    duration: float
    """Seconds."""
    status: str
    """"unset", "ok" or "error"."""
    description: str
    """What was wrong; empty where nothing was."""
    attributes: Mapping[str, Any]
    events: tuple[SpanEvent, ...]
    service: str

    @classmethod
    def of(cls, span: ReadableSpan) -> FinishedSpan:
        """The record of what the SDK gives to an exporter."""
        own, parent = span.get_span_context() or trace.INVALID_SPAN_CONTEXT, span.parent
        start, end = span.start_time or 0, span.end_time or 0
        return cls(
            name=span.name,
            trace_id=trace.format_trace_id(own.trace_id),
            span_id=trace.format_span_id(own.span_id),
            parent_id=None if parent is None else trace.format_span_id(parent.span_id),
            local_root=parent is None or parent.is_remote,
            start=start / NANOSECONDS,
            duration=(end - start) / NANOSECONDS,
            status=span.status.status_code.name.lower(),
            description=span.status.description or "",
            attributes=dict(span.attributes or {}),
            events=tuple(
                SpanEvent(
                    name=event.name,
                    offset=(event.timestamp - start) / NANOSECONDS,
                    attributes=dict(event.attributes or {}),
                )
                for event in span.events
            ),
            service=str(span.resource.attributes.get("service.name", "")),
        )
