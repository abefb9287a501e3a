"""Streams of a registry: what a reader is given, who owns the tool, and when it has ended."""

import asyncio
import gc
from contextvars import ContextVar

import anyio
import anyio.to_thread
import pytest

from toolcase import (
    Call,
    CancellationToken,
    Denied,
    ExecutionContext,
    InvalidResult,
    Registry,
    RunCancelled,
    StreamChunk,
    StreamEnded,
    StreamStarted,
    ToolTimeout,
    Unavailable,
    UnknownTool,
    remaining,
    shielded,
    tool,
)
from toolcase.chunk import StreamStopped
from toolcase.events import CancelOverrun


class Source:
    """Tools that stream, and what has become of them."""

    def __init__(self):
        self.made = 0
        self.open = 0
        self.registry = Registry()
        self.registry.add(self.numbers, self.plain)

    async def numbers(self, until: int = 1_000_000, wait: float = 0, fails: bool = False, cleanup: float = 0):
        """Count from 0, `wait` seconds each; clean up for `cleanup` seconds."""
        self.open += 1
        try:
            for number in range(until):
                await anyio.sleep(wait)
                self.made += 1
                yield number
            if fails:
                raise ValueError("no further")
        finally:
            with shielded():
                await anyio.sleep(cleanup)
            self.open -= 1

    async def plain(self, wait: float = 0) -> str:
        """One value."""
        self.open += 1
        try:
            await anyio.sleep(wait)
            return "value"
        finally:
            self.open -= 1


@pytest.fixture
def source():
    return Source()


async def read(stream):
    return [chunk.content async for chunk in stream]


async def settle():
    """Let what was told to end soon do so."""
    await anyio.sleep(0.01)


# What a reader is given


async def test_gives_each_chunk_with_its_place(source):
    chunks = [chunk async for chunk in source.registry.stream("numbers", until=3)]

    assert chunks == [StreamChunk(0, 0), StreamChunk(1, 1), StreamChunk(2, 2)]


async def test_a_chunk_says_its_content(source):
    assert "".join([str(chunk) async for chunk in source.registry.stream("plain")]) == "value"


async def test_a_tool_may_make_its_own_chunks_and_their_places_are_counted():
    registry = Registry()

    @registry.tool
    async def said():
        yield StreamChunk("a", metadata={"id": 7})
        yield "b"

    chunks = [chunk async for chunk in registry.stream("said")]

    assert chunks == [StreamChunk("a", 0, {"id": 7}), StreamChunk("b", 1)]


async def test_takes_json_and_gives_text_and_bytes_and_data():
    registry = Registry()

    @registry.tool
    async def mixed(first: str):
        yield first
        yield b""
        yield {"a": [1]}
        yield None

    assert await read(registry.stream_execute("mixed", b'{"first": "x"}')) == ["x", b"", {"a": [1]}, None]


async def test_gives_what_was_there_before_an_error_and_then_that_very_error():
    registry, fault, got = Registry(), ValueError("no further"), []

    @registry.tool
    async def fails():
        yield 1
        yield 2
        raise fault

    with pytest.raises(ValueError, match="no further") as raised:
        async for chunk in registry.stream("fails"):
            got.append(chunk.content)

    assert got == [1, 2]
    assert raised.value is fault
    assert raised.traceback[-1].name == "fails"


@pytest.mark.parametrize("owned", [True, False])
async def test_an_error_that_ends_iterators_is_no_quiet_end(source, owned):
    @source.registry.tool
    async def takes_one_too_many() -> str:
        raise StopAsyncIteration

    stream = source.registry.stream("takes_one_too_many")
    with pytest.raises(RuntimeError, match="raised StopAsyncIteration") as caught:
        if owned:
            async with stream:
                await read(stream)
        await read(stream)

    assert caught.value.__cause__ is stream.result.error.cause


async def test_a_stream_that_ended_has_no_more(source):
    stream = source.registry.stream("numbers", until=1)
    assert await read(stream) == [0]

    assert await read(stream) == []


async def test_a_refused_call_raises_when_it_is_read(source):
    with pytest.raises(UnknownTool, match="no tool named 'nmbers'; did you mean 'numbers'"):
        await read(source.registry.stream("nmbers"))


