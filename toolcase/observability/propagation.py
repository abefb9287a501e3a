"""W3C Trace Context: a caller's trace goes on in our calls, and ours in what tools call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from toolcase.context import ExecutionContext

FLAGS, STATE = "trace_flags", "tracestate"
"""Where what an `ExecutionContext` has no field for stands in its metadata."""

_TRACE_ID, _SPAN_ID = re.compile(r"(?!0+\Z)[0-9a-f]{32}"), re.compile(r"(?!0+\Z)[0-9a-f]{16}")
_FLAGS = re.compile(r"[0-9a-f]{2}")


def continue_trace(headers: Mapping[str, str], context: ExecutionContext | None = None) -> ExecutionContext:
    """The context, with the trace that the headers `traceparent` and `tracestate` of a request name.

    Calls in it become children of the caller's span. Where the headers are missing or wrong the context stays
    as it is, and a trace of its own begins: a caller's mistake is no reason to refuse its request.
    """
    context = context or ExecutionContext()
    given = {name.lower(): value for name, value in headers.items()}
    caller = _span_context(TraceContextTextMapPropagator().extract(given, Context()))
    if not caller.is_valid:
        return context
    state = {STATE: caller.trace_state.to_header()} if caller.trace_state else {}
    kept = {name: value for name, value in context.metadata.items() if name != STATE}
    return replace(
        context,
        trace_id=trace.format_trace_id(caller.trace_id),
        span_id=trace.format_span_id(caller.span_id),
        parent_span_id=None,
        metadata=with_flags({**kept, **state}, caller.trace_flags),
    )


def with_flags(metadata: Mapping[str, Any], flags: trace.TraceFlags) -> Mapping[str, Any]:
    """The metadata such that it says of a trace that is not recorded, and of no other, that it is not."""
    kept = {name: value for name, value in metadata.items() if name != FLAGS}
    return kept if flags.sampled else {**kept, FLAGS: f"{flags:02x}"}


def trace_headers(context: ExecutionContext | None = None) -> dict[str, str]:
    """The headers that tell another service of the current span, or where there is none of this context's.

    A tool adds them to what it sends. None are given where the context has no ids of the W3C's form.
    """
    current = trace.get_current_span().get_span_context()
    headers: dict[str, str] = {}
    if not current.is_valid and context is not None:
        current = span_context(context, context.span_id) or current
    if current.is_valid:
        around = trace.set_span_in_context(trace.NonRecordingSpan(current), Context())
        TraceContextTextMapPropagator().inject(headers, around)
    return headers


def span_context(context: ExecutionContext, span_id: str | None) -> trace.SpanContext | None:
    """What OpenTelemetry calls that span of the context's trace; None if the ids are not as the W3C's are."""
    trace_id = context.trace_id or ""
    if not _TRACE_ID.fullmatch(trace_id) or not _SPAN_ID.fullmatch(span_id or ""):
        return None
    flags, state = context.metadata.get(FLAGS), context.metadata.get(STATE)
    known = isinstance(flags, str) and _FLAGS.fullmatch(flags)
    return trace.SpanContext(
        int(trace_id, 16),
        int(span_id or "", 16),
        is_remote=True,
        # Who gives the ids of a trace has one, unless it says otherwise.
        trace_flags=trace.TraceFlags(int(str(flags), 16) if known else trace.TraceFlags.SAMPLED),
        trace_state=trace.TraceState.from_header([state]) if isinstance(state, str) else None,
    )


def _span_context(context: Context) -> trace.SpanContext:
    return trace.get_current_span(context).get_span_context()
