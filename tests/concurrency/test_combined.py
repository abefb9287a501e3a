"""What all combinators promise: order, errors as they are, bounded reading ahead, and closed sources."""

import contextvars
import gc
from contextlib import nullcontext
from functools import partial

import anyio
import pytest

from concurrency.sources import After, Gone, Source, cancelled_elsewhere, double, listed, numbers
from toolcase import Call, Registry, RunCancelled
from toolcase.concurrency import (
    Stream,
    batch,
    buffer,
    create_task_group,
    interleave,
    map_concurrent,
    merge,
    move_on_after,
    skip,
    take,
    throttle,
    timeout,
    zip_streams,
)

COMBINATORS = {
    "merge": (merge, lambda items: items),
    "interleave": (interleave, lambda items: items),
    "zip_streams": (zip_streams, lambda items: [(item,) for item in items]),
    "buffer": (partial(buffer, size=2), lambda items: items),
    "throttle": (partial(throttle, per_second=1_000), lambda items: items),
    "batch": (partial(batch, size=1), lambda items: [[item] for item in items]),
    "take": (partial(take, n=50), lambda items: items),
    "skip": (partial(skip, n=0), lambda items: items),
    "timeout": (partial(timeout, seconds=60), lambda items: items),
    "map_concurrent": (
        partial(map_concurrent, function=double, limit=2),
        lambda items: [2 * item for item in items],
    ),
    "map_concurrent, not ordered": (
        partial(map_concurrent, function=double, limit=1, ordered=False),
        lambda items: [2 * item for item in items],
    ),
}
READ_AHEAD = {"merge": 16, "buffer": 2, "batch": 1 + 1 + 1, "map_concurrent": 1 + 2}
"""Buffers of those that have more than one."""


@pytest.fixture(params=COMBINATORS)
def name(request):
    return request.param


@pytest.fixture
def combine(name):
    return COMBINATORS[name][0]


@pytest.fixture
def model(name):
    return COMBINATORS[name][1]


async def test_gives_it_all_in_order_and_has_closed_the_source(combine, model):
    source = numbers(20)

    items, error = await listed(combine(source))

    assert (items, error) == (model(list(range(20))), None)
    assert source.closed


async def test_after_the_end_it_is_at_its_end(combine):
    async with combine(numbers(1)) as stream:
        await listed(stream)

        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_an_error_comes_as_it_was_raised_after_what_was_given_before_it(combine, model):
    gone = Gone()
    source = Source(0, 1, 2, gone)

    items, error = await listed(combine(source))

    assert items == model([0, 1, 2])
    assert error is gone
    assert source.closed


async def test_an_error_with_several_in_it_stays_as_it_is(combine):
    group = ExceptionGroup("of the source", [Gone(), Gone()])

    _, error = await listed(combine(Source(0, group)))

    assert error is group


async def test_what_is_no_exception_comes_as_it_was_raised(combine):
    end = SystemExit(3)

    with pytest.raises(SystemExit) as raised:
        await listed(combine(Source(end)))

    assert raised.value is end


@pytest.mark.backends("asyncio")
async def test_a_source_that_is_cancelled_by_itself_is_no_quiet_end(combine, model):
    async def source():
        yield 1
        yield 2
        await cancelled_elsewhere()

    got = []
    with pytest.raises(RunCancelled, match="and not the stream"):
        async for item in combine(source()):
            got.append(item)

    assert got == model([1, 2])


async def test_left_early_it_has_closed_the_source_where_that_was_read(combine):
    source = numbers(50, cleanup=1)

    async with combine(source) as stream:
        async for _ in stream:
            break

    assert source.closed
    assert source.begun_in not in (None, anyio.get_current_task().id)


async def test_an_error_of_the_reader_closes_it_too(combine):
    source = numbers(50, cleanup=1)

    with pytest.raises(Gone):
        async with combine(source) as stream:
            async for _ in stream:
                raise Gone

    assert source.closed


