"""Shared runs in one event loop after another."""

import asyncio
import contextlib
import threading

from toolcase import Registry
from toolcase.testing import Give, Hang, Script
from toolcase_cache import CoalesceMiddleware


def using(coalesce, script):
    registry = Registry()
    registry.use(coalesce)
    registry.add(script.tool("t", read_only=True))
    return registry


def test_a_run_that_has_gone_with_its_loop_is_joined_by_nobody():
    coalesce, script = CoalesceMiddleware(), Script(Hang(), Give(7))

    async def begin():
        asyncio.get_running_loop().create_task(using(coalesce, script).call("t"))
        await asyncio.sleep(0.01)

    gone = asyncio.new_event_loop()
    gone.run_until_complete(begin())
    tasks = asyncio.all_tasks(gone)
    gone.close()

    assert asyncio.run(using(coalesce, script).call("t")) == 7
    for task in tasks:  # or the garbage collector would, in the middle of another test
        task._log_destroy_pending = False
        with contextlib.suppress(RuntimeError):
            task.get_coro().close()


def test_a_second_loop_is_refused_while_runs_of_the_first_are_under_way():
    coalesce, raised = CoalesceMiddleware(), []

    def second():
        try:
            asyncio.run(using(coalesce, Script(Give(1))).call("t"))
        except RuntimeError as error:
            raised.append(str(error))

    async def first():
        registry = Registry()
        registry.use(coalesce)

        @registry.tool(read_only=True)
        async def t() -> None:
            thread = threading.Thread(target=second)
            thread.start()
            thread.join()

        await registry.call("t")

    asyncio.run(first())

    assert raised == [
        "CoalesceMiddleware is in use on another event loop that still runs; make one for each loop"
    ]
