"""Limits of time: they interrupt, they blame the right limit, and they leave nothing behind."""

import asyncio
import contextlib
import gc
import math
import weakref

import anyio
import pytest

from toolcase import Call, Registry, ToolTimeout, shielded
from toolcase.call import running
from toolcase.events import CancelOverrun
from toolcase.runtime import ExponentialBackoff, RetryMiddleware, RetryPolicy, TimeoutMiddleware
from toolcase.testing import Give, Hang, Script, current_clock
from toolcase.timer import remaining


def limited(*seconds, tool):
    """A registry in which each of these limits stands around the tool, the first outermost."""
    registry = Registry()
    registry.use(*map(TimeoutMiddleware, seconds))
    registry.add(tool)
    return registry


async def nothing_is_left():
    """Whether the caller's task goes on undisturbed after the call."""
    task = asyncio.current_task() if _on_asyncio() else None
    await anyio.sleep(0)
    await anyio.sleep(1)
    return task is None or task.cancelling() == 0


def _on_asyncio():
    try:
        return asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


async def test_gives_the_value_of_a_tool_that_is_quick_enough():
    registry = limited(5, tool=Script(Give(1, after=4.9)).tool("t"))

    value = await registry.call("t")

    assert value == 1
    assert current_clock().now == pytest.approx(4.9)


async def test_interrupts_after_exactly_the_limit():
    registry = limited(5, tool=Script(Hang()).tool("t"))

    with pytest.raises(ToolTimeout, match=r"^'t' took longer than 5 s$") as caught:
        await registry.call("t")

    assert current_clock().now == pytest.approx(5)
    assert caught.value.kind == "attempt"
    assert await nothing_is_left()


async def test_waits_until_the_tool_has_stopped():
    script = Script(Hang(cleanup=3))
    registry = limited(5, tool=script.tool("t"))

    with pytest.raises(ToolTimeout):
        await registry.call("t")

    assert (script.running, script.cancelled) == (0, 1)
    assert current_clock().now == pytest.approx(8)


async def test_the_smaller_limit_owns_the_error_inside():
    registry = limited(9, 2, tool=Script(Hang()).tool("t"))

    with pytest.raises(ToolTimeout, match="2 s"):
        await registry.call("t")


@pytest.mark.parametrize("inner", [3, 2, math.inf])
async def test_the_smaller_or_equal_limit_owns_the_error_outside(inner):
    registry = limited(2, inner, tool=Script(Hang()).tool("t"))

    with pytest.raises(ToolTimeout, match="2 s"):
        await registry.call("t")

    assert current_clock().now == pytest.approx(2)
    assert await nothing_is_left()


@pytest.mark.backends("asyncio")
async def test_arms_no_timer_for_a_call_that_does_not_wait():
    registry = Registry()
    registry.use(TimeoutMiddleware(5))
    seen = []

    @registry.tool
    async def quick() -> None:
        seen.append(len(asyncio.get_running_loop()._scheduled))

    await registry.call("quick")

    assert seen == [0]
    assert not asyncio.get_running_loop()._scheduled


@pytest.mark.backends("asyncio")
@pytest.mark.parametrize("inner", [3, 2])
async def test_arms_one_timer_for_nested_limits_of_which_the_inner_does_not_come_first(inner):
    async def tool() -> int:
        await asyncio.sleep(0)
        return len(asyncio.get_running_loop()._scheduled)

    registry = Registry()
    registry.use(TimeoutMiddleware(2), TimeoutMiddleware(inner))
    registry.add(tool)

    armed = await registry.call("tool")

    assert armed == 1


async def test_a_childs_limit_is_not_armed_where_the_parents_comes_first():
    registry = Registry()
    registry.use(TimeoutMiddleware(5))
    left = []

    @registry.tool
    async def child(call: Call) -> None:
        left.append(remaining(call))

    @registry.tool(timeout=2)
    async def parent() -> None:
        await anyio.sleep(0.5)
        await registry.call("child")

    await registry.call("parent")

    assert left == [pytest.approx(1.5)]


