"""Entering and leaving a registry: who is let in, who may finish, who is cut off."""

import asyncio
import contextvars
import math
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from toolcase import Registry, Unavailable, shielded
from toolcase.events import CallStopped, CancelOverrun
from toolcase.runtime import RetryMiddleware, TimeoutMiddleware, compose
from toolcase.testing import Give, Hang, Script, cancel_at_every_await, current_clock


def made(*tools, **settings):
    registry = Registry(**settings)
    registry.add(*tools)
    registry.heard = []
    registry.on_event(registry.heard.append)
    return registry


async def outcome_of(registry, name, results):
    results.append(await registry.execute(name))


async def left_while(registry, *names, after=0.0):
    """What the calls of these names end with when the registry is left `after` seconds after they began."""
    results = []
    async with anyio.create_task_group() as tasks:
        async with registry:
            for name in names:
                tasks.start_soon(outcome_of, registry, name, results)
            await anyio.wait_all_tasks_blocked()
            await anyio.sleep(after)
    return results


async def test_without_entering_it_takes_calls():
    registry = made(Script(Give(1)).tool("t"))

    assert await registry.call("t") == 1


async def test_entering_gives_the_registry():
    registry = made()

    async with registry as entered:
        assert entered is registry


async def test_leaving_without_calls_takes_no_time():
    async with made():
        pass

    assert current_clock().now == 0


async def test_calls_in_flight_may_end_within_the_grace():
    registry = made(Script(Give("done", after=7)).tool("t"), grace=8)

    (result,) = await left_while(registry, "t")

    assert result.value == "done"
    assert current_clock().now == pytest.approx(7)
    assert registry.heard == []


async def test_what_does_not_end_within_the_grace_is_cut_off_and_reported():
    script = Script(Hang())
    registry = made(script.tool("t"), grace=3)

    (result,) = await left_while(registry, "t", after=2)

    assert result.error.code == "UNAVAILABLE"
    assert result.error.message == "'t' was stopped: its registry is closing"
    assert result.error.outcome_unknown
    assert script.cancelled == 1
    assert current_clock().now == pytest.approx(5)
    assert registry.heard == [CallStopped(tool="t", elapsed=pytest.approx(5))]


async def test_one_that_ends_lets_the_others_have_their_grace():
    registry = made(Script(Give(1, after=1)).tool("quick"), Script(Hang()).tool("slow"), grace=4)

    quick, slow = await left_while(registry, "quick", "slow")

    assert quick.ok
    assert slow.error.code == "UNAVAILABLE"
    assert current_clock().now == pytest.approx(4)


async def test_no_grace_cuts_off_at_once():
    registry = made(Script(Hang()).tool("t"), grace=0)

    (result,) = await left_while(registry, "t")

    assert result.error.code == "UNAVAILABLE"
    assert current_clock().now == 0


async def test_an_endless_grace_waits():
    registry = made(Script(Give(1, after=1_000)).tool("t"), grace=math.inf)

    (result,) = await left_while(registry, "t")

    assert result.ok


async def test_leaving_waits_for_the_clean_up_of_what_it_cut_off():
    registry = made(Script(Hang(cleanup=9)).tool("t"), grace=1)

    await left_while(registry, "t")

    assert current_clock().now == pytest.approx(10)


@pytest.mark.parametrize(("cleanup", "reported"), [(4.9, False), (5, True), (9, True)])
async def test_a_clean_up_that_takes_too_long_is_reported(cleanup, reported):
    registry = made(Script(Hang(cleanup=cleanup)).tool("t"), grace=1)

    await left_while(registry, "t")

    assert (CancelOverrun(tool="t", grace=5.0) in registry.heard) is reported


async def test_a_shielded_clean_up_that_runs_already_is_not_cut():
    ended = []

    async def careful() -> None:
        with shielded(60):
            await anyio.sleep(20)
            ended.append("clean")

    registry = made(careful, grace=1)

    (result,) = await left_while(registry, "careful")

    assert ended == ["clean"]
    assert current_clock().now == pytest.approx(20)
    assert result.ok


