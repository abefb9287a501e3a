"""A limit in one event loop after another."""

import asyncio
import threading

import anyio
import pytest

from toolcase import Registry
from toolcase.runtime import together
from toolcase_limits import RateLimitMiddleware
from toolcase_limits.bucket import Bucket, Flow


def using(limit):
    registry = Registry()
    registry.use(limit)
    registry.tool(anyio.sleep, name="t")
    return registry


async def asked(registry):
    with anyio.fail_after(5):
        return (await registry.execute("t", {"delay": 0})).ok


def test_who_waited_in_a_loop_that_has_gone_is_forgotten():
    limit = RateLimitMiddleware(1_000, burst=1, wait=True)
    registry = using(limit)

    async def begin():
        calls = [asyncio.ensure_future(registry.call("t", delay=0)) for _ in range(3)]
        return calls, await asyncio.sleep(0)

    gone = asyncio.new_event_loop()
    hanging, _ = gone.run_until_complete(begin())
    gone.close()

    assert asyncio.run(asked(using(limit)))
    for each in hanging:
        each.get_coro().close()  # or the garbage collector would, in the middle of another test
        each._log_destroy_pending = False
    assert asyncio.run(asked(using(limit)))


def test_a_second_loop_is_refused_while_calls_wait_in_the_first():
    limit, raised = RateLimitMiddleware(9, burst=1, wait=True, key=together), []
    elsewhere = using(limit)

    def second():
        try:
            asyncio.run(elsewhere.call("t", delay=0))
        except RuntimeError as error:
            raised.append(str(error))

    async def first():
        registry = using(limit)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: registry.call("t", delay=0))
            tasks.start_soon(lambda: registry.call("t", delay=0))
            await asyncio.sleep(0)
            thread = threading.Thread(target=second)
            thread.start()
            thread.join()

    asyncio.run(first())

    assert raised == [f"{limit} is in use on another event loop that still runs; make one for each loop"]


def test_a_second_loop_is_welcome_while_nobody_waits_in_the_first():
    limit = RateLimitMiddleware(9, burst=2)

    async def first():
        assert await asked(using(limit))
        return await asyncio.to_thread(asyncio.run, asked(using(limit)))

    assert asyncio.run(first())


async def test_for_those_who_are_forgotten_nobody_waits():
    bucket = Bucket(Flow(1, 1, 1))
    bucket.take(1, 0.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bucket.wait, 1, lambda: 0.0)
        await anyio.wait_all_tasks_blocked()
        assert bucket.take(1, 0.0) == 2

        bucket.forget_who_waits()

        assert bucket.take(1, 0.0) == 1
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("later", [0.0, 1.0, 99.5])
def test_with_a_clock_that_went_back_a_bucket_is_no_more_than_empty(later):
    bucket = Bucket(Flow(1, 1, 2))
    bucket.take(2, 100.0)

    assert bucket.take(1, later) == pytest.approx(1, abs=0.5)
