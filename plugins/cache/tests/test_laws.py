"""Laws 37 to 41: caching and single flight."""

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import anyio
from hypothesis import given
from hypothesis import strategies as st

from asking import host
from toolcase import Registry
from toolcase.testing import Fail, Give, Script, current_clock
from toolcase.testing.strategies import json_values, outcomes, scripts
from toolcase_cache import CacheMiddleware, CoalesceMiddleware, MemoryCache

TTL = 8


class Ask(NamedTuple):
    """A call, so many seconds after the one before it; it leaves after so many, if at all."""

    after: float
    a: int = 0
    leaves: float | None = None


moments = st.sampled_from([0.0, 0.5, 1.0, 3.0, 8.0])
asks = st.lists(st.builds(Ask, moments, st.integers(0, 2), st.none()), min_size=1, max_size=8)
leavers = st.lists(st.builds(Ask, moments, st.just(0), st.none() | moments), min_size=2, max_size=6)


class Broken:
    """A store that fails as drawn, and answers as drawn late."""

    def __init__(self, fails, waits):
        self._fails, self._waits, self._memory = iter(fails), iter(waits), MemoryCache()

    async def get(self, *facts):
        return await self._asked(self._memory.get, facts)

    async def put(self, *facts):
        return await self._asked(self._memory.put, facts)

    async def _asked(self, verb, facts):
        await anyio.sleep(next(self._waits, 0))
        if next(self._fails, False):
            raise OSError("no store")
        return await verb(*facts)


async def asked(registry, asks):
    """How each call ended: with a value, an error's name, or None if it left."""
    given = [None] * len(asks)

    async def one(place, ask):
        with anyio.move_on_after(float("inf") if ask.leaves is None else ask.leaves):
            result = await registry.execute("t", {"a": ask.a})
            given[place] = ("value", result.value) if result.ok else ("error", result.error.type)

    async with anyio.create_task_group() as tasks:
        for place, ask in enumerate(asks):
            if ask.after:  # those that come after nothing come in the same tick
                await anyio.sleep(ask.after)
            tasks.start_soon(one, place, ask)
    return given


@given(asks=asks, takes=moments)
async def test_law_37_no_more_runs_than_keys_and_times_to_live(asks, takes):
    script = Script(Give(1, after=takes))
    registry = host(script, CacheMiddleware(TTL), CoalesceMiddleware())
    starts = []
    script.play = noting(starts, script.play)

    await asked(registry, asks)

    for a in {ask.a for ask in asks}:
        times = [at for key, at in starts if key == a]
        assert all(later - earlier >= TTL for earlier, later in pairwise(times))


def noting(starts, play):
    async def noted(arguments):
        starts.append((arguments["a"], current_clock().now))
        return await play(arguments)

    return noted


@given(asks=leavers, outcome=outcomes(), place=st.integers(0, 6))
async def test_law_38_who_leaves_changes_nothing_for_the_rest(asks, outcome, place):
    asks, outcome = [Ask(0, leaves=ask.leaves) for ask in asks], replace(outcome, after=outcome.after + 0.25)
    asks.insert(place, Ask(0))
    script = Script(outcome)

    given = await asked(host(script, CoalesceMiddleware()), asks)

    alone = await asked(host(Script(outcome)), [Ask(0)])
    stayed = [end for end, ask in zip(given, asks, strict=True) if ask.leaves is None]
    assert stayed == alone * len(stayed)
    assert (len(script.starts), script.cancelled) == (1, 0)


@given(asks=leavers, steps=scripts())
async def test_law_38_nothing_runs_when_all_have_left(asks, steps):
    script, flights = Script(*steps), CoalesceMiddleware()

    await asked(host(script, flights), [ask._replace(leaves=ask.leaves or 1.0) for ask in asks])

    assert (script.running, flights.flights) == (0, 0)


@given(value=json_values())
async def test_law_39_what_is_given_again_is_equal_and_not_the_same(value):
    registry = host(Script(Give([value])), CacheMiddleware(TTL))

    for _ in range(3):
        given = await registry.call("t", a=0)

        assert repr(given) == repr([value])
        given.append("by its caller")


