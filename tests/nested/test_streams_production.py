"""The default stack around streams: whatever becomes of one, everything is at rest afterwards."""

import contextlib
from decimal import Decimal

import anyio
import pytest
import structlog

from toolcase import (
    BudgetSpec,
    Call,
    CircuitOpen,
    ExecutionContext,
    Registry,
    StreamEnded,
    ToolTimeout,
    Unavailable,
)
from toolcase.observability import configure_tracing
from toolcase.runtime import (
    BudgetMiddleware,
    BulkheadMiddleware,
    CircuitBreakerMiddleware,
    LoggingMiddleware,
    MetricsMiddleware,
    RetryMiddleware,
    RetryPolicy,
    TimeoutMiddleware,
    TracingMiddleware,
    production,
)
from toolcase.testing import Way, cancel_at_every_await, current_clock

RUN = ExecutionContext(run_id="run", budgets=BudgetSpec(max_tool_calls=100, max_runtime_seconds=1_000))


@pytest.fixture
def tracing():
    with configure_tracing("memory", set_global=False) as tracing:
        yield tracing


def drop(logger, method, record):
    raise structlog.DropEvent


class Produced:
    """A registry as production has it, with the parts at hand that keep count."""

    def __init__(self, tracing=None, **settings):
        self.metrics, self.tracing = MetricsMiddleware(), tracing
        self.cleaned = 0
        self.registry = Registry(clock=current_clock(), **settings)
        stack = list(production(metrics=self.metrics))
        self.budget = next(each for each in stack if isinstance(each, BudgetMiddleware))
        self.breaker = next(each for each in stack if isinstance(each, CircuitBreakerMiddleware))
        self.bulkhead = BulkheadMiddleware(2)
        if tracing is not None:
            stack[0] = TracingMiddleware(tracing.provider)
        stack = [
            LoggingMiddleware(structlog.wrap_logger(None, processors=[drop]))
            if isinstance(each, LoggingMiddleware)
            else each
            for each in stack
        ]
        self.registry.use(*stack, self.bulkhead)

        @self.registry.tool
        async def t(call: Call, gives: int = 3, error: bool = False):
            try:
                for number in range(gives):
                    await anyio.sleep(1)
                    call.report_usage(cost="0.5")
                    yield number
                if error:
                    raise ConnectionError("lost")
            finally:
                self.cleaned += 1

        self.view = self.registry.view(context=RUN)

    def at_rest(self):
        assert self.registry.inflight() == []
        assert (self.bulkhead.running("t"), self.bulkhead.waiting("t")) == (0, 0)
        run = self.budget._runs.find((None, "run", None))
        assert run is None or run.inside == 0
        circuit = self.breaker._circuits.find("t")
        assert circuit is None or not circuit._trials
        seen = self.metrics.snapshot().get("t")
        assert seen is None or seen.count == seen.ok + sum(seen.errors.values()) + seen.cancelled

    def counted(self):
        seen = self.metrics.snapshot()["t"]
        return seen.ok, seen.errors, seen.cancelled, seen.attempts

    def spans(self):
        return [
            (span.status, span.attributes["tool.stream.chunks"], "toolcase.cancelled" in span.attributes)
            for span in self.tracing.spans
        ]


async def test_one_that_is_read_to_its_end(tracing):
    produced = Produced(tracing)

    assert [chunk.content async for chunk in produced.view.stream("t")] == [0, 1, 2]

    produced.at_rest()
    assert produced.counted() == (1, {}, 0, 1)
    assert produced.spans() == [("unset", 3, False)]
    used = produced.budget.usage("run")
    assert (used.tool_calls, used.cost) == (1, Decimal("1.5"))
    assert produced.breaker.state("t").value == "closed"


async def test_one_that_fails_midway_is_not_begun_again(tracing):
    produced, given = Produced(tracing), []

    with pytest.raises(ConnectionError, match="lost"):
        async for chunk in produced.view.stream("t", error=True):
            given.append(chunk.content)

    produced.at_rest()
    assert (given, produced.cleaned) == ([0, 1, 2], 1)
    assert produced.counted() == (0, {"TOOL_FAILED": 1}, 0, 1)
    assert produced.spans() == [("error", 3, False)]
    assert produced.budget.usage("run").cost == Decimal("1.5")


