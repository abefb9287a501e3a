"""A run that belongs to nobody: what is known of it, whose context it has, and for how long."""

import contextvars

import anyio
import pytest

from asking import at_once, host, in_order, told, watched
from toolcase import Call, CancellationToken, ExecutionContext, Registry, RunCancelled, ToolFailed
from toolcase.runtime import ExponentialBackoff, RetryMiddleware, RetryPolicy, TimeoutMiddleware
from toolcase.testing import Fail, Give, Script, current_clock
from toolcase_cache import CallCoalesced, CoalesceMiddleware

STEADY = RetryMiddleware(RetryPolicy(backoff=ExponentialBackoff(base=1, jitter=False)))


class TestInfo:
    """What is known of a call."""

    async def test_the_attempts_are_those_of_the_first(self):
        script = Script(Fail(ConnectionError()), Fail(ConnectionError()), Give(1))
        registry = host(script, CoalesceMiddleware(), STEADY)

        assert [result.attempts for result in await in_order(registry, 3, verb="execute")] == [3, 0, 0]

    async def test_where_the_first_has_gone_the_next_stands_for_it(self):
        script = Script(Fail(ConnectionError(), after=2), Give(1))
        registry = host(script, CoalesceMiddleware(), STEADY)

        results = await in_order(registry, 3, verb="execute", first={"timeout": 1})

        assert [(result.ok, result.attempts) for result in results] == [(False, 1), (True, 1), (True, 0)]

    async def test_all_know_of_what_failed_before_and_when_to_come_back(self):
        down = ToolFailed("down", retryable=True, retry_after=5)
        registry = host(Script(Fail(ConnectionError(), after=1), Fail(down)), CoalesceMiddleware(), STEADY)

        for result in await in_order(registry, 2, verb="execute"):
            assert [each.type for each in result.error.earlier] == ["ConnectionError", "ToolFailed"]
            assert result.error.retry_after == 5

    async def test_all_know_when_to_come_back_where_a_foreign_error_says_so(self):
        class Busy(ConnectionError):
            retry_after = 5

        once = RetryMiddleware(RetryPolicy(max_attempts=1))
        registry = host(Script(Fail(Busy(), after=1)), CoalesceMiddleware(), once)

        results = await in_order(registry, 2, verb="execute")

        assert [result.error.retry_after for result in results] == [5, 5]

    async def test_a_followers_observers_are_told_that_it_waits_and_the_firsts_what_happens(self):
        script = Script(Fail(ConnectionError(), after=1), Give(1))
        registry, recorder = watched(script, CoalesceMiddleware(), STEADY)

        await in_order(registry, 2)

        assert told(recorder) == [
            ["AttemptStarted", "RetryScheduled", "AttemptStarted"],
            [CallCoalesced.__name__],
        ]

    async def test_where_the_first_has_gone_the_observers_of_the_next_are_told(self):
        script = Script(Fail(ConnectionError(), after=2), Give(1))
        registry, recorder = watched(script, CoalesceMiddleware(), STEADY)

        await in_order(registry, 2, verb="execute", first={"timeout": 1})

        assert told(recorder) == [["AttemptStarted"], ["CallCoalesced", "RetryScheduled", "AttemptStarted"]]

    async def test_an_effect_that_is_unknown_is_unknown_to_all(self):
        registry = host(
            Script(Give(1, after=9)), CoalesceMiddleware(tools="t"), TimeoutMiddleware(1), read_only=None
        )

        results = await at_once(lambda: registry.execute("t"), 2)

        assert [result.error.outcome_unknown for result in results] == [True, True]


