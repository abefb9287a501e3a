"""Tracing is set up in one call, says what is wrong with it, and makes spans of a host's own."""

import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from toolcase import Registry
from toolcase.observability import (
    ConsoleExporter,
    JsonExporter,
    MemoryExporter,
    Span,
    Tracer,
    configure_tracing,
)
from toolcase.runtime import TracingMiddleware
from toolcase.testing import Give, Script


@pytest.fixture
def tracing():
    with configure_tracing("memory", set_global=False) as tracing:
        yield tracing


class TestConfigure:
    """`configure_tracing` and its settings."""

    @pytest.mark.parametrize(
        ("name", "kind"), [("console", ConsoleExporter), ("json", JsonExporter), ("memory", MemoryExporter)]
    )
    def test_takes_an_exporter_by_name(self, name, kind):
        with configure_tracing(name, set_global=False) as tracing:
            assert isinstance(tracing.exporter, kind)

    def test_takes_any_exporter_of_the_sdk(self):
        exporter = InMemorySpanExporter()

        with configure_tracing(exporter, set_global=False) as tracing:
            with tracing.tracer().span("work"):
                pass
            assert tracing.flush()

        assert [span.name for span in exporter.get_finished_spans()] == ["work"]

    def test_says_which_service_it_is(self):
        with configure_tracing("memory", service_name="orders", set_global=False) as tracing:
            with tracing.tracer().span("work"):
                pass

        assert tracing.spans[0].service == "orders"

    @pytest.mark.parametrize(("ratio", "kept"), [(0, 0), (1, 20)])
    def test_records_that_part_of_the_traces(self, ratio, kept):
        with configure_tracing("memory", sample_ratio=ratio, set_global=False) as tracing:
            for _ in range(20):
                with tracing.tracer().span("work"):
                    pass

        assert len(tracing.spans) == kept

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"sample_ratio": 1.5}, "sample_ratio must be at most 1, which is all traces, got 1.5"),
            ({"sample_ratio": -1}, "sample_ratio must be at least 0, got -1"),
            ({"exporter": "jaeger"}, "one of console, memory, json, otlp, or an exporter; got 'jaeger'"),
            (
                {"endpoint": "http://a"},
                "endpoint and headers are for exporter='otlp', got exporter='console'",
            ),
            ({"exporter": "json", "headers": {}}, "endpoint and headers are for exporter='otlp'"),
            ({"exporter": "memory", "stream": sys.stderr}, "stream is for exporter='console' or 'json'"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, settings, said):
        with pytest.raises(ValueError) as raised:
            configure_tracing(**settings, set_global=False)

        assert said in str(raised.value)

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"sample_ratio": "half"}, "sample_ratio must be a number, got 'half'"),
            ({"exporter": object}, "an exporter has a method `export`, got <class 'object'>"),
        ],
    )
    def test_refuses_what_is_of_another_type(self, settings, said):
        with pytest.raises(TypeError) as raised:
            configure_tracing(**settings, set_global=False)

        assert said in str(raised.value)

    def test_refuses_to_take_the_place_of_another_provider(self, tracing, monkeypatch):
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracing.provider)

        with pytest.raises(RuntimeError, match="has a tracer provider already.*set_global=False"):
            configure_tracing("memory")

    @pytest.mark.parametrize(
        ("exporter", "missing"),
        [
            ("memory", "opentelemetry.sdk.trace"),
            ("otlp", "opentelemetry.exporter.otlp.proto.http.trace_exporter"),
        ],
    )
    def test_says_what_to_install(self, monkeypatch, exporter, missing):
        monkeypatch.setitem(sys.modules, missing, None)

        with pytest.raises(ImportError, match=r'pip install "toolcase\[otel\]"'):
            configure_tracing(exporter, set_global=False)

    def test_only_memory_keeps_spans(self):
        with configure_tracing("json", set_global=False) as tracing:
            with pytest.raises(TypeError, match="JsonExporter keeps no spans; use .*exporter='memory'"):
                _ = tracing.spans

    def test_after_its_shutdown_nothing_is_recorded(self):
        with configure_tracing("memory", set_global=False) as tracing:
            tracer = tracing.tracer()

        with tracer.span("late"):
            pass

        assert tracing.spans == ()

    async def test_a_console_that_fails_fails_no_call(self, caplog):
        class Closed:
            def write(self, text):
                raise ValueError("I/O operation on closed file")

        with configure_tracing("console", stream=Closed(), set_global=False) as tracing:
            registry = Registry()
            registry.use(TracingMiddleware(tracing.provider))
            registry.add(Script(Give(1)).tool("t"))
            assert await registry.call("t") == 1

        assert "closed file" in caplog.text


class TestMemory:
    """The exporter for tests."""

    def test_keeps_the_last_ones(self):
        exporter = MemoryExporter(most_spans=2)

        with configure_tracing(exporter, set_global=False) as tracing:
            for name in "abc":
                with tracing.tracer().span(name):
                    pass

        assert [span.name for span in tracing.spans] == ["b", "c"]

    def test_forgets_when_told_to(self, tracing):
        with tracing.tracer().span("a"):
            pass

        tracing.exporter.clear()

        assert tracing.spans == ()

    def test_keeps_at_least_one(self):
        with pytest.raises(ValueError, match="most_spans must be at least 1, got 0"):
            MemoryExporter(0)


class TestOwnSpans:
    """`Tracer` and `Span`, for the host's own work."""

    def test_has_what_is_written_into_it(self, tracing):
        with tracing.tracer("search").span("rank", {"documents": 3}) as span:
            span.set("model", "small")
            span.event("cut", {"at": 2})
            span.event("done")

        (found,) = tracing.spans
        assert (found.name, found.trace_id, found.span_id) == ("rank", span.trace_id, span.span_id)
        assert found.attributes == {"documents": 3, "model": "small"}
        assert [(event.name, event.attributes) for event in found.events] == [
            ("cut", {"at": 2}),
            ("done", {}),
        ]
        assert 0 <= found.events[0].offset <= found.events[1].offset <= found.duration

    def test_is_below_the_one_around_it(self, tracing):
        tracer = tracing.tracer()

        with tracer.span("outer") as outer, tracer.span("inner"):
            pass

        assert [(span.name, span.parent_id) for span in tracing.spans] == [
            ("inner", outer.span_id),
            ("outer", None),
        ]

    def test_an_error_passes_and_leaves_its_class(self, tracing):
        with pytest.raises(OSError, match="at zoe"):
            with tracing.tracer().span("work"):
                raise OSError("at zoe")

        (span,) = tracing.spans
        assert (span.status, span.description, span.attributes) == (
            "error",
            "OSError",
            {"error.type": "OSError"},
        )
        assert not span.events

    def test_a_cancellation_is_no_error(self, tracing):
        with pytest.raises(KeyboardInterrupt):
            with tracing.tracer().span("work"):
                raise KeyboardInterrupt

        (span,) = tracing.spans
        assert (span.status, span.attributes) == ("unset", {"toolcase.cancelled": True})

    def test_without_a_provider_it_does_nothing(self):
        with Tracer(tracer_provider=trace.NoOpTracerProvider()).span("work") as span:
            span.set("a", 1)
            span.event("b")

        assert isinstance(span, Span)
        assert (span.trace_id, span.span_id) == ("0" * 32, "0" * 16)
