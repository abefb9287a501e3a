"""A function over a stream: how many of its calls run, in which order values come, and what ends it."""

import anyio
import pytest

from concurrency.sources import After, Gone, Source, cancelled_elsewhere, double, listed, numbers
from toolcase import RunCancelled, shielded
from toolcase.concurrency import map_concurrent
from toolcase.testing import current_clock


class Work:
    """A function that takes as many seconds as its item says, and notes how many of its calls run."""

    def __init__(self):
        self.running = self.most = 0

    async def __call__(self, seconds):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await anyio.sleep(seconds)
            return seconds
        finally:
            with shielded():
                await anyio.sleep(1)
            self.running -= 1


async def test_gives_values_in_the_order_of_the_source():
    assert await listed(map_concurrent(Source(3, 1, 2), Work(), limit=3)) == ([3, 1, 2], None)


async def test_or_as_they_are_ready():
    assert await listed(map_concurrent(Source(3, 1, 2), Work(), limit=3, ordered=False)) == ([1, 2, 3], None)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("limit", [1, 3])
async def test_no_more_run_at_once_than_the_limit_says(limit, ordered):
    work = Work()

    await listed(map_concurrent(Source(*[1] * 9), work, limit=limit, ordered=ordered))

    assert work.most == limit
    assert current_clock().now == 9 / limit * 2


async def test_a_value_that_waits_for_its_turn_counts():
    work, source = Work(), Source(100, *[1] * 9)

    async with map_concurrent(source, work, limit=3) as stream:
        with anyio.move_on_after(50):
            await anext(stream)

        assert source.produced == 3
        assert await anext(stream) == 100


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_slow_reader_makes_it_wait(ordered):
    source = numbers(50)

    async with map_concurrent(source, double, limit=4, ordered=ordered) as stream:
        await anext(stream)
        await anyio.sleep(1)

        assert source.produced == 1 + 1 + 4


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_call_that_fails_ends_the_others(ordered):
    gone, work, source = Gone(), Work(), Source(50, 60, 2, 70, every=0.1, cleanup=1)

    async def fails(item):
        if item == 2:
            raise gone
        return await work(item)

    items, error = await listed(map_concurrent(source, fails, limit=4, ordered=ordered))

    assert (items, error) == ([], gone)
    assert (work.running, work.most) == (0, 2)
    assert source.closed


@pytest.mark.parametrize("ordered", [True, False])
async def test_what_was_given_before_a_failure_comes_before_it(ordered):
    async def fails(item):
        await anyio.sleep(item)
        if item == 3:
            raise Gone
        return item

    items, error = await listed(map_concurrent(Source(1, 2, 3, 4), fails, limit=2, ordered=ordered))

    assert items == [1, 2]
    assert isinstance(error, Gone)


@pytest.mark.parametrize("ordered", [True, False])
async def test_an_error_of_the_source_comes_when_those_that_run_have_ended(ordered):
    gone = Gone()

    items, error = await listed(map_concurrent(Source(1, 2, gone), Work(), limit=9, ordered=ordered))

    assert (items, error) == ([1, 2], gone)


async def test_the_end_of_a_program_waits_for_nothing():
    work, end = Work(), SystemExit(3)

    with pytest.raises(SystemExit) as raised:
        await listed(map_concurrent(Source(100, After(1, end)), work, limit=9))

    assert raised.value is end
    assert current_clock().now == 2
    assert work.running == 0


async def test_errors_of_calls_and_of_the_source_come_together():
    first, second = Gone("of a call"), Gone("of the source")

    async def fails(item):
        await anyio.sleep(1)
        raise first

    _, error = await listed(map_concurrent(Source(1, second), fails, limit=2))

    assert error.exceptions == (first, second)


async def test_no_error_of_a_call_looks_like_the_end():
    async def ends(item):
        raise StopAsyncIteration

    _, error = await listed(map_concurrent(numbers(1), ends, limit=1))

    assert str(error) == "what runs inside a stream raised StopAsyncIteration"


@pytest.mark.backends("asyncio")
@pytest.mark.parametrize("ordered", [True, False])
async def test_a_call_that_is_cancelled_by_itself_is_no_quiet_end(ordered):
    async def function(item):
        if item == 1:
            await cancelled_elsewhere()
        return item

    with pytest.raises(RunCancelled, match="and not the stream"):
        await listed(map_concurrent(numbers(4), function, limit=2, ordered=ordered))


async def test_left_early_no_call_runs_on():
    work, source = Work(), Source(1, *[50] * 9)

    async with map_concurrent(source, work, limit=3) as stream:
        assert await anext(stream) == 1

    assert work.running == 0
    assert source.closed


async def test_the_function_must_be_async():
    _, error = await listed(map_concurrent(numbers(1), lambda item: item, limit=1))

    assert isinstance(error, TypeError)
    assert str(error) == "function must be an async function; for 0 it gave int"


def test_and_a_function():
    with pytest.raises(TypeError, match="function must be an async function, got int"):
        map_concurrent(numbers(1), 3, limit=1)


def test_the_limit_must_be_a_number_of_calls():
    with pytest.raises(ValueError, match="limit must be at least 1, got 0"):
        map_concurrent(numbers(1), double, limit=0)