async def test_a_tool_that_streams_nothing_and_gives_a_value_by_its_middleware_gives_that():
    registry = Registry()

    @registry.use
    async def kept(call, inner):
        return "kept"

    @registry.tool
    async def never():
        yield 1

    assert await read(registry.stream("never")) == ["kept"]


async def test_a_middleware_may_stand_between_a_tool_and_its_reader(source):
    async def doubled(call, inner):
        async def emit(chunk):
            await call.emit(chunk)
            await call.emit(chunk)

        return await inner(call.streaming_to(emit))

    source.registry.use(doubled)

    chunks = [chunk async for chunk in source.registry.stream("numbers", until=2)]

    assert chunks == [StreamChunk(0, 0), StreamChunk(0, 1), StreamChunk(1, 2), StreamChunk(1, 3)]


async def test_the_value_of_a_plain_tool_is_its_one_chunk(source):
    stream = source.registry.stream("plain")

    assert [chunk async for chunk in stream] == [StreamChunk("value", 0)]
    assert stream.result.value == "value"


async def test_a_plain_tool_that_gives_nothing_gives_one_chunk_too():
    registry = Registry()

    @registry.tool
    async def nothing():
        pass

    assert await read(registry.stream("nothing")) == [None]


async def test_a_view_has_streams_of_what_it_sees(source):
    view = source.registry.view(only="plain", context=ExecutionContext(session_id="s"))

    assert await read(view.stream("plain")) == ["value"]
    with pytest.raises(UnknownTool):
        await read(view.stream_execute("numbers"))


# Settings


async def test_ends_with_the_limit_of_the_call(source):
    got = []

    with pytest.raises(ToolTimeout):
        async for chunk in source.registry.stream_execute("numbers", {"wait": 1}, timeout=2.5):
            got.append(chunk.content)

    assert got == [0, 1]


async def test_a_view_bounds_its_streams_by_the_smaller_limit(source):
    view = source.registry.view(timeout=2.5)

    for timeout, made in ((None, 2), (1.5, 1), (9, 2)):
        source.made = 0
        with pytest.raises(ToolTimeout):
            await read(view.stream_execute("numbers", {"wait": 1}, timeout=timeout))
        assert source.made == made


@pytest.mark.parametrize("buffer", [1, 3])
async def test_a_slow_reader_slows_the_tool(source, buffer):
    async with source.registry.stream_execute("numbers", buffer=buffer) as stream:
        await anext(stream)
        await anyio.sleep(1)

        assert source.made <= 1 + buffer + 1


async def test_a_tool_says_how_many_of_its_chunks_may_wait(source):
    source.registry.add(tool(name="eager", buffer=40)(source.numbers))

    for settings, most in ({}, 40), ({"buffer": 2}, 2):
        source.made = 0
        async with source.registry.stream_execute("eager", **settings) as stream:
            await anext(stream)
            await anyio.sleep(1)
        assert most <= source.made <= 1 + most + 1


@pytest.mark.parametrize("buffer", [0, -1, True, 1.5])
def test_refuses_what_is_no_number_of_chunks(source, buffer):
    with pytest.raises((TypeError, ValueError), match=f"buffer must be .*, got {buffer}"):
        source.registry.stream_execute("numbers", buffer=buffer)


def test_refuses_a_limit_that_is_none(source):
    for verbs in (source.registry, source.registry.view()):
        with pytest.raises(ValueError, match="timeout must be above 0 seconds, got -1"):
            verbs.stream_execute("numbers", timeout=-1)


async def test_large_chunks_fill_the_buffer_before_it_is_full():
    registry, made = Registry(), []

    @registry.tool
    async def large():
        while True:
            made.append(1)
            yield bytes(600_000)

    async with registry.stream("large") as stream:
        await anext(stream)
        await anyio.sleep(1)

    assert len(made) <= 1 + 2 + 1


async def test_a_chunk_larger_than_the_whole_buffer_passes():
    registry = Registry()

    @registry.tool
    async def huge():
        yield "x" * 3_000_000
        yield "y" * 3_000_000

    assert [len(content) for content in await read(registry.stream("huge"))] == [3_000_000] * 2