async def test_retries_do_not_bring_back_what_was_cut_off():
    script = Script(Hang())
    registry = made(script.tool("t"), grace=1)
    registry.use(RetryMiddleware(), TimeoutMiddleware(60))

    (result,) = await left_while(registry, "t")

    assert result.error.code == "UNAVAILABLE"
    assert len(script.starts) == 1


async def test_a_child_call_ends_with_its_parent():
    script = Script(Hang())
    registry = made(script.tool("child"), grace=1)

    @registry.tool
    async def parent() -> None:
        await registry.call("child")

    (result,) = await left_while(registry, "parent")

    assert result.error.code == "UNAVAILABLE"
    assert script.cancelled == 1
    assert [event.tool for event in registry.heard] == ["parent"]


async def test_a_call_in_flight_may_make_child_calls_while_the_registry_is_left():
    registry = made(Script(Give("child")).tool("child"), grace=5)

    @registry.tool
    async def parent() -> str:
        await anyio.sleep(2)
        return await registry.call("child")

    (result,) = await left_while(registry, "parent")

    assert result.value == "child"


async def test_a_child_of_another_registrys_call_is_cut_off_too():
    script = Script(Hang())
    registry, other = made(script.tool("child"), grace=1), made()

    @other.tool
    async def parent() -> str:
        return (await registry.execute("child")).error.code

    async with anyio.create_task_group() as tasks:
        async with registry:
            tasks.start_soon(other.execute, "parent")
            await anyio.wait_all_tasks_blocked()

        assert script.running == 0


async def test_a_child_of_another_registrys_call_is_refused_once_it_is_left():
    registry, other = made(Script(Give(1)).tool("child")), made()
    other.tool(lambda: registry.blocking().execute("child").error.code, name="sync")

    @other.tool
    async def parent() -> str:
        return (await registry.execute("child")).error.code

    async with registry:
        pass

    assert await other.call("parent") == await other.call("sync") == "UNAVAILABLE"


async def test_a_call_that_comes_back_through_another_registry_is_let_in():
    registry, other = made(Script(Give("back")).tool("child"), grace=5), made()
    other.tool(lambda: registry.blocking().call("child"), name="other")

    @registry.tool
    async def parent() -> str:
        await anyio.sleep(2)
        return await other.call("other")

    (result,) = await left_while(registry, "parent")

    assert result.value == "back"


async def test_a_tool_cannot_leave_the_registry_in_which_it_runs():
    registry = made(grace=1)

    @registry.tool
    async def leaves() -> None:
        await registry.__aexit__()

    @registry.tool
    async def parent() -> None:
        await registry.call("leaves")

    async with registry:
        for name in ("leaves", "parent"):
            with pytest.raises(RuntimeError, match="^'leaves' cannot leave the registry in which it runs"):
                await registry.call(name)


async def test_calls_from_outside_are_refused_once_leaving_has_begun():
    registry = made(Script(Hang()).tool("slow"), Script(Give()).tool("t"), grace=5)
    refused = []

    async def late():
        await anyio.sleep(3)
        refused.append(await registry.execute("t"))

    async with anyio.create_task_group() as tasks:
        async with registry:
            await registry.call("t")
            tasks.start_soon(registry.execute, "slow")
            tasks.start_soon(late)
            await anyio.wait_all_tasks_blocked()

    assert refused[0].error.code == "UNAVAILABLE"
    assert refused[0].error.message == "'t' cannot be called: its registry is closed"


async def test_after_leaving_calls_are_refused_until_it_is_entered_again():
    registry = made(Script(Give(1)).tool("t"))
    async with registry:
        await registry.call("t")

    with pytest.raises(Unavailable, match="closed"):
        await registry.call("t")
    async with registry:
        assert await registry.call("t") == 1


async def test_entering_twice_is_refused():
    registry = made()

    async with registry:
        with pytest.raises(RuntimeError, match="entered already"):
            await registry.__aenter__()


