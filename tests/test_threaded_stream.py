"""Generators that are not async, as tools: one thread, a buffer ahead of the loop, closed where they ran."""

import contextvars
import sys
import threading
import time
from functools import partial

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from test_threads import Gate, until
from toolcase import Call, Registry, StreamChunk, ToolTimeout, tool
from toolcase.events import LateCompletion
from toolcase.runtime import RetryMiddleware, RetryPolicy
from toolcase.testing import current_clock
from toolcase.testing.virtual import threads_work
from toolcase.threaded_stream import CLOSE_SECONDS, LOOK_SECONDS, SOON_SECONDS, Handover
from toolcase.threads import Leash, leash


class Counter:
    """Counts without end, and notes where each step ran."""

    def __init__(self):
        self.threads = []
        self.made = 0
        self.closed = False

    def numbers(self):
        try:
            while True:
                self.threads.append(threading.get_ident())
                self.made += 1
                yield self.made
        finally:
            self.threads.append(threading.get_ident())
            self.closed = True


@pytest.fixture
def counter():
    return Counter()


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def late(registry):
    """What was reported as late."""
    heard = []
    registry.on_event(lambda event: heard.append(event) if isinstance(event, LateCompletion) else None)
    return heard


async def read(stream, most=sys.maxsize):
    """The contents of at most so many chunks."""
    contents = []
    async with stream:
        async for chunk in stream:
            contents.append(chunk.content)
            if len(contents) == most:
                break
    return contents


class TestGives:
    async def test_its_chunks_in_order(self, registry):
        registry.tool(range_of, name="numbers")

        stream = registry.stream("numbers", n=100)

        assert await read(stream) == list(range(100))
        assert (stream.result.ok, stream.result.attempts) == (True, 1)

    @pytest.mark.parametrize(("given", "value"), [("ab", "ab"), ([b"a", b"b"], b"ab"), ([1, 2], [1, 2])])
    async def test_all_of_them_to_a_caller_who_wants_one_value(self, registry, given, value):
        registry.tool(lambda: (yield from given), name="chunks")

        assert await registry.call("chunks") == value

    async def test_chunks_of_its_own_with_metadata(self, registry):
        registry.tool(lambda: (yield StreamChunk("a", metadata={"from": "here"})), name="chunks")

        async with registry.stream("chunks") as stream:
            assert [chunk.metadata async for chunk in stream] == [{"from": "here"}]

    async def test_all_from_one_thread_which_is_not_the_loops(self, registry, counter):
        registry.tool(counter.numbers)

        await read(registry.stream("numbers"), 50)

        assert len(set(counter.threads)) == 1
        assert threading.get_ident() not in counter.threads

    async def test_the_context_variables_of_the_caller_copied(self, registry):
        variable = contextvars.ContextVar("variable", default="outside")

        @registry.tool
        def look():
            yield variable.get()
            variable.set("changed")
            yield variable.get()

        variable.set("set by the caller")

        assert await read(registry.stream("look")) == ["set by the caller", "changed"]
        assert variable.get() == "set by the caller"

    async def test_its_error_after_its_chunks_with_its_own_traceback(self, registry):
        error = OSError("disk full")

        @registry.tool
        def fails():
            yield 1
            raise error

        contents = []
        with pytest.raises(OSError) as caught:
            async for chunk in registry.stream("fails"):
                contents.append(chunk.content)

        assert (contents, caught.value is error) == ([1], True)
        assert caught.traceback[-1].name == "fails"

    async def test_refuses_to_have_its_result_checked(self):
        with pytest.raises(TypeError, match="'range_of' gives chunks; validate_result=True is for one value"):
            tool(validate_result=True)(range_of)


def range_of(n: int):
    yield from range(n)