async def test_says_in_whose_name(source):
    registry = Registry()

    @registry.tool
    async def who(call: Call):
        yield call.context.principal_id
        yield call.context.idempotency_key

    context = ExecutionContext(principal_id="ann")
    assert await read(registry.stream_execute("who", context=context, idempotency_key="k")) == ["ann", "k"]


async def test_ends_with_the_token_of_its_context(source):
    token, got = CancellationToken(), []
    context = ExecutionContext(cancellation=token)

    with pytest.raises(RunCancelled, match="enough"):
        async for chunk in source.registry.stream_execute("numbers", {"wait": 1}, context=context):
            got.append(chunk)
            token.cancel("enough")

    assert len(got) == 1
    assert source.open == 0


# Who owns the tool


async def test_nothing_starts_before_the_first_read(source):
    stream = source.registry.stream("numbers")
    await settle()
    async with source.registry.stream("numbers"):
        await settle()
    await stream.aclose()

    assert source.made == 0
    assert source.registry.inflight() == []


async def test_the_tool_has_ended_when_the_stream_has(source):
    await read(source.registry.stream("numbers", until=2, cleanup=1))

    assert source.open == 0
    assert source.registry.inflight() == []


@pytest.mark.parametrize("cleanup", [0, 3])
async def test_the_tool_has_ended_when_the_block_ends_early(source, cleanup):
    async with source.registry.stream("numbers", cleanup=cleanup) as stream:
        async for chunk in stream:
            if chunk.content == 2:
                break

    assert source.open == 0
    assert source.registry.inflight() == []


async def test_the_tool_has_ended_when_the_reader_fails(source):
    with pytest.raises(ZeroDivisionError):
        async with source.registry.stream("numbers", cleanup=1) as stream:
            async for _ in stream:
                1 / 0  # noqa: B018

    assert source.open == 0


async def test_without_a_block_the_tool_is_cancelled_soon_after_a_break(source):
    async for chunk in source.registry.stream("numbers", wait=0.001):
        if chunk.content == 2:
            break
    gc.collect()
    await settle()

    assert source.open == 0
    assert source.registry.inflight() == []


async def test_without_a_block_a_read_that_is_cancelled_ends_the_tool(source):
    stream = source.registry.stream("numbers", wait=5, cleanup=1)

    with anyio.move_on_after(1) as scope:
        await anext(stream)

    assert scope.cancelled_caught
    assert source.open == 0
    with pytest.raises(anyio.ClosedResourceError):
        await anext(stream)


@pytest.mark.parametrize("tool", ["numbers", "plain"])
async def test_inside_a_block_a_read_that_is_cancelled_loses_nothing(source, tool):
    beats = 0
    async with source.registry.stream(tool, wait=2.5) as stream:
        while True:
            with anyio.move_on_after(1) as heartbeat:
                chunk = await anext(stream)
            if not heartbeat.cancelled_caught:
                break
            beats += 1

    assert beats == 2
    assert chunk.content in (0, "value")


@pytest.mark.backends("asyncio")
async def test_inside_a_block_a_native_cancel_of_a_read_loses_nothing(source):
    async with source.registry.stream("numbers", until=3, wait=1) as stream:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.5)

        assert await read(stream) == [0, 1, 2]


async def test_closing_often_is_closing_once(source):
    stream = source.registry.stream("numbers")
    await anext(stream)

    for _ in range(3):
        await stream.aclose()

    assert source.open == 0


async def test_several_tasks_may_close_it_at_once(source):
    stream = source.registry.stream("numbers", cleanup=2)
    await anext(stream)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.aclose)
        tasks.start_soon(stream.aclose)

    assert source.open == 0


@pytest.mark.backends("asyncio")
async def test_closing_it_again_does_not_cut_its_clean_up():
    registry, cleaned = Registry(), []

    @registry.tool
    async def careful():
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(2)
            cleaned.append(1)

    stream = registry.stream("careful")
    await anext(stream)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.aclose)
        await anyio.sleep(1)
        tasks.start_soon(stream.aclose)

    assert cleaned == [1]


