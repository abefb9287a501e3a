"""Threads for synchronous tools: slots are held until the thread ends, and nothing is lost."""

import asyncio
import contextlib
import contextvars
import functools
import gc
import threading
import time
import weakref

import anyio
import pytest

from toolcase import Call, Overloaded, Registry, ToolTimeout
from toolcase.events import LateCompletion
from toolcase.task import BackgroundTask
from toolcase.testing import Hang, Script, current_clock, run
from toolcase.testing.virtual import threads_work
from toolcase.threads import Leash, Threads


class Gate:
    """A synchronous tool that ends when the test says so."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()

    def wait(self) -> str:
        self.entered.set()
        assert self.open.wait(5), "the test never opened the gate"
        return "through"


async def until(condition):
    """Wait, in real time, for something that a thread does."""
    limit = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < limit, "it never came true"
        await anyio.sleep(0)


async def test_gives_what_the_function_gives():
    registry = Registry()

    @registry.tool
    def double(n: int) -> int:
        return 2 * n

    assert await registry.call("double", n=21) == 42


async def test_runs_outside_the_loops_thread():
    registry = Registry()
    registry.tool(lambda: threading.get_ident(), name="thread")

    assert await registry.call("thread") != threading.get_ident()


async def test_raises_the_functions_own_error_with_its_traceback():
    registry = Registry()
    error = OSError("disk full")

    @registry.tool
    def fails() -> None:
        raise error

    with pytest.raises(OSError) as caught:
        await registry.call("fails")

    assert caught.value is error
    assert caught.traceback[-1].name == "fails"


async def test_copies_context_variables_in_and_not_out():
    registry, variable = Registry(), contextvars.ContextVar("variable", default="outside")

    @registry.tool
    def look() -> str:
        seen = variable.get()
        variable.set("changed")
        return seen

    variable.set("set by the caller")
    seen = await registry.call("look")

    assert (seen, variable.get()) == ("set by the caller", "set by the caller")


async def test_a_timed_out_caller_does_not_wait_for_the_thread():
    registry, gate = Registry(), Gate()
    registry.tool(gate.wait, name="slow", timeout=5)

    await time_out(registry, gate)

    assert registry.threads.busy == 1
    gate.open.set()
    await until(lambda: registry.threads.busy == 0)


async def time_out(registry, gate):
    """Call `slow`, whose limit is 5 s, and let that time pass while its thread waits at the gate."""
    async with anyio.create_task_group() as group:
        group.start_soon(_pass_time, gate, 5)
        with pytest.raises(ToolTimeout):
            await registry.call("slow")


async def _pass_time(gate, seconds):
    await until(gate.entered.is_set)
    current_clock().jump(seconds)


async def test_refuses_at_once_when_all_threads_are_busy():
    registry, gate = Registry(max_threads=1), Gate()
    registry.tool(gate.wait, name="slow", timeout=5)
    await time_out(registry, gate)

    result = await registry.execute("slow")

    assert result.error is not None
    assert result.error.code == "OVERLOADED"
    assert "all 1 threads" in result.error.message
    assert result.attempts == 0
    gate.open.set()
    await until(lambda: registry.threads.busy == 0)


async def test_a_slot_is_free_as_soon_as_the_caller_has_the_value():
    registry = Registry(max_threads=1)
    registry.tool(lambda: 1, name="one")

    values = [await registry.call("one") for _ in range(100)]

    assert values == [1] * 100


async def test_threads_are_used_again():
    registry = Registry()
    registry.tool(lambda: threading.get_ident(), name="thread")

    threads = {await registry.call("thread") for _ in range(20)}

    assert len(threads) <= 2


async def test_a_late_end_is_reported_and_not_delivered():
    registry, gate, events = Registry(), Gate(), []
    registry.tool(gate.wait, name="slow", timeout=5)
    registry.on_event(events.append)
    await time_out(registry, gate)

    gate.open.set()
    await until(lambda: events)

    assert events == [LateCompletion(tool="slow", error=None, elapsed=5)]


async def test_a_late_error_is_reported_too():
    registry, gate, events = Registry(), Gate(), []
    error = OSError("too late")

    @registry.tool(timeout=5)
    def slow() -> None:
        gate.wait()
        raise error

    registry.on_event(events.append)
    await time_out(registry, gate)

    gate.open.set()
    await until(lambda: events)

    assert events == [LateCompletion(tool="slow", error=error, elapsed=5)]


async def test_the_thread_can_see_that_nobody_waits_any_more():
    registry, gate, seen = Registry(), Gate(), []

    @registry.tool(timeout=5)
    def slow(call: Call) -> None:
        seen.append(call.cancelled)
        gate.wait()
        seen.append(call.cancelled)

    await time_out(registry, gate)
    gate.open.set()
    await until(lambda: registry.threads.busy == 0)

    assert seen == [False, True]


async def test_a_caller_that_is_cancelled_already_starts_nothing():
    registry, started = Registry(), []
    registry.tool(lambda: started.append(1), name="start")

    with anyio.CancelScope() as scope:
        scope.cancel()
        await registry.call("start")

    assert started == []
    assert registry.threads.busy == 0


async def test_a_plain_def_that_gives_a_coroutine_says_what_to_write():
    registry = Registry()

    async def real() -> int:
        return 1

    registry.tool(lambda: real(), name="hidden")

    with pytest.raises(TypeError, match="write it with `async def`"):
        await registry.call("hidden")


@pytest.mark.backends("asyncio")
async def test_a_plain_def_that_gives_another_awaitable_says_so_too():
    registry = Registry()
    future = asyncio.get_running_loop().create_future()
    registry.tool(lambda: future, name="hidden")

    with pytest.raises(TypeError, match="gave an awaitable"):
        await registry.call("hidden")


async def test_a_thread_that_cannot_be_started_costs_no_slot(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    registry = Registry(max_threads=1)
    registry.tool(lambda: 1, name="one")
    monkeypatch.setattr(threading.Thread, "start", refuse)

    refused = await registry.execute("one")
    monkeypatch.undo()

    assert (refused.error.code, refused.attempts) == ("OVERLOADED", 0)
    assert registry.threads.busy == 0
    assert await registry.call("one") == 1


async def test_an_error_leaves_no_circle():
    class Failed(Exception):
        pass

    def fail():
        raise Failed

    threads = Threads(1)
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(Failed):
            await threads.run(fail, started=lambda: None, late=print)
        await until(lambda: not any(isinstance(found, Failed) for found in gc.get_objects()))
    finally:
        gc.enable()


async def test_keeps_no_value_alive():
    class Value:
        pass

    registry, values = Registry(), []

    @registry.tool
    def make() -> object:
        value = Value()
        values.append(weakref.ref(value))
        return value

    await registry.call("make")
    await until(lambda: gc.collect() is not None and values[0]() is None)


async def test_a_base_exception_of_the_thread_reaches_the_caller():
    registry = Registry()

    @registry.tool
    def leaves() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        await registry.call("leaves")

    assert registry.threads.busy == 0


def test_a_thread_that_outlives_the_loop_still_reports_its_end(backend):
    gate, late = Gate(), []
    threads = Threads(2)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(_leave, group, gate)
            await threads.run(gate.wait, started=lambda: None, late=late.append)

    async def _leave(group, gate):
        await until(gate.entered.is_set)
        group.cancel_scope.cancel()

    run(main, backend=backend)
    gate.open.set()
    limit = time.monotonic() + 5
    while not late and time.monotonic() < limit:
        threading.Event().wait(0.001)

    assert late == [None]
    assert threads.busy == 0


def test_idle_threads_end_after_a_while(backend, monkeypatch):
    monkeypatch.setattr("toolcase.threads.IDLE_SECONDS", 0.01)
    threads, ran = Threads(1), []

    async def main() -> None:
        await threads.run(lambda: ran.append(threading.current_thread()), started=lambda: None, late=print)

    run(main, backend=backend)
    ran[0].join(5)

    assert not ran[0].is_alive()


def test_an_idle_thread_that_is_just_handed_a_job_does_not_end():
    threads = Threads(1)

    assert threads.retired(threading.current_thread()) is False


@pytest.mark.parametrize("limit", [0, -1])
def test_refuses_a_limit_below_one(limit):
    with pytest.raises(ValueError, match=f"max_threads must be at least 1, got {limit}"):
        Registry(max_threads=limit)


@pytest.mark.parametrize("limit", [True, 1.5, "4"])
def test_refuses_a_limit_that_is_no_whole_number(limit):
    with pytest.raises(TypeError, match="max_threads must be a whole number"):
        Registry(max_threads=limit)


def test_overloaded_is_worth_another_try():
    assert Overloaded("full").retryable


async def test_an_idle_thread_keeps_no_argument_alive():
    class Value:
        pass

    threads, value = Threads(1), Value()
    kept = weakref.ref(value)

    await threads.run(functools.partial(id, value), started=lambda: None, late=print)
    del value

    await until(lambda: kept() is None)


async def test_an_end_in_the_tick_in_which_the_caller_leaves_is_late(caplog):
    threads, gate, late = Threads(1), Gate(), []
    waits = functools.partial(threads.run, gate.wait, started=lambda: None, late=late.append)

    async with anyio.create_task_group() as group:
        group.start_soon(waits)
        await until(gate.entered.is_set)
        gate.open.set()
        while threads.busy:
            threading.Event().wait(0.001)
        group.cancel_scope.cancel()
    await anyio.sleep(1)

    assert late == [None]
    assert caplog.records == []


async def test_a_tool_runs_in_a_thread_that_does_not_keep_the_program_from_ending():
    registry = Registry()
    registry.tool(lambda: threading.current_thread().daemon, name="daemon")

    assert await registry.call("daemon") is True


async def test_after_a_tool_has_ended_its_thread_stops_no_virtual_clock():
    registry = Registry()
    registry.tool(lambda: 1, name="one")

    await registry.call("one")

    await until(lambda: not threads_work())


def test_after_an_idle_thread_has_ended_another_one_runs(backend, monkeypatch):
    monkeypatch.setattr("toolcase.threads.IDLE_SECONDS", 0.01)
    threads = Threads(1)

    async def main() -> None:
        first = await threads.run(threading.current_thread, started=lambda: None, late=print)
        first.join(5)
        second = await threads.run(threading.current_thread, started=lambda: None, late=print)
        assert second is not first

    run(main, backend=backend)


async def test_the_time_of_a_late_end_counts_from_the_start_of_the_call():
    registry, gate, events = Registry(clock=current_clock()), Gate(), []
    registry.tool(gate.wait, name="slow", timeout=5)
    registry.on_event(events.append)
    await anyio.sleep(100)
    async with anyio.create_task_group() as group:
        group.start_soon(_pass_time, gate, 5)
        await registry.execute("slow")

    gate.open.set()
    await until(lambda: events)

    assert events[0].elapsed == pytest.approx(5)


def test_there_are_forty_unless_said_otherwise():
    assert (Threads().limit, Registry().threads.limit) == (40, 40)


@pytest.mark.backends("asyncio")
async def test_a_second_cancellation_does_not_leave_what_the_thread_runs_behind():
    registry, child = Registry(), Script(Hang(cleanup=5))
    registry.add(child.tool("child"))
    registry.tool(lambda: registry.blocking().call("child"), name="parent")
    task = asyncio.create_task(registry.call("parent"))
    await until(lambda: child.running)

    for _ in range(2):
        task.cancel()
        await asyncio.sleep(1)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (child.running, child.cancelled) == (0, 1)


async def test_a_worker_that_is_just_handed_a_job_goes_on(monkeypatch):
    monkeypatch.setattr("toolcase.threads.IDLE_SECONDS", 0.001)
    registry = Registry()
    registry.tool(lambda: 1, name="one")

    assert [await registry.call("one") for _ in range(50)] == [1] * 50


async def test_a_task_that_is_held_for_a_thread_that_nobody_waits_for_is_cancelled():
    held = Leash()
    held.let_go()
    task = BackgroundTask(anyio.sleep_forever)

    held.hold(task)
    await task.wait()

    await held.end()