class TestAhead:
    @given(k=st.integers(1, 60), buffer=st.integers(1, 20), own=st.none() | st.integers(1, 20))
    async def test_law_57_of_a_prefix_no_more_is_made_than_the_buffers_hold(self, k, buffer, own):
        registry, counter = Registry(), Counter()
        registry.tool(counter.numbers, buffer=own)

        contents = await read(registry.stream_execute("numbers", buffer=buffer), k)

        assert contents == list(range(1, k + 1))
        # One more is in the hand of the thread, and one in that of the loop.
        assert k <= counter.made <= k + buffer + (own or 16) + 2
        assert (counter.closed, registry.threads.busy) == (True, 0)

    async def test_no_more_bytes_than_a_pipe_holds(self, registry):
        made = []

        @registry.tool
        def blocks():
            while True:
                made.append(1)
                yield bytes(512 * 1024)

        await read(registry.stream_execute("blocks", buffer=1), 1)

        assert len(made) <= 1 + 1 + 2 + 2

    async def test_time_passes_while_it_waits_for_room(self, registry, counter):
        registry.tool(counter.numbers)
        began = current_clock().monotonic()

        async with registry.stream_execute("numbers", buffer=1) as stream:
            await anext(stream)
            await until(lambda: not threads_work())
            await anyio.sleep(60)

        assert current_clock().monotonic() == began + 60

    async def test_time_stands_still_while_it_works(self, registry):
        gate = Gate()

        @registry.tool
        def slow():
            yield 1
            gate.wait()
            yield 2

        async with registry.stream("slow") as stream:
            await anext(stream)
            async with anyio.create_task_group() as group:
                group.start_soon(opened, gate)
                with anyio.fail_after(1e-6):
                    assert (await anext(stream)).content == 2

    async def test_one_that_is_never_slower_leaves_the_loop_to_others(self, registry):
        turns, done = 0, False

        async def other():
            nonlocal turns
            while not done:
                turns += 1
                await anyio.sleep(0)

        registry.tool(range_of, name="numbers")
        async with anyio.create_task_group() as group:
            group.start_soon(other)
            await registry.call("numbers", n=1_000)
            done = True

        assert turns > 10


async def opened(gate):
    """Open the gate once the thread stands before it."""
    await until(gate.entered.is_set)
    gate.open.set()


class TestIsClosed:
    async def test_in_its_own_thread_before_the_block_ends(self, registry, counter, late):
        registry.tool(counter.numbers)

        await read(registry.stream("numbers"), 3)

        assert counter.closed
        assert len(set(counter.threads)) == 1
        assert (registry.threads.busy, late) == (0, [])

    async def test_by_an_error_in_what_stands_around_it(self, registry, counter, late):
        async def breaks(call, inner):
            async def emit(chunk):
                raise ZeroDivisionError

            return await inner(call.streaming_to(emit))

        registry.use(breaks)
        registry.tool(counter.numbers)

        result = await registry.stream("numbers").stream_to(print)

        assert isinstance(result.error.cause, ZeroDivisionError)
        assert (counter.closed, registry.threads.busy, late) == (True, 0, [])

    async def test_by_a_limit_of_time_while_it_waits_for_room(self, registry, counter, late):
        registry.tool(counter.numbers, timeout=5)

        with pytest.raises(ToolTimeout):
            async for _ in registry.stream_execute("numbers", buffer=1):
                await anyio.sleep(1)

        assert (counter.closed, registry.threads.busy, late) == (True, 0, [])

    async def test_once_its_value_is_too_large(self, counter):
        registry = Registry(max_result_bytes=10_000)
        registry.tool(counter.numbers)

        result = await registry.execute("numbers")

        assert result.error.code == "INVALID_RESULT"
        assert counter.closed
        assert counter.made < 10_000

    async def test_after_its_end_by_an_error_further_out(self, registry, late):
        @registry.tool
        def ends():
            yield 1

        def sink(chunk):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await registry.stream("ends").stream_to(sink)

        assert (registry.threads.busy, late) == (0, [])

    async def test_and_an_error_of_its_clean_up_is_reported(self, registry, late):
        error = OSError("cannot close")

        @registry.tool
        def fails_late():
            try:
                while True:
                    yield 1
            finally:
                raise error

        await read(registry.stream("fails_late"), 1)

        assert [event.error for event in late] == [error]

    async def test_as_soon_as_it_comes_to_its_next_chunk(self, registry, late):
        gate, closed = Gate(), []

        @registry.tool
        def slow():
            try:
                yield 1
                gate.wait()
                yield 2
            finally:
                closed.append(True)

        async with registry.stream("slow") as stream:
            await anext(stream)
            await until(gate.entered.is_set)
            async with anyio.create_task_group() as group:
                group.start_soon(opened, gate)
                await stream.aclose()

        assert (closed, registry.threads.busy, late) == ([True], 0, [])

    async def test_or_when_it_ends_by_itself(self, registry, late):
        gate = Gate()

        @registry.tool
        def slow():
            yield 1
            gate.wait()

        async with registry.stream("slow") as stream:
            await anext(stream)
            await until(gate.entered.is_set)
            async with anyio.create_task_group() as group:
                group.start_soon(opened, gate)
                await stream.aclose()

        assert (registry.threads.busy, late) == (0, [])

    async def test_the_child_call_on_which_it_waits_is_cancelled(self, registry, late):
        began, ended = anyio.Event(), []

        @registry.tool
        async def child():
            began.set()
            try:
                await anyio.sleep_forever()
            finally:
                ended.append("child")

        @registry.tool
        def waits():
            yield 1
            try:
                registry.blocking().call("child")
            finally:
                ended.append("generator")

        async with registry.stream("waits") as stream:
            await anext(stream)
            await began.wait()

        assert ended == ["child", "generator"]
        assert registry.threads.busy == 0