@pytest.mark.parametrize("tool", ["numbers", "plain"])
async def test_another_task_may_close_it_while_a_reader_waits(source, tool):
    stream, ends = source.registry.stream(tool, wait=5), []

    async def reader():
        with pytest.raises(anyio.ClosedResourceError, match="closed before its end"):
            await read(stream)
        ends.append(source.open)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader)
        await anyio.sleep(1)
        await stream.aclose()

    assert ends == [0]


async def test_closing_it_waits_for_a_shielded_piece_of_its_tool():
    registry, done = Registry(), []

    @registry.tool
    async def careful():
        yield 1
        with shielded(9):
            await anyio.sleep(5)
            done.append(1)

    async with registry.stream("careful") as stream:
        await anext(stream)
        await anyio.sleep(1)

    assert done == [1]


async def test_closing_a_stream_before_its_task_has_begun(source):
    stream, ends = source.registry.stream("numbers", wait=5), []

    async def reader():
        with pytest.raises(anyio.ClosedResourceError):
            await anext(stream)
        ends.append(1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader)
        while stream._work is None:
            await anyio.lowlevel.checkpoint()
        await stream.aclose()

    assert ends == [1]
    assert source.registry.inflight() == []


async def test_a_cancelled_close_has_closed(source):
    stream = source.registry.stream("numbers", cleanup=2)
    await anext(stream)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await stream.aclose()

    assert source.open == 0


@pytest.mark.backends("asyncio")
async def test_a_close_that_is_cancelled_natively_has_closed_too(source):
    stream = source.registry.stream("numbers", cleanup=2)
    await anext(stream)

    closes = asyncio.ensure_future(stream.aclose())
    for _ in range(2):
        await anyio.sleep(0.5)
        closes.cancel()

    with pytest.raises(asyncio.CancelledError):
        await closes
    assert source.open == 0


async def test_refuses_a_second_reader_of_the_same_stream(source):
    refused = []
    async with source.registry.stream("numbers", wait=1) as stream:

        async def second():
            for attempt in (aiter, anext):
                try:
                    await attempt(stream)
                except RuntimeError as error:
                    refused.append(str(error))

        await anext(aiter(stream))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(second)
            await anext(stream)

    assert [said.split(";")[0] for said in refused] == [
        "another task reads this stream",
        "another task waits for this stream's next item",
    ]


async def test_refuses_to_be_closed_by_what_its_tool_waits_for(source):
    streams = []

    @source.registry.tool
    async def inner():
        yield 1
        await streams[0].aclose()

    @source.registry.tool
    async def outer():
        async for chunk in source.registry.stream("inner"):
            yield chunk

    streams.append(source.registry.stream("outer"))
    with pytest.raises(RuntimeError, match="cannot be closed in its own task"):
        await read(streams[0])


async def test_its_work_has_ended_when_it_has(source):
    for fails in (False, True):
        stream = source.registry.stream("numbers", until=1, fails=fails)
        await anext(stream)
        with pytest.raises((StopAsyncIteration, ValueError)):
            await stream.__anext__()
        assert stream.work.ended


async def test_refuses_to_be_closed_by_its_own_tool(source):
    streams = []

    @source.registry.tool
    async def closes_itself():
        yield 1
        await streams[0].aclose()

    streams.append(source.registry.stream("closes_itself"))
    with pytest.raises(RuntimeError, match="cannot be closed in its own task"):
        await read(streams[0])


async def test_nor_by_any_task_for_which_its_tool_waits(source):
    streams, refused = [], []

    @source.registry.tool
    async def abort() -> None:
        try:
            await streams[0].aclose()
        except RuntimeError as error:
            refused.append(str(error))

    @source.registry.tool
    async def closes_itself_elsewhere():
        yield 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(source.registry.call, "abort")
        yield 2

    streams.append(source.registry.stream("closes_itself_elsewhere"))
    with anyio.fail_after(5):
        assert await read(streams[0]) == [1, 2]

    assert "would wait for itself" in refused[0]