async def test_one_that_is_closed_early(tracing):
    produced = Produced(tracing)

    async with produced.view.stream("t", gives=50) as stream:
        await anext(stream)
        assert [call.name for call in produced.registry.inflight()] == ["t"]
        assert produced.bulkhead.running("t") == 1

    produced.at_rest()
    assert produced.cleaned == 1
    assert produced.counted() == (0, {}, 1, 1)
    assert produced.spans() == [("unset", 1, True)]
    assert produced.budget.usage("run").cost == Decimal("0.5")


async def test_many_that_fail_open_the_circuit_and_those_that_are_left_do_not(tracing):
    produced = Produced(tracing)

    for _ in range(30):
        async with produced.view.stream("t", gives=50) as stream:
            await anext(stream)
    assert produced.breaker.state("t").value == "closed"
    with pytest.raises(CircuitOpen):
        for _ in range(200):
            await fails(produced)

    produced.at_rest()


async def fails(produced):
    with contextlib.suppress(ConnectionError):
        await produced.registry.stream("t", gives=1, error=True).collect()


@pytest.mark.parametrize("ends", ["read", "fails", "left"])
def test_at_rest_wherever_it_is_cancelled(ends, backend):
    made = []

    async def scenario():
        made.append(produced := Produced())
        async with produced.registry:
            await reading(produced, ends)

    report = cancel_at_every_await(scenario, backend=backend, check=lambda: at_rest(made[-1]))

    assert len(report.cancelled) == report.suspensions * (len(Way) if backend == "asyncio" else 1) > 0


async def reading(produced, ends):
    try:
        async with produced.view.stream_execute("t", {"error": ends == "fails"}, buffer=1) as stream:
            async for chunk in stream:
                await anyio.sleep(0.75)
                if ends == "left" and chunk.index == 1:
                    break
    except ConnectionError:
        assert ends == "fails"


def at_rest(produced):
    produced.at_rest()
    run = produced.budget.usage("run")
    assert run is None or run.tool_calls == produced.cleaned


class TestLeaving:
    """A registry that is left with a stream open."""

    async def test_waits_for_it_while_its_grace_lasts(self):
        produced, given = Produced(grace=10), []

        async def read():
            async for chunk in produced.registry.stream("t"):
                given.append(chunk.content)

        async with anyio.create_task_group() as tasks:
            async with produced.registry:
                tasks.start_soon(read)
                await anyio.sleep(1.5)

        assert given == [0, 1, 2]
        assert current_clock().now == 3
        produced.at_rest()

    async def test_cuts_it_off_after_that_and_its_reader_gets_what_was_given_before(self):
        produced = Produced(grace=2.5)

        async with produced.registry:
            stream = produced.registry.stream("t", gives=50)
            await anext(stream)
        given = []
        with pytest.raises(Unavailable):
            async for chunk in stream:
                given.append(chunk.content)

        assert given == [1, 2]
        assert (current_clock().now, produced.cleaned) == (3.5, 1)
        assert stream.result.error.code.value == "UNAVAILABLE"
        produced.at_rest()

    async def test_a_reader_who_waits_is_told_at_once(self):
        produced, ends = Produced(grace=1), []

        async def read():
            events = [event async for event in produced.registry.stream("t", gives=50).events()]
            ends.append((events[-1], current_clock().now))

        async with anyio.create_task_group() as tasks:
            async with produced.registry:
                tasks.start_soon(read)
                await anyio.sleep(1.5)

        ((end, at),) = ends
        assert isinstance(end, StreamEnded)
        assert (end.result.error.code.value, at) == ("UNAVAILABLE", 2.5)

    async def test_one_that_hands_its_chunks_to_a_sink_is_cut_off_too(self):
        produced, results = Produced(grace=1), []

        async def read():
            results.append(await produced.registry.stream("t", gives=50).stream_to(lambda chunk: None))

        async with anyio.create_task_group() as tasks:
            async with produced.registry:
                tasks.start_soon(read)
                await anyio.sleep(1.5)

        assert results[0].error.code.value == "UNAVAILABLE"
        produced.at_rest()

    async def test_a_slow_reader_does_not_keep_it_beyond_its_grace(self):
        produced = Produced(grace=5)

        async with produced.registry:
            stream = produced.registry.stream_execute("t", {"gives": 50}, buffer=1)
            await anext(stream)

        assert current_clock().now == 6
        assert produced.cleaned == 1

    async def test_no_new_one_is_let_in(self):
        produced = Produced()

        async with produced.registry:
            pass

        with pytest.raises(Unavailable, match="its registry is closed"):
            await anext(produced.registry.stream("t"))

    @pytest.mark.parametrize("verb", ["read", "sink"])
    def test_leaves_nothing_wherever_it_is_cancelled(self, verb, backend):
        made = []

        async def scenario():
            made.append(produced := Produced(grace=1))
            async with anyio.create_task_group() as tasks:
                async with produced.registry:
                    if verb == "sink":
                        tasks.start_soon(produced.view.stream("t", gives=50).stream_to, lambda chunk: None)
                    else:
                        tasks.start_soon(drained_or_refused, produced.view.stream("t", gives=50))
                    await anyio.sleep(1.5)

        cancel_at_every_await(scenario, backend=backend, check=lambda: at_rest(made[-1]))


