"""Stacks as hosts build them, cancelled at every await on both back ends: each gives back what it took."""

from decimal import Decimal

import anyio
import pytest

from toolcase import BudgetSpec, ExecutionContext, Registry
from toolcase.runtime import (
    BudgetMiddleware,
    BulkheadMiddleware,
    CircuitBreakerMiddleware,
    ConstantBackoff,
    LoggingMiddleware,
    MetricsMiddleware,
    RetryMiddleware,
    RetryPolicy,
    TimeoutMiddleware,
    TracingMiddleware,
    production,
)
from toolcase.testing import Fail, Give, Hang, Script, Way, cancel_at_every_await
from toolcase_cache import CacheMiddleware, CoalesceMiddleware
from toolcase_limits import RateLimitMiddleware

RUN = ExecutionContext(run_id="run", budgets=BudgetSpec(max_tool_calls=100, max_runtime_seconds=1_000))


def retrying():
    return RetryMiddleware(RetryPolicy(max_attempts=3, backoff=ConstantBackoff(jitter=False)))


def script():
    """Fails, hangs until a limit of time ends it, and gives a value."""
    return Script(Fail(ConnectionError("once"), after=1), Hang(cleanup=1), Give(7, after=2))


class Stack:
    """What one run of a scenario is made of: the middleware, those of it that count, and the tool."""

    def __init__(self, *used, read_only=True, **counting):
        self.registry, self.script = Registry(), script()
        self.registry.use(*used)
        self.registry.add(self.script.tool("t", read_only=read_only))
        self.counting = counting

    async def calls(self, *, context=RUN):
        """Three calls at once, of which two ask the same, and one more."""
        async with self.registry:
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(self.one, context)
            await self.one(context)

    async def one(self, context):
        await self.registry.execute("t", context=context)

    def at_rest(self):
        """Nothing runs, waits, or is held."""
        assert self.script.running == 0
        assert self.registry.inflight() == []
        counting = self.counting
        if "bulkhead" in counting:
            assert (counting["bulkhead"].running("t"), counting["bulkhead"].waiting("t")) == (0, 0)
        if "breaker" in counting:
            circuit = counting["breaker"]._circuits.find("t")
            assert circuit is None or not circuit._trials
        if "metrics" in counting and (seen := counting["metrics"].snapshot().get("t")) is not None:
            assert seen.count == seen.ok + sum(seen.errors.values()) + seen.cancelled
        if "budget" in counting and (used := counting["budget"].usage("run")) is not None:
            assert used.tool_calls <= len(self.script.starts)
            assert used.cost == Decimal(0)


def everything():
    breaker, bulkhead = CircuitBreakerMiddleware(failure_threshold=2, recovery_time=1), BulkheadMiddleware(1)
    acting = (CacheMiddleware(60), CoalesceMiddleware(), TimeoutMiddleware(60), retrying(), breaker)
    limited = (RateLimitMiddleware(2, wait=True), bulkhead, TimeoutMiddleware(3))
    return Stack(*acting, *limited, breaker=breaker, bulkhead=bulkhead)


def observed_and_budgeted():
    metrics, budget, breaker = MetricsMiddleware(), BudgetMiddleware(), CircuitBreakerMiddleware()
    around = (LoggingMiddleware(), metrics, TracingMiddleware(), budget)
    return Stack(*around, retrying(), breaker, TimeoutMiddleware(3), metrics=metrics, budget=budget)


def one_at_a_time_through_retries():
    bulkhead = BulkheadMiddleware(1, queue=1, queue_seconds=4)
    return Stack(bulkhead, retrying(), TimeoutMiddleware(3), bulkhead=bulkhead)


def a_flight_through_retries_and_limits():
    bulkhead, budget = BulkheadMiddleware(1), BudgetMiddleware()
    inside = (retrying(), RateLimitMiddleware(1, burst=1, wait=5), bulkhead, TimeoutMiddleware(3))
    return Stack(budget, CoalesceMiddleware(), *inside, bulkhead=bulkhead, budget=budget)


def as_production_has_it():
    return Stack(production(attempt_seconds=3, total_seconds=20))


STACKS = (
    everything,
    observed_and_budgeted,
    one_at_a_time_through_retries,
    a_flight_through_retries_and_limits,
    as_production_has_it,
)


@pytest.mark.parametrize("make", STACKS)
def test_a_stack_cancelled_at_every_await_is_at_rest(make, backend):
    stacks = []

    async def scenario():
        stacks.append(make())
        await stacks[-1].calls()

    report = cancel_at_every_await(scenario, backend=backend, check=lambda: stacks[-1].at_rest())

    assert len(report.cancelled) == report.suspensions * (len(Way) if backend == "asyncio" else 1) > 0
