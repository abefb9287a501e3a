"""How users write tracing, metrics and logging; type-checked, never run."""

from __future__ import annotations

import sys

from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from toolcase import ExecutionContext, Registry, Secrets
from toolcase.observability import (
    ConsoleExporter,
    FinishedSpan,
    ToolMetrics,
    Tracer,
    configure_logging,
    configure_tracing,
    continue_trace,
    trace_headers,
)
from toolcase.runtime import MetricsMiddleware, TracingMiddleware


def set_up(registry: Registry) -> MetricsMiddleware:
    configure_logging("DEBUG", json=True, secrets=Secrets(), stream=sys.stdout)
    tracing = configure_tracing("otlp", endpoint="https://collector/v1/traces", headers={"x-key": "k"})
    configure_tracing(ConsoleSpanExporter(), set_global=False)
    configure_tracing(ConsoleExporter(sys.stdout, most_traces=10), set_global=False)
    metrics = MetricsMiddleware(most_tools=100)
    registry.use(TracingMiddleware(), TracingMiddleware(tracing.provider, content=True), metrics)
    return metrics


def read(metrics: MetricsMiddleware) -> float:
    found: dict[str, ToolMetrics] = metrics.snapshot()
    return sum(each.p95 for each in found.values())


def names() -> list[str]:
    with configure_tracing("memory", set_global=False) as tracing:
        with tracing.tracer().span("rank", {"documents": 3}) as span:
            span.set("ids", ["a", "b"])
            span.event("done", {"ok": True})
    spans: tuple[FinishedSpan, ...] = tracing.spans
    return [span.name for span in spans]


def cross(headers: dict[str, str]) -> dict[str, str]:
    context: ExecutionContext = continue_trace(headers, ExecutionContext(scope_id="acme"))
    with Tracer("mine").span("request"):
        return trace_headers(context) | trace_headers()
