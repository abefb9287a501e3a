"""A registry's verbs without await: in scripts, in other threads, in synchronous tools."""

import asyncio
import concurrent.futures
import contextvars
import gc
import signal
import threading

import anyio
import anyio.to_thread
import pytest

from toolcase import Call, ExecutionContext, Registry, Unavailable, shielded
from toolcase.events import LateCompletion
from toolcase.runtime import RetryMiddleware, RetryPolicy
from toolcase.testing import Fail, Give, Hang, Recorder, Script, current_clock

LONG = 20.0
"""More real seconds than anything here takes."""


@pytest.fixture
def registry():
    registry = Registry()

    @registry.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @registry.tool(tags=["loop"])
    async def loop() -> str:
        return str(id(asyncio.get_running_loop()))

    return registry


class TestInAScript:
    """Where no event loop runs."""

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_calls(self, registry, backend):
        tools = registry.blocking(backend=backend)

        assert tools.call("add", a=1, b=2) == 3
        assert tools.execute("add", b'{"a": 1, "b": 2}').value == 3
        assert tools.execute("add", {"a": 1}).error.code == "INVALID_ARGUMENTS"

    def test_its_tools_are_those_of_the_registry(self, registry):
        tools = registry.blocking()

        assert tools.names() == ["add", "loop"]
        assert tools.names(tag="loop") == ["loop"]
        assert tools.tools(matching="a*") == [registry.get("add")]
        assert tools.get("add") is registry.get("add")

    def test_the_settings_of_execute_are_handed_on(self, registry):
        @registry.tool
        async def asks(context: ExecutionContext, call: Call) -> list[object]:
            return [context.scope_id, context.idempotency_key, call.limit]

        result = registry.blocking().execute(
            "asks", context=ExecutionContext(scope_id="s"), timeout=9, idempotency_key="k", detached=True
        )

        assert result.value == ["s", "k", 9]

    def test_a_tools_own_error_is_raised(self, registry):
        error = OSError("its own")
        registry.add(Script(Fail(error)).tool("fails"))

        with pytest.raises(OSError) as caught:
            registry.blocking().call("fails")

        assert caught.value is error

    def test_a_timeout_error_of_the_tool_is_no_wait_of_ours(self, registry):
        registry.add(Script(Fail(TimeoutError("the tool's"))).tool("fails"))

        with pytest.raises(TimeoutError, match="the tool's"):
            registry.blocking().call("fails")

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_an_exit_of_the_tool_ends_its_caller_and_not_the_loop(self, registry, backend):
        registry.add(Script(Fail(SystemExit(3))).tool("exits"))

        with registry.blocking(backend=backend) as tools:
            with pytest.raises(SystemExit):
                tools.call("exits")

            assert tools.call("add", a=1, b=2) == 3

    def test_a_view_limits_it(self, registry):
        for tools in (registry.view(only="a*").blocking(), registry.blocking().view(only="a*")):
            assert tools.names() == ["add"]
            assert tools.call("add", a=1, b=2) == 3
            assert tools.execute("loop").error.code == "UNKNOWN_TOOL"

    def test_the_calls_of_a_block_share_a_loop(self, registry):
        with registry.blocking() as tools:
            assert tools.call("loop") == tools.call("loop")
            assert tools.view().call("loop") == tools.call("loop")

    def test_a_block_enters_the_registry_and_leaves_it(self, registry):
        with registry.blocking() as tools:
            tools.call("loop")

        with pytest.raises(Unavailable, match="closed"):
            tools.call("loop")

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_threads_that_call_at_once_share_a_loop(self, registry, backend):
        tools = registry.blocking(backend=backend)

        with concurrent.futures.ThreadPoolExecutor(16) as threads:
            sums = list(threads.map(lambda n: tools.call("add", a=n, b=1), range(100)))

        assert sums == list(range(1, 101))
        assert registry.inflight() == []

    def test_blocks_may_nest(self, registry):
        tools = registry.blocking()

        with tools:
            with tools:
                inner = tools.call("loop")
            assert tools.call("loop") == inner

        assert not registry._life.entered

    def test_a_block_enters_the_registry_where_a_call_of_another_thread_has_made_the_loop(self, registry):
        registry.add(Script(Hang()).tool("hang"))
        other = threading.Thread(target=registry.blocking().execute, args=("hang",), kwargs={"timeout": 0.3})
        other.start()
        while not registry.inflight():
            threading.Event().wait(0.001)

        with registry.blocking() as tools:
            other.join(LONG)

            assert registry._life.entered
            assert tools.call("add", a=1, b=2) == 3

    def test_a_block_that_could_not_be_entered_leaves_no_loop(self, registry, monkeypatch):
        before = threading.active_count()
        monkeypatch.setattr(registry._life, "entered", True)

        with pytest.raises(RuntimeError, match="entered already"), registry.blocking():
            pass

        assert threading.active_count() <= before  # an idle worker of another registry may end meanwhile
        assert registry.blocking().call("add", a=1, b=2) == 3

    def test_no_thread_is_left(self, registry):
        before = threading.active_count()

        registry.blocking().call("add", a=1, b=2)
        with registry.blocking() as tools:
            tools.call("add", a=1, b=2)

        assert threading.active_count() <= before + 1  # asyncio's own executor keeps its thread
        assert registry.inflight() == []

    def test_an_error_of_the_block_passes_and_the_registry_is_left(self, registry):
        with pytest.raises(KeyError), registry.blocking():
            raise KeyError("the host's own")

        assert not registry.execute.__self__._life.entered