class TestForgotten:
    """A stream that a tool has opened ends with the tool's call."""

    async def test_is_closed_when_the_call_ends(self):
        produced, kept = Produced(), []

        @produced.registry.tool
        async def forgetful() -> int:
            kept.append(stream := produced.registry.stream("t", gives=100))
            return (await anext(stream)).content

        assert await produced.registry.call("forgetful") == 0

        assert produced.cleaned == 1
        produced.at_rest()
        assert produced.counted()[2] == 1
        with pytest.raises(anyio.ClosedResourceError, match="ended with the call of"):
            await drained(kept[0])

    async def test_is_closed_when_the_call_fails(self):
        produced, kept = Produced(), []

        @produced.registry.tool
        async def forgetful() -> int:
            kept.append(stream := produced.registry.stream("t", gives=100))
            raise ValueError(await anext(stream))

        assert not (await produced.registry.execute("forgetful")).ok

        assert produced.cleaned == 1
        produced.at_rest()

    async def test_is_closed_when_the_stream_that_opened_it_is_left(self):
        produced, kept = Produced(), []

        @produced.registry.tool
        async def forgetful():
            kept.append(stream := produced.registry.stream("t", gives=100))
            async for chunk in stream:
                yield chunk.content

        async with produced.registry.stream("forgetful") as outer:
            await anext(outer)

        assert produced.cleaned == 1
        produced.at_rest()


async def drained(stream):
    async for _ in stream:
        pass


async def drained_or_refused(stream):
    with contextlib.suppress(Unavailable):
        await drained(stream)


async def test_a_retry_waits_outside_the_permit_and_the_span_until_the_first_chunk(tracing):
    produced, fails = Produced(tracing), iter([True, False])

    @produced.registry.tool
    async def flaky():
        if next(fails):
            raise ConnectionError("once")
        yield "fine"

    assert await produced.registry.stream("flaky").collect() == "fine"

    (span,) = tracing.spans
    assert span.attributes["toolcase.attempts"] == 2
    assert span.attributes["tool.stream.chunks"] == 1
    produced.at_rest()


async def test_within_a_stack_that_retries_a_limit_of_time_counts_as_it_does_for_calls():
    registry = Registry(clock=current_clock())
    registry.use(RetryMiddleware(RetryPolicy(max_attempts=2)), TimeoutMiddleware(5))

    @registry.tool
    async def slow():
        await anyio.sleep(100)
        yield 1

    stream = registry.stream("slow")
    with pytest.raises(ToolTimeout, match="took longer than 5 s"):
        await anext(stream)

    assert stream.result.attempts == 2
