"""Retry around timeout, timeout around retry, and both around tools that call tools."""

import pytest

from toolcase import Registry, ToolTimeout
from toolcase.runtime import (
    ExponentialBackoff,
    LoggingMiddleware,
    RetryBudget,
    RetryMiddleware,
    RetryPolicy,
    TimeoutMiddleware,
)
from toolcase.testing import Fail, Give, Hang, Recorder, Script, current_clock

RETRY = RetryMiddleware(RetryPolicy(backoff=ExponentialBackoff(base=1, jitter=False)))


async def test_a_timeout_inside_a_retry_bounds_each_attempt():
    registry, script = Registry(), Script(Hang())
    registry.use(RETRY, TimeoutMiddleware(5))
    registry.add(script.tool("t"))

    with pytest.raises(ToolTimeout) as caught:
        await registry.call("t")

    assert caught.value.kind == "attempt"
    assert len(script.starts) == 3
    assert current_clock().now == pytest.approx(5 + 1 + 5 + 2 + 5)


async def test_a_timeout_around_a_retry_bounds_them_all():
    registry, script = Registry(), Script(Hang())
    registry.use(TimeoutMiddleware(8), RETRY, TimeoutMiddleware(5))
    registry.add(script.tool("t"))

    with pytest.raises(ToolTimeout, match="8 s") as caught:
        await registry.call("t")

    assert caught.value.kind == "total"

    assert len(script.starts) == 2
    assert current_clock().now == pytest.approx(8)


async def test_a_retry_inside_a_timeout_gives_up_where_no_time_is_left_for_a_wait():
    registry, script = Registry(), Script(Fail(ConnectionError("down"), after=4))
    registry.use(TimeoutMiddleware(10), RETRY)
    registry.add(script.tool("t"))

    with pytest.raises(ConnectionError):
        await registry.call("t")

    assert len(script.starts) == 2  # 4 s, a wait of 1, 4 s; a wait of 2 s would end after the 10th
    assert current_clock().now == pytest.approx(9)


async def test_the_retries_of_a_tool_that_calls_a_tool_multiply():
    registry, script = Registry(), Script(Fail(ConnectionError("down")))
    registry.use(RETRY)
    registry.add(script.tool("child"))

    @registry.tool
    async def parent() -> None:
        await registry.call("child")

    with pytest.raises(ConnectionError):
        await registry.call("parent")

    assert len(script.starts) == 3 * 3


async def test_a_childs_timeout_is_the_parents_failed_attempt():
    registry, script = Registry(), Script(Hang(), Give(7))
    registry.use(RETRY, only="parent")
    registry.add(script.tool("child", timeout=2))

    @registry.tool
    async def parent() -> int:
        return await registry.call("child")

    assert await registry.call("parent") == 7
    assert current_clock().now == pytest.approx(2 + 1)


async def test_observers_see_one_call_however_many_attempts_it_takes():
    registry, recorder = Registry(), Recorder()
    registry.use(RETRY, TimeoutMiddleware(5), recorder, LoggingMiddleware())
    registry.add(Script(Hang(), Fail(ConnectionError()), Give(7)).tool("t"))

    assert await registry.call("t") == 7
    assert recorder.tools == ["t"]
    assert recorder.records[0].call.info.attempts == 3


async def test_an_attempt_that_takes_too_long_is_followed_by_another_for_as_long_as_the_budget_pays():
    registry, script, budget = Registry(), Script(Hang()), RetryBudget(reserve=1)
    registry.use(RetryMiddleware(RetryPolicy(max_attempts=5, budget=budget)), TimeoutMiddleware(5))
    registry.add(script.tool("t"))

    with pytest.raises(ToolTimeout) as caught:
        await registry.call("t")

    assert (caught.value.kind, len(script.starts)) == ("attempt", 2)


async def test_a_value_that_is_tried_again_starts_each_attempts_limit_anew():
    registry, script = Registry(), Script(Give("pending", after=4), Give("done", after=4))
    policy = RetryPolicy(backoff=RETRY.policy.backoff, retry_if_result=lambda value: value == "pending")
    registry.use(RetryMiddleware(policy), TimeoutMiddleware(5))
    registry.add(script.tool("t"))

    assert await registry.call("t") == "done"
    assert current_clock().now == pytest.approx(4 + 1 + 4)
