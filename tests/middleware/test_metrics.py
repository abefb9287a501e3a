"""Calls are counted by tool and outcome, in memory and through OpenTelemetry."""

import itertools
import math
import threading
from decimal import Decimal

import anyio
import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from toolcase import Denied, RateLimited, Registry, Stage, ToolFailed
from toolcase.events import CallAdmitted, CallRejected, CircuitChanged, UsageReported
from toolcase.runtime import MetricsMiddleware, RetryMiddleware, compose
from toolcase.testing import Fail, Give, Hang, Script, current_clock


def measured(*steps, used=(), **settings):
    """A registry with one tool, and its metrics."""
    middleware, registry = MetricsMiddleware(**settings), Registry()
    registry.use(middleware, *used)
    registry.add(Script(*steps).tool("t"))
    return registry, middleware


async def test_counts_calls_by_how_they_ended():
    registry, middleware = measured(Give(1), Fail(OSError()), Fail(Denied()), Fail(OSError()), Give(2))

    for _ in range(5):
        await registry.execute("t")

    found = middleware.snapshot()["t"]
    assert (found.tool, found.count, found.ok) == ("t", 5, 2)
    assert found.errors == {"TOOL_FAILED": 2, "DENIED": 1}


async def test_a_call_that_its_caller_left_is_no_error():
    registry, middleware = measured(Hang(), Hang())

    for _ in range(2):
        with anyio.move_on_after(0.3):
            await registry.call("t")

    found = middleware.snapshot()["t"]
    assert (found.count, found.ok, found.errors, found.cancelled) == (2, 0, {}, 2)
    assert math.isnan(found.mean)
    assert math.isnan(found.p50)
    assert math.isnan(found.max)


async def test_says_how_long_calls_took():
    registry, middleware = measured(*(Give(after=seconds) for seconds in range(1, 101)))

    for _ in range(100):
        await registry.call("t")

    found = middleware.snapshot()["t"]
    assert (found.mean, found.max) == (pytest.approx(50.5), pytest.approx(100))
    assert (found.p50, found.p95, found.p99) == pytest.approx((50, 95, 99), rel=0.011)


async def test_how_long_failures_took_counts_too():
    registry, middleware = measured(Fail(OSError(), after=4))

    await registry.execute("t")

    assert middleware.snapshot()["t"].max == pytest.approx(4)


async def test_no_quantile_is_above_the_longest_call():
    registry, middleware = measured(Give(after=1.0))

    await registry.call("t")

    found = middleware.snapshot()["t"]
    assert found.p99 <= found.max == pytest.approx(1)


async def test_counts_every_attempt():
    registry, middleware = measured(Fail(ConnectionError()), Give(1), used=[RetryMiddleware()])

    await registry.call("t")

    found = middleware.snapshot()["t"]
    assert (found.count, found.attempts) == (1, 2)


async def test_the_error_of_a_lone_branch_counts_by_its_code():
    registry, middleware = measured(Fail(ExceptionGroup("one", [Denied()])))

    await registry.execute("t")

    assert middleware.snapshot()["t"].errors == {"DENIED": 1}


async def test_names_that_are_no_tool_are_counted_together():
    registry, middleware = measured(Give())

    for number in range(3):
        await registry.execute(f"made_up_{number}")

    assert {name: found.count for name, found in middleware.snapshot().items()} == {"_OTHER": 3}


async def test_tools_beyond_the_first_are_counted_together():
    registry, middleware = measured(Give(), most_tools=1)
    registry.add(Script(Give()).tool("u"), Script(Give()).tool("v"))

    for name in ("t", "u", "v", "t"):
        await registry.call(name)

    assert {name: found.count for name, found in middleware.snapshot().items()} == {"t": 2, "_OTHER": 2}


@pytest.mark.parametrize("most", [0, True, 1.5])
def test_the_most_tools_are_at_least_one(most):
    with pytest.raises((TypeError, ValueError), match="most_tools must be"):
        MetricsMiddleware(most_tools=most)


async def test_a_child_call_is_counted_for_its_own_tool():
    registry, middleware = measured(Give(1, after=1))

    @registry.tool
    async def parent() -> int:
        return await registry.call("t")

    await registry.call("parent")

    assert {name: found.count for name, found in middleware.snapshot().items()} == {"t": 1, "parent": 1}