@pytest.mark.parametrize(("cleanup", "reported"), [(4.9, 0), (5.1, 1)])
@pytest.mark.parametrize("verb", ["read", "stream_to"])
async def test_a_tool_that_does_not_end_soon_when_its_stream_is_closed_is_reported(
    source, verb, cleanup, reported
):
    events = []
    source.registry.on_event(events.append)

    @source.registry.tool
    async def slow_to_end():
        try:
            yield 1
            await anyio.sleep(100)
        finally:
            with shielded(20):
                await anyio.sleep(cleanup)

    stream = source.registry.stream("slow_to_end")
    if verb == "read":
        await anext(stream)
        await stream.aclose()
    else:

        async def hand_on():
            with pytest.raises(anyio.ClosedResourceError):
                await stream.stream_to(lambda chunk: None)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hand_on)
            await anyio.sleep(1)
            await stream.aclose()

    await anyio.sleep(10)
    assert events == [CancelOverrun(tool="slow_to_end", grace=5.0)] * reported


async def test_a_tool_that_ends_just_when_its_stream_is_dropped_is_not_reported(source):
    events = []
    source.registry.on_event(events.append)

    @source.registry.tool
    async def ends_after(turns: int):
        yield 1
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()

    for turns in range(6):
        for later in range(6):
            stream = source.registry.stream("ends_after", turns=turns)
            await anext(stream)
            for _ in range(later):
                await anyio.lowlevel.checkpoint()
            del stream
            await settle()

    await anyio.sleep(10)
    assert events == []


@pytest.mark.parametrize("full", [True, False])
def test_one_whose_loop_has_gone_is_closed_at_once_and_has_no_more(source, full):
    stream, loop = source.registry.stream("numbers", wait=0 if full else 100), asyncio.new_event_loop()

    async def begin():
        with anyio.move_on_after(0.01):
            await anext(stream)

    async def read_on():
        with pytest.raises(anyio.ClosedResourceError, match="has gone"):
            await read(stream)

    async def close():
        with anyio.fail_after(1):
            await stream.aclose()
        with pytest.raises(anyio.ClosedResourceError, match="closed before its end"):
            await anext(stream)

    async def main():
        async with stream:
            await begin()
            left.append(1)
            await anyio.sleep_forever()

    left = []
    task = loop.create_task(main())
    while not left:
        loop.run_until_complete(asyncio.sleep(0.001))

    anyio.run(read_on)
    anyio.run(close)

    task.cancel()  # where that loop goes on after all, all ends there
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()
    assert source.open == 0


@pytest.mark.real_time
async def test_refuses_another_loop_while_its_own_goes_on(source):
    refused, goes_on = [], anyio.Event()

    @source.registry.tool
    async def waits():
        yield 1
        await goes_on.wait()
        yield 2

    async def elsewhere():
        for verb in (stream.aclose, stream.__anext__):
            with pytest.raises(RuntimeError, match="in another event loop"):
                await verb()
            refused.append(verb)

    async with source.registry.stream("waits") as stream:
        await anext(stream)
        await anyio.to_thread.run_sync(anyio.run, elsewhere)
        goes_on.set()

        assert [chunk.content async for chunk in stream] == [2]
    assert len(refused) == 2


async def test_a_tool_that_goes_on_after_its_cancellation_is_stopped_at_its_next_chunk(source):
    @source.registry.tool
    async def stubborn():
        while True:
            try:
                yield 1
                await anyio.sleep(1)
            except anyio.get_cancelled_exc_class():
                source.made += 1

    async with source.registry.stream("stubborn") as stream:
        await anext(stream)
        with anyio.move_on_after(0.5):
            await anext(stream)

    assert source.registry.inflight() == []


async def test_has_variables_of_its_own():
    registry, variable = Registry(), ContextVar("variable", default="outside")

    @registry.tool
    async def changes():
        yield variable.get()
        variable.set("inside")
        yield variable.get()

    variable.set("reader")
    assert await read(registry.stream("changes")) == ["reader", "inside"]
    assert variable.get() == "reader"


async def test_scopes_of_the_tool_are_open_across_its_chunks():
    registry = Registry()

    @registry.tool
    async def grouped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 0.5)
            with anyio.fail_after(10):
                for number in range(3):
                    yield number

    assert await read(registry.stream("grouped")) == [0, 1, 2]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, SystemExit])
async def test_the_end_of_the_program_reaches_the_reader(fault):
    registry = Registry()

    @registry.tool
    async def ends():
        yield 1
        raise fault

    with pytest.raises(fault):
        await read(registry.stream("ends"))


