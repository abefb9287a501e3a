"""Who sees what happens: tracing with OpenTelemetry, logs that give nothing away, and the names in both."""

from toolcase.observability.exporters import JsonExporter as JsonExporter
from toolcase.observability.exporters import MemoryExporter as MemoryExporter
from toolcase.observability.logs import configure_logging as configure_logging
from toolcase.observability.propagation import continue_trace as continue_trace
from toolcase.observability.propagation import trace_headers as trace_headers
from toolcase.observability.spans import FinishedSpan as FinishedSpan
from toolcase.observability.spans import SpanEvent as SpanEvent
from toolcase.observability.stream_tally import Durations as Durations
from toolcase.observability.stream_tally import StreamMetrics as StreamMetrics
from toolcase.observability.tally import ToolMetrics as ToolMetrics
from toolcase.observability.tracing import Span as Span
from toolcase.observability.tracing import Tracer as Tracer
from toolcase.observability.tracing import Tracing as Tracing
from toolcase.observability.tracing import configure_tracing as configure_tracing
from toolcase.observability.waterfall import ConsoleExporter as ConsoleExporter