class TestRate:
    """Calls per second, over the last minute."""

    async def test_is_over_the_time_since_the_first_call_while_that_is_short(self):
        registry, middleware = measured(*[Give(after=0.5)] * 21)

        for _ in range(21):
            await registry.call("t")

        assert middleware.snapshot()["t"].rate == pytest.approx(2.1)

    async def test_forgets_what_was_a_minute_ago(self):
        registry, middleware = measured(*[Give(after=1)] * 30, Give())
        for _ in range(30):
            await registry.call("t")

        await anyio.sleep(61)
        idle = middleware.snapshot()["t"].rate
        await registry.call("t")

        assert idle == 0
        assert middleware.snapshot()["t"].rate == pytest.approx(1 / 60)

    async def test_is_that_of_a_clock_that_begins_anew(self):
        registry, middleware = measured(Give(), Give())
        await anyio.sleep(500)
        await registry.call("t")
        other = Registry(clock=_From(0.0))
        other.use(middleware)
        other.add(Script(Give()).tool("t"))

        await other.call("t")

        found = middleware.snapshot()["t"]
        assert (found.count, found.rate) == (2, 1.0)

    async def test_is_read_from_another_thread(self):
        registry, middleware = measured(Give())
        await registry.call("t")

        found = elsewhere(middleware.snapshot)

        assert found["t"].rate == 1.0

    def test_nothing_is_known_before_the_first_call(self):
        assert MetricsMiddleware().snapshot() == {}


