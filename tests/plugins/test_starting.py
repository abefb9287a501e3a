"""Plugins started in the order of their dependencies, stopped in reverse, whatever one of them does."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

import anyio
import pytest

from installable.workers import Started, crashes_after
from toolcase import ExecutionContext, PluginError, PluginManifest, PluginRegistry, hookimpl
from toolcase.testing import cancel_at_every_await, current_clock


@pytest.fixture
def started():
    return Started()


async def test_starts_in_the_order_of_dependencies_and_stops_in_reverse(started):
    started.add("a", needs=["c"])
    started.add("b")
    started.add("c", needs=["d"])
    started.add("d")

    await started.plugins.initialize_all()
    await started.plugins.shutdown_all()

    assert started.log == ["+b", "+d", "+c", "+a", "-a", "-c", "-d", "-b"]


async def test_starts_and_stops_each_once(started):
    started.add("a")

    for _ in range(2):
        await started.plugins.initialize_all()
    for _ in range(2):
        await started.plugins.shutdown_all()

    assert started.log == ["+a", "-a"]


async def test_starts_again_after_it_was_stopped(started):
    started.add("a")

    for _ in range(2):
        await started.plugins.initialize_all()
        await started.plugins.shutdown_all()

    assert started.log == ["+a", "-a"] * 2


async def test_a_plugin_that_came_later_is_started_by_the_next(started):
    started.add("b")
    await started.plugins.initialize_all()
    started.add("a")
    await started.plugins.initialize_all()
    await started.plugins.shutdown_all()

    assert started.log == ["+b", "+a", "-a", "-b"]


async def test_stopping_what_has_not_started_does_nothing(started):
    started.add("a")

    await started.plugins.shutdown_all()

    assert started.log == []


async def test_one_without_a_lifespan_has_nothing_to_start():
    class Idle:
        @hookimpl
        def toolcase_tools(self): ...

    plugins = PluginRegistry()
    plugins.register(Idle, name="idle")

    await plugins.initialize_all()
    assert plugins.loaded["idle"].started
    await plugins.shutdown_all()
    assert not plugins.loaded["idle"].started


async def test_a_lifespan_is_given_settings_and_context():
    class Asks:
        @hookimpl
        def toolcase_plugin(self):
            return PluginManifest(name="asks", settings=Settings)

        @hookimpl
        @asynccontextmanager
        async def toolcase_lifespan(self, settings, context):
            seen.append((settings.level, context.scope_id))
            yield

    from dataclasses import dataclass

    @dataclass
    class Settings:
        level: int

    seen, plugins = [], PluginRegistry(settings={"asks": {"level": 3}})
    plugins.register(Asks)
    await plugins.initialize_all(ExecutionContext(scope_id="tenant-1"))
    await plugins.shutdown_all()

    assert seen == [(3, "tenant-1")]


class Odd(BaseException):
    """No Exception."""


@pytest.mark.parametrize("error", [ConnectionError("no"), SystemExit(3), Odd("no"), asyncio.CancelledError()])
async def test_one_that_fails_to_start_is_out_with_those_that_need_it(error, started):
    started.add("a")
    started.add("b", start=error)
    started.add("c", needs=["b"])

    await started.plugins.initialize_all()

    assert started.log == ["+a"]
    assert set(started.plugins.loaded) == {"a"}
    assert started.faults() == [
        ("b", "start", f"{type(error).__name__}: {error}".removesuffix(": ")),
        ("c", "hooks", "it depends on plugin 'b', which is not there"),
    ]
    await started.plugins.shutdown_all()


async def test_if_one_that_is_required_fails_those_that_had_started_are_stopped():
    started = Started(required=True)
    started.add("a")
    started.add("b", needs=["a"])
    started.add("c", needs=["b"], start=ConnectionError("refused"))

    with pytest.raises(PluginError, match="^plugin 'c' is required: ConnectionError: refused; correct it"):
        await started.plugins.initialize_all()

    assert started.log == ["+a", "+b", "-b", "-a"]


async def test_one_that_is_required_and_fails_keeps_those_after_it_from_starting():
    started = Started(required=True)
    started.add("a", start=ConnectionError("refused"))
    started.add("b", start=99)

    with pytest.raises(PluginError):
        await started.plugins.initialize_all()

    assert current_clock().now == 0


async def test_one_that_is_required_and_dies_while_others_start_is_told_and_nothing_is_raised(started):
    started.plugins.register(crashes_after(3), required=True)
    started.add("late", start=5)

    await started.plugins.initialize_all()

    assert started.faults() == [("crashes", "run", "ConnectionError: lost")]
    assert set(started.plugins.loaded) == {"late"}
    await started.plugins.shutdown_all()
    assert started.log == ["+late", "-late"]


async def test_one_that_is_out_while_it_still_starts_is_told_once(started):
    started.plugins.register(crashes_after(3), required=False)
    started.add("b", needs=["crashes"], start=99)

    await started.plugins.initialize_all()

    assert started.faults() == [
        ("crashes", "run", "ConnectionError: lost"),
        ("b", "hooks", "it depends on plugin 'crashes', which is not there"),
    ]
    await started.plugins.shutdown_all()


async def test_one_that_is_required_and_dies_while_it_runs_is_told_and_nothing_is_raised(started):
    started.plugins.register(crashes_after(3), required=True)
    await started.plugins.initialize_all()

    await anyio.sleep(4)

    assert started.plugins.loaded == {}
    assert started.faults() == [("crashes", "run", "ConnectionError: lost")]
    await started.plugins.shutdown_all()


async def test_if_a_later_one_that_is_required_fails_those_started_before_go_on():
    started = Started(required=True)
    started.add("a")
    await started.plugins.initialize_all()
    started.add("b")
    started.add("c", start=ConnectionError("refused"))

    with pytest.raises(PluginError):
        await started.plugins.initialize_all()

    assert started.log == ["+a", "+b", "-b"]
    await started.plugins.shutdown_all()


async def test_one_that_fails_to_stop_does_not_keep_the_others_from_it(started):
    started.add("a")
    started.add("b", stop=ConnectionError("gone"))
    started.add("c")

    await started.plugins.initialize_all()
    await started.plugins.shutdown_all()

    assert started.log == ["+a", "+b", "+c", "-c", "-b", "-a"]
    assert started.faults() == [("b", "stop", "ConnectionError: gone")]


async def test_one_that_does_not_start_in_time_is_out(started):
    started.add("a", start=99)
    started.add("b", start=3)

    await started.plugins.initialize_all()

    assert current_clock().now == pytest.approx(30 + 3)
    assert started.faults() == [("a", "start", "TimeoutError: it did not start within 30 s")]
    await started.plugins.shutdown_all()


async def test_one_that_does_not_stop_in_time_is_cut_off(started):
    started.add("a", stop=99)
    started.add("b", stop=3)

    await started.plugins.initialize_all()
    await started.plugins.shutdown_all()

    assert current_clock().now == pytest.approx(10 + 3)
    assert started.faults() == [("a", "stop", "TimeoutError: it did not stop within 10 s")]


async def test_two_that_start_at_once_wait_for_each_other(started):
    started.add("a", start=5)
    started.add("b", needs=["a"], start=5)

    async def start():
        await started.plugins.initialize_all()
        ready.append(list(started.log))

    ready = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        tasks.start_soon(start)
    await started.plugins.shutdown_all()

    assert ready == [["+a", "+b"]] * 2
    assert started.log == ["+a", "+b", "-b", "-a"]


async def test_one_that_starts_while_another_stops_waits_for_that(started):
    started.add("a", stop=5)
    await started.plugins.initialize_all()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(started.plugins.shutdown_all)
        await anyio.wait_all_tasks_blocked()
        await started.plugins.initialize_all()

    assert started.log == ["+a", "-a", "+a"]
    await started.plugins.shutdown_all()


async def test_all_are_stopped_although_who_stops_them_is_cancelled(started):
    started.add("a", stop=1)
    started.add("b", stop=1)
    await started.plugins.initialize_all()

    with anyio.CancelScope() as scope:
        scope.cancel()
        await started.plugins.shutdown_all()

    assert started.log == ["+a", "+b", "-b", "-a"]
    assert current_clock().now == pytest.approx(2)


def test_cancelled_anywhere_it_leaves_nothing_and_stops_what_had_started(backend):
    logs = []

    async def scenario():
        started = Started()
        logs.append(started.log)
        started.add("a", start=1, stop=1)
        started.add("b", needs=["a"], start=1, stop=1)
        started.add("c", start=ConnectionError())
        started.add("d", stop=ConnectionError())
        try:
            await started.plugins.initialize_all()
        finally:
            await started.plugins.shutdown_all()

    def check():
        log = logs[-1]
        up, down = ([each[1:] for each in log if each[0] == sign] for sign in "+-")
        assert down == up[::-1]
        assert len(set(up)) == len(up)

    report = cancel_at_every_await(scenario, backend=backend, check=check)

    assert report.suspensions > 4


@pytest.mark.real_time
async def test_a_second_loop_at_the_same_time_is_refused(started):
    started.add("a")
    await started.plugins.initialize_all()

    def elsewhere():
        with pytest.raises(RuntimeError, match="^these plugins are in use in another event loop;"):
            asyncio.run(started.plugins.initialize_all())

    await anyio.to_thread.run_sync(elsewhere)
    await started.plugins.shutdown_all()

    assert started.log == ["+a", "-a"]


def test_an_interrupt_from_the_keyboard_passes(started):
    started.add("a", start=KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt), contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(started.plugins.initialize_all())
