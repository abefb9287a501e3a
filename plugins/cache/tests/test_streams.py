"""Streams given again: chunk by chunk, whole ones only, and apart from the one value of a call."""

import math

import anyio
import pytest

from asking import told
from toolcase import Registry, StreamChunk
from toolcase.testing import Recorder, cancel_at_every_await, current_clock
from toolcase_cache import CacheMiddleware, CoalesceMiddleware, KeptStream, MemoryCache, ValueNotKept
from toolcase_cache.store import weight


class Source:
    """A read-only tool `t` that streams these chunks, each after `after` seconds; an error is raised."""

    def __init__(self, *chunks, after=0.0):
        self.chunks, self.after = chunks, after
        self.starts = self.given = 0

    def host(self, *used, **settings):
        """A registry with these middleware around it, and a recorder around all."""
        registry, recorder = Registry(clock=current_clock(), **settings), Recorder()
        registry.use(recorder, *used)

        @registry.tool(read_only=True)
        async def t(a: int = 0):
            self.starts += 1
            for chunk in self.chunks:
                await anyio.sleep(self.after)
                if isinstance(chunk, Exception):
                    raise chunk
                self.given += 1
                yield chunk

        return registry, recorder


async def read(registry, **arguments):
    """Each chunk of one stream, as content, index and metadata."""
    return [(c.content, c.index, c.metadata) async for c in registry.stream("t", **arguments)]


CHUNKS = ["a", "", b"\xff\r\n", {"b": [1]}, StreamChunk("c", metadata={"d": [2]}), None]


async def test_is_given_again_with_the_same_chunks():
    source = Source(*CHUNKS)
    registry, recorder = source.host(CacheMiddleware(60))

    first, again = await read(registry), await read(registry)

    assert (
        first
        == again
        == [
            ("a", 0, {}),
            ("", 1, {}),
            (b"\xff\r\n", 2, {}),
            ({"b": [1]}, 3, {}),
            ("c", 4, {"d": [2]}),
            (None, 5, {}),
        ]
    )
    assert source.starts == 1
    assert told(recorder) == [["CacheMissed"], ["CacheHit"]]


async def test_nothing_counts_as_started_or_made_by_the_tool_when_it_is_given_again():
    registry, recorder = Source("a", "b").host(CacheMiddleware(60))
    await read(registry)

    stream = registry.stream("t")
    assert await stream.collect() == "ab"

    info = recorder.records[-1].call.info
    assert (stream.result.attempts, info.attempts, info.chunks, info.first_chunk) == (0, 0, 0, None)


async def test_an_empty_stream_is_given_again_too():
    source = Source()
    registry, _ = source.host(CacheMiddleware(60))

    assert [await read(registry), await read(registry)] == [[], []]
    assert source.starts == 1


async def test_what_is_made_of_it_besides_its_chunks_is_given_again_too():
    async def says_so(call, inner):
        assert await inner(call) is None
        return "instead"

    says_so.stage = CacheMiddleware.stage
    source = Source()
    registry, _ = source.host(CacheMiddleware(60), says_so)

    assert [await read(registry), await read(registry)] == [[("instead", 0, {})]] * 2
    assert source.starts == 1


async def test_a_reader_who_changes_what_it_is_given_does_not_change_the_cache():
    registry, _ = Source([1], StreamChunk("a", metadata={"b": [2]})).host(CacheMiddleware(60))

    for _ in range(3):
        first, second = [chunk async for chunk in registry.stream("t")]

        assert (first.content, first.metadata, second.metadata) == ([1], {}, {"b": [2]})
        first.content.append("more")
        first.metadata["more"] = True
        second.metadata["b"].append("more")


async def test_a_stream_and_the_one_value_of_a_call_are_two():
    source = Source("a", "b")
    registry, _ = source.host(CacheMiddleware(60))

    for _ in range(2):
        assert await registry.call("t") == "ab"
        assert [content for content, *_ in await read(registry)] == ["a", "b"]

    assert source.starts == 2


async def test_other_arguments_are_another_stream():
    source = Source("a")
    registry, _ = source.host(CacheMiddleware(60))

    for a in (1, 2, 1):
        await read(registry, a=a)

    assert source.starts == 2