async def test_a_cancelled_leave_cuts_off_at_once_and_waits_for_the_clean_up():
    script = Script(Hang(cleanup=2))
    registry = made(script.tool("t"), grace=60)

    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(1):
            async with registry:
                tasks.start_soon(registry.execute, "t")
                await anyio.wait_all_tasks_blocked()

        assert current_clock().now == pytest.approx(3)
        assert script.running == 0


async def test_an_error_of_the_block_passes():
    with pytest.raises(KeyError):
        async with made():
            raise KeyError("the host's own")


async def test_who_cancelled_the_caller_too_is_not_answered_with_an_error():
    registry, ends = made(Script(Hang(cleanup=2)).tool("t"), grace=1), []

    async def caller(scope):
        with scope:
            ends.append(await registry.execute("t"))

    async with anyio.create_task_group() as tasks:
        async with registry:
            tasks.start_soon(caller, scope := anyio.CancelScope())
            await anyio.wait_all_tasks_blocked()
            scope.cancel()

    assert ends == []
    assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("grace", "error", "message"),
    [
        (-1, ValueError, "grace must be at least 0, got -1"),
        (math.nan, ValueError, "grace must be at least 0, got nan"),
        (True, TypeError, "grace must be a number, got True"),
        ("5", TypeError, "grace must be a number, got '5'"),
    ],
)
def test_a_grace_that_is_none_is_refused(grace, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        Registry(grace=grace)


def test_a_loop_that_has_gone_leaves_nothing_behind():
    registry = made(Script(Give(1)).tool("t"))
    registry.tool(anyio.sleep_forever, name="hang")

    async def begin():
        await registry.__aenter__()
        return asyncio.ensure_future(registry.call("hang")), await anyio.sleep(0)

    async def again():
        async with registry:
            return registry.inflight(), await registry.call("t")

    gone = asyncio.new_event_loop()
    hanging, _ = gone.run_until_complete(begin())
    gone.close()

    assert asyncio.run(again()) == ([], 1)
    assert not hanging.done()
    hanging.get_coro().close()  # or the garbage collector would, in the middle of another test
    hanging._log_destroy_pending = False


async def test_a_child_call_that_outlived_its_parent_is_waited_for_and_cut_off():
    script = Script(Hang(cleanup=1))
    registry = made(script.tool("slow"), grace=2)

    @registry.tool
    async def spawns() -> None:
        tasks.start_soon(outcome_of, registry, "slow", results)
        await anyio.wait_all_tasks_blocked()

    results = []
    async with anyio.create_task_group() as tasks:
        async with registry:
            await registry.call("spawns")

        assert script.running == 0
    assert results[0].error.code == "UNAVAILABLE"
    assert current_clock().now == pytest.approx(3)


async def test_a_child_call_that_outlives_its_parent_while_leaving_is_cut_off_too():
    script = Script(Hang())
    registry = made(script.tool("slow"), grace=2)

    @registry.tool
    async def spawns() -> None:
        tasks.start_soon(outcome_of, registry, "slow", results)
        with shielded(9):
            await anyio.sleep(5)

    results = []
    async with anyio.create_task_group() as tasks:
        async with registry:
            tasks.start_soon(outcome_of, registry, "spawns", results)
            await anyio.wait_all_tasks_blocked()

    assert sorted(result.tool for result in results) == ["slow", "spawns"]
    assert script.running == 0
    assert current_clock().now == pytest.approx(5)


async def test_a_detached_call_is_one_from_outside():
    registry = made(Script(Give("in")).tool("t"), grace=5)

    @registry.tool
    async def detaches() -> str:
        await anyio.sleep(2)
        return (await registry.execute("t", detached=True)).error.code

    (result,) = await left_while(registry, "detaches")

    assert result.value == "UNAVAILABLE"


async def test_a_call_that_swallows_its_end_gives_its_value_and_leaves_no_cancellation():
    registry, after = made(grace=1), []

    @registry.tool
    async def stubborn() -> str:
        try:
            await anyio.sleep(99)
        except anyio.get_cancelled_exc_class():
            return "swallowed"

    async def caller():
        after.append(await registry.execute("stubborn"))
        await anyio.sleep(1)
        after.append("goes on")

    async with anyio.create_task_group() as tasks:
        async with registry:
            tasks.start_soon(caller)
            await anyio.wait_all_tasks_blocked()

    assert after[0].value == "swallowed"
    assert after[1] == "goes on"


@pytest.mark.backends("asyncio")
async def test_a_task_that_was_cancelled_before_it_is_cut_off_stays_cancelled():
    registry = made(grace=1)

    @registry.tool
    async def slow_to_stop() -> None:
        try:
            await anyio.sleep(99)
        finally:
            await anyio.sleep(9)

    async with registry:
        task = asyncio.create_task(registry.call("slow_to_stop"))
        await anyio.wait_all_tasks_blocked()
        task.cancel()
        await anyio.wait_all_tasks_blocked()

    assert task.cancelled()
    assert current_clock().now == pytest.approx(1)


class Lives:
    """Lifespans that note when they are entered and left."""

    def __init__(self):
        self.log = []

    def __call__(self, name, *, entering=None, leaving=None):
        @asynccontextmanager
        async def lifespan():
            await (anyio.sleep(0) if entering is None else entering())
            self.log.append(f"+{name}")
            try:
                yield
            finally:
                self.log.append(f"-{name}")
                if leaving is not None:
                    await leaving()

        return lifespan


async def fails():
    raise ConnectionError("refused")


class TestLifespans:
    """What is entered before the first call, and left after the last."""

    async def test_are_entered_in_order_and_left_in_reverse(self):
        registry, lives = made(), Lives()
        for name in "abc":
            registry.lifespan(lives(name))

        async with registry:
            assert lives.log == ["+a", "+b", "+c"]

        assert lives.log == ["+a", "+b", "+c", "-c", "-b", "-a"]

    async def test_are_entered_again_when_the_registry_is(self):
        registry, lives = made(), Lives()
        registry.lifespan(lives("a"))

        for _ in range(2):
            async with registry:
                pass

        assert lives.log == ["+a", "-a"] * 2

    async def test_are_left_after_the_calls_have_ended_and_the_outboxes_are_empty(self):
        registry, lives = made(grace=5), Lives()
        registry.lifespan(lives("a"))

        async def consume(item):
            lives.log.append(item)

        @registry.tool
        async def slow() -> None:
            await anyio.sleep(3)
            lives.log.append("called")
            outbox.put("item")

        outbox = registry.outbox(consume)
        await left_while(registry, "slow")

        assert lives.log == ["+a", "called", "item", "-a"]

    async def test_one_that_cannot_be_entered_leaves_those_before_it_and_the_registry_alone(self):
        registry, lives, entering = made(Script(Give(1)).tool("t")), Lives(), [fails]
        registry.lifespan(lives("a"))
        registry.lifespan(lives("b", entering=lambda: entering.pop()() if entering else anyio.sleep(0)))

        with pytest.raises(ConnectionError, match="^refused$"):
            await registry.__aenter__()

        assert lives.log == ["+a", "-a"]
        assert await registry.call("t") == 1
        async with registry:
            assert lives.log == ["+a", "-a", "+a", "+b"]

    async def test_what_one_raises_on_leaving_reaches_the_host_when_all_are_left(self):
        registry, lives = made(Script(Give(1)).tool("t")), Lives()
        registry.lifespan(lives("a"))
        registry.lifespan(lives("b", leaving=fails))

        with pytest.raises(ConnectionError, match="^refused$"):
            async with registry:
                pass

        assert lives.log == ["+a", "+b", "-b", "-a"]
        with pytest.raises(Unavailable):
            await registry.call("t")

    async def test_are_left_when_the_leave_is_cancelled(self):
        registry, lives = made(grace=60), Lives()
        registry.outbox(anyio.sleep)
        registry.lifespan(lives("a"))

        with anyio.move_on_after(1):
            async with registry:
                await anyio.sleep_forever()

        assert lives.log == ["+a", "-a"]

    async def test_one_that_is_cancelled_while_it_is_entered_leaves_those_before_it(self):
        registry, lives = made(), Lives()
        registry.lifespan(lives("a"))
        registry.lifespan(lives("b", entering=anyio.sleep_forever))

        with anyio.move_on_after(1) as scope:
            await registry.__aenter__()

        assert scope.cancelled_caught
        assert lives.log == ["+a", "-a"]

    async def test_a_second_one_while_the_registry_is_being_entered_is_refused(self):
        registry = made()

        async def again():
            with pytest.raises(RuntimeError, match="entered already"):
                await registry.__aenter__()

        registry.lifespan(Lives()("a", entering=again))
        async with registry:
            pass

    async def test_cannot_be_given_to_one_that_is_entered(self):
        async with made() as registry:
            with pytest.raises(
                RuntimeError, match="^this registry is entered already; give it its lifespans before"
            ):
                registry.lifespan(Lives()("a"))

    def test_cancelled_anywhere_each_that_was_entered_is_left(self, backend):
        logs = []

        async def scenario():
            registry, lives = Registry(grace=1), Lives()
            logs.append(lives.log)
            registry.outbox(anyio.sleep)
            registry.add(Script(Hang(cleanup=1)).tool("t"))
            for name in "ab":
                registry.lifespan(lives(name))
            async with anyio.create_task_group() as tasks:
                async with registry:
                    tasks.start_soon(registry.execute, "t")
                    await anyio.sleep(0.5)

        def check():
            up, down = ([each[1:] for each in logs[-1] if each[0] == sign] for sign in "+-")
            assert down == up[::-1]

        report = cancel_at_every_await(scenario, backend=backend, check=check)

        assert report.suspensions > 0


class TestInflight:
    """What runs now."""

    async def test_shows_calls_and_their_children(self):
        registry = made()

        @registry.tool
        async def child() -> list[str]:
            return sorted(call.name for call in registry.inflight())

        @registry.tool
        async def parent() -> list[str]:
            return await registry.call("child")

        assert await registry.call("parent") == ["child", "parent"]
        assert registry.inflight() == []

    @pytest.mark.parametrize("how", [Hang(), Give(after=9)])
    async def test_none_is_left_after_a_cancel(self, how):
        registry = made(Script(how).tool("t"))

        with anyio.move_on_after(1):
            await registry.call("t")

        assert registry.inflight() == []


class TestSpawn:
    """Work that no single call owns."""

    async def test_runs_beside_the_calls(self):
        registry, seen = made(), []

        async def work():
            await anyio.sleep(3)
            seen.append(current_clock().now)

        async with registry:
            task = registry.spawn(work)
            await task.wait()

        assert seen == [3]
        assert task.ended

    async def test_is_cancelled_and_awaited_when_the_registry_is_left(self):
        registry, seen = made(), []

        async def work():
            try:
                await anyio.sleep_forever()
            finally:
                with shielded():
                    await anyio.sleep(2)
                seen.append("tidied up")

        async with registry:
            registry.spawn(work)
            await anyio.wait_all_tasks_blocked()

        assert seen == ["tidied up"]

    async def test_lives_while_calls_that_need_it_may_end(self):
        registry, done = made(grace=5), anyio.Event()

        async def work():
            await anyio.sleep(3)
            done.set()

        @registry.tool
        async def waits():
            registry.spawn(work)
            await done.wait()
            return "done"

        results = await left_while(registry, "waits")

        assert [result.value for result in results] == ["done"]

    async def test_needs_no_entered_registry(self):
        task = made().spawn(anyio.lowlevel.checkpoint)

        await task.wait()

        assert task.ended

    async def test_has_the_variables_of_the_context_that_it_is_given(self):
        variable = contextvars.ContextVar("variable", default="none")
        around, seen = contextvars.copy_context(), []
        around.run(variable.set, "given")

        async def work():
            seen.append(variable.get())

        await made().spawn(work, context=around).wait()

        assert seen == ["given"]

    async def test_a_tool_without_a_registry_can_have_it_too(self):
        seen = []

        async def guard(call, inner):
            await call.host.spawn(note).wait()
            return await inner(call)

        async def note():
            seen.append("noted")

        assert await compose(guard)(Script(Give(1)).tool("t"))() == 1
        assert seen == ["noted"]
