"""Streams without await: in scripts, in other threads, in synchronous tools."""

import asyncio
import gc
import signal
import threading
import time

import anyio
import anyio.to_thread
import pytest

from test_blocking import LONG
from test_threads import Gate, until
from toolcase import Call, Registry, UnknownTool, shielded
from toolcase.events import LateCompletion
from toolcase.testing import current_clock

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


class Counter:
    """A tool that counts, notes when it has ended, and where it ran."""

    def __init__(self):
        self.made = 0
        self.running = 0
        self.loops = set()

    async def count(self, n: int = 1_000_000, fails: bool = False, wait: float = 0):
        self.running += 1
        try:
            for number in range(n):
                self.made += 1
                self.loops.add(threading.get_ident())
                await anyio.sleep(wait)
                yield number
            if fails:
                raise LookupError("its own")
        finally:
            with shielded():
                await anyio.lowlevel.checkpoint()
            self.running -= 1


@pytest.fixture
def counter():
    return Counter()


@pytest.fixture
def registry(counter):
    registry = Registry()
    registry.tool(counter.count)
    registry.tool(lambda: "plain", name="plain")
    return registry


def contents(stream):
    return [chunk.content for chunk in stream]


def soon(condition):
    """Wait, in real time, for something that another thread does."""
    limit = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < limit, "it never came true"
        threading.Event().wait(0.001)


def loops():
    return [thread for thread in threading.enumerate() if "-portal-" in thread.name]


class TestInAScript:
    """Where no event loop runs."""

    @BACKENDS
    def test_all_chunks_and_the_result(self, registry, backend):
        stream = registry.blocking(backend=backend).stream("count", n=40)

        assert contents(stream) == list(range(40))
        assert stream.result.ok
        assert list(stream) == []
        assert loops() == []

    @BACKENDS
    def test_one_loop_lasts_from_the_first_read_to_the_end(self, registry, counter, backend):
        stream = registry.blocking(backend=backend).stream("count", n=100)
        assert loops() == []

        assert next(stream).content == 0
        assert len(loops()) == 1
        list(stream)

        assert len(counter.loops) == 1
        assert loops() == []

    def test_the_value_of_a_plain_tool_is_its_chunk(self, registry):
        assert contents(registry.blocking().stream("plain")) == ["plain"]

    @BACKENDS
    def test_all_of_it_in_one_value(self, registry, backend):
        tools = registry.blocking(backend=backend)
        stream = tools.stream("count", n=3)

        assert stream.collect() == [0, 1, 2]
        assert stream.result.ok
        assert loops() == []
        with pytest.raises(RuntimeError, match="this stream has been read; it is read once"):
            stream.collect()

    @BACKENDS
    def test_its_error_after_its_chunks(self, registry, backend):
        stream, read = registry.blocking(backend=backend).stream("count", n=3, fails=True), []

        with pytest.raises(LookupError, match="its own"):
            for chunk in stream:
                read.append(chunk.content)

        assert read == [0, 1, 2]
        assert stream.result.error.code == "TOOL_FAILED"
        assert list(stream) == []
        assert loops() == []

    @BACKENDS
    def test_a_block_ends_the_tool(self, registry, counter, backend):
        with registry.blocking(backend=backend).stream("count") as stream:
            for chunk in stream:
                if chunk.content == 5:
                    break
            assert counter.running == 1

        assert counter.running == 0
        assert loops() == []
        with pytest.raises(anyio.ClosedResourceError, match="closed before its end"):
            next(stream)
        with pytest.raises(RuntimeError, match="no result"):
            _ = stream.result
        stream.close()

    @BACKENDS
    def test_dropped_it_is_cancelled_soon(self, registry, counter, backend):
        for chunk in registry.blocking(backend=backend).stream("count"):
            if chunk.content == 5:
                break
        gc.collect()

        soon(lambda: counter.running == 0 and not loops())

    def test_dropped_when_no_thread_can_start_it_says_nothing(self, registry, monkeypatch):
        stream = registry.blocking().stream("count")
        next(stream)

        def refuses(thread):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuses)
            portal = stream._portal
            del stream
            gc.collect()
        portal.give_back()

        assert loops() == []

    def test_never_read_it_starts_nothing(self, registry, counter):
        with registry.blocking().stream("count") as stream:
            pass

        assert (counter.made, loops()) == (0, [])
        with pytest.raises(anyio.ClosedResourceError):
            stream.collect()

    def test_the_settings_are_handed_on(self, registry, counter):
        with registry.blocking().stream_execute("count", {"n": 100}, buffer=1) as stream:
            next(stream)
            soon(lambda: counter.made >= 2)

        assert counter.made <= 4

    def test_a_view_sees_what_it_sees(self, registry):
        tools = registry.view(only="plain").blocking()

        assert contents(tools.stream("plain")) == ["plain"]
        with pytest.raises(UnknownTool):
            contents(registry.blocking().view(only="plain").stream("count"))

    def test_a_loop_that_others_use_lasts_on(self, registry):
        with registry.blocking() as tools:
            with tools.stream("count") as one, tools.stream("count") as two:
                assert (next(one).content, next(two).content) == (0, 0)
            assert tools.call("plain") == "plain"
            assert len(loops()) == 1

        assert loops() == []

    def test_it_takes_all_chunks_that_are_there_in_one_turn(self, registry, monkeypatch):
        turns = []

        @registry.tool
        async def quick():
            for number in range(64):
                yield number

        with registry.blocking().stream("quick") as stream:
            some = stream._stream.some

            async def noted():
                turns.append(1)
                return await some()

            monkeypatch.setattr(stream._stream, "some", noted)
            assert contents(stream) == list(range(64))

        assert len(turns) < 20

    @BACKENDS
    def test_it_is_closed_from_another_thread(self, registry, counter, backend):
        stream, raised = registry.blocking(backend=backend).stream("count", wait=LONG), []

        def read():
            try:
                next(stream)
            except anyio.ClosedResourceError as error:
                raised.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        soon(lambda: counter.running)
        with pytest.raises(RuntimeError, match="another thread waits"):
            next(stream)
        stream.close()
        reader.join(LONG)

        assert (len(raised), counter.running, loops()) == (1, 0, [])

    @BACKENDS
    @pytest.mark.parametrize("step", ["take", "open", "_check_open", "_read"])
    def test_it_is_closed_from_another_thread_in_the_middle_of_a_read(
        self, registry, counter, backend, step, monkeypatch
    ):
        stream = registry.blocking(backend=backend).stream("count")
        owner = stream if hasattr(stream, step) else stream._portal
        goes_on = getattr(owner, step)

        def closed_meanwhile(*arguments):
            if step == "open":  # just before the read has its loop
                monkeypatch.undo()
                stream.close()
            given = goes_on(*arguments)
            if step != "open":
                monkeypatch.undo()
                stream.close()
            return given

        monkeypatch.setattr(owner, step, closed_meanwhile)
        with pytest.raises(anyio.ClosedResourceError):
            contents(stream)

        soon(lambda: not loops())
        assert counter.running == 0

    def test_an_interrupt_ends_the_tool(self, registry, counter):
        stream = registry.blocking().stream("count", wait=LONG)

        def interrupt():
            soon(lambda: counter.running)
            signal.raise_signal(signal.SIGINT)

        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            threading.Thread(target=interrupt).start()
            with pytest.raises(KeyboardInterrupt):
                next(stream)
        finally:
            signal.signal(signal.SIGINT, before)

        soon(lambda: counter.running == 0)
        assert loops() == []