async def test_a_stream_of_a_stream(source):
    @source.registry.tool
    async def outer():
        async with source.registry.stream("numbers") as inner:
            async for chunk in inner:
                yield chunk

    async with source.registry.stream("outer") as stream:
        async for chunk in stream:
            if chunk.content == 5:
                break

    assert source.open == 0


async def test_a_stream_that_a_tool_leaves_open_ends_with_its_call(source):
    kept = []

    @source.registry.tool
    async def forgets() -> int:
        kept.append(source.registry.stream("numbers", cleanup=1))
        return (await anext(kept[0])).content

    assert await source.registry.call("forgets") == 0

    assert source.open == 0
    assert source.registry.inflight() == []


@pytest.mark.parametrize("verb", ["read", "events"])
async def test_who_reads_it_on_is_told_with_which_call_it_ended(source, verb):
    streams = []

    @source.registry.tool
    async def hands_out() -> None:
        streams.append(source.registry.stream("numbers"))
        await anext(streams[0])

    await source.registry.call("hands_out")

    with pytest.raises(anyio.ClosedResourceError, match="ended with the call of 'hands_out'"):
        _ = [thing async for thing in (streams[0] if verb == "read" else streams[0].events())]
    with pytest.raises(RuntimeError, match="has no result"):
        _ = streams[0].result


async def test_a_detached_stream_does_not_end_with_the_call(source):
    kept = []

    @source.registry.tool
    async def begins() -> int:
        kept.append(source.registry.stream_execute("numbers", detached=True))
        return (await anext(kept[0])).content

    await source.registry.call("begins")

    assert source.open == 1
    assert (await anext(kept[0])).content == 1
    await kept[0].aclose()


async def test_a_child_stream_has_its_parents_context_and_no_other(source):
    @source.registry.tool
    async def child(call: Call):
        yield call.parent.name

    @source.registry.tool
    async def asks(other: bool) -> list:
        context = ExecutionContext(principal_id="somebody else") if other else None
        return await read(source.registry.stream_execute("child", context=context))

    assert await source.registry.call("asks", other=False) == ["asks"]
    with pytest.raises(Denied):
        await source.registry.call("asks", other=True)


async def test_of_a_child_stream_there_remains_what_remains_of_its_parent(source):
    left = []

    @source.registry.tool
    async def child(call: Call):
        for _ in range(2):
            await anyio.sleep(0.5)
            left.append(remaining(call))
            yield 1

    @source.registry.tool(timeout=2)
    async def asks() -> list:
        await anyio.sleep(0.25)
        return await read(source.registry.stream("child"))

    assert await source.registry.call("asks") == [1, 1]
    assert left == [pytest.approx(1.25), pytest.approx(0.75)]


@pytest.mark.backends("asyncio")  # trio gives turns in no order, and the stream may have had its first
async def test_leaving_a_registry_ends_a_stream_that_has_hardly_begun(source):
    stream, ends = source.registry.stream("numbers"), []

    async def reader():
        with pytest.raises(Unavailable, match="'numbers' was stopped before it began"):
            await anext(stream)
        ends.append(source.open)

    async with anyio.create_task_group() as tasks:
        async with source.registry:
            tasks.start_soon(reader)
            while stream.work is None:
                await anyio.lowlevel.checkpoint()

    assert ends == [0]


async def test_leaving_a_registry_ends_its_streams(source):
    async with source.registry:
        stream = source.registry.stream("numbers", cleanup=1)
        await anext(stream)

    assert source.open == 0
    with pytest.raises(Unavailable, match="its registry is closing"):
        await read(stream)


# One value, a sink, events, the result


@pytest.mark.parametrize(
    ("contents", "value"),
    [
        ((), []),
        (("a", "b"), "ab"),
        ((b"a", b"b"), b"ab"),
        (("a", b"b", 1), ["a", b"b", 1]),
        ((None,), [None]),
    ],
)
async def test_collects_what_a_call_gives(contents, value):
    registry = Registry()

    @registry.tool
    async def gives():
        for content in contents:
            yield content

    assert await registry.stream("gives").collect() == value == await registry.call("gives")


