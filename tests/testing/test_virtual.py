"""Virtual time: it jumps, it stands still for threads, it runs for sockets, and it sees a deadlock."""

import asyncio
import contextlib
import socket
import threading
import time

import anyio
import pytest

from toolcase import Registry
from toolcase.testing import Deadlock, Hang, Script, VirtualClock, current_clock, run
from toolcase.testing.virtual import EPOCH, waiting


def test_ten_minutes_pass_in_well_under_a_second(backend):
    async def main():
        for _ in range(60):
            await anyio.sleep(10)
        return current_clock().monotonic()

    began = time.monotonic()

    assert run(main, backend=backend) == pytest.approx(600)
    assert time.monotonic() - began < 0.5


async def test_what_is_due_first_happens_first():
    order = []

    async def after(seconds):
        await anyio.sleep(seconds)
        order.append((seconds, current_clock().now))

    async with anyio.create_task_group() as group:
        for seconds in (3, 1, 2):
            group.start_soon(after, seconds)

    assert order == [(1, pytest.approx(1)), (2, pytest.approx(2)), (3, pytest.approx(3))]


async def test_the_calendar_goes_with_it():
    await anyio.sleep(90)

    assert (current_clock().utcnow() - EPOCH).total_seconds() == pytest.approx(90)


async def test_the_clock_of_a_registry_is_the_loops():
    await anyio.sleep(90)

    assert Registry().clock.monotonic() == pytest.approx(90)


async def test_stands_still_while_a_tools_thread_works():
    registry = Registry()

    @registry.tool
    def work() -> None:
        threading.Event().wait(0.05)

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 1000)
        await registry.call("work")
        assert current_clock().now == 0
        group.cancel_scope.cancel()


async def test_a_jump_is_possible_all_the_same():
    with anyio.move_on_after(5) as scope:
        current_clock().jump(6)
        await anyio.sleep(0)
        await anyio.sleep(0)

    assert scope.cancelled_caught


async def test_time_only_goes_forward():
    with pytest.raises(ValueError, match="time only goes forward, got -1"):
        current_clock().jump(-1)


async def test_runs_with_real_time_while_a_socket_is_watched():
    left, right = socket.socketpair()
    left.setblocking(False)
    timer = threading.Timer(0.02, right.send, [b"x"])
    timer.start()

    with anyio.fail_after(60):
        await anyio.wait_readable(left)

    assert left.recv(1) == b"x"
    assert current_clock().now < 60
    timer.join()
    left.close()
    right.close()


async def test_a_socket_can_be_waited_for_with_a_limit():
    left, right = socket.socketpair()
    left.setblocking(False)

    with anyio.move_on_after(0.02) as scope:
        await anyio.wait_readable(left)

    assert scope.cancelled_caught
    left.close()
    right.close()


async def test_lets_all_tasks_block_before_it_jumps():
    log = []

    async def sleeper():
        await anyio.sleep(5)
        log.append("slept")

    async with anyio.create_task_group() as group:
        group.start_soon(sleeper)
        await anyio.wait_all_tasks_blocked()
        log.append("all blocked")

    assert log == ["all blocked", "slept"]


def test_a_deadlock_is_reported_with_where_each_task_waits(backend):
    async def wait_for_godot():
        await anyio.Event().wait()

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(wait_for_godot)

    with pytest.raises(Deadlock, match=r"nothing can wake one:\n(.*\n)?.* waits at .* in wait_for_godot"):
        run(main, backend=backend)


def test_a_deadlock_after_some_time_is_one_too(backend):
    async def main():
        await anyio.sleep(5)
        await anyio.Event().wait()

    with pytest.raises(Deadlock):
        run(main, backend=backend)


@pytest.mark.parametrize("wait", [anyio.sleep_forever, Script(Hang()).tool("hangs")])
def test_to_sleep_for_ever_is_a_deadlock(backend, wait):
    with pytest.raises(Deadlock):
        run(wait, backend=backend)


async def test_what_sleeps_for_ever_can_be_cancelled():
    with anyio.move_on_after(1e7) as scope:
        await anyio.sleep_forever()

    assert scope.cancelled_caught


def test_a_thread_that_never_ends_is_reported(backend, monkeypatch):
    monkeypatch.setattr("toolcase.testing.virtual.THREAD_SECONDS", 0.05)
    monkeypatch.setattr("toolcase.testing.trio_time.THREAD_SECONDS", 0.05)
    gate, registry = threading.Event(), Registry()
    registry.tool(lambda: gate.wait(5), name="stuck")

    with pytest.raises(Deadlock, match="a thread has not ended for 0.05 real seconds"):
        run(registry.call, "stuck", backend=backend)
    gate.set()


