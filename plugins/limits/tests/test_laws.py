"""Laws 33 to 35: the order of starts, how many start in any interval, and what is left afterwards."""

import math
from fractions import Fraction

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolcase import Registry
from toolcase.testing import Give, Script, Way, cancel_at_every_await, current_clock
from toolcase_limits import RateLimitMiddleware
from toolcase_limits.bucket import Bucket, Flow

quick = settings(max_examples=100, deadline=None, derandomize=True, database=None)

RATES = st.sampled_from([(0.1, 1.0), (0.3, 0.7), (1, 1.0), (3, 1.0), (7, 60.0), (1e3, 1.0)])
GAPS = st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0]) | st.floats(1e-12, 5)
ARRIVALS = st.lists(
    st.tuples(GAPS, st.integers(0, 4), st.sampled_from([math.inf, math.inf, 0.05, 1.0, 3.0])), max_size=14
)
WAITS = st.sampled_from([False, True, 2.0])


async def play(arrivals, **limit):
    """Make the calls as drawn: the middleware, each start as (when, cost, number), when each call came."""
    limiter = RateLimitMiddleware(cost=lambda call: call.arguments["cost"], **limit)
    registry, starts, came = Registry(), [], []
    registry.use(limiter)

    @registry.tool
    async def starting(cost: int, number: int) -> None:
        starts.append((Fraction(current_clock().now), cost, number))

    async def one(cost, number, patience):
        came.append(Fraction(current_clock().now))
        with anyio.move_on_after(patience):
            await registry.execute("starting", {"cost": cost, "number": number})

    async with anyio.create_task_group() as group:
        for number, (gap, cost, patience) in enumerate(arrivals):
            await anyio.sleep(gap)
            group.start_soon(one, cost, number, patience)
            await anyio.sleep(0)
    return limiter, starts, came


@quick
@given(arrivals=ARRIVALS, rate=RATES, burst=st.integers(1, 4), wait=WAITS)
async def test_law_33_starts_in_the_order_of_calling(arrivals, rate, burst, wait):
    _, starts, _ = await play(arrivals, rate=rate[0], per=rate[1], burst=burst, wait=wait)

    numbers = [number for _, _, number in starts]
    assert numbers == sorted(numbers)


@quick
@given(arrivals=ARRIVALS, rate=RATES, burst=st.integers(1, 4), wait=WAITS)
async def test_law_34_no_interval_has_more_starts_than_the_burst_and_what_comes_in_it(
    arrivals, rate, burst, wait
):
    _, starts, _ = await play(arrivals, rate=rate[0], per=rate[1], burst=burst, wait=wait)

    speed = Fraction(str(rate[0])) / Fraction(str(rate[1]))
    for first, (begin, _, _) in enumerate(starts):
        for last in range(first, len(starts)):
            cost = sum(cost for _, cost, _ in starts[first : last + 1])
            assert cost <= burst + speed * (starts[last][0] - begin)


@quick
@given(arrivals=ARRIVALS, rate=RATES, burst=st.integers(1, 4), wait=WAITS)
async def test_law_35_afterwards_all_is_as_at_first(arrivals, rate, burst, wait):
    limiter, _, _ = await play(arrivals, rate=rate[0], per=rate[1], burst=burst, wait=wait)

    await anyio.sleep(burst * rate[1] / rate[0] + 0.001)

    for _, bucket in limiter._buckets._kept:
        assert (bucket.waiting, bucket._queued) == (0, 0)
        assert bucket.is_full(current_clock().now)


@quick
@given(gaps=st.lists(GAPS, max_size=14), rate=RATES, burst=st.integers(1, 4))
async def test_nobody_waits_longer_than_it_must(gaps, rate, burst):
    arrivals = [(gap, 1, math.inf) for gap in gaps]
    _, starts, came = await play(arrivals, rate=rate[0], per=rate[1], burst=burst, wait=True)

    each = Fraction(str(rate[1])) / Fraction(str(rate[0]))
    full_at = Fraction(0)
    for asked, (start, _, _) in zip(came, starts, strict=True):
        due = max(asked, max(full_at, asked) + (1 - burst) * each)
        assert due <= start <= due + Fraction(1, 10**9)
        full_at = max(full_at, start) + each


@quick
@given(
    now=st.floats(0, 1e9),
    taken=st.integers(1, 50),
    rate=st.floats(1e-6, 1e9, allow_subnormal=False),
    per=st.floats(1e-3, 1e5),
)
def test_after_the_seconds_that_it_says_the_tokens_are_there(now, taken, rate, per):
    bucket = Bucket(Flow(rate, per, 50))
    bucket.take(taken, now)

    wait = bucket.take(50, now)

    assert bucket.take(50, now + wait) is None


async def test_a_bucket_for_which_somebody_waits_is_not_full_however_late_it_is():
    bucket, clock = Bucket(Flow(1, 1, 1)), current_clock()
    bucket.take(1, clock.now)

    async with anyio.create_task_group() as group:
        group.start_soon(bucket.wait, 1, lambda: clock.now)
        await anyio.sleep(0.5)
        assert not bucket.is_full(clock.now + 1_000)


def test_a_wait_of_ages_is_still_a_number():
    bucket = Bucket(Flow(1e-300, 1e300, 1))
    bucket.take(1, 0.0)

    assert bucket.take(1, 0.0) == 1e15


def test_after_the_longest_wait_that_is_told_exactly_the_tokens_are_there():
    bucket = Bucket(Flow(1, 1e15, 1))
    bucket.take(1, 0.05)

    wait = bucket.take(1, 0.05)  # that moment and 1e15 seconds are rounded down in their sum

    assert bucket.take(1, 0.05 + wait) is None


def test_what_is_there_takes_no_seconds():
    assert Flow(1, 1, 1).until(due=0, now=5.0) == 0


@pytest.mark.parametrize("wait", [True, 2.0])
def test_cancelled_at_any_await_it_leaves_nobody_in_the_queue(wait, backend):
    limiters = []

    async def scenario():
        limiters.append(RateLimitMiddleware(1, burst=1, wait=wait))
        registry = Registry()
        registry.use(limiters[-1])
        registry.add(Script(Give(after=1)).tool("t"))
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(registry.execute, "t")
                await anyio.sleep(0)
        await registry.execute("t")

    def check():
        for _, bucket in limiters[-1]._buckets._kept:
            assert (bucket.waiting, bucket._queued) == (0, 0)

    report = cancel_at_every_await(scenario, backend=backend, check=check)

    assert len(report.cancelled) == report.suspensions * (len(Way) if backend == "asyncio" else 1) > 0
