"""A limited tool: what starts, what waits, what is refused, and what observers are told."""

import math

import anyio
import pytest

from toolcase import ErrorCode, ExecutionContext, Overloaded, Registry
from toolcase.events import CallAdmitted, CallRejected, CallWaiting
from toolcase.runtime import RetryMiddleware, RetryPolicy, TimeoutMiddleware, by_principal, by_scope, together
from toolcase.testing import Give, Hang, Recorder, Script, current_clock
from toolcase_limits import RateLimitMiddleware


def limited(*used, tools="t"):
    """A registry with these middleware, a recorder, and tools that note when they start."""
    registry, recorder, starts = Registry(clock=current_clock()), Recorder(), []
    registry.use(recorder, *used)
    for name in tools:

        async def starting(size: int = 1, name=name) -> float:
            starts.append(current_clock().now)
            return starts[-1]

        registry.tool(starting, name=name)
    return registry, recorder, starts


async def at_once(registry, calls, name="t", **arguments):
    """The results of so many calls at the same time, in the order of calling."""
    results = {}

    async def one(number):
        results[number] = await registry.execute(name, arguments)

    async with anyio.create_task_group() as group:
        for number in range(calls):
            group.start_soon(one, number)
            await anyio.sleep(0)
    return [results[number] for number in range(calls)]


# Refusing


async def test_lets_a_burst_through_and_refuses_the_rest():
    registry, _, starts = limited(RateLimitMiddleware(2, burst=3))

    results = await at_once(registry, 5)

    assert [result.ok for result in results] == [True] * 3 + [False] * 2
    assert starts == [0, 0, 0]


async def test_says_what_is_wrong_and_when_there_is_room():
    registry, _, _ = limited(RateLimitMiddleware(30, per=60.0, burst=1))
    await registry.call("t")
    await anyio.sleep(0.5)

    error = (await registry.execute("t")).error

    assert (error.code, error.retryable, error.retry_after) == (ErrorCode.RATE_LIMITED, True, 1.5)
    assert error.message == (
        "'t' is called too often: 30 calls in 60 s are let through, and 1 at once; try again later"
    )


async def test_after_retry_after_there_is_room():
    registry, _, _ = limited(RateLimitMiddleware(0.7, per=0.9, burst=1))

    for _ in range(50):
        await registry.call("t")
        await anyio.sleep(0.1)
        await anyio.sleep((await registry.execute("t")).error.retry_after)

    assert (await registry.execute("t")).ok


async def test_a_full_bucket_holds_no_more_than_the_burst():
    registry, _, starts = limited(RateLimitMiddleware(1, burst=2))
    await anyio.sleep(1_000)

    await at_once(registry, 5)

    assert len(starts) == 2


@pytest.mark.parametrize(
    ("settings", "burst"),
    [
        ({"rate": 5}, 5),
        ({"rate": 0.1}, 1),
        ({"rate": 2.5}, 3),
        ({"rate": 100, "per": 60}, 2),
        ({"rate": 1.1, "per": 0.1}, 11),
        ({"rate": 5, "burst": 2}, 2),
    ],
)
async def test_without_a_burst_it_is_what_comes_in_one_second(settings, burst):
    registry, _, starts = limited(RateLimitMiddleware(**settings))

    await at_once(registry, 20)

    assert len(starts) == burst


async def test_an_infinite_rate_is_no_limit():
    registry, _, starts = limited(RateLimitMiddleware(math.inf, burst=1))

    await at_once(registry, 50)

    assert len(starts) == 50


# Waiting


async def test_waits_for_its_turn_in_the_order_of_calling():
    registry, recorder, _ = limited(RateLimitMiddleware(2, burst=1, wait=True))

    results = await at_once(registry, 5)

    assert [result.value for result in results] == [0, 0.5, 1, 1.5, 2]
    assert [event.waited for event in recorder.records[0].events] == [0]


