"""A span for each call."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from msgspec.structs import replace
from opentelemetry import context as current
from opentelemetry import trace

from toolcase.call import Call, Inner, Stage, running
from toolcase.clock import count
from toolcase.errors import InvalidArguments
from toolcase.events import Event
from toolcase.observability import names
from toolcase.observability.happenings import happening
from toolcase.observability.propagation import span_context, with_flags
from toolcase.observability.providers import Watch
from toolcase.plain import as_json, cut, given_data, printable
from toolcase.result import describe

NAME_CHARACTERS = 200
TEXT_CHARACTERS = 500


@dataclass(slots=True, eq=False)
class TracingMiddleware:
    """A span `execute_tool NAME` for each call, through OpenTelemetry, and on it what happened on the way.

    It costs next to nothing until there is a tracer provider: `tracer_provider`, or the global one, which is
    noticed within 0.1 s when it is set later. The call's context has the span's ids from then on, and tools
    and child calls find the span as the current one. Arguments and results are left out unless
    `content=True`; then they are cut to `content_characters` each. The registry's secrets are masked
    everywhere. The span of a stream is open until the stream has ended, and says how many chunks came, and
    when the first. For the registries of one event loop.
    """

    tracer_provider: trace.TracerProvider | None = None
    content: bool = False
    content_characters: int = 4_096
    stage: ClassVar[Stage] = Stage.OBSERVE
    # Made when a provider is found, and then kept; the one event loop writes it.
    _tracer: trace.Tracer | None = field(default=None, init=False, repr=False)
    _watch: Watch[trace.TracerProvider] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        count(self.content_characters, "content_characters")
        self._watch = Watch(self.tracer_provider, trace.get_tracer_provider)

    def __call__(self, call: Call, inner: Inner) -> Awaitable[Any]:
        tracer = self._tracer
        if tracer is None:
            watch, now = self._watch, call.info.started
            if watch.since <= now < watch.until or (tracer := self._look(now)) is None:
                return inner(call)  # with no coroutine of our own
        return self._traced(tracer, call, inner)

    def on_event(self, call: Call, event: Event) -> None:
        """Write it into the call's span."""
        if self._tracer is None:
            return
        span = call.state.get(self)
        if span is not None and span.is_recording():
            found = happening(event, call.host.secrets)
            if found is not None:
                span.add_event(*found)

    def _look(self, now: float) -> trace.Tracer | None:
        provider = self._watch.look(now)
        if provider is not None:
            self._tracer = provider.get_tracer(names.SCOPE)
        return self._tracer

    async def _traced(self, tracer: trace.Tracer, call: Call, inner: Inner) -> Any:
        span = self._begun(tracer, call)
        token = current.attach(trace.set_span_in_context(span))
        try:
            value = await inner(call)
        except Exception as error:
            if span.is_recording():
                _failed(span, call, error)
            raise
        except BaseException:
            span.set_attribute(names.CANCELLED, True)
            raise
        else:
            if self.content and call.emit is None and span.is_recording():
                span.set_attribute(names.RESULT, self._shown(call, value))
            return value
        finally:
            # Closed from outside, after its loop had gone, it is in another context: nothing to put back.
            # The info tells whose it is: an observer outside may have handed on a copy of the call.
            now = running.get()
            if now is not None and now.info is call.info:
                current.detach(token)
            if span.is_recording():
                span.set_attribute(names.ATTEMPTS, call.info.attempts)
                if call.info.outcome_unknown:
                    span.set_attribute(names.OUTCOME_UNKNOWN, True)
                if call.emit is not None:
                    span.set_attributes(_streamed(call))
            span.end()

    def _begun(self, tracer: trace.Tracer, call: Call) -> trace.Span:
        """The span of this call, started under its parent; the call's context has its ids."""
        parent = _parent(call)
        # A name that a caller made up is an attribute only: names of spans are to be few.
        title = names.EXECUTE_TOOL if call.tool is None else f"{names.EXECUTE_TOOL} {call.name}"
        attributes = {
            names.OPERATION: names.EXECUTE_TOOL,
            names.TOOL_NAME: _line(call, call.name, NAME_CHARACTERS),
            names.TOOL_TYPE: names.FUNCTION,
        }
        around = trace.set_span_in_context(trace.NonRecordingSpan(parent)) if parent.is_valid else None
        span = tracer.start_span(title, around, trace.SpanKind.INTERNAL, attributes)
        own = span.get_span_context()
        if own.is_valid:
            context = call.context
            call.info._context = replace(
                context,
                trace_id=trace.format_trace_id(own.trace_id),
                span_id=trace.format_span_id(own.span_id),
                parent_span_id=trace.format_span_id(parent.span_id) if parent.is_valid else None,
                metadata=with_flags(context.metadata, own.trace_flags),
            )
        if span.is_recording():
            call.state[self] = span
            span.set_attributes(_facts(call))
            if self.content:
                span.set_attribute(names.ARGUMENTS, self._shown(call, given_data(call.given)))
        return span

    def _shown(self, call: Call, value: Any) -> str:
        """As JSON without secrets, cut visibly."""
        return cut(as_json(call.host.secrets.redact_data(value)), self.content_characters)


def _parent(call: Call) -> trace.SpanContext:
    """The current span; where there is none, what the caller's context names, or that of the call around."""
    found = trace.get_current_span().get_span_context()
    if found.is_valid:
        return found
    # A thread or a task that came without OpenTelemetry's context still has its parent's, or the host's, ids.
    context = call.info._context or call._context if call.parent is None else call.parent.context
    named = None if context is None else span_context(context, context.span_id)
    return named or trace.INVALID_SPAN_CONTEXT


def _facts(call: Call) -> dict[str, str]:
    """What the convention wants to know, where it is known."""
    context, facts = call.context, {}
    if call.tool is not None and call.tool.description:
        facts[names.TOOL_DESCRIPTION] = _line(call, call.tool.description, TEXT_CHARACTERS)
    if context.session_id is not None:
        facts[names.CONVERSATION_ID] = _line(call, context.session_id, NAME_CHARACTERS)
    told = context.metadata.get(names.TOOL_CALL_ID)
    if isinstance(told, str) and call.parent is None:  # a child call is none of the model's
        facts[names.TOOL_CALL_ID] = _line(call, told, NAME_CHARACTERS)
    return facts


def _streamed(call: Call) -> dict[str, float]:
    """What came of a stream; of one that was given in the place of its tool nothing."""
    info = call.info
    facts: dict[str, float] = {names.STREAM_CHUNKS: info.chunks}
    if info.first_chunk is not None:
        facts[names.STREAM_FIRST_CHUNK] = info.first_chunk - info.started
    return facts


def _failed(span: trace.Span, call: Call, error: Exception) -> None:
    """Say how it failed in words that may be shown to models, or else where the log says it."""
    info = describe(error, call, call.elapsed)
    message = error.without_values if isinstance(error, InvalidArguments) else info.message
    message = _line(call, message, TEXT_CHARACTERS)
    span.set_attribute(names.ERROR_TYPE, names.error_type(error))
    if info.correlation_id:
        span.set_attribute(names.CORRELATION_ID, info.correlation_id)
    # Not `record_exception`, which writes message and traceback as they are.
    span.add_event(
        names.EXCEPTION, {names.EXCEPTION_TYPE: type(error).__qualname__, names.EXCEPTION_MESSAGE: message}
    )
    span.set_status(trace.StatusCode.ERROR, message)


def _line(call: Call, text: str, most: int) -> str:
    return cut(printable(call.host.secrets.redact(text)), most)