async def test_where_an_event_loop_runs_it_is_refused(registry):
    tools = registry.blocking()

    with pytest.raises(RuntimeError, match="an event loop runs in this thread; await"):
        tools.call("add", a=1, b=2)
    with pytest.raises(RuntimeError, match="an event loop runs in this thread; await"):
        tools.__enter__()


@pytest.mark.real_time
class TestInAnotherThread:
    """Where the registry is in use on a loop that turns elsewhere; foreign threads know no virtual time."""

    async def test_the_call_runs_in_that_loop(self, registry):
        @registry.tool
        async def thread() -> int:
            return threading.get_ident()

        here = await registry.call("thread")
        there = await anyio.to_thread.run_sync(lambda: registry.blocking().call("thread"))

        assert there == here == threading.get_ident()

    async def test_a_block_uses_that_loop_and_does_not_leave_the_registry(self, registry):
        await registry.call("add", a=1, b=2)

        def use():
            with registry.blocking() as tools:
                return tools.call("add", a=1, b=2)

        assert await anyio.to_thread.run_sync(use) == 3
        assert await registry.call("add", a=1, b=2) == 3

    async def test_a_thread_of_a_tool_makes_child_calls(self, registry):
        recorder = Recorder()
        registry.use(recorder)

        @registry.tool
        async def parent() -> int:
            return await anyio.to_thread.run_sync(lambda: registry.blocking().call("add", a=1, b=2))

        assert await registry.call("parent") == 3
        outer, inner = recorder.records
        assert inner.call.parent.info is outer.call.info

    async def test_what_such_a_thread_runs_ends_with_the_tool(self, registry):
        hanging = Script(Hang())
        registry.add(hanging.tool("hang"))

        @registry.tool(timeout=0.2)
        async def parent() -> None:
            await anyio.to_thread.run_sync(lambda: registry.blocking().call("hang"), abandon_on_cancel=True)

        result = await registry.execute("parent")

        assert result.error.code == "TIMEOUT"
        assert (hanging.cancelled, hanging.running) == (1, 0)

    async def test_a_thread_that_outlives_its_tool_speaks_for_itself(self, registry):
        go, seen = threading.Event(), []

        @registry.tool
        async def child(call: Call) -> None:
            seen.append((call.parent, call.context.scope_id))

        @registry.tool
        async def parent() -> None:
            def work():
                go.wait(LONG)
                registry.blocking().call("child")

            threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()

        await registry.execute("parent", context=ExecutionContext(scope_id="s"))
        go.set()
        await until(lambda: seen)

        assert seen == [(None, "s")]