def elsewhere(function):
    """What a function gives in a thread that has no event loop."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


class _From:
    """A clock that stands still."""

    def __init__(self, now):
        self.now = now

    def monotonic(self):
        return self.now


async def test_a_snapshot_stays_as_it_was():
    registry, middleware = measured(Fail(OSError()), Fail(OSError()))
    await registry.execute("t")

    before = middleware.snapshot()
    await registry.execute("t")

    assert (before["t"].count, before["t"].errors) == (1, {"TOOL_FAILED": 1})


@pytest.mark.real_time
async def test_is_read_by_other_threads_while_calls_go_on():
    registry, middleware = measured(*[Give()] * 2_000)
    going, seen = threading.Event(), []

    def read():
        while not going.is_set():
            seen.extend(found.count for found in middleware.snapshot().values())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(2_000):
            await registry.call("t")
    finally:
        going.set()
        reader.join()

    assert seen == sorted(seen)
    assert middleware.snapshot()["t"].count == 2_000


async def test_works_without_a_registry():
    middleware = MetricsMiddleware()
    double = compose(middleware)(Script(Give(2)).tool("double"))

    await double()

    assert middleware.snapshot()["double"].ok == 1


class _Queue:
    """A middleware that says what a bulkhead, a breaker and a tool that counts tokens say."""

    stage = Stage.ACT

    async def __call__(self, call, inner):
        call.notify(CallAdmitted(tool=call.name, middleware=self, waited=2.5))
        call.notify(CallRejected(tool=call.name, middleware=self, error=RateLimited()))
        call.notify(CircuitChanged(tool=call.name, key="zoe", before="closed", after="open"))
        call.notify(UsageReported(tool=call.name, tokens=7, cost=Decimal(1)))
        call.notify(UsageReported(tool=call.name, turns=1))
        return await inner(call)


async def test_counts_waits_and_rejections_on_the_way():
    registry, middleware = measured(Give(), used=[_Queue()])

    await registry.call("t")

    found = middleware.snapshot()["t"]
    assert (found.waited, found.rejected) == (2.5, 1)


def exporting():
    """A provider, and what reads from it: a point by metric and attributes."""
    reader = InMemoryMetricReader()

    def read():
        data = reader.get_metrics_data()
        found = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        found[metric.name, tuple(sorted(point.attributes.items()))] = point
        return found

    return MeterProvider(metric_readers=[reader], shutdown_on_exit=False), read


T = ("gen_ai.tool.name", "t")
QUEUE = ("toolcase.middleware", "_Queue")


class TestOpenTelemetry:
    """The instruments, as a reader of the SDK finds them."""

    async def test_the_duration_has_the_name_and_the_buckets_of_the_convention(self):
        provider, read = exporting()
        registry, _ = measured(Give(after=3), meter_provider=provider)

        await registry.call("t")

        point = read()["gen_ai.execute_tool.duration", (T,)]
        assert (point.count, point.sum) == (1, pytest.approx(3))
        assert point.explicit_bounds == (
            0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("error", "said"),
        [(Denied("zoe"), "DENIED"), (OSError("zoe"), "OSError"), (ToolFailed("zoe"), "TOOL_FAILED")],
    )
    async def test_a_failure_says_its_type_and_nothing_else(self, error, said):
        provider, read = exporting()
        registry, _ = measured(Fail(error), meter_provider=provider)

        await registry.execute("t")

        assert ("gen_ai.execute_tool.duration", (("error.type", said), T)) in read()
        assert "zoe" not in str(read())

    async def test_a_cancelled_call_is_a_counter_of_its_own(self):
        provider, read = exporting()
        registry, _ = measured(Hang(), meter_provider=provider)

        with anyio.move_on_after(3):
            await registry.call("t")

        assert read()["toolcase.cancellations", (T,)].value == 1
        assert ("gen_ai.execute_tool.duration", (T,)) not in read()

    async def test_attempts_are_counted(self):
        provider, read = exporting()
        registry, _ = measured(
            Fail(ConnectionError()), Give(1), used=[RetryMiddleware()], meter_provider=provider
        )

        await registry.call("t")

        assert read()["toolcase.attempts", (T,)].value == 2

    async def test_a_call_that_was_never_started_has_no_attempt(self):
        provider, read = exporting()
        registry, _ = measured(Give(), meter_provider=provider)

        await registry.execute("made_up")

        assert {name for name, _ in read()} == {"gen_ai.execute_tool.duration"}
        assert "made_up" not in str(read())

    async def test_what_happens_on_the_way_is_told_without_keys(self):
        provider, read = exporting()
        registry, _ = measured(Give(), used=[_Queue()], meter_provider=provider)

        await registry.call("t")

        found = read()
        assert found["toolcase.queue.duration", (T, QUEUE)].sum == 2.5
        assert found["toolcase.rejections", (("error.type", "RATE_LIMITED"), T, QUEUE)].value == 1
        assert found["toolcase.circuit.changes", (T, ("toolcase.circuit.state", "open"))].value == 1
        assert found["toolcase.tokens", (T,)].value == 7
        assert "zoe" not in str(found)

    async def test_open_circuits_are_those_that_have_not_closed_again(self):
        provider, read = exporting()

        class Changes:
            stage = Stage.ACT

            async def __call__(self, call, inner):
                states = ("closed", "open", "half_open", "open", "half_open", "closed")
                for before, after in itertools.pairwise(states):
                    call.notify(CircuitChanged(tool=call.name, key=1, before=before, after=after))
                call.notify(CircuitChanged(tool=call.name, key=2, before="closed", after="open"))
                return await inner(call)

        registry, _ = measured(Give(), used=[Changes()], meter_provider=provider)

        await registry.call("t")

        found = {key[1]: point.value for (name, key), point in read().items() if name == "toolcase.circuits"}
        assert found == {("toolcase.circuit.state", "open"): 1, ("toolcase.circuit.state", "half_open"): 0}

    async def test_two_registries_add_up(self):
        provider, read = exporting()

        for _ in range(2):
            registry, _ = measured(Give(), meter_provider=provider)
            await registry.call("t")

        assert read()["gen_ai.execute_tool.duration", (T,)].count == 2

    async def test_a_global_provider_is_noticed_when_it_is_set_later(self, monkeypatch):
        provider, read = exporting()
        current = metrics.NoOpMeterProvider()
        monkeypatch.setattr(metrics, "get_meter_provider", lambda: current)
        registry, _ = measured(Give(), Give())
        await registry.call("t")

        current = provider
        await anyio.sleep(0.1)
        await registry.call("t")

        assert read()["gen_ai.execute_tool.duration", (T,)].count == 1

    async def test_an_event_of_the_first_call_is_told(self):
        provider, read = exporting()
        registry, _ = measured(Fail(Denied()), used=[_Queue()], meter_provider=provider)

        await registry.execute("t")

        assert read()["toolcase.queue.duration", (T, QUEUE)].count == 1

    async def test_a_global_provider_is_asked_for_ten_times_a_second_at_most(self, monkeypatch):
        asked = []
        nobody = metrics.NoOpMeterProvider()
        monkeypatch.setattr(metrics, "get_meter_provider", lambda: asked.append(1) or nobody)
        registry, _ = measured(*[Give()] * 50)

        for _ in range(50):
            await registry.call("t")

        assert len(asked) == 1

    async def test_a_provider_that_does_nothing_is_not_told_anything(self):
        registry, middleware = measured(Give(), meter_provider=metrics.NoOpMeterProvider())

        await registry.call("t")

        assert middleware._instruments is None


async def test_a_snapshot_of_another_thread_knows_the_time_of_a_loop_of_asyncio(backend):
    registry, middleware = measured(Give())
    await registry.call("t")
    await anyio.sleep(100)

    found = elsewhere(middleware.snapshot)["t"]

    # Of trio's clock another thread knows no more than the last call did.
    assert found.rate == (0.0 if backend == "asyncio" else 1.0)


async def test_the_time_is_the_hosts():
    registry, middleware = Registry(clock=current_clock()), MetricsMiddleware()
    registry.use(middleware)
    registry.add(Script(Give(after=60)).tool("t"))

    await registry.call("t")

    assert middleware.snapshot()["t"].max == pytest.approx(60)