class TestContext:
    """A run has that of the first."""

    async def test_its_variables_and_the_state_that_a_guard_has_left(self):
        variable, registry, seen = contextvars.ContextVar("variable"), Registry(), []

        async def guard(call, inner):
            call.state["user"] = "ada"
            return await inner(call)

        registry.use(guard, CoalesceMiddleware())

        @registry.tool(read_only=True)
        async def looks(call: Call) -> None:
            seen.append((variable.get(), call.state["user"], call.context.run_id))

        variable.set("set")
        await registry.execute("looks", context=ExecutionContext(run_id="r"))

        assert seen == [("set", "ada", "r")]

    async def test_a_child_call_has_it_as_its_parent_also_when_the_first_has_gone(self):
        registry, parents = Registry(), []
        registry.use(CoalesceMiddleware(), only="parent")

        @registry.tool
        async def child(call: Call) -> None:
            parents.append((call.parent and call.parent.name, call.depth, call.context.run_id))

        @registry.tool(read_only=True)
        async def parent() -> None:
            await anyio.sleep(2)
            await registry.call("child")

        asked = {"context": ExecutionContext(run_id="r")}
        await in_order(registry, 2, name="parent", verb="execute", first={"timeout": 1, **asked}, then=asked)

        assert parents == [("parent", 1, "r")]

    async def test_the_token_of_the_first_ends_its_own_call_only(self):
        token, script = CancellationToken(), Script(Fail(ConnectionError(), after=2), Give(1))
        registry = host(script, CoalesceMiddleware(), STEADY)

        async def lead():
            with pytest.raises(RunCancelled):
                await registry.execute("t", context=ExecutionContext(cancellation=token))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lead)
            await anyio.sleep(1)
            token.cancel()
            assert await registry.call("t") == 1

    async def test_a_run_that_nobody_wants_can_see_that_in_its_token(self):
        registry, seen = Registry(), []
        registry.use(CoalesceMiddleware())

        @registry.tool(read_only=True)
        async def waits(context: ExecutionContext) -> None:
            try:
                await anyio.sleep(9)
            finally:
                seen.append(context.cancellation.reason)

        await registry.execute("waits", timeout=1, context=ExecutionContext(cancellation=CancellationToken()))

        assert seen == ["nobody waits for it any more"]

    async def test_what_the_first_does_to_its_arguments_is_not_seen(self):
        registry, seen, words = Registry(), [], ["a"]
        registry.use(CoalesceMiddleware())

        @registry.tool(read_only=True)
        async def reads(words: object) -> None:
            await anyio.sleep(1)
            seen.append(list(words))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: registry.call("reads", words=words))
            await anyio.sleep(0.5)
            words.append("b")

        assert seen == [["a"]]


class TestTime:
    """Each has its own, and the run as long as anybody wants it."""

    async def test_each_leaves_when_its_own_time_is_over(self):
        script = Script(Give(1, after=9))
        registry = host(script, CoalesceMiddleware())

        async with anyio.create_task_group() as tasks:
            for seconds in (1, 5, 20):
                tasks.start_soon(leaves_at, registry, seconds, min(seconds, 9))

        assert len(script.starts) == 1

    @pytest.mark.parametrize(("times", "runs"), [([3], 1), ([3, 3.5], 1), ([3, 9], 2), ([3, None], 2)])
    async def test_a_retry_in_it_gives_up_where_nobody_would_wait_for_that(self, times, runs):
        policy = RetryPolicy(backoff=ExponentialBackoff(base=4, jitter=False), max_attempts=2)
        script = Script(Fail(ConnectionError("down")))
        registry = host(script, CoalesceMiddleware(), RetryMiddleware(policy))
        await anyio.sleep(60)  # or a moment would be as good as a duration

        async with anyio.create_task_group() as tasks:
            for seconds in times:
                tasks.start_soon(lambda seconds=seconds: registry.execute("t", timeout=seconds))

        assert len(script.starts) == runs
        assert current_clock().now == 60 + (0 if runs == 1 else 4)

    async def test_a_limit_in_it_is_a_limit_for_all(self):
        registry = host(Script(Give(1, after=9)), CoalesceMiddleware(), TimeoutMiddleware(2))

        results = await at_once(lambda: registry.execute("t", timeout=5), 3)

        assert [result.error.message for result in results] == ["'t' took longer than 2 s"] * 3
        assert current_clock().now == 2


async def leaves_at(registry, seconds, when):
    began = current_clock().now
    await registry.execute("t", timeout=seconds)
    assert current_clock().now - began == when