async def test_a_parents_limit_ends_its_children_with_the_parents_error():
    script = Script(Hang())
    registry = limited(9, tool=script.tool("child"))

    @registry.tool(timeout=2)
    async def parent() -> None:
        await registry.call("child")

    with pytest.raises(ToolTimeout, match="'parent' took longer than 2 s"):
        await registry.call("parent")

    assert script.cancelled == 1


@pytest.mark.backends("asyncio")
async def test_a_task_that_the_tool_lets_go_inherits_no_limit():
    registry = limited(9, tool=Script(Hang()).tool("slow"))
    tasks = []

    @registry.tool(timeout=2)
    async def lets_go() -> None:
        tasks.append(asyncio.create_task(registry.call("slow")))
        await asyncio.sleep(0)

    await registry.call("lets_go")

    with pytest.raises(ToolTimeout, match="'slow' took longer than 9 s"):
        await tasks[0]


async def test_an_outer_scope_that_ends_first_is_no_timeout_of_ours():
    registry = limited(5, tool=Script(Hang()).tool("t"))

    with anyio.move_on_after(2) as scope:
        await registry.call("t")

    assert scope.cancelled_caught
    assert await nothing_is_left()


async def test_a_scope_around_two_calls_survives_the_first_ones_timeout():
    registry = limited(5, tool=Script(Hang(), Give(2)).tool("t"))

    with anyio.fail_after(20):
        with pytest.raises(ToolTimeout):
            await registry.call("t")
        value = await registry.call("t")

    assert value == 2


async def test_a_tool_may_enter_scopes_and_groups_in_its_first_step():
    registry = Registry()
    registry.use(TimeoutMiddleware(5))
    ended = []

    @registry.tool
    async def grouped() -> None:
        with anyio.move_on_after(99):
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 3)
                try:
                    await anyio.sleep(50)
                finally:
                    ended.append(current_clock().now)

    with pytest.raises(ToolTimeout):
        await registry.call("grouped")

    assert ended == [pytest.approx(5)]
    assert await nothing_is_left()


async def test_a_scope_of_the_tools_own_that_ends_first_is_the_tools_business():
    registry = Registry()
    registry.use(TimeoutMiddleware(5))

    @registry.tool
    async def patient() -> str:
        with anyio.move_on_after(2):
            await anyio.sleep(50)
        return "gave up by itself"

    assert await registry.call("patient") == "gave up by itself"


async def test_a_timeout_error_of_the_tools_own_passes_as_it_is():
    registry = Registry()
    registry.use(TimeoutMiddleware(5))
    error = TimeoutError("the database said so")

    @registry.tool
    async def fails() -> None:
        await anyio.sleep(1)
        raise error

    with pytest.raises(TimeoutError) as caught:
        await registry.call("fails")

    assert caught.value is error


@pytest.mark.backends("asyncio")
async def test_a_tool_that_swallows_the_cancellation_gives_its_value():
    registry = Registry()
    registry.use(TimeoutMiddleware(5))

    @registry.tool
    async def stubborn() -> str:
        try:
            await anyio.sleep(50)
        except asyncio.CancelledError:
            return "value"
        return "never"

    value = await registry.call("stubborn")

    assert value == "value"
    assert await nothing_is_left()


async def test_a_tool_that_fails_while_it_is_stopped_gives_its_error():
    registry = Registry()
    registry.use(TimeoutMiddleware(5))

    @registry.tool
    async def clumsy() -> None:
        try:
            await anyio.sleep(50)
        finally:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await registry.call("clumsy")

    assert await nothing_is_left()


@pytest.mark.backends("asyncio")
async def test_a_native_cancellation_from_outside_passes():
    registry = limited(5, tool=Script(Hang()).tool("t"))
    task = asyncio.create_task(registry.call("t"))
    await asyncio.sleep(1)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.backends("asyncio")