async def test_cancelled_with_its_reader_it_closes_the_source(combine):
    source = Source(0, anyio.Event(), every=10, cleanup=1)

    with move_on_after(5) as scope:
        await listed(combine(source))

    assert scope.cancelled_caught
    assert source.closed


async def test_closed_from_another_task_it_has_closed_the_source(combine):
    source, stream = numbers(50, every=1, cleanup=1), None
    async with create_task_group() as tasks:
        stream = combine(source)
        tasks.start_soon(listed, stream)
        await anyio.sleep(0.5)

        await stream.aclose()
        await stream.aclose()

        assert source.closed


async def test_never_read_nothing_starts_and_the_source_is_closed(combine):
    source = numbers(3)

    async with combine(source) as stream:
        await stream.aclose()

    assert source.begun_in is None
    assert source.times_closed == 1


async def test_cancelled_before_its_task_has_run_it_closes_the_source(combine):
    source = numbers(3)
    async with combine(source) as stream:
        with move_on_after(0):
            await anext(stream)

    assert source.times_closed == 1
    assert source.running == 0


async def test_closed_it_gives_nothing_more(combine):
    stream = combine(numbers(3))
    await stream.aclose()

    with pytest.raises(anyio.ClosedResourceError):
        await anext(stream)


async def test_a_read_that_was_cancelled_loses_nothing(combine, model):
    items = []

    async with combine(numbers(5, every=1)) as stream:
        while len(items) < 5:
            with move_on_after(0.3):
                items.append(await anext(stream))

    assert items == model(list(range(5)))


async def test_a_second_reader_is_refused(combine):
    async with combine(numbers(5)) as stream, create_task_group() as tasks:
        aiter(stream)

        async def second():
            with pytest.raises(RuntimeError, match="another task reads this stream"):
                aiter(stream)

        tasks.start_soon(second)


async def test_a_slow_reader_makes_the_source_wait(combine, name):
    source, taken = numbers(50), 0

    async with combine(source) as stream:
        async for _ in stream:
            taken += 1
            await anyio.sleep(1)
            assert source.produced <= taken + READ_AHEAD.get(name, 1) + 1
            if taken == 20:
                break

    assert source.closed


async def test_dropped_it_is_closed_soon(combine):
    source = numbers(50, cleanup=1)

    async for _ in combine(source):
        break
    gc.collect()
    await anyio.sleep(2)

    assert source.closed


async def test_what_the_source_raises_while_it_is_left_is_raised(combine):
    gone = Gone()
    source = numbers(50, every=1, faulty=gone)

    with pytest.raises(Gone) as raised:
        async with combine(source) as stream:
            await anext(stream)

    assert raised.value is gone
    assert source.closed


@pytest.mark.parametrize("away", [0, 1])
async def test_at_a_yield_too_and_its_clean_up_may_wait(combine, away):
    gone, steps = Gone(), []

    async def source():
        try:
            for number in range(50):
                yield number
        finally:
            await anyio.sleep(1)
            steps.append("cleaned up")
            raise gone

    with pytest.raises(Gone) as raised:
        async with combine(source()) as stream:
            await anext(stream)
            await anyio.sleep(away)  # it has read ahead by then, and waits for room

    assert steps == ["cleaned up"]
    assert raised.value is gone


async def test_but_it_is_not_raised_in_the_place_of_a_cancellation(combine):
    source = Source(0, After(9, 1), faulty=Gone())

    for entered in (True, False):
        with move_on_after(3) as scope:
            stream = combine(source)
            async with stream if entered else nullcontext():
                async for _ in stream:
                    pass

        assert scope.cancelled_caught
        assert source.running == 0


async def test_an_error_that_nobody_has_read_is_not_raised_on_leaving(combine):
    source = Source(0, Gone())

    async with combine(source) as stream:
        await anext(stream)
        await anyio.sleep(1)

    assert source.closed


