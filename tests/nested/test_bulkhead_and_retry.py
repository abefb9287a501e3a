"""A bulkhead inside a retry, around one, and with limits of time on either side."""

import anyio
import pytest

from toolcase import Registry
from toolcase.runtime import (
    BulkheadMiddleware,
    ExponentialBackoff,
    RetryMiddleware,
    RetryPolicy,
    TimeoutMiddleware,
)
from toolcase.testing import Fail, Give, Hang, Script, current_clock

RETRY = RetryMiddleware(RetryPolicy(backoff=ExponentialBackoff(base=10, jitter=False)))


def registry_of(*used, **scripts):
    """A registry with these middleware, and a tool for each script."""
    registry = Registry()
    registry.use(*used)
    registry.add(*(script.tool(name) for name, script in scripts.items()))
    return registry


async def both(registry):
    """The results of a call and of one that begins just after it, with the moments at which they ended."""
    ended = {}

    async def one(name):
        ended[name] = await registry.execute("t"), current_clock().now

    async with anyio.create_task_group() as tasks:
        for name in ("first", "second"):
            tasks.start_soon(one, name)
            await anyio.wait_all_tasks_blocked()
    return ended


async def test_inside_a_retry_the_permit_is_free_between_two_attempts():
    script = Script(Fail(ConnectionError(), after=1), Give("second", after=1), Give("first", after=1))

    ended = await both(registry_of(RETRY, BulkheadMiddleware(1), t=script))

    assert ended["second"][0].value == "second"
    assert ended["second"][1] == pytest.approx(2)  # while the first one waits for its next attempt
    assert ended["first"][1] == pytest.approx(1 + 10 + 1)


async def test_around_a_retry_the_permit_is_kept_for_all_attempts():
    script = Script(Fail(ConnectionError(), after=1), Give("first", after=1), Give("second", after=1))

    ended = await both(registry_of(BulkheadMiddleware(1), RETRY, t=script))

    assert ended["first"][1] == pytest.approx(1 + 10 + 1)
    assert ended["second"][1] == pytest.approx(1 + 10 + 1 + 1)


async def test_the_wait_is_no_part_of_an_attempts_time():
    registry = registry_of(BulkheadMiddleware(1), TimeoutMiddleware(5), t=Script(Give(1, after=4)))

    ended = await both(registry)

    assert ended["second"][0].ok
    assert ended["second"][1] == pytest.approx(8)


async def test_a_limit_around_the_bulkhead_bounds_the_wait_too():
    bulkhead = BulkheadMiddleware(1)
    registry = registry_of(TimeoutMiddleware(5), bulkhead, t=Script(Give(1, after=4)))

    ended = await both(registry)

    assert ended["second"][0].error.cause.kind == "attempt"
    assert ended["second"][1] == pytest.approx(5)
    assert bulkhead.running("t") == 0


async def test_an_attempt_that_took_too_long_gives_its_permit_back():
    bulkhead, script = BulkheadMiddleware(1), Script(Hang(cleanup=1), Give("second"), Give("first"))
    registry = registry_of(RETRY, bulkhead, TimeoutMiddleware(5), t=script)

    ended = await both(registry)

    assert ended["second"][1] == pytest.approx(6)
    assert ended["first"][0].value == "first"


async def test_who_waited_too_long_is_tried_again_even_if_the_tool_is_not_idempotent():
    registry = registry_of(RETRY, BulkheadMiddleware(1, queue_seconds=2))
    registry.add(Script(Give(1, after=4)).tool("t", idempotent=False))

    result, moment = (await both(registry))["second"]

    assert (result.value, result.attempts) == (1, 1)  # 2 s in the queue, a wait of 10 s, 4 s
    assert moment == pytest.approx(2 + 10 + 4)


async def test_who_was_refused_is_tried_again():
    registry = registry_of(RETRY, BulkheadMiddleware(1, queue=0), t=Script(Give(1, after=4)))

    result, moment = (await both(registry))["second"]

    assert (result.value, moment) == (1, pytest.approx(10 + 4))


async def test_waiting_too_long_after_a_failed_attempt_leaves_no_doubt_of_the_outcome():
    script = Script(Fail(ConnectionError()), Give(1, after=100))
    policy = RetryPolicy(max_attempts=2, backoff=RETRY.policy.backoff)
    registry = registry_of(RetryMiddleware(policy), BulkheadMiddleware(1, queue_seconds=2), t=script)

    result = (await both(registry))["first"][0]

    assert (result.error.cause.kind, result.attempts) == ("queue", 1)
    assert not result.error.outcome_unknown