async def test_cancellation_and_expiry_in_one_tick_are_one_cancellation():
    registry = limited(5, tool=Script(Hang()).tool("t"))
    task = asyncio.create_task(registry.call("t"))
    await asyncio.sleep(0)

    asyncio.get_running_loop().call_at(5, task.cancel)

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_scope_and_a_limit_that_end_in_one_tick_give_the_scopes_outcome():
    registry = limited(5, tool=Script(Hang()).tool("t"))
    error = None

    with anyio.move_on_after(5) as scope:
        try:
            await registry.call("t")
        except ToolTimeout as raised:
            error = raised

    assert scope.cancelled_caught != (error is not None)
    assert await nothing_is_left()


@pytest.mark.backends("asyncio")
async def test_drives_on_a_tool_whose_futures_fail_one_after_the_other():
    registry = Registry()
    registry.use(TimeoutMiddleware(5))

    def failing() -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_later(1, future.set_exception, OSError("once more"))
        return future

    @registry.tool
    async def persistent() -> int:
        for _ in range(3):
            with pytest.raises(OSError):
                await failing()
        return 3

    assert await registry.call("persistent") == 3


@pytest.mark.backends("asyncio")
async def test_takes_any_awaitable_from_a_middleware():
    def as_task(call, inner):
        return asyncio.ensure_future(inner(call))

    as_task.stage = TimeoutMiddleware.stage
    registry = Registry()
    registry.use(TimeoutMiddleware(5), as_task)
    registry.add(Script(Hang()).tool("t"))

    with pytest.raises(ToolTimeout):
        await registry.call("t")

    assert await nothing_is_left()


@pytest.mark.parametrize(("read_only", "unknown"), [(None, True), (False, True), (True, False)])
async def test_after_it_the_effect_of_a_tool_that_has_any_is_unknown(read_only, unknown):
    registry = limited(5, tool=Script(Hang()).tool("t", read_only=read_only))

    result = await registry.execute("t")

    assert result.error.outcome_unknown is unknown


async def test_where_the_tool_was_not_started_no_effect_is_unknown():
    async def slow(call, inner):
        await anyio.sleep(50)

    registry = Registry()
    registry.use(slow)
    registry.add(Script(Hang()).tool("t"))

    result = await registry.execute("t", timeout=5)

    assert not result.error.outcome_unknown
    assert "5 s, waits and retries included" in result.error.message


@pytest.mark.parametrize(("cleanup", "reported"), [(4.9, 0), (5, 1), (5.1, 1)])
async def test_a_tool_that_does_not_stop_in_time_is_reported_and_waited_for(cleanup, reported):
    registry, events, script = limited(3, tool=Script(Give()).tool("x")), [], Script(Hang(cleanup=cleanup))
    registry.add(script.tool("t"))
    registry.on_event(events.append)

    with pytest.raises(ToolTimeout):
        await registry.call("t")
    await anyio.sleep(50)

    assert events == [CancelOverrun(tool="t", grace=5.0)] * reported
    assert script.running == 0


async def test_a_tool_that_does_not_stop_in_time_is_reported_once_though_two_limits_end_together():
    registry, events = limited(3, 3, tool=Script(Hang(cleanup=6)).tool("t")), []
    registry.on_event(events.append)

    with pytest.raises(ToolTimeout):
        await registry.call("t")

    assert events == [CancelOverrun(tool="t", grace=5.0)]


@pytest.mark.parametrize("shield", [True, False])
async def test_a_childs_limit_holds_in_the_clean_up_of_a_parent_whose_time_is_over(shield):
    registry, ends = Registry(), []
    registry.add(Script(Hang()).tool("undo", timeout=3))

    @registry.tool(timeout=10)
    async def careful() -> None:
        try:
            await anyio.sleep(999)
        finally:
            with shielded(500) if shield else contextlib.nullcontext():
                ends.append((await registry.execute("undo")).error.code)

    with contextlib.suppress(ToolTimeout):
        await registry.call("careful")

    shield_holds = shield or _on_asyncio()  # on trio a cancelled scope cuts every await that is not shielded
    assert ends == (["TIMEOUT"] if shield_holds else [])
    assert current_clock().now == pytest.approx(13 if shield_holds else 10)