async def test_collects_the_value_of_a_plain_tool(source):
    assert await source.registry.stream("plain").collect() == "value"


async def test_collecting_raises_the_error(source):
    with pytest.raises(ValueError, match="no further"):
        await source.registry.stream("numbers", until=2, fails=True).collect()


@pytest.mark.parametrize("verb", ["collect", "execute"])
async def test_collects_no_more_than_a_result_may_have(verb):
    registry, made = Registry(max_result_bytes=100), []

    @registry.tool
    async def endless():
        while True:
            made.append(1)
            yield "x" * 30

    with pytest.raises(InvalidResult, match="at least 120 bytes, more than max_result_bytes=100") as raised:
        if verb == "collect":
            await registry.stream("endless").collect()
        else:
            (await registry.execute("endless")).unwrap()

    assert len(made) == 4
    assert raised.value.info.tool == "endless"


async def test_hands_chunks_to_a_sink_in_the_readers_own_task(source):
    tasks, got = set(), []

    @source.registry.tool
    async def where():
        tasks.add(anyio.get_current_task().id)
        yield 1
        yield StreamChunk(2, index=9)

    async def sink(chunk):
        tasks.add(anyio.get_current_task().id)
        got.append(chunk)

    result = await source.registry.stream("where").stream_to(sink)

    assert got == [StreamChunk(1, 0), StreamChunk(2, 1)]
    assert tasks == {anyio.get_current_task().id}
    assert result.ok
    assert result.attempts == 1


async def test_a_sink_may_be_a_plain_function(source):
    got = []

    result = await source.registry.stream("plain").stream_to(got.append)

    assert got == [StreamChunk("value")]
    assert result.value == "value"


async def test_a_sink_is_told_of_a_failure_by_the_result(source):
    got = []

    result = await source.registry.stream("numbers", until=2, fails=True).stream_to(got.append)

    assert len(got) == 2
    assert result.error.message == "ValueError: no further"


async def test_the_error_of_a_sink_is_raised_and_is_none_of_the_tool(source):
    seen = []

    @source.registry.use
    async def sees(call, inner):
        try:
            return await inner(call)
        except BaseException as error:
            seen.append(isinstance(error, Exception))
            raise

    def gone(chunk):
        raise BrokenPipeError("the client has gone")

    stream = source.registry.stream("numbers", cleanup=1)
    with pytest.raises(BrokenPipeError, match="the client has gone"):
        await stream.stream_to(gone)

    assert seen == [False]
    assert source.open == 0
    with pytest.raises(RuntimeError, match="has no result"):
        _ = stream.result


@pytest.mark.parametrize("swallowed", [True, False])
async def test_what_a_sink_has_failed_on_cannot_be_read_on(source, swallowed):
    @source.registry.use
    async def between(call, inner):
        try:
            return await inner(call)
        except StreamStopped:
            if not swallowed:
                raise

    def gone(chunk):
        raise BrokenPipeError

    stream = source.registry.stream("numbers")
    with pytest.raises(BrokenPipeError):
        await stream.stream_to(gone)

    with pytest.raises(anyio.ClosedResourceError):
        await anext(stream)


@pytest.mark.backends("asyncio")
async def test_a_cancellation_counts_for_more_than_the_error_of_a_sink(source):
    def gone(chunk):
        raise BrokenPipeError

    stream = source.registry.stream("numbers", cleanup=2)
    task = asyncio.ensure_future(stream.stream_to(gone))
    await anyio.sleep(1)
    task.cancel()  # natively, so that no shield of the clean-up stops it

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_sink_ends_the_tool(source):
    stream = source.registry.stream("numbers", cleanup=1)

    with anyio.move_on_after(1):
        await stream.stream_to(lambda chunk: anyio.sleep(10))

    assert source.open == 0
    with pytest.raises(anyio.ClosedResourceError):
        await anext(stream)


async def test_another_task_may_close_what_goes_to_a_sink(source):
    stream = source.registry.stream("numbers", wait=1)

    async def sends():
        with pytest.raises(anyio.ClosedResourceError):
            await stream.stream_to(lambda chunk: None)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sends)
        await anyio.sleep(2.5)
        await stream.aclose()
        assert source.open == 0