async def test_is_kept_for_its_time_and_until_it_is_cleared():
    source, cache = Source("a"), CacheMiddleware(60)
    registry, _ = source.host(cache)

    await read(registry)
    await anyio.sleep(59.9)
    await read(registry)
    assert source.starts == 1
    await anyio.sleep(0.1)
    await read(registry)
    assert source.starts == 2
    await cache.clear("t")
    await read(registry)
    assert source.starts == 3


async def test_what_was_begun_before_a_clearing_is_not_kept():
    source, cache = Source("a", "b", after=1), CacheMiddleware(60)
    registry, _ = source.host(cache)

    async with registry.stream("t") as stream:
        await anext(stream)
        await cache.clear()
        assert [chunk.content async for chunk in stream] == ["b"]
    await read(registry)

    assert source.starts == 2


@pytest.mark.parametrize("before", [(), ("a",), ("a", "b")])
async def test_one_that_fails_is_not_kept(before):
    source = Source(*before, ValueError("no"))
    registry, _ = source.host(CacheMiddleware(60))

    for _ in range(2):
        given = []
        with pytest.raises(ValueError, match="no"):
            async for chunk in registry.stream("t"):
                given.append(chunk.content)
        assert given == list(before)

    assert source.starts == 2


async def test_one_that_its_reader_leaves_is_not_kept():
    source = Source("a", "b", "c", after=1)
    registry, _ = source.host(cache := CacheMiddleware(60))

    async with registry.stream("t") as stream:
        await anext(stream)
    with anyio.move_on_after(1.5):
        await read(registry)

    assert len(cache.store) == 0
    assert len(await read(registry)) == 3
    assert source.starts == 3


async def test_one_whose_sink_fails_is_not_kept():
    source = Source("a", "b")
    registry, _ = source.host(cache := CacheMiddleware(60))

    def sink(chunk):
        if chunk.index == 1:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await registry.stream("t").stream_to(sink)

    assert len(cache.store) == 0


async def test_one_that_a_middleware_makes_whole_after_its_reader_has_gone_is_not_kept():
    async def swallowing(call, inner):
        try:
            return await inner(call)
        except BaseException:
            return "fine"

    swallowing.stage = CacheMiddleware.stage
    registry, _ = Source("a").host(cache := CacheMiddleware(60), swallowing)

    async def sink(chunk):
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await registry.stream("t").stream_to(sink)

    assert len(cache.store) == 0


@pytest.mark.parametrize("verb", ["block", "collect", "stream_to"])
def test_wherever_it_is_cancelled_a_whole_stream_is_kept_or_none(verb, backend):
    caches = []

    async def scenario():
        caches.append(cache := CacheMiddleware(60))
        registry, _ = Source("a", "b", "c", after=1).host(cache)
        for _ in range(2):
            stream = registry.stream_execute("t", buffer=1)
            match verb:
                case "block":
                    async with stream:
                        assert [chunk.content async for chunk in stream] == ["a", "b", "c"]
                case "collect":
                    assert await stream.collect() == "abc"
                case "stream_to":
                    await stream.stream_to(lambda chunk: anyio.sleep(0.5))

    def whole_or_none():
        kept = [entry.value.chunks for entry in caches[-1].store._entries.values()]
        assert kept in ([], [tuple(StreamChunk(text, place) for place, text in enumerate("abc"))])

    cancel_at_every_await(scenario, backend=backend, check=whole_or_none)


@pytest.mark.parametrize("number", [1, 3])
async def test_the_tool_may_be_left_in_the_middle_of_what_is_given_again(number):
    source = Source("a", "b", "c", "d")
    registry, _ = source.host(CacheMiddleware(60))
    await read(registry)

    async with registry.stream_execute("t", buffer=1) as stream:
        assert [(await anext(stream)).content for _ in range(number)] == ["a", "b", "c"][:number]

    assert (len(await read(registry)), source.starts) == (4, 1)
    assert registry.inflight() == []


def size_of(*contents):
    return sum(weight(StreamChunk(content, place), math.inf) for place, content in enumerate(contents))


