"""Tracing, metrics, logging and a breaker around streams: each sees the end as it was, and when it was."""

import gc
import io
import json
import logging

import anyio
import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from toolcase import CircuitOpen, Registry
from toolcase.observability import configure_tracing
from toolcase.runtime import CircuitBreakerMiddleware, LoggingMiddleware, MetricsMiddleware, TracingMiddleware
from toolcase.testing import current_clock, run


@pytest.fixture
def tracing():
    with configure_tracing("memory", set_global=False) as tracing:
        yield tracing


class Watched:
    """A registry whose tools are traced, counted and logged, with one that streams a chunk each second."""

    def __init__(self, tracing, *used, content=False):
        self.records, self.tracing = [], tracing
        self.metrics = MetricsMiddleware()
        self.registry = Registry(clock=current_clock())
        logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[self._keep])
        self.registry.use(TracingMiddleware(tracing.provider, content=content), self.metrics)
        self.registry.use(LoggingMiddleware(logger), *used)

        @self.registry.tool
        async def t(gives: int = 3, error: bool = False):
            for number in range(gives):
                await anyio.sleep(1)
                yield number
            if error:
                raise ValueError("no")

    def _keep(self, _, method, event):
        self.records.append({"level": method, **event})
        raise structlog.DropEvent

    @property
    def span(self):
        (span,) = self.tracing.spans
        return span

    @property
    def counted(self):
        found = self.metrics.snapshot()["t"]
        return found.ok, sum(found.errors.values()), found.cancelled

    @property
    def logged(self):
        return self.records[-1]


# How a stream ends, and after how many seconds


async def read_to_its_end(registry):
    async for _ in registry.stream("t"):
        pass


async def handed_to_a_sink(registry):
    assert (await registry.stream("t").stream_to(lambda chunk: None)).ok


async def gathered(registry):
    assert await registry.stream("t").collect() == [0, 1, 2]


async def called(registry):
    assert await registry.call("t") == [0, 1, 2]


async def failed(registry):
    with pytest.raises(ValueError, match="no"):
        async for _ in registry.stream("t", error=True):
            pass


async def failed_before_a_sink(registry):
    result = await registry.stream("t", error=True).stream_to(lambda chunk: None)
    assert result.error.type == "ValueError"


async def closed_early(registry):
    async with registry.stream("t") as stream:
        await anext(stream)
        await anyio.sleep(0.5)


async def left_without_a_block(registry):
    async for _ in registry.stream("t"):
        await anyio.sleep(0.5)
        break
    gc.collect()
    await anyio.wait_all_tasks_blocked()


async def left_by_an_error_of_the_reader(registry):
    with pytest.raises(OSError, match="gone"):
        async with registry.stream("t") as stream:
            await anext(stream)
            await anyio.sleep(0.5)
            raise OSError("gone")


async def left_by_a_sink_that_fails(registry):
    async def sink(chunk):
        await anyio.sleep(0.5)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await registry.stream("t").stream_to(sink)


async def left_by_a_read_that_was_cancelled(registry):
    with anyio.move_on_after(1.5):
        async for _ in registry.stream("t"):
            pass


async def left_by_a_sink_that_was_cancelled(registry):
    with anyio.move_on_after(1.5):
        await registry.stream("t").stream_to(lambda chunk: anyio.sleep(100))


COMPLETE = [read_to_its_end, handed_to_a_sink, gathered]
FAILED = [failed, failed_before_a_sink]
LEFT = [
    closed_early,
    left_without_a_block,
    left_by_an_error_of_the_reader,
    left_by_a_sink_that_fails,
    left_by_a_read_that_was_cancelled,
    left_by_a_sink_that_was_cancelled,
]