def test_gives_the_value_and_raises_the_error(backend):
    async def fail():
        raise OSError("its own")

    assert run(_double, 4, backend=backend) == 8
    with pytest.raises(OSError, match="its own"):
        run(fail, backend=backend)


async def _double(n):
    return 2 * n


def test_real_time_can_be_asked_for(backend):
    async def main():
        with pytest.raises(RuntimeError, match="does not run in virtual time"):
            current_clock()
        return 7

    assert run(main, backend=backend, virtual=False) == 7


def test_outside_any_loop_there_is_no_clock():
    with pytest.raises(RuntimeError, match="toolcase.testing.run"):
        current_clock()


def test_an_unknown_back_end_is_refused():
    with pytest.raises(ValueError, match="backend must be one of asyncio, trio, got 'curio'"):
        run(_double, 1, backend="curio")


async def test_inside_a_loop_it_says_what_to_do():
    with pytest.raises(RuntimeError, match="an event loop runs here already; await .* instead"):
        run(_double, 1)


def test_what_reaches_the_loops_exception_handler_fails_the_run():
    async def main():
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(ZeroDivisionError):
        run(main)


def test_so_does_a_message_without_an_exception():
    async def main():
        asyncio.get_running_loop().call_exception_handler({"message": "something odd"})

    with pytest.raises(RuntimeError, match="something odd"):
        run(main)


def test_a_clock_starts_at_nought():
    clock = VirtualClock()

    assert (clock.monotonic(), clock.utcnow()) == (0.0, EPOCH)


@pytest.mark.parametrize("seconds", [0, 0.0])
async def test_a_jump_over_no_time_is_one_too(seconds):
    current_clock().jump(seconds)

    assert current_clock().now == 0


async def test_time_does_not_go_to_where_there_is_none():
    with pytest.raises(ValueError, match="time only goes forward, got nan"):
        current_clock().jump(float("nan"))


def test_each_thread_has_all_the_time_that_a_thread_may_take(backend, monkeypatch):
    monkeypatch.setattr("toolcase.testing.virtual.THREAD_SECONDS", 0.5)
    monkeypatch.setattr("toolcase.testing.trio_time.THREAD_SECONDS", 0.5)
    registry = Registry()
    registry.tool(lambda: threading.Event().wait(0.2), name="work")

    async def main():
        for _ in range(4):
            await registry.call("work")

    run(main, backend=backend)


async def test_stands_still_for_a_thread_that_starts_after_a_wait():
    registry = Registry()
    registry.tool(lambda: threading.Event().wait(0.05), name="work")

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 1000)
        await anyio.sleep(1)
        await registry.call("work")
        assert current_clock().now == pytest.approx(1)
        group.cancel_scope.cancel()


async def test_after_a_socket_was_watched_it_stands_still_again():
    left, right = socket.socketpair()
    with left, right:
        with anyio.move_on_after(0.02):
            await anyio.wait_readable(left)
        before = anyio.current_time()

        threading.Event().wait(0.01)

        assert anyio.current_time() == before


async def test_runs_with_real_time_while_a_socket_is_full():
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                left.send(b"x" * 65536)
        timer = threading.Timer(0.02, right.recv, [2**24])
        timer.start()

        with anyio.fail_after(60):
            await anyio.wait_writable(left)

        timer.join()


def test_goes_on_after_a_thread_that_woke_nobody(backend, monkeypatch):
    answers = iter([True])
    for module in ("virtual", "trio_time"):
        monkeypatch.setattr(f"toolcase.testing.{module}.threads_work", lambda: next(answers, False))
        monkeypatch.setattr(f"toolcase.testing.{module}.THREAD_SECONDS", 0.05)

    run(anyio.sleep, 5, backend=backend)


def test_what_a_thread_says_while_it_ends_is_heard(monkeypatch):
    async def main():
        told, loop = asyncio.Event(), asyncio.get_running_loop()

        def ends_now():
            loop.call_soon_threadsafe(told.set)
            return False

        monkeypatch.setattr("toolcase.testing.virtual.threads_work", ends_now)
        await told.wait()

    run(main)


def test_tasks_that_wait_are_told_in_the_order_of_their_names():
    assert waiting([("b", None), ("a", None)]) == "  a waits at its start\n  b waits at its start"