async def test_waits_no_longer_than_it_may():
    registry, _, _ = limited(RateLimitMiddleware(1, burst=1, wait=2))

    results = await at_once(registry, 5)

    assert [result.value for result in results] == [0, 1, 2, None, None]
    assert results[3].error.retry_after == 3
    assert "; it would wait for 3 s, longer than wait=2; try again later" in results[3].error.message
    assert current_clock().now == 2


async def test_does_not_wait_for_what_comes_at_its_deadline_or_later():
    registry, _, _ = limited(TimeoutMiddleware(2), RateLimitMiddleware(1, burst=1, wait=True))

    results = await at_once(registry, 4)

    assert [result.value for result in results] == [0, 1, None, None]
    assert (results[2].error.code, results[2].error.retry_after) == (ErrorCode.RATE_LIMITED, 2)
    assert (
        "; it would wait for 2 s, beyond its deadline; try again later, or allow more"
        in results[2].error.message
    )
    assert results[2].duration == 0


async def test_a_bounded_number_waits():
    registry, _, _ = limited(RateLimitMiddleware(1, burst=1, wait=True, max_waiting=2))

    results = await at_once(registry, 5)

    assert [result.value for result in results] == [0, 1, 2, None, None]
    assert results[3].error.retry_after == 3
    assert "; 2 calls wait already (the host can raise max_waiting)" in results[3].error.message


async def test_without_a_place_to_wait_it_refuses():
    registry, _, _ = limited(RateLimitMiddleware(1, burst=1, wait=True, max_waiting=0))

    assert [result.ok for result in await at_once(registry, 2)] == [True, False]


async def test_those_behind_one_that_is_cancelled_move_up():
    registry, _, starts = limited(RateLimitMiddleware(1, burst=1, wait=True))

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(registry.call, "t")
            await anyio.sleep(0)
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(registry.call, "t")
            await anyio.sleep(0)
            group.start_soon(registry.call, "t")
            await anyio.sleep(0.5)
            leaving.cancel_scope.cancel()

    assert starts == [0, 1, 2]


async def test_one_that_is_next_and_is_cancelled_leaves_its_turn_to_the_one_behind_it():
    registry, _, starts = limited(RateLimitMiddleware(1, burst=1, wait=True))
    await registry.call("t")

    async with anyio.create_task_group() as group:
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(registry.call, "t")
            await anyio.sleep(0)
            group.start_soon(registry.call, "t")
            await anyio.sleep(0.5)
            leaving.cancel_scope.cancel()

    assert starts == [0, 1]


# Whose limit


async def test_tools_have_limits_of_their_own():
    registry, _, starts = limited(RateLimitMiddleware(1, burst=1), tools="ab")

    for name in "abab":
        await registry.execute(name)

    assert len(starts) == 2


@pytest.mark.parametrize(("key", "admitted"), [(by_scope, 2), (by_principal, 3), (together, 1)])
async def test_calls_of_one_key_share_a_limit(key, admitted):
    registry, _, starts = limited(RateLimitMiddleware(1, burst=1, key=key), tools="ab")

    for scope, principal in [("x", "p"), ("x", "q"), ("y", "p")] * 2:
        context = ExecutionContext(scope_id=scope, principal_id=principal)
        await registry.execute("a", context=context)
        await registry.execute("b", context=context)

    assert len(starts) == admitted


async def test_a_key_for_which_there_is_no_room_is_refused_until_a_bucket_is_full_again():
    registry, _, _ = limited(RateLimitMiddleware(1, burst=2, max_keys=1), tools="ab")
    await registry.call("a")
    await registry.call("a")
    await anyio.sleep(1)

    with pytest.raises(
        Overloaded, match=r"'b' was refused: there is no room for a further key \(max_keys=1\)"
    ):
        await registry.call("b")

    await anyio.sleep(1)
    assert (await registry.execute("b")).ok


# What a call costs


async def test_a_call_counts_as_much_as_it_costs():
    registry, _, _ = limited(RateLimitMiddleware(1, burst=5, cost=lambda call: call.arguments["size"]))

    first, second, third, fourth = [await registry.execute("t", {"size": size}) for size in (3, 3, 2, 0)]

    assert [first.ok, second.ok, third.ok, fourth.ok] == [True, False, True, True]
    assert second.error.retry_after == 1


