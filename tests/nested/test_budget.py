"""A budget around retries, around tools that call tools, and cancelled at every await."""

import anyio
import pytest

from toolcase import BudgetSpec, Call, ExecutionContext, Registry
from toolcase.runtime import (
    BudgetMiddleware,
    ConstantBackoff,
    RetryMiddleware,
    RetryPolicy,
    TimeoutMiddleware,
)
from toolcase.testing import Fail, Give, Hang, Script, Way, cancel_at_every_await, current_clock

RUN = ExecutionContext(run_id="r")
RETRY = RetryMiddleware(RetryPolicy(backoff=ConstantBackoff(seconds=2, jitter=False)))


def registry_of(*used, **scripts):
    registry = Registry(context=RUN)
    registry.use(*used)
    registry.add(*(script.tool(name) for name, script in scripts.items()))
    return registry


async def test_a_refusal_is_not_retried_by_the_tool_that_asked():
    registry = registry_of(BudgetMiddleware(BudgetSpec(max_tool_calls=1)), RETRY, t=Script(Give()))

    @registry.tool
    async def asks() -> None:
        await registry.call("t")

    result = await registry.execute("asks")

    assert (result.error.code, result.attempts) == ("BUDGET_EXCEEDED", 1)
    assert current_clock().now == 0


async def test_what_each_attempt_uses_adds_up_in_one_tool_call():
    budget = BudgetMiddleware(BudgetSpec())
    registry = registry_of(budget, RETRY)

    @registry.tool
    async def spends(call: Call) -> None:
        call.report_usage(tokens=call.info.attempts)
        raise ConnectionError

    await registry.execute("spends")

    assert (budget.usage("r").tool_calls, budget.usage("r").tokens) == (1, 1 + 2 + 3)


async def test_no_retry_is_waited_for_that_would_come_after_the_run():
    script = Script(Fail(ConnectionError(), after=4))
    registry = registry_of(BudgetMiddleware(BudgetSpec(max_runtime_seconds=5)), RETRY, t=script)

    with pytest.raises(ConnectionError):
        await registry.call("t")

    assert current_clock().now == 4


async def test_a_tool_and_those_that_it_calls_count_in_one_run():
    budget = BudgetMiddleware(BudgetSpec(max_tool_calls=3))
    registry = registry_of(budget, t=Script(Give(1, after=1)))

    @registry.tool
    async def fans_out() -> int:
        oks = []

        async def one():
            oks.append((await registry.execute("t")).ok)

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(one)
        return sum(oks)

    assert await registry.call("fans_out") == 2  # and itself
    assert budget.usage("r").tool_calls == 3


@pytest.mark.parametrize("spec", [BudgetSpec(max_runtime_seconds=4), BudgetSpec(max_tool_calls=2)])
def test_cancelled_anywhere_it_keeps_no_call_and_counts_what_was_started(spec, backend):
    made = []

    async def scenario():
        script, budget = (
            Script(Give(after=1), Fail(ConnectionError(), after=1), Hang(cleanup=1)),
            BudgetMiddleware(spec),
        )
        made.append((script, budget))
        registry = registry_of(budget, RETRY, TimeoutMiddleware(9), t=script)

        @registry.tool
        async def asks() -> None:
            await registry.call("t")
            await registry.execute("t", timeout=3)

        await registry.execute("asks")

    def check():
        script, budget = made[-1]
        (run,) = [run for _, run in budget._runs]
        assert (run.inside, script.running) == (0, 0)
        assert run.tool_calls <= 1 + len(script.starts)

    report = cancel_at_every_await(scenario, backend=backend, check=check)

    assert len(report.cancelled) == report.suspensions * (len(Way) if backend == "asyncio" else 1) > 0