@pytest.mark.parametrize("end", COMPLETE)
async def test_one_that_was_read_to_its_end_is_well(tracing, end):
    watched = Watched(tracing)

    await end(watched.registry)

    span = watched.span
    assert span.attributes["tool.stream.chunks"] == 3
    assert span.attributes["tool.stream.time_to_first_chunk"] == pytest.approx(1)
    assert (span.status, "toolcase.cancelled" in span.attributes) == ("unset", False)
    assert watched.counted == (1, 0, 0)
    assert watched.metrics.snapshot()["t"].mean == pytest.approx(3, rel=0.05)
    assert watched.logged == {
        "level": "info",
        "event": "call.ended",
        "tool": "t",
        "attempts": 1,
        "duration": pytest.approx(3),
    }
    assert watched.registry.inflight() == []


@pytest.mark.parametrize("end", FAILED)
async def test_one_that_fails_midway_has_failed(tracing, end):
    watched = Watched(tracing)

    await end(watched.registry)

    span = watched.span
    assert (span.status, span.attributes["error.type"]) == ("error", "ValueError")
    assert span.attributes["tool.stream.chunks"] == 3
    assert watched.counted == (0, 1, 0)
    assert watched.metrics.snapshot()["t"].mean == pytest.approx(3, rel=0.05)
    assert (watched.logged["event"], watched.logged["duration"]) == ("call.failed", pytest.approx(3))


@pytest.mark.parametrize("end", LEFT)
async def test_one_that_its_reader_leaves_is_cancelled_and_no_error(tracing, end):
    watched = Watched(tracing)

    await end(watched.registry)

    span = watched.span
    assert span.status == "unset"
    assert span.attributes["toolcase.cancelled"] is True
    assert span.attributes["tool.stream.chunks"] == 1
    assert not {"error.type"} & set(span.attributes)
    assert [event.name for event in span.events] == []
    assert watched.counted == (0, 0, 1)
    assert watched.logged == {
        "level": "info",
        "event": "call.cancelled",
        "tool": "t",
        "attempts": 1,
        "duration": pytest.approx(1.5),
    }
    assert watched.registry.inflight() == []


@pytest.mark.parametrize("end", [*COMPLETE, *FAILED, *LEFT])
async def test_opentelemetry_is_told_the_same(tracing, end):
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    registry = Watched(tracing, MetricsMiddleware(provider)).registry

    await end(registry)

    (resource,) = reader.get_metrics_data().resource_metrics
    points = {each.name: each.data.data_points[0] for each in resource.scope_metrics[0].metrics}
    assert ("toolcase.cancellations" in points) is (end in LEFT)
    assert ("gen_ai.execute_tool.duration" in points) is (end not in LEFT)
    if end not in LEFT:
        duration = points["gen_ai.execute_tool.duration"]
        assert duration.sum == pytest.approx(3)
        assert duration.attributes.get("error.type") == ("ValueError" if end in FAILED else None)


@pytest.mark.parametrize("end", LEFT)
async def test_a_breaker_does_not_count_one_that_its_reader_leaves(tracing, end):
    breaker = CircuitBreakerMiddleware(failure_threshold=1)
    watched = Watched(tracing, breaker)

    for _ in range(3):
        await end(watched.registry)

    assert watched.counted == (0, 0, 3)
    assert breaker.state("t").value == "closed"


async def test_a_breaker_counts_one_that_fails_midway(tracing):
    breaker = CircuitBreakerMiddleware(failure_threshold=1)
    watched = Watched(tracing, breaker)

    await failed(watched.registry)

    with pytest.raises(CircuitOpen):
        await read_to_its_end(watched.registry)


async def test_a_probe_that_its_reader_leaves_gives_its_place_back(tracing):
    breaker = CircuitBreakerMiddleware(failure_threshold=1, recovery_time=10)
    watched = Watched(tracing, breaker)
    await failed(watched.registry)
    await anyio.sleep(10)

    for _ in range(3):
        await closed_early(watched.registry)
    await read_to_its_end(watched.registry)

    assert breaker.state("t").value == "closed"


