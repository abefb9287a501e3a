"""A task that belongs to an object: it runs beside its maker, and ends when it is told to."""

import asyncio
import contextlib
import contextvars

import anyio

from toolcase.task import BackgroundTask
from toolcase.testing import current_clock


async def test_runs_beside_its_maker_and_can_be_waited_for():
    seen = []

    async def work():
        await anyio.sleep(3)
        seen.append("done")

    task = BackgroundTask(work)
    assert seen == []
    await task.wait()

    assert seen == ["done"]
    assert current_clock().now == 3


async def test_has_its_makers_variables():
    variable, seen = contextvars.ContextVar("variable", default="none"), []

    async def work():
        seen.append(variable.get())

    variable.set("the maker's")
    await BackgroundTask(work).wait()

    assert seen == ["the maker's"]


async def test_ends_when_it_is_told_to():
    task = BackgroundTask(anyio.sleep_forever)
    await anyio.wait_all_tasks_blocked()

    task.cancel()
    await task.wait()


async def test_told_before_its_first_step_it_does_nothing():
    seen = []

    async def work():
        seen.append("ran")

    task = BackgroundTask(work)
    task.cancel()
    await task.wait()

    assert seen == []


async def test_runs_in_the_context_that_it_is_given():
    variable, seen = contextvars.ContextVar("variable", default="outside"), []
    context = contextvars.copy_context()
    context.run(variable.set, "inside")

    async def work():
        seen.append(variable.get())

    await BackgroundTask(work, context=context).wait()

    assert seen == ["inside"]


def test_begins_once_somebody_holds_it_whatever_the_loop_does_else():
    seen = []

    async def notes():
        seen.append("begun")

    def begins_at_once(loop, coroutine, **settings):  # as the eager factory of Python 3.12 does
        with contextlib.suppress(StopIteration):
            coroutine.send(None)
        return loop.create_future()

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(begins_at_once)
        task = BackgroundTask(notes)
        loop.set_task_factory(None)
        seen.append("made")
        await task.wait()

    asyncio.run(main())

    assert seen == ["made", "begun"]