async def test_in_a_shield_the_limit_that_waits_outside_is_not_what_remains():
    registry, left = Registry(), []

    @registry.tool(timeout=10)
    async def careful(call: Call) -> None:
        await anyio.sleep(1)
        left.append(remaining(call))
        with shielded(500):
            left.append(remaining(call))

    await registry.call("careful")

    assert left == [pytest.approx(9), math.inf]


async def test_a_limit_is_seen_by_the_children_of_a_call_that_was_handed_on_as_a_copy():
    registry, left = Registry(), []

    async def copying(call, inner):
        return await inner(call.copy())

    @registry.tool
    async def child(call: Call) -> None:
        left.append(remaining(call))

    @registry.tool(timeout=2)
    async def parent() -> None:
        await registry.call("child")

    registry.use(copying)

    await registry.call("parent")

    assert left == [pytest.approx(2)]
    assert running.get() is None


async def test_an_infinite_limit_is_none():
    registry = Registry()
    registry.add(Script(Give(1, after=1e6)).tool("t", timeout=math.inf))

    assert (await registry.execute("t", timeout=math.inf)).value == 1


async def test_calls_one_after_the_other_leave_nothing_behind():
    registry, values = Registry(), []
    registry.use(TimeoutMiddleware(60), TimeoutMiddleware(5))

    class Value:
        pass

    @registry.tool
    async def make() -> object:
        await anyio.sleep(1)
        value = Value()
        values.append(weakref.ref(value))
        return value

    for _ in range(10):
        await registry.call("make")
    gc.collect()

    # trio keeps what its last step gave until the next one.
    assert sum(value() is not None for value in values) <= 1


@pytest.mark.backends("asyncio")
async def test_a_scope_that_is_cancelled_while_the_tool_stops_sees_its_own_cancellation():
    registry = Registry()

    @registry.tool(timeout=1)
    async def grouped() -> None:
        async def slow_to_stop():
            try:
                await anyio.sleep(99)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.5)

        async with anyio.create_task_group() as group:
            group.start_soon(slow_to_stop)
            await anyio.sleep(99)

    with anyio.move_on_after(1.2) as scope:
        await registry.call("grouped")

    assert scope.cancelled_caught
    assert await nothing_is_left()