class TestIsBusy:
    """One that works in its own code cannot be stopped."""

    async def test_its_caller_is_free_and_it_keeps_its_slot(self, registry, late):
        gate, seen = Gate(), []

        @registry.tool
        def busy(call: Call):
            yield 1
            gate.wait()
            seen.append(call.cancelled)
            yield 2

        async with registry.stream("busy") as stream:
            await anext(stream)
            await until(gate.entered.is_set)
            async with anyio.create_task_group() as group:
                group.start_soon(passed, SOON_SECONDS)
                await stream.aclose()

        assert (registry.threads.busy, late) == (1, [])
        gate.open.set()
        await until(lambda: registry.threads.busy == 0 and late)
        assert seen == [True]
        assert [(event.tool, event.error) for event in late] == [("busy", None)]

    async def test_so_does_one_that_takes_too_long_to_close(self, registry, late):
        gate = Gate()

        @registry.tool
        def slow_to_close():
            try:
                while True:
                    yield 1
            finally:
                gate.wait()

        async with registry.stream_execute("slow_to_close", buffer=1) as stream:
            await anext(stream)
            await until(lambda: not threads_work())
            async with anyio.create_task_group() as group:
                group.start_soon(passed, CLOSE_SECONDS, gate)
                await stream.aclose()

        assert (registry.threads.busy, late) == (1, [])
        gate.open.set()
        await until(lambda: late)


async def passed(seconds, gate=None):
    """Let so much time pass although a thread works."""
    if gate is not None:
        await until(gate.entered.is_set)
    for _ in range(10):  # until whoever waits has begun to
        await anyio.sleep(0)
    current_clock().jump(seconds)


class TestStarts:
    async def test_not_where_no_thread_is_free(self, counter):
        registry, gate = Registry(max_threads=1), Gate()
        registry.tool(gate.wait, name="slow")
        registry.tool(counter.numbers)
        async with anyio.create_task_group() as group:
            group.start_soon(registry.call, "slow")
            await until(gate.entered.is_set)

            result = await registry.execute("numbers")
            gate.open.set()

        assert (result.error.code, result.attempts, counter.made) == ("OVERLOADED", 0, 0)

    async def test_again_before_its_first_chunk_as_one_attempt_more(self, registry):
        runs = []

        @registry.tool(middleware=[RetryMiddleware(RetryPolicy(max_attempts=3))], idempotent=True)
        def flaky():
            runs.append(1)
            if len(runs) < 3:
                raise ConnectionError
            yield "well"

        result = await registry.execute("flaky")

        assert (result.value, result.attempts) == ("well", 3)