class TestInASynchronousTool:
    """A tool that calls back."""

    async def test_makes_a_child_call_with_its_context_and_depth(self, registry):
        @registry.tool
        async def child(call: Call) -> list[object]:
            return [call.parent.name, call.context.scope_id, call.depth]

        @registry.tool
        def parent() -> list[object]:
            return registry.blocking().call("child")

        result = await registry.execute("parent", context=ExecutionContext(scope_id="s"))

        assert result.value == ["parent", "s", 1]

    async def test_threads_in_threads_nest(self, registry):
        @registry.tool
        def down(n: int) -> int:
            return 0 if n == 0 else 1 + registry.blocking().call("down", n=n - 1)

        assert await registry.call("down", n=5) == 5
        assert registry.threads.busy == 0

    async def test_the_child_may_wait_in_virtual_time(self, registry):
        registry.add(Script(Give("slept", after=50)).tool("child"))

        @registry.tool
        def parent() -> str:
            return registry.blocking().call("child")

        assert await registry.call("parent") == "slept"
        assert current_clock().now == pytest.approx(50)

    async def test_the_parents_limit_ends_the_child(self, registry):
        child, told = Script(Hang(cleanup=1)), threading.Event()
        registry.add(child.tool("child"))

        @registry.tool(timeout=3)
        def parent() -> None:
            try:
                registry.blocking().call("child")
            except asyncio.CancelledError:
                told.set()

        result = await registry.execute("parent")

        assert result.error.code == "TIMEOUT"
        assert (child.cancelled, child.running) == (1, 0)
        assert current_clock().now == pytest.approx(4)
        assert told.wait(LONG)

    async def test_the_child_knows_how_much_time_is_left(self, registry):
        child = Script(Fail(ConnectionError()))
        registry.add(child.tool("child", middleware=[RetryMiddleware(RetryPolicy(backoff=Steady()))]))

        @registry.tool(timeout=3)
        def parent() -> None:
            registry.blocking().call("child")

        with pytest.raises(ConnectionError):
            await registry.call("parent")

        assert len(child.starts) == 1  # a wait of 5 s would end after the limit

    async def test_a_shielded_clean_up_may_call_a_tool_that_calls_back(self, registry):
        registry.tool(lambda: registry.blocking().call("add", a=1, b=2), name="adds")
        sums = []

        @registry.tool(timeout=3)
        async def parent() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                with shielded():
                    sums.append(await registry.call("adds"))

        result = await registry.execute("parent")

        assert result.error.code == "TIMEOUT"
        assert sums == [3]

    async def test_a_caller_that_is_cancelled_takes_the_child_along(self, registry):
        child = Script(Hang())
        registry.add(child.tool("child"))
        registry.tool(lambda: registry.blocking().call("child"), name="parent")

        with anyio.move_on_after(3) as scope:
            await registry.call("parent")

        assert scope.cancelled_caught
        assert (child.cancelled, child.running) == (1, 0)

    async def test_an_abandoned_thread_can_call_no_more(self, registry):
        go, entered, heard, child = threading.Event(), threading.Event(), [], Script(Give(1))
        registry.add(child.tool("child"))
        registry.on_event(heard.append)

        @registry.tool(timeout=3)
        def parent() -> None:
            entered.set()
            go.wait(LONG)
            registry.blocking().call("child")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(registry.execute, "parent")
            await until(entered.is_set)
            current_clock().jump(4)
        go.set()
        await until(lambda: heard)

        assert child.starts == []
        assert isinstance(heard[0], LateCompletion)
        assert isinstance(heard[0].error, asyncio.CancelledError)

    async def test_another_registry_that_is_in_use_nowhere_runs_in_the_same_loop(self, registry):
        other, threads = Registry(), []

        @other.tool
        async def thread() -> None:
            threads.append(threading.get_ident())

        registry.tool(lambda: other.blocking().call("thread"), name="parent")

        await registry.call("parent")

        assert threads == [threading.get_ident()]


