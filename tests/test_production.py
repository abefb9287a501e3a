"""The default stack: what it holds, in which order, and that its settings count."""

import pytest

from toolcase import BudgetSpec, ExecutionContext, Registry, Stage, ToolFailed, Unavailable
from toolcase.runtime import MetricsMiddleware, production
from toolcase.testing import Fail, Give, Hang, Script, current_clock


def hosting(script, **settings):
    registry = Registry()
    registry.use(*production(**settings))
    registry.add(script.tool("t"))
    return registry


def test_stands_in_its_sensible_order():
    around = hosting(Script(Hang())).around("t")

    names = {stage: [type(entry).__name__ for entry in found] for stage, found in around.items()}
    assert names[Stage.OBSERVE] == ["TracingMiddleware", "MetricsMiddleware", "LoggingMiddleware"]
    assert names[Stage.GUARD] == ["BudgetMiddleware"]
    assert [str(entry) for entry in around[Stage.ACT]] == [
        "TimeoutMiddleware(120 s)",
        "RetryMiddleware(3 attempts)",
        "CircuitBreakerMiddleware(50 % of 10 calls, then 30 s)",
        "TimeoutMiddleware(30 s)",
    ]


async def test_an_attempt_has_thirty_seconds_and_all_of_them_two_minutes():
    script = Script(Hang())

    result = await hosting(script).execute("t")

    assert (result.error.code, len(script.starts)) == ("TIMEOUT", 3)
    assert 90 <= current_clock().now <= 120


@pytest.mark.parametrize(
    ("settings", "starts", "ends"),
    [
        ({"attempts": 1}, 1, 30),
        ({"attempts": 1, "attempt_seconds": 5}, 1, 5),
        ({"attempts": 1, "total_seconds": 20}, 1, 20),
    ],
)
async def test_its_settings_count(settings, starts, ends):
    script = Script(Hang())

    await hosting(script, **settings).execute("t")

    assert len(script.starts) == starts
    assert current_clock().now == pytest.approx(ends)


async def test_a_tool_that_is_down_is_not_asked_three_times_for_ever():
    script = Script(Fail(Unavailable("down")))
    registry = hosting(script)

    for _ in range(100):
        await registry.execute("t")

    assert len(script.starts) <= 100 + 10 + 20


async def test_a_tool_that_keeps_failing_is_left_alone():
    registry = hosting(Script(Fail(RuntimeError("down"))))

    codes = [(await registry.execute("t")).error.code for _ in range(11)]

    assert codes == ["TOOL_FAILED"] * 10 + ["CIRCUIT_OPEN"]


@pytest.mark.parametrize("answer", [ValueError("no date"), KeyError("nobody"), ToolFailed("not today")])
async def test_a_tool_that_answers_with_an_error_is_asked_again(answer):
    registry = hosting(Script(Fail(answer)))

    codes = {(await registry.execute("t")).error.code for _ in range(20)}

    assert codes == {"TOOL_FAILED"}


async def test_a_run_is_kept_to_its_budget():
    registry = hosting(Script(Give(1)))
    run = ExecutionContext(run_id="run", budgets=BudgetSpec(max_tool_calls=1))

    results = [await registry.execute("t", context=run) for _ in range(2)]

    assert [result.ok for result in results] == [True, False]
    assert results[1].error.code == "BUDGET_EXCEEDED"


async def test_its_calls_are_counted_where_the_host_can_read_it():
    metrics = MetricsMiddleware()
    registry = hosting(Script(Give(1)), metrics=metrics)

    await registry.execute("t")

    assert metrics.snapshot()["t"].ok == 1


async def test_two_registries_share_no_budget():
    scripts = [Script(Fail(Unavailable("down"))) for _ in range(2)]
    for script in scripts:
        registry = hosting(script)
        for _ in range(20):
            await registry.execute("t")

    assert len(scripts[0].starts) == len(scripts[1].starts)