async def test_the_source_runs_in_the_context_of_its_reader(combine):
    variable, seen = contextvars.ContextVar("variable", default="outside"), []

    async def source():
        seen.append(variable.get())
        yield 1

    variable.set("inside")
    await listed(combine(source()))

    assert seen == ["inside"]


async def test_a_source_may_have_scopes_open_between_its_items(combine, model):
    async def source():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 1)
            for number in range(3):
                with anyio.move_on_after(60):
                    yield number

    items, error = await listed(combine(source()))

    assert (items, error) == (model([0, 1, 2]), None)


async def test_reads_what_a_tool_streams(combine, model):
    registry, ended = Registry(), []

    @registry.tool
    async def count():
        try:
            for number in range(50):
                yield number
        finally:
            ended.append(True)

    async def content(chunks):
        async with chunks:
            async for chunk in chunks:
                yield chunk.content

    async with combine(content(registry.stream_execute("count"))) as stream:
        assert [item async for item in take(stream, 2)] == model([0, 1])

    assert ended == [True]


async def test_left_early_the_tools_whose_streams_it_reads_have_ended():
    registry, ended = Registry(), []

    @registry.tool
    async def count(least: int):
        try:
            for number in range(least, least + 50):
                yield number
                await anyio.sleep(1)
        finally:
            ended.append(least)

    streams = [registry.stream_execute("count", {"least": least}) for least in (0, 100)]
    async with merge(*streams) as merged:
        seen = sorted([(await anext(merged)).content for _ in range(4)])

    assert seen == [0, 1, 100, 101]
    assert sorted(ended) == [0, 100]
    assert registry.inflight() == []


async def test_what_a_tool_reads_through_it_are_its_child_calls():
    registry, parents = Registry(), []

    @registry.tool
    async def child(call: Call):
        parents.append(call.parent and call.parent.name)
        yield 1

    @registry.tool
    async def parent() -> int:
        async with merge(registry.stream_execute("child"), registry.stream_execute("child")) as merged:
            return len([chunk async for chunk in merged])

    assert await registry.call("parent") == 2
    assert parents == ["parent", "parent"]


async def test_any_iterable_will_do_but_no_list(combine, name):
    with pytest.raises(TypeError) as raised:
        combine([1, 2])

    assert str(raised.value) == (
        f"a source of {name.partition(',')[0]} must be an async iterable, got list; "
        "an async generator over it is one"
    )


async def test_what_has_no_close_is_left_to_its_owner(combine, model):
    class Bare:
        left = 3

        def __aiter__(self):
            return self

        async def __anext__(self):
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return self.left

    assert await listed(combine(Bare())) == (model([2, 1, 0]), None)


async def test_they_nest(combine, model):
    source = numbers(6)

    async with combine(buffer(take(source, 4), 2)) as stream:
        assert [item async for item in stream] == model([0, 1, 2, 3])

    assert source.closed
    assert isinstance(stream, Stream)


async def test_a_faulty_close_of_one_source_leaves_none_open():
    class Faulty(Source):
        async def aclose(self):
            await super().aclose()
            raise Gone

    sources = [Faulty(1), numbers(1), Faulty(2)]

    with pytest.raises(Gone):
        await merge(*sources).aclose()

    assert [source.times_closed for source in sources] == [1, 1, 1]


async def test_a_stream_cannot_be_closed_by_its_own_source():
    seen = []

    async def source():
        try:
            await streams[0].aclose()
        except RuntimeError as error:
            seen.append(str(error))
        yield 1

    streams = [buffer(source(), 1)]
    assert await listed(streams[0]) == ([1], None)

    assert "in its own task" in seen[0]


async def test_leaves_no_circle_through_an_error(combine):
    gc.collect()
    gc.disable()
    try:
        found = []

        class Watched(Exception):
            def __del__(self):
                found.append(True)

        async def source():
            yield 1
            raise Watched

        async def read():
            try:
                async for _ in combine(source()):
                    pass
            except Watched:
                pass

        await read()
        await anyio.sleep(0)

        assert found == [True]
    finally:
        gc.enable()