@pytest.mark.parametrize(("less", "runs"), [(0, 1), (1, 2)])
async def test_one_that_is_longer_than_is_allowed_passes_and_is_not_kept(less, runs):
    contents = ["a" * 100, "b" * 100, "c" * 100]
    source = Source(*contents)
    registry, recorder = source.host(CacheMiddleware(60, max_stream_bytes=size_of(*contents) - less))

    for _ in range(2):
        assert [content for content, *_ in await read(registry)] == contents

    assert source.starts == runs
    if less:
        _, kept_not = recorder.records[0].events
        assert isinstance(kept_not, ValueNotKept)
        assert "the stream of 't' takes more memory than max_stream_bytes=" in str(kept_not.error)


async def test_what_is_too_long_is_let_go_at_once():
    size = size_of("a" * 100, "b")
    registry, recorder = Source("a" * 100, "b", "c").host(CacheMiddleware(60, max_stream_bytes=size))

    async with registry.stream_execute("t", buffer=1) as stream:
        for _ in range(3):
            await anext(stream)
            await anyio.wait_all_tasks_blocked()

        emit = recorder.records[0].events
        assert [type(event).__name__ for event in emit] == ["CacheMissed", "ValueNotKept"]


async def test_no_limit_keeps_what_the_store_has_room_for():
    source = Source("a" * 2 * 1024 * 1024)
    registry, _ = source.host(CacheMiddleware(60, max_stream_bytes=math.inf))

    await read(registry)
    await read(registry)

    assert source.starts == 1


async def test_the_limit_is_a_mebibyte_unless_said_otherwise():
    source = Source("a" * 1024 * 1024)
    registry, _ = source.host(CacheMiddleware(60))

    await read(registry)
    await read(registry)

    assert source.starts == 2


async def test_one_with_a_chunk_that_cannot_be_copied_passes_and_is_not_kept():
    generator = (each for each in ())
    source = Source("a", generator, "b")
    registry, recorder = source.host(cache := CacheMiddleware(60))

    assert [content for content, *_ in await read(registry)] == ["a", generator, "b"]

    assert len(cache.store) == 0
    assert told(recorder) == [["CacheMissed", "ValueNotKept"]]


class Keeping:
    """A store that keeps what it is given, and gives what it is told to."""

    def __init__(self, gives=None):
        self.gives, self.kept = gives, []

    async def get(self, key, clock):
        return self.gives

    async def put(self, key, value, ttl_seconds, clock):
        self.kept.append(value)

    async def clear(self, tool): ...


async def test_a_store_is_given_a_whole_stream():
    registry, _ = Source("a", "b").host(CacheMiddleware(60, store=(store := Keeping())))

    await read(registry)

    assert store.kept == [KeptStream((StreamChunk("a", 0), StreamChunk("b", 1)))]


async def test_a_store_that_gives_something_else_for_a_stream_has_failed():
    memory = MemoryCache()
    await memory.put("k", "text", 60, current_clock())
    store = Keeping(gives=await memory.get("k", current_clock()))
    source, cache = Source("a"), CacheMiddleware(60, store=store)
    registry, _ = source.host(cache)

    assert [content for content, *_ in await read(registry)] == ["a"]
    assert cache.stats().failures == 1


async def test_streams_run_alone():
    source = Source("a", "b", after=1)
    registry, recorder = source.host(CoalesceMiddleware())
    given = []

    async def one():
        given.append([content for content, *_ in await read(registry)])

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(one)

    assert given == [["a", "b"]] * 3
    assert (source.starts, told(recorder)) == (3, [[]] * 3)


async def test_calls_that_gather_a_stream_share_one_run():
    source = Source("a", "b", after=1)
    registry, _ = source.host(CoalesceMiddleware())
    given = []

    async def one():
        given.append(await registry.call("t"))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(one)

    assert (given, source.starts) == (["ab"] * 3, 1)


async def test_a_shared_run_gathers_no_more_than_its_first_call_may_have():
    source = Source(*["a" * 100] * 50)
    registry, _ = source.host(CoalesceMiddleware(), max_result_bytes=1_000)

    result = await registry.execute("t")

    assert (result.error.code.value, source.given) == ("INVALID_RESULT", 11)