class TestBesideALoop:
    @pytest.mark.real_time
    async def test_the_tool_runs_in_the_loop(self, registry, counter):
        def read():
            with registry.blocking().stream("count", n=3) as stream:
                return contents(stream)

        async with registry:
            assert await anyio.to_thread.run_sync(read) == [0, 1, 2]

        assert counter.loops == {threading.get_ident()}

    @pytest.mark.real_time
    async def test_closed_before_its_first_read_has_found_the_loop_it_begins_nothing(
        self, registry, counter, monkeypatch
    ):
        stream = registry.blocking().stream("count")
        portal = stream._portal
        take = portal.take

        def closed_meanwhile(*arguments):
            stream.close()
            return take(*arguments)

        monkeypatch.setattr(portal, "take", closed_meanwhile)
        async with registry:
            with pytest.raises(anyio.ClosedResourceError):
                await anyio.to_thread.run_sync(next, stream)

        assert (counter.made, portal._users) == (0, 0)

    async def test_in_the_loops_own_thread_it_is_refused(self, registry):
        stream = registry.blocking().stream("count")

        with pytest.raises(RuntimeError, match="an event loop runs in this thread"):
            next(stream)
        with pytest.raises(RuntimeError, match="an event loop runs in this thread"):
            stream.__enter__()

    def test_one_whose_loop_has_gone_is_closed_all_the_same(self, registry):
        stream = registry.blocking().stream("count")

        async def main():
            await registry.call("plain")
            await anyio.to_thread.run_sync(next, stream)

        anyio.run(main)
        stream.close()

        with pytest.raises(anyio.ClosedResourceError):
            next(stream)


class TestInASynchronousTool:
    async def test_it_is_the_stream_of_a_child_call(self, registry):
        seen = []

        @registry.tool
        async def child(call: Call):
            yield call.parent.name
            seen.append(call.depth)

        @registry.tool
        def parent():
            return contents(registry.blocking().stream("child"))

        assert await registry.call("parent") == ["parent"]
        assert seen == [1]

    async def test_time_passes_while_it_waits(self, registry):
        registry.tool(lambda: contents(registry.blocking().stream("count", n=3, wait=20)), name="parent")

        assert await registry.call("parent") == [0, 1, 2]
        assert current_clock().now == 60

    async def test_it_ends_when_nobody_waits_for_the_thread_any_more(self, registry, counter):
        raised = []

        @registry.tool(timeout=5)
        def parent():
            try:
                for _ in registry.blocking().stream("count", wait=20):
                    pass
            except asyncio.CancelledError as error:
                raised.append(error)

        result = await registry.execute("parent")
        await until(lambda: raised)

        assert (result.error.code, counter.running) == ("TIMEOUT", 0)

    async def test_so_it_does_between_two_reads(self, registry, counter):
        gate, raised = Gate(), []
        late = []
        registry.on_event(lambda event: late.append(event) if isinstance(event, LateCompletion) else None)

        @registry.tool
        def parent():
            with registry.blocking().stream("count") as stream:
                next(stream)
                gate.wait()
                try:
                    for _ in stream:
                        pass
                except BaseException as error:
                    raised.append(type(error))
                    raise

        async with anyio.create_task_group() as group:
            group.start_soon(registry.call, "parent")
            await until(gate.entered.is_set)
            assert counter.running == 1
            group.cancel_scope.cancel()
        assert counter.running == 0
        gate.open.set()
        await until(lambda: late)

        assert raised == [asyncio.CancelledError]

    async def test_many_streams_leave_nothing_in_the_thread(self, registry):
        held = []

        @registry.tool
        def parent():
            from toolcase.threads import leash

            for _ in range(20):
                with registry.blocking().stream("count") as stream:
                    next(stream)
            held.append(len(leash.get()._held))

        await registry.call("parent")

        assert held[0] <= 1