async def test_a_sink_cannot_close_what_it_is_given(source):
    stream = source.registry.stream("numbers", until=3)

    with pytest.raises(RuntimeError, match="cannot be closed in its own task"):
        await stream.stream_to(lambda chunk: stream.aclose())


@pytest.mark.parametrize("again", ["collect", "stream_to"])
async def test_is_read_once(source, again):
    stream = source.registry.stream("numbers")
    await anext(stream)

    with pytest.raises(RuntimeError, match="the stream of 'numbers' is being read already; it is read once"):
        await (stream.collect() if again == "collect" else stream.stream_to(print))
    await stream.aclose()


async def test_what_is_closed_cannot_be_read(source):
    stream = source.registry.stream("numbers")
    await stream.aclose()

    for read_on in (stream.collect, stream.__anext__):
        with pytest.raises(anyio.ClosedResourceError):
            await read_on()


@pytest.mark.backends("asyncio")
async def test_a_tool_whose_task_the_host_cancels_is_no_end_of_its_stream(source):
    stream = source.registry.stream("numbers", wait=1)
    await anext(stream)
    here = asyncio.current_task()

    for task in asyncio.all_tasks() - {here}:
        task.cancel()

    with pytest.raises(RunCancelled, match="the task of this stream was cancelled"):
        await read(stream)
    assert not here.cancelling()


@pytest.mark.parametrize(("event", "field"), [(StreamStarted("t"), "tool"), (StreamEnded(None), "result")])
def test_an_event_does_not_change(event, field):
    with pytest.raises(AttributeError):
        setattr(event, field, "changed")


async def test_events_are_a_start_the_chunks_and_one_end(source):
    stream = source.registry.stream("numbers", until=2)

    started, *chunks, ended = [event async for event in stream.events()]

    assert started == StreamStarted("numbers")
    assert chunks == [StreamChunk(0, 0), StreamChunk(1, 1)]
    assert isinstance(ended, StreamEnded)
    assert ended.result.ok
    assert stream.result is ended.result


async def test_events_may_be_left_without_a_word(source):
    async with source.registry.stream("numbers") as stream:
        async for event in stream.events():
            if isinstance(event, StreamChunk):
                break
        gc.collect()  # trio warns of an async generator that is dropped in the middle

        assert (await anext(stream)).content == 1

    assert source.open == 0


async def test_events_have_one_end(source):
    events = source.registry.stream("numbers", until=0).events()

    assert [type(event) async for event in events] == [StreamStarted, StreamEnded]
    assert [event async for event in events] == []


async def test_a_stream_that_ended_without_a_result_has_no_last_event(source):
    token = CancellationToken()
    context = ExecutionContext(cancellation=token)
    stream = source.registry.stream_execute("numbers", {"wait": 1}, context=context)
    async with stream:
        await anext(stream)
        token.cancel()
        with pytest.raises(RunCancelled):
            await read(stream)

        with pytest.raises(RuntimeError, match="the stream of 'numbers' ended before, with no result"):
            _ = [event async for event in stream.events()]


async def test_the_last_event_says_what_went_wrong(source):
    stream = source.registry.stream("numbers", until=1, fails=True)

    *_, ended = [event async for event in stream.events()]

    assert ended.result.error.message == "ValueError: no further"


async def test_events_end_with_an_error_where_somebody_closes_the_stream(source):
    stream = source.registry.stream("numbers")

    with pytest.raises(anyio.ClosedResourceError):
        async for event in stream.events():
            if isinstance(event, StreamChunk):
                await stream.aclose()


async def test_there_is_no_result_before_the_end(source):
    stream = source.registry.stream("numbers", until=1)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the stream of 'numbers' has not come to its end"):
            _ = stream.result
        await anext(stream, None)

    await anext(stream, None)

    assert stream.result.ok
    assert stream.result.value is None
    assert stream.result.duration >= 0


async def test_the_result_of_a_failed_stream_says_so(source):
    stream = source.registry.stream("numbers", until=1, fails=True)
    with pytest.raises(ValueError, match="no further"):
        await read(stream)

    assert stream.result.error.message == "ValueError: no further"
    assert stream.result.attempts == 1
