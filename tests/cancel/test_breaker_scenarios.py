"""Calls through a breaker, cancelled at every await: every trial gives back its place."""

import anyio
import pytest

from toolcase import Registry
from toolcase.runtime import (
    CircuitBreakerMiddleware,
    ExponentialBackoff,
    RetryMiddleware,
    RetryPolicy,
    TimeoutMiddleware,
)
from toolcase.testing import Fail, Give, Hang, MemoryCircuits, Script, cancel_at_every_await

RETRY = RetryMiddleware(RetryPolicy(backoff=ExponentialBackoff(jitter=False)))
DOWN = Fail(ConnectionError("down"), after=1)


@pytest.fixture
def breakers():
    """Those that the scenarios have made."""
    return []


def registry_of(breakers, script, **settings):
    settings = {"failure_threshold": 1, "recovery_time": 5, "random": lambda: 0.0, **settings}
    breakers.append(CircuitBreakerMiddleware(**settings))
    registry = Registry()
    registry.use(RETRY, breakers[-1], TimeoutMiddleware(9))
    registry.add(script.tool("t"))
    return registry


def no_place_is_taken(breakers):
    circuit = breakers[-1]._circuits.find("t")
    assert circuit is None or circuit._trials == {}
    assert not breakers[-1]._circuits.lock.locked()


def test_a_trial_that_succeeds(backend, breakers):
    async def scenario():
        registry = registry_of(breakers, Script(DOWN, Give(7, after=1)))
        assert not (await registry.execute("t")).ok
        await anyio.sleep(5)
        assert await registry.call("t") == 7

    report = cancel_at_every_await(scenario, backend=backend, check=lambda: no_place_is_taken(breakers))

    assert report.suspensions == 4  # the failure, the retry's wait, ours, and the trial


def test_trials_that_fail_and_hang_several_at_once(backend, breakers):
    async def scenario():
        script = Script(DOWN, Hang(cleanup=1), DOWN, Give(7, after=1))
        registry = registry_of(breakers, script, half_open_permits=2, success_threshold=2)
        await registry.execute("t")
        await anyio.sleep(5)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(registry.execute, "t")

    cancel_at_every_await(scenario, backend=backend, check=lambda: no_place_is_taken(breakers))


def test_with_a_store(backend, breakers):
    async def scenario():
        registry = registry_of(breakers, Script(DOWN, Give(7, after=1)), shared=MemoryCircuits())
        await registry.execute("t")
        await anyio.sleep(5)
        assert await registry.call("t") == 7

    cancel_at_every_await(scenario, backend=backend, check=lambda: no_place_is_taken(breakers))
