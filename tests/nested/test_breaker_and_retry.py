"""A breaker inside a retry, among limits of time, and around what refuses calls."""

import anyio
import pytest

from toolcase import CircuitOpen, ErrorCode, Registry, Stage
from toolcase.runtime import (
    BulkheadMiddleware,
    CircuitBreakerMiddleware,
    ExponentialBackoff,
    RetryMiddleware,
    RetryPolicy,
    TimeoutMiddleware,
)
from toolcase.testing import At, Fail, FaultPlan, Faults, Give, Hang, Recorder, Script, current_clock

DOWN = Fail(ConnectionError("down"))


def retry(**policy):
    return RetryMiddleware(RetryPolicy(**{"backoff": ExponentialBackoff(base=1, jitter=False), **policy}))


def registry_of(script, *used, **options):
    registry = Registry(clock=current_clock())
    registry.use(*used)
    registry.add(script.tool("t", **options))
    return registry


async def test_each_attempt_is_counted():
    script, breaker = Script(DOWN), CircuitBreakerMiddleware(failure_threshold=3)
    registry = registry_of(script, retry(), breaker)

    await registry.execute("t")

    assert (len(script.starts), breaker.state("t")) == (3, "open")


async def test_a_retry_ends_at_once_where_the_circuit_opens():
    script = Script(DOWN)
    registry = registry_of(script, retry(max_attempts=5), CircuitBreakerMiddleware(failure_threshold=2))

    result = await registry.execute("t")

    assert (result.error.code, len(script.starts), current_clock().now) == ("CIRCUIT_OPEN", 2, 1 + 2)
    assert [earlier.type for earlier in result.error.earlier] == ["ConnectionError"] * 2


async def test_a_retry_that_is_told_to_waits_for_as_long_as_the_circuit_is_open():
    script = Script(DOWN, Give(7))
    policy = {"retry_on": (ConnectionError, ErrorCode.CIRCUIT_OPEN)}
    registry = registry_of(
        script, retry(**policy), CircuitBreakerMiddleware(failure_threshold=1, recovery_time=20)
    )

    assert await registry.call("t") == 7
    assert current_clock().now == pytest.approx(1 + 19)


async def test_it_waits_for_no_longer_than_its_policy_says():
    policy = {"retry_on": (ConnectionError, ErrorCode.CIRCUIT_OPEN)}
    registry = registry_of(
        Script(DOWN), retry(**policy), CircuitBreakerMiddleware(failure_threshold=1, recovery_time=100)
    )

    result = await registry.execute("t")

    assert result.error.retry_after == pytest.approx(99)
    assert current_clock().now == 1


async def test_a_refused_attempt_may_be_tried_again_though_the_tool_is_not_idempotent():
    script, breaker = Script(Give(7)), CircuitBreakerMiddleware()
    registry = registry_of(script, retry(retry_on=CircuitOpen), breaker, idempotent=False)
    breaker.isolate("t")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(registry.execute, "t")
        await anyio.sleep(0.5)
        breaker.reset("t")

    assert len(script.starts) == 1


async def test_a_limit_around_all_attempts_is_not_counted():
    breaker = CircuitBreakerMiddleware(failure_threshold=1)
    registry = registry_of(Script(Hang()), TimeoutMiddleware(5), retry(), breaker)

    result = await registry.execute("t")

    assert (result.error.code, breaker.state("t")) == ("TIMEOUT", "closed")


async def test_a_limit_of_each_attempt_is_counted():
    breaker = CircuitBreakerMiddleware(failure_threshold=3)
    registry = registry_of(Script(Hang()), retry(), breaker, TimeoutMiddleware(5))

    await registry.execute("t")

    assert breaker.state("t") == "open"


async def test_the_tools_own_limit_is_counted():
    breaker = CircuitBreakerMiddleware(failure_threshold=1)
    registry = registry_of(Script(Hang()), breaker, timeout=2)

    await registry.execute("t")

    assert breaker.state("t") == "open"


async def test_a_full_bulkhead_further_in_is_not_counted_and_takes_no_place():
    breaker = CircuitBreakerMiddleware(failure_threshold=1, recovery_time=10, half_open_permits=2)
    registry = registry_of(Script(DOWN, Give(7, after=5)), breaker, BulkheadMiddleware(1, queue=0))
    await registry.execute("t")
    await anyio.sleep(10)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(registry.execute, "t")
        await anyio.sleep(1)
        for _ in range(3):
            assert (await registry.execute("t")).error.code == "OVERLOADED"
        assert breaker.state("t") == "half_open"
    assert breaker.state("t") == "closed"


async def test_a_wait_for_a_bulkhead_that_took_too_long_is_not_counted():
    breaker = CircuitBreakerMiddleware(failure_threshold=1)
    registry = registry_of(Script(Give(after=60)), breaker, BulkheadMiddleware(1, queue_seconds=2))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(registry.execute, "t")
        await anyio.sleep(1)
        assert (await registry.execute("t")).error.code == "TIMEOUT"

    assert breaker.state("t") == "closed"


async def test_an_attempt_that_waited_too_long_for_its_turn_is_not_counted():
    async def queue(call, inner):
        await anyio.sleep(99)

    queue.stage = Stage.ACT
    breaker = CircuitBreakerMiddleware(failure_threshold=1)
    registry = registry_of(Script(Give()), breaker, TimeoutMiddleware(5), queue)

    result = await registry.execute("t")

    assert (result.error.code, breaker.state("t")) == ("TIMEOUT", "closed")


async def test_a_synchronous_tool_that_finds_no_thread_is_not_counted():
    registry, breaker = Registry(max_threads=1), CircuitBreakerMiddleware(failure_threshold=1)
    registry.use(breaker)

    @registry.tool
    def outer() -> str:
        return registry.blocking().execute("inner").error.code.value

    @registry.tool
    def inner() -> None:
        """Never starts: the one thread is taken."""

    assert await registry.call("outer") == "OVERLOADED"
    assert breaker.state("inner") == "closed"


async def test_faults_on_purpose_open_it():
    plan = FaultPlan(at=tuple(At("t", number, DOWN) for number in (1, 2)))
    breaker = CircuitBreakerMiddleware(failure_threshold=2)
    registry = registry_of(Script(Give(7)), retry(), breaker, Faults(plan))

    await registry.execute("t")

    assert breaker.state("t") == "open"


async def test_a_child_that_is_refused_opens_no_circuit_of_its_parent():
    registry, breaker = Registry(), CircuitBreakerMiddleware(failure_threshold=1)
    registry.use(breaker)
    registry.add(Script(DOWN).tool("child"))

    @registry.tool
    async def parent() -> None:
        await registry.call("child")

    await registry.execute("child")
    result = await registry.execute("parent")

    assert (result.error.code, breaker.state("parent")) == ("CIRCUIT_OPEN", "closed")


async def test_observers_see_all_that_happens_inside_the_retry():
    recorder = Recorder()
    registry = registry_of(
        Script(DOWN), recorder, retry(retry_on=Exception), CircuitBreakerMiddleware(failure_threshold=2)
    )

    await registry.execute("t")

    names = [type(event).__name__ for event in recorder.records[0].events]
    assert names == [
        *("AttemptStarted", "RetryScheduled", "AttemptStarted", "CircuitChanged", "RetryScheduled"),
        *("AttemptStarted", "CallRejected", "RetriesExhausted"),
    ]