class TestShielded:
    """Clean-up that is not interrupted."""

    async def test_holds_back_the_limit_of_all_attempts_in_a_later_one(self):
        registry, cleaned = Registry(), []
        registry.use(TimeoutMiddleware(10))
        registry.use(RetryMiddleware(RetryPolicy(backoff=ExponentialBackoff(base=1, jitter=False))))
        registry.use(TimeoutMiddleware(8))

        @registry.tool
        async def careful(call: Call) -> None:
            await anyio.sleep(1)
            if call.info.attempts == 1:
                raise ConnectionError
            with shielded(30):
                await anyio.sleep(20)
                cleaned.append(current_clock().now)
            await anyio.sleep(5)

        with pytest.raises(ToolTimeout):
            await registry.call("careful")

        assert cleaned == [pytest.approx(1 + 1 + 1 + 20)]

    async def test_holds_a_limit_back_until_it_is_left(self):
        registry = Registry()
        registry.use(TimeoutMiddleware(5))
        cleaned = []

        @registry.tool
        async def careful() -> None:
            await anyio.sleep(1)
            with shielded(20):
                await anyio.sleep(10)
                cleaned.append(current_clock().now)
            await anyio.sleep(10)

        with pytest.raises(ToolTimeout):
            await registry.call("careful")

        assert cleaned == [pytest.approx(11)]
        assert current_clock().now == pytest.approx(11)
        assert await nothing_is_left()

    async def test_holds_a_limit_back_that_was_armed_inside_it(self):
        registry = Registry()
        registry.use(TimeoutMiddleware(5))

        @registry.tool
        async def careful() -> None:
            with shielded(20):  # in the first step, before anything was awaited
                await anyio.sleep(10)
            await anyio.sleep(10)

        with pytest.raises(ToolTimeout):
            await registry.call("careful")

        assert current_clock().now == pytest.approx(10)

    async def test_the_value_wins_where_nothing_is_awaited_after_it(self):
        registry = Registry()
        registry.use(TimeoutMiddleware(5))

        @registry.tool
        async def careful() -> str:
            await anyio.sleep(1)
            with shielded(20):
                await anyio.sleep(10)
            return "value"

        value = await registry.call("careful")

        assert value == "value"
        assert await nothing_is_left()

    async def test_a_limit_inside_it_still_holds(self):
        registry = limited(2, tool=Script(Hang()).tool("t"))

        with shielded(20), pytest.raises(ToolTimeout):
            await registry.call("t")

        assert current_clock().now == pytest.approx(2)

    async def test_one_inside_another_holds_back_until_both_are_left(self):
        registry = Registry()
        registry.use(TimeoutMiddleware(5))

        @registry.tool
        async def careful() -> None:
            await anyio.sleep(1)
            with shielded(20):
                with shielded(20):
                    await anyio.sleep(7)
                await anyio.sleep(2)
            await anyio.sleep(10)

        with pytest.raises(ToolTimeout):
            await registry.call("careful")

        assert current_clock().now == pytest.approx(10)

    async def test_keeps_a_scope_off(self):
        with anyio.move_on_after(1):
            with shielded(20):
                await anyio.sleep(10)

        assert current_clock().now == pytest.approx(10)

    async def test_gives_up_after_its_grace(self):
        with shielded(3) as scope:
            await anyio.sleep(10)

        assert scope.cancelled_caught
        assert current_clock().now == pytest.approx(3)

    async def test_after_it_a_cancelled_limit_of_a_quick_call_strikes_nobody(self):
        registry = limited(5, tool=Script(Give(1)).tool("t"))

        with shielded(20):
            await registry.call("t")
            await anyio.sleep(10)

        assert await nothing_is_left()

    async def test_inside_another_one_it_holds_a_new_limit_back_until_it_is_left_itself(self):
        registry = Registry()

        @registry.tool(timeout=1)
        async def careful() -> None:
            with shielded(50):  # in the first step, before anything was awaited
                await anyio.sleep(3)
            await anyio.sleep(99)

        with shielded(500):
            await registry.execute("careful")

        assert current_clock().now == pytest.approx(3)

    async def test_a_limit_that_was_held_back_strikes_once(self):
        registry = Registry()

        @registry.tool(timeout=1)
        async def careful() -> None:
            with shielded(50):
                await anyio.sleep(3)
            try:
                await anyio.sleep(99)
            finally:
                with shielded(50):
                    await anyio.sleep(1)
                await anyio.sleep(0)

        with pytest.raises(ToolTimeout):
            await registry.call("careful")

    async def test_in_a_child_task_it_does_not_hold_back_the_limit_of_the_parent(self):
        registry, stopped = Registry(), []

        @registry.tool(timeout=2)
        async def parent() -> None:
            await anyio.sleep(1)  # the limit is armed
            async with anyio.create_task_group() as group:
                group.start_soon(_clean_up)
                try:
                    await anyio.sleep(99)
                finally:
                    stopped.append(current_clock().now)

        await registry.execute("parent")

        assert stopped == [pytest.approx(2)]


class TestRemaining:
    """What is left of the earliest deadline."""

    async def test_is_infinite_without_a_limit(self):
        registry = Registry()

        @registry.tool
        async def look(call: Call) -> float:
            return remaining(call)

        assert await registry.call("look") == math.inf

    async def test_counts_down_to_the_earliest_limit(self):
        registry = Registry()
        registry.use(TimeoutMiddleware(9), TimeoutMiddleware(4))

        @registry.tool
        async def look(call: Call) -> float:
            await anyio.sleep(1)
            return remaining(call)

        assert await registry.call("look") == pytest.approx(3)

    @pytest.mark.parametrize("cleanup", [0, 1.5])
    async def test_is_nothing_once_it_has_passed(self, cleanup):
        registry, seen = Registry(), []

        @registry.tool(timeout=2)
        async def look(call: Call) -> None:
            try:
                await anyio.sleep(99)
            finally:
                with shielded():
                    await anyio.sleep(cleanup)
                seen.append(remaining(call))

        await registry.execute("look")

        assert seen == [pytest.approx(-cleanup)]

    async def test_is_put_back_after_a_nested_limit(self):
        registry = Registry()
        seen = []

        async def watch(call, inner):
            try:
                return await inner(call)
            finally:
                seen.append(remaining(call))

        watch.stage = TimeoutMiddleware.stage
        registry.use(TimeoutMiddleware(9), watch, TimeoutMiddleware(2))
        registry.add(Script(Hang()).tool("t"))

        with pytest.raises(ToolTimeout):
            await registry.call("t")

        assert seen == [pytest.approx(7)]

    async def test_counts_down_in_a_child_task_of_a_shield(self):
        registry, left = Registry(), []

        @registry.tool(timeout=5)
        async def look(call: Call) -> None:
            left.append(remaining(call))

        with shielded():
            async with anyio.create_task_group() as group:
                group.start_soon(registry.call, "look")

        assert left == [pytest.approx(5)]


