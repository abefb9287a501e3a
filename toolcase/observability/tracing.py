"""From nothing to spans that somebody reads: `configure_tracing`, and spans of your own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from opentelemetry import context as current
from opentelemetry import trace

from toolcase.clock import number
from toolcase.observability import names
from toolcase.observability.exporters import Exporter, JsonExporter, MemoryExporter
from toolcase.observability.providers import real
from toolcase.observability.spans import FinishedSpan
from toolcase.observability.waterfall import ConsoleExporter

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

Value = str | bool | int | float | Sequence[str] | Sequence[int] | Sequence[float]

EXPORTERS = ("console", "memory", "json", "otlp")
INSTALL = 'configure_tracing needs OpenTelemetry\'s SDK; install it: pip install "toolcase[otel]"'


def configure_tracing(
    exporter: str | Exporter = "console",
    *,
    service_name: str = "toolcase",
    sample_ratio: float = 1.0,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    stream: TextIO | None = None,
    set_global: bool = True,
) -> Tracing:
    """Send finished spans to `exporter`, and make that the tracing of this process.

    "console" writes each trace as a waterfall and "json" each span as a line, to `stream` or standard error;
    "memory" keeps them in the `spans` of what is given back; "otlp" sends them over HTTP to a collector's
    `endpoint` (".../v1/traces"; by default as OpenTelemetry's environment variables say), with `headers`.
    Any other exporter of the SDK is used as it is. Of traces that begin here, `sample_ratio` are recorded.
    OpenTelemetry takes one global provider per process: RuntimeError for a second one. With
    `set_global=False` nothing is global, and `TracingMiddleware` is given the `provider`.
    """
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError as error:
        raise ImportError(INSTALL) from error
    if not 0 <= number(sample_ratio, "sample_ratio") <= 1:
        raise ValueError(f"sample_ratio must be at most 1, which is all traces, got {sample_ratio!r}")
    if set_global and real(trace.get_tracer_provider()):
        raise RuntimeError(
            "this process has a tracer provider already, and OpenTelemetry takes no second one; give "
            "set_global=False, and its provider to TracingMiddleware(tracer_provider=...)"
        )
    chosen = _exporter(exporter, endpoint, headers, stream)
    provider = TracerProvider(
        resource=Resource.create({"service.name": service_name}),
        sampler=ParentBased(TraceIdRatioBased(sample_ratio)),
    )
    provider.add_span_processor(_processor(chosen))
    if set_global:
        trace.set_tracer_provider(provider)
    return Tracing(provider, chosen)


class Tracing:
    """What `configure_tracing` has set up. A context manager that shuts it down."""

    def __init__(self, provider: TracerProvider, exporter: Exporter) -> None:
        self.provider = provider
        self.exporter = exporter

    @property
    def spans(self) -> tuple[FinishedSpan, ...]:
        """The finished spans, where the exporter is "memory"; TypeError where it is not."""
        if not isinstance(self.exporter, MemoryExporter):
            raise TypeError(
                f"{type(self.exporter).__name__} keeps no spans; use configure_tracing(exporter='memory')"
            )
        return self.exporter.spans

    def tracer(self, name: str = names.SCOPE) -> Tracer:
        """For spans of your own."""
        return Tracer(name, tracer_provider=self.provider)

    def flush(self, timeout: float = 5.0) -> bool:
        """Send what waits to be sent, within `timeout` seconds, and wait for it; whether that was enough.

        It blocks: in an event loop, call it in a thread.
        """
        return self.provider.force_flush(int(timeout * 1000))

    def shutdown(self) -> None:
        """Send what waits, and record no more. It blocks, too. A global provider stays, and does nothing."""
        self.provider.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.shutdown()


class Tracer:
    """Makes spans of your own, inside a tool or around calls: `with Tracer("search").span("rank") as span:`.

    They go where `tracer_provider` sends them, by default the global one, now or when it is set.
    """

    def __init__(
        self, name: str = names.SCOPE, *, tracer_provider: trace.TracerProvider | None = None
    ) -> None:
        self._tracer = trace.get_tracer(name, tracer_provider=tracer_provider)

    def span(self, name: str, attributes: Mapping[str, Value] | None = None) -> Span:
        """A span that begins and ends with its `with` block, below the current one."""
        return Span(self._tracer, name, attributes)


class Span:
    """One piece of work. Nothing is masked: what you write into it leaves the host as it is."""

    __slots__ = ("_attributes", "_name", "_span", "_token", "_tracer")

    def __init__(self, tracer: trace.Tracer, name: str, attributes: Mapping[str, Value] | None) -> None:
        self._tracer, self._name, self._attributes = tracer, name, attributes
        self._span: trace.Span = trace.INVALID_SPAN

    @property
    def trace_id(self) -> str:
        """32 hex digits; zeros where nothing is recorded."""
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    @property
    def span_id(self) -> str:
        """16 hex digits; zeros where nothing is recorded."""
        return trace.format_span_id(self._span.get_span_context().span_id)

    def set(self, name: str, value: Value) -> None:
        """Note a fact."""
        self._span.set_attribute(name, value)

    def event(self, name: str, attributes: Mapping[str, Value] | None = None) -> None:
        """Note that something happened now."""
        self._span.add_event(name, attributes)

    def __enter__(self) -> Self:
        self._span = self._tracer.start_span(self._name, attributes=self._attributes)
        self._token = current.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        current.detach(self._token)
        if isinstance(error, Exception):  # its class alone: the message may say what nobody should read
            self._span.set_attribute(names.ERROR_TYPE, names.error_type(error))
            self._span.set_status(trace.StatusCode.ERROR, type(error).__name__)
        elif error is not None:
            self._span.set_attribute(names.CANCELLED, True)
        self._span.end()


def _exporter(
    exporter: str | Exporter,
    endpoint: str | None,
    headers: Mapping[str, str] | None,
    stream: TextIO | None,
) -> Any:
    if (endpoint is not None or headers is not None) and exporter != "otlp":
        raise ValueError(f"endpoint and headers are for exporter='otlp', got exporter={exporter!r}")
    if stream is not None and exporter not in ("console", "json"):
        raise ValueError(f"stream is for exporter='console' or 'json', got exporter={exporter!r}")
    match exporter:
        case "console":
            return ConsoleExporter(stream)
        case "json":
            return JsonExporter(stream)
        case "memory":
            return MemoryExporter()
        case "otlp":
            return _otlp(endpoint, headers)
        case str():
            known = ", ".join(EXPORTERS)
            known = ", ".join(EXPORTERS)
            raise ValueError(f"exporter must be one of {known}, or an exporter; got {exporter!r}")
    if not callable(getattr(exporter, "export", None)):
        raise TypeError(f"an exporter has a method `export`, got {exporter!r}")
    return exporter


def _otlp(endpoint: str | None, headers: Mapping[str, str] | None) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ImportError(INSTALL) from error
    return OTLPSpanExporter(endpoint=endpoint, headers=None if headers is None else dict(headers))


def _processor(exporter: Any) -> SpanProcessor:
    """Ours write at once and wait for nobody; any other may wait, and does so in a thread of the SDK's."""
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    ours = isinstance(exporter, ConsoleExporter | JsonExporter | MemoryExporter)
    return SimpleSpanProcessor(exporter) if ours else BatchSpanProcessor(exporter)
