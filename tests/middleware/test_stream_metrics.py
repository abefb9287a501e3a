"""Streams are counted by tool, in memory and through OpenTelemetry."""

import math

import anyio
import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from toolcase import Denied, Registry
from toolcase.observability import names
from toolcase.runtime import StreamMetricsMiddleware
from toolcase.testing import Give, Script


def measured(*, error=None, **settings):
    """A registry with tools that give a chunk when the given seconds are over, and their metrics."""
    middleware, registry = StreamMetricsMiddleware(**settings), Registry()
    registry.use(middleware)

    async def gives(waits: list[float], content: str = "ä"):
        for wait in waits:
            await anyio.sleep(wait)
            yield content
        if error is not None:
            raise error

    for name in ("s", "t", "u"):
        registry.tool(name=name)(gives)
    registry.add(Script(Give("plain")).tool("p"))
    return registry, middleware


async def read(registry, name, *waits):
    return await registry.stream(name, waits=list(waits)).stream_to(lambda chunk: None)


async def test_counts_chunks_and_bytes():
    registry, middleware = measured()

    await read(registry, "s", 1, 1)
    await read(registry, "s", 1)

    found = middleware.snapshot()["s"]
    assert (found.tool, found.count, found.ok, found.chunks, found.bytes) == ("s", 2, 2, 3, 6)


async def test_says_how_chunks_follow_each_other():
    registry, middleware = measured()

    await read(registry, "s", 5, 1, 2)
    await read(registry, "s", 3)

    found = middleware.snapshot()["s"]
    assert (found.first_chunk.count, found.first_chunk.mean) == (2, pytest.approx(4))
    assert (found.gap.count, found.gap.mean, found.gap.max) == (2, pytest.approx(1.5), pytest.approx(2))
    assert (found.duration.count, found.duration.max) == (2, pytest.approx(8))
    assert found.duration.p50 == pytest.approx(3, rel=0.011)
    assert found.duration.p99 <= found.duration.max


async def test_what_never_happened_took_no_known_time():
    registry, middleware = measured()

    await read(registry, "s")

    found = middleware.snapshot()["s"].first_chunk
    assert found.count == 0
    assert all(math.isnan(each) for each in (found.mean, found.p50, found.p95, found.p99, found.max))


async def test_counts_failures_by_code():
    registry, middleware = measured(error=Denied())

    await read(registry, "s", 1)

    found = middleware.snapshot()["s"]
    assert (found.count, found.ok, found.errors, found.chunks) == (1, 0, {"DENIED": 1}, 1)


@pytest.mark.parametrize(
    ("error", "code"), [(OSError(), "TOOL_FAILED"), (ExceptionGroup("one", [Denied()]), "DENIED")]
)
async def test_the_code_is_that_of_the_error(error, code):
    registry, middleware = measured(error=error)

    await read(registry, "s")

    assert middleware.snapshot()["s"].errors == {code: 1}


async def test_a_reader_who_leaves_is_no_error():
    registry, middleware = measured()

    async with registry.stream("s", waits=[1, 1, 1]) as stream:
        await anext(stream)

    found = middleware.snapshot()["s"]
    assert (found.count, found.errors, found.cancelled, found.chunks) == (1, {}, 1, 1)
    assert found.duration.count == 0


async def test_what_is_not_read_as_a_stream_is_left_to_others():
    registry, middleware = measured()

    await registry.execute("s", {"waits": [1]})
    await registry.execute("p")
    await registry.stream("p").collect()
    await registry.execute("nobody")
    with anyio.move_on_after(0.5):
        await registry.call("s", waits=[1])

    assert middleware.snapshot() == {}


async def test_an_error_of_what_is_no_stream_is_not_counted():
    registry, middleware = measured(error=OSError())

    await registry.execute("s", {"waits": []})

    assert middleware.snapshot() == {}


async def test_tools_beyond_the_first_are_counted_together():
    registry, middleware = measured(most_tools=1)

    for name in ("s", "t", "u", "s"):
        await read(registry, name)

    assert {name: found.count for name, found in middleware.snapshot().items()} == {"s": 2, "_OTHER": 2}


@pytest.mark.parametrize("most", [0, True, 1.5])
def test_the_most_tools_are_at_least_one(most):
    with pytest.raises((TypeError, ValueError), match="most_tools must be"):
        StreamMetricsMiddleware(most_tools=most)


def test_counts_a_thousand_tools_and_keeps_no_chunks_unless_told():
    middleware = StreamMetricsMiddleware()

    assert (middleware.most_tools, middleware.most_accumulated) == (1_000, 0)


def test_each_counts_for_itself():
    assert len({StreamMetricsMiddleware(), StreamMetricsMiddleware()}) == 2


def points(reader):
    """By instrument: value, or count and sum, and attributes of each point."""
    data = reader.get_metrics_data()
    return {
        metric.name: [
            (
                getattr(point, "value", None) or (point.count, round(point.sum, 6)),
                dict(point.attributes),
            )
            for point in metric.data.data_points
        ]
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


async def test_opentelemetry_is_told():
    reader = InMemoryMetricReader()
    registry, _ = measured(meter_provider=MeterProvider([reader]))

    await read(registry, "s", 2, 1)

    where = {"gen_ai.tool.name": "s"}
    assert points(reader) == {
        "tool.stream.chunks": [(2, where)],
        "tool.stream.bytes": [(4, where)],
        "tool.stream.time_to_first_chunk": [((1, 2.0), where)],
        "tool.stream.gap": [((1, 1.0), where)],
        "tool.stream.duration": [((1, 3.0), where)],
    }


async def test_opentelemetry_is_told_of_failures_and_of_readers_who_leave():
    reader = InMemoryMetricReader()
    registry, _ = measured(meter_provider=MeterProvider([reader]), error=Denied())

    await read(registry, "s", 1)
    async with registry.stream("t", waits=[1, 9]) as stream:
        await anext(stream)

    found = points(reader)
    assert found["tool.stream.duration"] == [
        ((1, 1.0), {"gen_ai.tool.name": "s", names.ERROR_TYPE: "DENIED"})
    ]
    assert found["tool.stream.cancelled"] == [(1, {"gen_ai.tool.name": "t"})]
    assert [attributes["gen_ai.tool.name"] for _, attributes in found["tool.stream.chunks"]] == ["s", "t"]


async def test_a_provider_that_is_set_later_is_noticed(monkeypatch):
    reader, asked = InMemoryMetricReader(), []
    real = metrics.get_meter_provider()

    def ask():
        asked.append(True)
        return MeterProvider([reader]) if len(asked) == 2 else real

    monkeypatch.setattr(metrics, "get_meter_provider", ask)
    registry, _ = measured()

    await read(registry, "s", 0.01)
    await read(registry, "s", 0.01)
    assert (len(asked), points(reader)) == (1, {})
    await read(registry, "s", 0.2)
    await read(registry, "s", 1)
    await read(registry, "s", 1)

    assert len(asked) == 2
    assert points(reader)["tool.stream.chunks"][0][0] == 2


async def test_a_provider_is_looked_for_ten_times_a_second(monkeypatch):
    asked, real = [], metrics.get_meter_provider()
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: asked.append(True) or real)
    registry, _ = measured()

    for _ in range(2):
        await read(registry, "s")
    assert len(asked) == 1
    await anyio.sleep(0.1)
    await read(registry, "s")

    assert len(asked) == 2