@pytest.fixture
def far():
    """A registry that is in use on another loop, in another thread."""
    far, ready, over = Registry(), threading.Event(), threading.Event()
    far.hanging = Script(Hang())
    far.add(far.hanging.tool("hang"), Script(Give("ready")).tool("ready"))

    async def turn():
        await far.call("ready")
        ready.set()
        await anyio.to_thread.run_sync(over.wait)

    thread = threading.Thread(target=anyio.run, args=(turn,), kwargs={"backend": "trio"})
    thread.start()
    ready.wait(LONG)
    yield far
    over.set()
    thread.join(LONG)


@pytest.mark.real_time
@pytest.mark.parametrize("own", [True, False], ids=["own thread", "foreign thread"])
async def test_a_call_in_another_loop_ends_when_nobody_waits_for_its_thread(registry, far, own, monkeypatch):
    monkeypatch.setattr("toolcase.errand.LOOK_SECONDS", 0.05)

    async def foreign() -> None:
        await anyio.to_thread.run_sync(far.blocking().call, "hang", abandon_on_cancel=True)

    parent = (lambda: far.blocking().call("hang")) if own else foreign
    registry.tool(parent, name="parent", timeout=0.2)

    result = await registry.execute("parent")
    await until(lambda: far.hanging.cancelled)

    assert result.error.code == "TIMEOUT"
    assert await anyio.to_thread.run_sync(far.blocking().call, "ready") == "ready"


async def test_a_call_from_a_thread_leaves_no_circle(registry):
    registry.tool(lambda: registry.blocking().call("add", a=1, b=2), name="parent")

    gc.collect()
    gc.disable()
    try:
        calls = calls_alive()
        await registry.call("parent")
        await until(lambda: calls_alive() == calls)
    finally:
        gc.enable()


def calls_alive():
    return sum(isinstance(found, Call) for found in gc.get_objects())


class Steady:
    """Waits 5 s after each attempt."""

    def wait(self, attempt, random, *previous):
        return 5.0


async def until(condition):
    """Wait, in real time, for something that a thread does."""
    while not condition():
        await anyio.sleep(0)


def test_a_loop_that_ends_tells_the_threads_that_wait_for_it(registry):
    registry.add(Script(Hang()).tool("hang"))
    raised = []

    def wait():
        try:
            registry.blocking().call("hang")
        except BaseException as error:
            raised.append(error)

    async def main():
        await registry.call("add", a=1, b=2)
        thread = threading.Thread(target=wait)
        thread.start()
        await until(registry.inflight)
        return thread

    asyncio.run(main()).join(LONG)

    assert isinstance(raised[0], asyncio.CancelledError)


def test_an_interrupted_thread_takes_its_call_along(registry):
    hanging = Script(Hang())
    registry.add(hanging.tool("hang"))

    def interrupt():
        while not registry.inflight():
            threading.Event().wait(0.001)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        registry.blocking().call("hang")

    assert (hanging.cancelled, hanging.running) == (1, 0)


async def test_a_childs_error_is_raised_in_the_thread(registry):
    def ends() -> str:
        try:
            registry.blocking().call("fails")
        except OSError as error:
            return f"seen: {error}"

    registry.add(Script(Fail(OSError("disk"))).tool("fails"))
    registry.add(ends)

    assert await registry.call("ends") == "seen: disk"


def test_without_its_loop_a_thread_is_not_kept_waiting(registry, monkeypatch):
    monkeypatch.setattr("toolcase.errand.LOOK_SECONDS", 0.01)
    loop = asyncio.new_event_loop()
    registry.add(Script(Hang()).tool("hang"))
    loop.run_until_complete(registry.call("add", a=1, b=2))
    raised = []

    def wait():
        try:
            registry.blocking().call("hang")
        except Unavailable as error:
            raised.append(str(error))

    async def main():
        thread = threading.Thread(target=wait)
        thread.start()
        await until(registry.inflight)
        return thread

    loop.run_until_complete(main()).join(LONG)  # it stops turning, and cancels nothing
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()

    assert raised == ["the event loop in which the registry was in use has gone"]