@pytest.mark.backends("asyncio")
async def test_a_limit_leaves_the_cancellations_of_before_it_counted():
    registry, task = limited(1, tool=Script(Hang()).tool("t")), asyncio.current_task()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0)

    with pytest.raises(ToolTimeout):
        await registry.call("t")

    assert task.cancelling() == 1
    task.uncancel()


@pytest.mark.backends("asyncio")
async def test_drives_on_a_tool_whose_futures_fail_each_in_its_own_way():
    registry, seen = limited(5, tool=Script(Give()).tool("x")), []

    @registry.tool
    async def persistent() -> None:
        for number in range(3):
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(1, future.set_exception, OSError(number))
            try:
                await future
            except OSError as error:
                seen.append(error.args[0])

    await registry.call("persistent")

    assert seen == [0, 1, 2]


@pytest.mark.backends("asyncio")
async def test_a_call_that_has_ended_keeps_no_argument_alive_beyond_its_time():
    class Value:
        pass

    registry, value = limited(5, tool=Script(Give()).tool("x")), Value()
    kept = weakref.ref(value)

    @registry.tool
    async def nap(value: object) -> None:
        await anyio.sleep(1)

    await registry.call("nap", value=value)
    del value
    await anyio.sleep(9)  # asyncio keeps a cancelled timer, with its context, until it would have struck
    gc.collect()

    assert kept() is None


async def test_after_a_limit_around_a_copy_the_call_itself_is_the_running_one():
    registry, seen = limited(tool=Script(Give(after=1)).tool("t")), []

    async def copying(call, inner):
        value = await inner(call.copy())
        seen.append(running.get() is call)
        return value

    copying.stage = TimeoutMiddleware.stage
    registry.use(copying, TimeoutMiddleware(5))

    await registry.call("t")

    assert seen == [True]


async def _clean_up():
    with shielded(50):
        await anyio.sleep(9)


async def test_expiry_is_delivered_once_on_asyncio_and_at_every_await_on_trio(backend):
    waits = []

    async def cleans_up() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            await anyio.sleep(1)
            waits.append("in full")

    registry = Registry()
    registry.add(cleans_up)

    result = await registry.execute("cleans_up", timeout=2)

    assert result.error.code == "TIMEOUT"
    assert waits == (["in full"] if backend == "asyncio" else [])


async def test_a_scope_that_is_cancelled_while_a_cut_off_call_stops_sees_its_own_cancellation():
    registry, scope = Registry(grace=1), anyio.CancelScope()

    @registry.tool
    async def grouped() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(_slow_to_stop)
            await anyio.sleep(99)

    async def caller():
        with scope:
            await registry.call("grouped")

    async with anyio.create_task_group() as tasks:
        async with registry:
            tasks.start_soon(caller)
            tasks.start_soon(_cancel_after, scope, 1.2)
            await anyio.wait_all_tasks_blocked()

    assert scope.cancelled_caught


async def _slow_to_stop():
    try:
        await anyio.sleep(99)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.5)


async def _cancel_after(scope, seconds):
    await anyio.sleep(seconds)
    scope.cancel()
