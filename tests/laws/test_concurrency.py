"""Law 62, and the other combinators of streams against what they do to lists."""

import itertools

import anyio
from hypothesis import given
from hypothesis import strategies as st

from concurrency.sources import After, Source, listed
from toolcase.concurrency import (
    batch,
    buffer,
    interleave,
    map_concurrent,
    merge,
    skip,
    take,
    throttle,
    timeout,
    zip_streams,
)

delays = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0])
streams = st.lists(delays, max_size=8)
"""A stream as what each of its items takes."""


def sources_of(streams):
    """A source for each, whose items say whose they are and in which place."""
    return [
        Source(*(After(delay, (number, place)) for place, delay in enumerate(stream)))
        for number, stream in enumerate(streams)
    ]


def lists_of(streams):
    """The same as lists."""
    return [[(number, place) for place, _ in enumerate(stream)] for number, stream in enumerate(streams)]


def in_turns(lists):
    """One of each in turn, as long as it has any."""
    gone = object()
    return [item for row in itertools.zip_longest(*lists, fillvalue=gone) for item in row if item is not gone]


async def whole(stream, sources):
    """All of it; the sources are closed."""
    items, error = await listed(stream)
    assert error is None
    assert all(source.times_closed == 1 and source.running == 0 for source in sources)
    return items


@given(streams=st.lists(streams, max_size=4), size=st.integers(1, 4))
async def test_law_62_merge_is_a_shuffle_that_preserves_each_order(streams, size):
    sources = sources_of(streams)

    merged = await whole(merge(*sources, buffer=size), sources)

    for number, expected in enumerate(lists_of(streams)):
        assert [item for item in merged if item[0] == number] == expected
    assert len(merged) == sum(map(len, streams))


@given(streams=st.lists(streams, max_size=4))
async def test_interleave_takes_turns(streams):
    sources = sources_of(streams)

    assert await whole(interleave(*sources), sources) == in_turns(lists_of(streams))


@given(streams=st.lists(streams, max_size=4))
async def test_zip_streams_is_zip(streams):
    sources = sources_of(streams)

    assert await whole(zip_streams(*sources), sources) == list(zip(*lists_of(streams), strict=False))


@given(stream=streams, n=st.integers(0, 10))
async def test_take_and_skip_are_slices(stream, n):
    sources, (items,) = sources_of([stream, stream]), lists_of([stream])

    assert await whole(take(sources[0], n), sources[:1]) == items[:n]
    assert [place for _, place in await whole(skip(sources[1], n), sources[1:])] == [p for _, p in items[n:]]


@given(stream=streams, size=st.integers(1, 4), rate=st.sampled_from([0.5, 1, 100]))
async def test_buffer_throttle_and_timeout_change_nothing(stream, size, rate):
    sources = sources_of([stream])

    paced = timeout(throttle(buffer(sources[0], size), rate), 10)

    assert await whole(paced, sources) == lists_of([stream])[0]


@given(stream=streams, size=st.integers(1, 4), within=st.sampled_from([0.25, 1.0, 3.0, float("inf")]))
async def test_batch_loses_nothing_and_fills_lists_unless_time_is_short(stream, size, within):
    sources, (items,) = sources_of([stream]), lists_of([stream])

    lists = await whole(batch(sources[0], size, within), sources)

    assert [item for items in lists for item in items] == items
    assert all(1 <= len(items) <= size for items in lists)
    if within == float("inf"):
        assert all(len(items) == size for items in lists[:-1])


@given(
    stream=streams,
    takes=st.lists(delays, min_size=8, max_size=8),
    limit=st.integers(1, 4),
    ordered=st.booleans(),
)
async def test_map_concurrent_is_map(stream, takes, limit, ordered):
    sources, (items,) = sources_of([stream]), lists_of([stream])

    async def function(item):
        await anyio.sleep(takes[item[1]])
        return item[1] * 2

    values = await whole(map_concurrent(sources[0], function, limit=limit, ordered=ordered), sources)

    expected = [place * 2 for _, place in items]
    assert (values if ordered else sorted(values)) == expected
