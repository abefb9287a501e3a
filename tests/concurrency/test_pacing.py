"""The pace of a stream: how far ahead it is read, how often it gives, and how long it waits."""

import math

import anyio
import pytest

from concurrency.sources import After, Gone, Source, listed, numbers
from toolcase.concurrency import batch, buffer, create_task_group, throttle, timeout
from toolcase.testing import current_clock


async def timed(stream):
    """Its items, each with the seconds until it came."""
    began = current_clock().now
    return [(round(current_clock().now - began, 6), item) async for item in stream]


@pytest.mark.parametrize("size", [1, 5])
async def test_buffer_reads_ahead_so_far(size):
    source = numbers(50)

    async with buffer(source, size) as stream:
        await anext(stream)
        await anyio.sleep(1)

        assert size < source.produced <= 1 + size + 1


async def test_buffer_reads_on_while_the_reader_is_busy():
    async with buffer(numbers(3, every=1), 3) as stream:
        await anext(stream)
        await anyio.sleep(2)
        now = current_clock().now

        assert [item async for item in stream] == [1, 2]
        assert current_clock().now == now


async def test_throttle_gives_items_evenly_spaced():
    assert await timed(throttle(numbers(4), 2)) == [(0, 0), (0.5, 1), (1, 2), (1.5, 3)]


async def test_throttle_ends_when_the_source_does():
    await listed(throttle(numbers(2), 0.1))

    assert current_clock().now == 10


async def test_throttle_lets_through_what_comes_more_rarely():
    assert await timed(throttle(numbers(3, every=3), 1)) == [(3, 0), (6, 1), (9, 2)]


async def test_throttle_gives_no_burst_to_a_reader_who_was_away():
    async with throttle(numbers(4), 1) as stream:
        await anext(stream)
        await anyio.sleep(10)

        assert await timed(stream) == [(0, 1), (1, 2), (2, 3)]


async def test_throttle_gives_none_to_a_source_that_was_late():
    source = Source(0, After(2.5, 1), 2, 3)

    assert await timed(throttle(source, 1)) == [(0, 0), (2.5, 1), (3.5, 2), (4.5, 3)]


async def test_throttle_keeps_its_rate_through_reads_that_were_cancelled():
    times, began = [], current_clock().now

    async with throttle(numbers(3), 1) as stream:
        while len(times) < 3:
            with anyio.move_on_after(0.4):
                times.append((await anext(stream), round(current_clock().now - began, 6)))

    assert times == [(0, 0), (1, 1), (2, 2)]


async def test_throttle_cancelled_in_the_plain_form_is_closed():
    source = numbers(3)

    with anyio.move_on_after(0.5):
        async for _ in throttle(source, 1):
            pass

    assert source.closed


async def test_throttle_closed_while_its_reader_waits_gives_nothing_more():
    async with throttle(numbers(3), 1) as stream, create_task_group() as tasks:
        await anext(stream)

        async def read():
            with pytest.raises(anyio.ClosedResourceError):
                await anext(stream)

        tasks.start_soon(read)
        await anyio.sleep(0.5)
        await stream.aclose()


async def test_throttle_refuses_a_second_reader_while_the_first_waits():
    async with throttle(numbers(3), 1) as stream, create_task_group() as tasks:
        await anext(stream)
        tasks.start_soon(anext, stream)
        await anyio.sleep(0.5)

        with pytest.raises(RuntimeError, match="it has one reader"):
            await anext(stream)


@pytest.mark.parametrize("wrong", [0, -1, math.nan])
def test_throttle_needs_a_rate(wrong):
    with pytest.raises(ValueError, match=r"per_second must be (above|at least) 0, got"):
        throttle(numbers(1), wrong)


async def test_throttle_without_a_bound_gives_all_at_once():
    assert await timed(throttle(numbers(3), math.inf)) == [(0, 0), (0, 1), (0, 2)]


async def test_batch_gives_lists_and_the_rest_at_the_end():
    assert await listed(batch(numbers(5), 2)) == ([[0, 1], [2, 3], [4]], None)


async def test_batch_gives_the_rest_before_an_error():
    gone = Gone()

    assert await listed(batch(Source(0, 1, 2, gone), 2)) == ([[0, 1], [2]], gone)


async def test_batch_gives_out_what_has_begun_in_time():
    source = Source(0, After(1, 1), After(3, 2), After(0.5, 3), After(9, 4))

    assert await timed(batch(source, 10, within_seconds=2)) == [(2, [0, 1]), (6, [2, 3]), (13.5, [4])]


async def test_batch_waits_for_the_first_of_a_list_as_long_as_it_takes():
    assert await timed(batch(Source(After(100, 0)), 10, within_seconds=1)) == [(100, [0])]


async def test_batch_reads_a_bounded_number_ahead():
    source = numbers(500)

    async with batch(source, 50) as stream:
        await anext(stream)
        await anyio.sleep(1)

        assert 50 + 50 < source.produced <= 50 + 50 + 50 + 16 + 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": 0}, "size must be at least 1"),
        ({"size": 1, "within_seconds": 0}, "within_seconds must be above 0"),
    ],
)
def test_batch_needs_a_size_and_a_time(settings, said):
    with pytest.raises(ValueError, match=said):
        batch(numbers(1), **settings)


def test_buffer_needs_a_size():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        buffer(numbers(1), 0)


async def test_timeout_bounds_the_wait_for_each_item():
    source = Source(0, After(2, 1), After(2, 2), After(4, 3))

    items, error = await listed(timeout(source, 3))

    assert items == [0, 1, 2]
    assert type(error) is TimeoutError
    assert str(error) == "the source gave no item within 3 s"
    assert current_clock().now == 7
    assert source.closed


async def test_timeout_bounds_the_wait_for_the_end():
    async def source():
        yield 1
        await anyio.sleep(5)

    items, error = await listed(timeout(source(), 3))

    assert items == [1]
    assert isinstance(error, TimeoutError)


async def test_timeout_does_not_run_while_the_reader_is_busy():
    items = []

    async with timeout(numbers(4, every=1), 2) as stream:
        async for item in stream:
            items.append(item)
            await anyio.sleep(10)

    assert items == [0, 1, 2, 3]


async def test_timeout_holds_whatever_the_source_makes_of_it():
    async def source():
        yield 1
        try:
            await anyio.sleep(5)
        except anyio.get_cancelled_exc_class():
            return

    assert isinstance((await listed(timeout(source(), 3)))[1], TimeoutError)


async def test_timeout_is_no_matter_of_an_error():
    gone = Gone()

    assert await listed(timeout(Source(0, After(1, gone)), 3)) == ([0], gone)


async def test_timeout_has_its_own_word_for_its_own_time_only():
    late = TimeoutError("of the source")

    assert await listed(timeout(Source(late), 3)) == ([], late)


def test_timeout_needs_a_time():
    with pytest.raises(ValueError, match="seconds must be above 0"):
        timeout(numbers(1), 0)