class TestHandover:
    """What stands between the thread and the loop."""

    @pytest.mark.parametrize(
        ("items", "most"), [([1] * 20, 16), (["x" * 1_048_575, 7, "a", "b"], 3), ([bytes(1_048_576), 1], 1)]
    )
    async def test_holds_so_many_items_or_one_mebibyte(self, items, most):
        handover, changes = Handover(16), []
        thread = filling(handover, items, changes)
        await until(lambda: changes)

        assert len(handover._items) == most
        await left(handover, thread)

    @pytest.mark.parametrize(("size", "item"), [(4, 1), (16, "x" * 262_144)])
    async def test_the_thread_goes_on_when_half_of_it_is_free(self, size, item):
        handover, changes = Handover(size), []
        thread = filling(handover, [item] * 20, changes)
        await until(lambda: changes)

        assert await anext(handover) == item
        assert changes == [-1]
        assert await anext(handover) == item
        assert changes[:2] == [-1, 1]
        await left(handover, thread)

    async def test_calls_in_its_place_the_latest_that_was_said_since_an_item(self):
        handover, heard = Handover(8), []
        handover._say(partial(heard.append, 0))
        for item in "ab":
            handover._give(item)
        for number in (1, 2):
            handover._say(partial(heard.append, number))
        handover._give("c")
        handover.end()

        given = [(item, len(heard)) async for item in handover]

        assert given == [("a", 1), ("b", 1), ("c", 2)]
        assert heard == [0, 2]

    @pytest.mark.parametrize("before", [True, False])
    async def test_who_leaves_waits_no_longer_than_until_it_has_ended(self, before):
        handover, done, began = Handover(2), anyio.Event(), current_clock().monotonic()
        done.set()
        if before:
            handover.end()
        assert not handover.left_in_time

        async with anyio.create_task_group() as group:
            group.start_soon(handover.leave, done)
            await passed(0)
            if not before:
                handover.end()

        assert current_clock().monotonic() == began
        assert handover.left_in_time

    async def test_a_thread_that_looks_whether_its_loop_turns_waits_on(self, monkeypatch):
        monkeypatch.setattr("toolcase.threaded_stream.LOOK_SECONDS", 0.001)
        handover, changes = Handover(2), []
        thread = filling(handover, range(5), changes)
        await until(lambda: changes)
        looked = time.monotonic() + 0.02
        await until(lambda: time.monotonic() > looked)

        assert changes == [-1]
        await left(handover, thread)

    async def test_lets_the_loop_turn_once_for_each_buffer_of_items(self):
        handover = Handover(3)

        assert [number for number in range(10) if await pauses(handover)] == [3, 6, 9]

    async def test_a_wait_lets_the_loop_turn_as_well(self):
        handover = Handover(3)
        async with anyio.create_task_group() as group:
            group.start_soon(given_later, handover)
            await anext(handover)

        assert [number for number in range(5) if await pauses(handover)] == [3]

    def test_waits_no_longer_than_these_times(self):
        assert (SOON_SECONDS, CLOSE_SECONDS, LOOK_SECONDS) == (0.5, 5.0, 1.0)


def filling(handover, items, changes):
    """A thread that gives these items; `changes` gets what it says of its work."""
    held, context = Leash(), contextvars.copy_context()
    held.pends = changes.append
    context.run(leash.set, held)
    thread = threading.Thread(target=context.run, args=(handover.fill, (item for item in items)))
    thread.start()
    return thread


async def pauses(handover):
    """Whether it lets the loop turn before it gives what it has."""
    handover._give("item")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anext(handover)
    if scope.cancelled_caught:
        await anext(handover)
    return scope.cancelled_caught


async def given_later(handover):
    """Give an item to a reader who waits by then."""
    await anyio.wait_all_tasks_blocked()
    handover._give("item")


async def left(handover, thread):
    """Leave it, so that its thread ends."""
    done = anyio.Event()
    done.set()
    await handover.leave(done)
    thread.join(5)
    assert not thread.is_alive()


def test_a_thread_whose_loop_has_gone_closes_its_generator(counter):
    stuck = []

    async def leaves():
        handover = Handover(2)
        thread = threading.Thread(target=handover.fill, args=(counter.numbers(),))
        thread.start()
        stuck.append(thread)

    anyio.run(leaves)
    stuck[0].join(10)

    assert (counter.closed, counter.made) == (True, 3)