async def test_a_small_call_does_not_overtake_a_large_one():
    registry, _, _ = limited(
        RateLimitMiddleware(1, burst=4, wait=True, cost=lambda call: call.arguments["size"])
    )
    order = []

    async def one(size):
        order.append((size, await registry.call("t", size=size)))

    async with anyio.create_task_group() as group:
        for size in (4, 4, 1, 0):
            group.start_soon(one, size)
            await anyio.sleep(0)

    assert order == [(4, 0), (4, 4), (1, 5), (0, 5)]


async def test_a_call_that_costs_more_than_the_burst_is_refused_for_good():
    registry, _, _ = limited(
        RetryMiddleware(), RateLimitMiddleware(1, burst=2, wait=True, cost=lambda call: 3)
    )

    error = (await registry.execute("t")).error

    assert (error.code, error.retryable, error.retry_after) == (ErrorCode.RATE_LIMITED, False, None)
    assert error.message == (
        "'t' counts as 3 calls, and no more than 2 are let through at once; "
        "ask for less at a time (the host can raise burst)"
    )
    assert current_clock().now == 0


@pytest.mark.parametrize(
    ("cost", "error", "said"),
    [
        (-1, ValueError, "the cost of 't' must be at least 0, got -1"),
        (1.0, TypeError, "the cost of 't' must be a whole number, got 1.0"),
        (True, TypeError, "the cost of 't' must be a whole number, got True"),
    ],
)
async def test_a_cost_that_is_none_is_the_calls_error(cost, error, said):
    registry, _, starts = limited(RateLimitMiddleware(1, cost=lambda call: cost))

    with pytest.raises(error, match=said):
        await registry.call("t")

    assert starts == []


# What observers are told


async def test_observers_are_told_who_waits_and_for_how_long():
    limit = RateLimitMiddleware(2, burst=1, wait=True)
    registry, recorder, _ = limited(limit)

    await anyio.sleep(60)  # or a moment would be as good as a duration
    await at_once(registry, 2)

    assert recorder.records[1].events == [
        CallWaiting(tool="t", middleware=limit),
        CallAdmitted(tool="t", middleware=limit, waited=0.5),
    ]


@pytest.mark.parametrize("wait", [False, True])
async def test_observers_are_told_of_who_need_not_wait(wait):
    limit = RateLimitMiddleware(2, wait=wait)
    registry, recorder, _ = limited(limit)

    await registry.call("t")

    assert recorder.records[0].events == [CallAdmitted(tool="t", middleware=limit, waited=0)]


async def test_observers_are_told_of_a_refusal():
    limit = RateLimitMiddleware(1, burst=1)
    registry, recorder, _ = limited(limit)

    _, refused = await at_once(registry, 2)

    assert recorder.records[1].events == [CallRejected(tool="t", middleware=limit, error=refused.error.cause)]


async def test_without_observers_it_does_the_same():
    registry = Registry()
    registry.use(RateLimitMiddleware(1, burst=1, wait=1.5))
    registry.add(Script(Give()).tool("t"))

    assert [result.ok for result in await at_once(registry, 3)] == [True, True, False]


# Beside others


async def test_inside_a_retry_the_next_attempt_waits_as_long_as_the_limit_says():
    registry, _, starts = limited(
        RetryMiddleware(RetryPolicy(max_attempts=2), random=lambda: 0.0), RateLimitMiddleware(1, per=8.0)
    )

    results = await at_once(registry, 2)

    assert [result.ok for result in results] == [True, True]
    assert starts == [0, 8]


async def test_the_limit_of_time_of_an_attempt_begins_with_its_turn():
    registry = Registry()
    registry.use(RateLimitMiddleware(1, burst=1, wait=True), TimeoutMiddleware(0.5))
    registry.add(Script(Give(1), Hang()).tool("t"))

    results = await at_once(registry, 2)

    assert (results[1].error.code, results[1].duration) == (ErrorCode.TIMEOUT, 1.5)
