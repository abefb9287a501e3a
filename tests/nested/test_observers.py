"""Tracing, metrics and logging around the same calls: none changes a call, in whatever order they stand."""

import itertools

import pytest
import structlog

from toolcase import Registry
from toolcase.observability import configure_tracing
from toolcase.runtime import (
    ConstantBackoff,
    LoggingMiddleware,
    MetricsMiddleware,
    RetryMiddleware,
    RetryPolicy,
    TimeoutMiddleware,
    TracingMiddleware,
)
from toolcase.testing import Fail, Give, Hang, Script, cancel_at_every_await

STEADY = RetryMiddleware(RetryPolicy(backoff=ConstantBackoff(seconds=1, jitter=False)))


@pytest.fixture
def tracing():
    with configure_tracing("memory", set_global=False) as tracing:
        yield tracing


def observers(tracing):
    silent = structlog.wrap_logger(None, processors=[drop])
    return TracingMiddleware(tracing.provider, content=True), MetricsMiddleware(), LoggingMiddleware(silent)


def drop(logger, method, record):
    raise structlog.DropEvent


@pytest.mark.parametrize(
    "steps",
    [
        (Give("found"),),
        (Fail(ConnectionError()), Give("found", after=1)),
        (Fail(ValueError("no")),),
        (Hang(),) * 3,
    ],
)
async def test_a_call_ends_as_it_would_without_them(tracing, steps):
    ends = []

    for used in [(), *itertools.permutations(observers(tracing))]:
        script, registry = Script(*steps), Registry()
        registry.use(*used, STEADY, TimeoutMiddleware(2))
        registry.add(script.tool("t"))
        result = await registry.execute("t", timeout=60)
        code = None if result.ok else (result.error.code, result.error.type)
        ends.append((result.value, code, result.attempts, round(result.duration, 6), len(script.starts)))

    assert len(set(ends)) == 1


def test_cancelled_at_every_await_each_call_is_counted_and_traced_once(backend, tracing):
    runs = []

    async def scenario():
        used, registry = observers(tracing), Registry()
        registry.use(*used, STEADY)
        registry.add(Script(Fail(ConnectionError(), after=1), Give(1, after=1)).tool("t"))
        runs.append((used[1], len(tracing.spans)))
        await registry.call("t")

    def check():
        metrics, before = runs[-1]
        found = metrics.snapshot()["t"]
        assert (found.count, found.ok + found.cancelled, found.errors) == (1, 1, {})
        assert len(tracing.spans) == before + 1

    report = cancel_at_every_await(scenario, backend=backend, check=check)

    assert report.suspensions == 3


async def test_a_retried_call_is_one_span_and_one_count_with_two_attempts(tracing):
    trace, metrics, log = observers(tracing)
    registry = Registry()
    registry.use(trace, metrics, log, STEADY)
    registry.add(Script(Fail(ConnectionError()), Give(1, after=2)).tool("t"))

    await registry.call("t")

    (span,), found = tracing.spans, metrics.snapshot()["t"]
    assert (found.count, found.attempts, span.attributes["toolcase.attempts"]) == (1, 2, 2)
    assert found.max == pytest.approx(3)