@given(value=json_values(), asks=asks, takes=moments)
async def test_law_40_a_tool_that_always_gives_the_same_gives_it_through_both(value, asks, takes):
    registry = host(Script(Give(value, after=takes)), CacheMiddleware(TTL), CoalesceMiddleware())

    assert repr(await asked(registry, asks)) == repr([("value", value)] * len(asks))


@given(
    asks=asks,
    outcome=outcomes(),
    fails=st.lists(st.booleans(), max_size=10),
    waits=st.lists(moments, max_size=10),
)
async def test_law_41_a_store_that_fails_changes_nothing(asks, outcome, fails, waits):
    cached = host(Script(outcome), CacheMiddleware(TTL, store=Broken(fails, waits)))

    assert await asked(cached, asks) == await asked(host(Script(outcome)), asks)


async def test_law_41_also_where_it_always_fails():
    script = Script(Give(1), Fail(ValueError("no")), Give(2))
    registry = host(script, CacheMiddleware(TTL, store=Broken([True] * 9, [])))

    assert await asked(registry, [Ask(1)] * 3) == [("value", 1), ("error", "ValueError"), ("value", 2)]


# The same for streams


class Ends(NamedTuple):
    """What a streaming tool gives, each chunk after so many seconds, and the error at its end, if any."""

    chunks: list
    after: float
    error: str | None


ends = st.builds(Ends, st.lists(json_values(), max_size=4), moments, st.none() | st.just("drawn"))


def streaming(end, *used, starts=None):
    """A registry with a read-only tool `t` that ends so."""
    registry = Registry(clock=current_clock())
    registry.use(*used)

    @registry.tool(read_only=True)
    async def t(a: int):
        if starts is not None:
            starts.append(a)
        for chunk in end.chunks:
            await anyio.sleep(end.after)
            yield chunk
        if end.error is not None:
            raise ValueError(end.error)

    return registry


async def chunks_of(registry, a):
    """The chunks of one stream, and the error after them."""
    given, stream = [], registry.stream("t", a=a)
    try:
        async for chunk in stream:
            given.append(chunk)
    except ValueError as error:
        return given, str(error)
    return given, None


async def streamed(registry, asks):
    """How each stream ended: with its chunks and its error, or None if its reader left."""
    given = [None] * len(asks)

    async def one(place, ask):
        with anyio.move_on_after(float("inf") if ask.leaves is None else ask.leaves):
            chunks, error = await chunks_of(registry, ask.a)
            given[place] = repr([(chunk.content, chunk.index, chunk.metadata) for chunk in chunks]), error

    async with anyio.create_task_group() as tasks:
        for place, ask in enumerate(asks):
            await anyio.sleep(ask.after)
            tasks.start_soon(one, place, ask)
    return given


@given(values=st.lists(json_values(), max_size=4))
async def test_law_39_a_stream_given_again_is_equal_and_not_the_same(values):
    registry = streaming(Ends([[value] for value in values], 0, None), CacheMiddleware(TTL))
    seen = []

    for _ in range(3):
        given, _ = await chunks_of(registry, 0)

        assert repr([chunk.content for chunk in given]) == repr([[value] for value in values])
        assert not {id(chunk.content) for chunk in given} & {id(content) for content in seen}
        seen += [chunk.content for chunk in given]
        if values:
            given[0].content.append("by its reader")
            given[0].metadata["by"] = "its reader"


@given(end=ends, asks=st.lists(st.builds(Ask, moments, st.integers(0, 2), st.none() | moments), max_size=6))
async def test_law_40_a_stream_is_the_same_through_both(end, asks):
    cached, starts = CacheMiddleware(TTL), []

    given = await streamed(streaming(end, cached, CoalesceMiddleware(), starts=starts), asks)

    plain = await streamed(streaming(end), asks)
    for ended, alone in zip(given, plain, strict=True):
        assert ended == alone or alone is None  # one that was given again may come to its end in time
    assert len(starts) == cached.stats().misses
    if end.error is not None:
        assert len(cached.store) == 0


@given(
    asks=asks,
    end=ends,
    fails=st.lists(st.booleans(), max_size=10),
    waits=st.lists(moments, max_size=10),
)
async def test_law_41_a_store_that_fails_changes_no_stream(asks, end, fails, waits):
    cached = streaming(end, CacheMiddleware(TTL, store=Broken(fails, waits)))

    assert await streamed(cached, asks) == await streamed(streaming(end), asks)