class TestSpan:
    """The span of a stream."""

    async def test_a_call_of_the_same_tool_says_nothing_of_chunks(self, tracing):
        watched = Watched(tracing)

        await called(watched.registry)

        assert not [name for name in watched.span.attributes if "stream" in name]

    async def test_of_no_chunk_there_is_no_first_one(self, tracing):
        watched = Watched(tracing)

        await watched.registry.stream("t", gives=0).collect()

        assert watched.span.attributes["tool.stream.chunks"] == 0
        assert "tool.stream.time_to_first_chunk" not in watched.span.attributes

    async def test_is_open_until_the_stream_has_ended(self, tracing):
        watched = Watched(tracing)

        async with watched.registry.stream_execute("t", {"gives": 40}, buffer=1) as stream:
            async for chunk in stream:
                if chunk.index < 38:  # the last ones may be ahead of their reader
                    assert tracing.spans == ()

        assert watched.span.attributes["tool.stream.chunks"] == 40

    async def test_has_no_result_also_where_contents_are_wanted(self, tracing):
        watched = Watched(tracing, content=True)

        await read_to_its_end(watched.registry)

        assert json.loads(watched.span.attributes["gen_ai.tool.call.arguments"]) == {}
        assert "gen_ai.tool.call.result" not in watched.span.attributes

    async def test_the_readers_own_span_stays_the_current_one(self, tracing):
        watched = Watched(tracing)
        seen = []

        with tracing.provider.get_tracer("test").start_as_current_span("reader") as own:
            async for _ in watched.registry.stream("t"):
                seen.append(trace.get_current_span())
            seen.append(trace.get_current_span())
            async with watched.registry.stream("t") as stream:
                await anext(stream)
                seen.append(trace.get_current_span())
            seen.append(trace.get_current_span())
            await watched.registry.stream("t").stream_to(lambda chunk: None)
            seen.append(trace.get_current_span())

        assert seen == [own] * 7
        parents = {span.parent_id for span in tracing.spans if span.name == "execute_tool t"}
        assert parents == {trace.format_span_id(own.get_span_context().span_id)}

    async def test_what_a_sink_does_is_below_the_stream_that_feeds_it(self, tracing):
        watched, seen = Watched(tracing), []

        await watched.registry.stream("t").stream_to(lambda chunk: seen.append(trace.get_current_span()))

        assert {each.name for each in seen} == {"execute_tool t"}
        assert trace.get_current_span() is trace.INVALID_SPAN

    async def test_calls_and_streams_inside_are_below_it(self, tracing):
        watched = Watched(tracing)
        registry = watched.registry

        @registry.tool
        async def plain() -> int:
            return 1

        @registry.tool
        async def outer():
            async with registry.stream("t") as stream:
                async for chunk in stream:
                    yield chunk.content + await registry.call("plain")
            await registry.stream("t").stream_to(lambda chunk: None)

        assert await registry.stream("outer").collect() == [1, 2, 3]

        (around,) = [span for span in tracing.spans if span.name == "execute_tool outer"]
        inside = [span for span in tracing.spans if span is not around]
        assert len(inside) == 5
        assert {span.parent_id for span in inside} == {around.span_id}
        assert {span.trace_id for span in inside} == {around.trace_id}

    async def test_nothing_is_said_of_a_context_that_does_not_fit(self, tracing, caplog):
        watched = Watched(tracing)

        with caplog.at_level(logging.DEBUG, "opentelemetry"):
            for end in (*COMPLETE, *FAILED, *LEFT):
                await end(watched.registry)

        assert caplog.records == []


def test_a_waterfall_shows_streams_and_how_they_ended(backend):
    shown = io.StringIO()

    async def scenario():
        with configure_tracing("console", set_global=False, stream=shown) as tracing:
            watched = Watched(tracing)
            await called(watched.registry)
            await read_to_its_end(watched.registry)
            await closed_early(watched.registry)
            await failed(watched.registry)

    run(scenario, backend=backend)

    lines = [line for line in shown.getvalue().splitlines() if "execute_tool t" in line]
    assert [line.partition(" ms")[2].split("  ")[1:] for line in lines] == [
        [],
        ["3 chunks"],
        ["1 chunk", "cancelled"],
        ["3 chunks", "ERROR ValueError ValueError: no"],
    ]
