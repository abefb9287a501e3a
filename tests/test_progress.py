"""What a tool says of its progress, from a task or a thread: who hears it, when, and in which order."""

import math
import threading

import anyio
import pytest

from test_threads import Gate, until
from toolcase import Call, Registry, Stage, StreamChunk
from toolcase.events import ProgressReported
from toolcase.pipe import Pipe
from toolcase.runtime import TimeoutMiddleware
from toolcase.stream_events import StreamEnded, StreamStarted


class Listener:
    """An observer that keeps what it is told."""

    stage = Stage.OBSERVE

    def __init__(self):
        self.heard = []
        self.threads = set()

    async def __call__(self, call, inner):
        return await inner(call)

    def on_event(self, call, event):
        self.heard.append(event)
        self.threads.add(threading.get_ident())

    @property
    def said(self):
        return [(event.done, event.total, event.message) for event in self.heard]


class Pace:
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def given(self):
        self.told.append("given")

    def taken(self):
        self.told.append("taken")

    def wanted(self):
        self.told.append("wanted")

    async def __call__(self, call, inner):
        copy = call.copy()
        copy._pace = self
        return await inner(copy)


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def registry(listener):
    registry = Registry()
    registry.use(listener)
    return registry


async def index(call: Call, n: int):
    for done in range(n):
        call.progress(done, n, f"file {done}")
        await anyio.sleep(1)
    return n


def scan(call: Call, n: int):
    for done in range(n):
        call.progress(done, n)
        yield done


class TestObservers:
    async def test_hear_it_of_an_async_tool(self, registry, listener):
        registry.tool(index)

        await registry.call("index", n=2)

        assert listener.heard == [
            ProgressReported(tool="index", done=0, total=2, message="file 0"),
            ProgressReported(tool="index", done=1, total=2, message="file 1"),
        ]

    async def test_hear_it_of_a_thread_in_the_loops_own(self, registry, listener):
        @registry.tool
        def work(call: Call):
            call.progress(1)

        await registry.call("work")

        assert listener.said == [(1, None, "")]
        assert listener.threads == {threading.get_ident()}

    async def test_hear_it_while_the_thread_runs(self, registry, listener):
        gate = Gate()

        @registry.tool
        def work(call: Call):
            call.progress(1)
            gate.wait()

        async with anyio.create_task_group() as group:
            group.start_soon(registry.call, "work")
            await until(lambda: listener.heard)
            gate.open.set()

        assert listener.said == [(1, None, "")]

    async def test_hear_the_latest_of_a_thread_that_is_faster_than_the_loop(self, registry, listener):
        both = threading.Barrier(2)

        @registry.tool
        def work(call: Call):
            both.wait(5)
            for done in range(1_000):
                call.progress(done)
            both.wait(5)

        async def hold():
            await until(lambda: both.n_waiting)
            both.wait(5)  # the loop turns no further until the thread has said it all
            both.wait(5)

        async with anyio.create_task_group() as group:
            group.start_soon(hold)
            await registry.call("work")

        assert listener.said == [(999, None, "")]

    async def test_hear_nothing_of_a_thread_that_nobody_waits_for(self, registry, listener):
        gate, said = Gate(), threading.Event()

        @registry.tool
        def work(call: Call):
            gate.wait()
            call.progress(1)
            said.set()

        async with anyio.create_task_group() as group:
            group.start_soon(registry.call, "work")
            await until(gate.entered.is_set)
            group.cancel_scope.cancel()
        gate.open.set()
        await until(lambda: said.is_set() and not registry.threads.busy)

        assert listener.heard == []

    async def test_hear_nothing_after_the_call(self, registry, listener):
        kept = []

        @registry.tool
        async def work(call: Call):
            kept.append(call)

        await registry.call("work")
        kept[0].progress(1)

        assert listener.heard == []

    async def test_hear_a_child_calls_in_its_own_name(self, registry, listener):
        registry.tool(index)

        @registry.tool
        async def outer(call: Call):
            call.progress(1, 2)
            await registry.call("index", n=1)

        await registry.call("outer")

        assert [event.tool for event in listener.heard] == ["outer", "index"]

    async def test_cost_nothing_where_there_are_none(self):
        registry = Registry()
        calls = []

        @registry.tool
        async def work(call: Call):
            calls.append(call)
            call.progress(1)

        await registry.call("work")

        assert calls[0].info._progress is None


class TestWhatIsNoProgress:
    @pytest.mark.parametrize(
        ("given", "error", "told"),
        [
            ((-1,), ValueError, "done must be at least 0, got -1"),
            ((math.nan,), ValueError, "done must be at least 0, got nan"),
            (("1",), TypeError, "done must be a number, got '1'"),
            ((1, -1), ValueError, "total must be at least 0, got -1"),
            ((1, True), TypeError, "total must be a number, got True"),
            ((1, 2, b"x"), TypeError, r"message must be text, got b'x'; give str\(...\) of it"),
        ],
    )
    async def test_is_refused(self, given, error, told):
        registry = Registry()

        @registry.tool
        async def work(call: Call):
            call.progress(*given)

        with pytest.raises(error, match=told):
            await registry.call("work")

    async def test_a_bad_estimate_is_no_fault(self, registry, listener):
        @registry.tool
        async def work(call: Call):
            call.progress(3, 2)

        await registry.call("work")

        assert listener.said == [(3, 2, "")]


class TestEvents:
    @pytest.mark.parametrize("observed", [True, False])
    async def test_have_it_among_the_chunks_of_an_async_tool(self, registry, listener, observed):
        registry = registry if observed else Registry()

        @registry.tool
        async def scan(call: Call):
            for done in range(2):
                call.progress(done)
                yield done

        assert await shown(registry.stream("scan")) == ["begin", (0,), 0, (1,), 1, "end"]
        assert listener.said == ([(0, None, ""), (1, None, "")] if observed else [])

    @pytest.mark.parametrize("n", [1, 2, 50])
    async def test_have_it_in_order_among_the_chunks_of_a_thread(self, n):
        registry = Registry()
        registry.tool(scan)

        events = await shown(registry.stream("scan", n=n))

        assert events == ["begin", *(event for done in range(n) for event in ((done,), done)), "end"]

    async def test_have_it_while_a_plain_tool_runs(self):
        registry = Registry()
        registry.tool(index)
        stream, times = registry.stream("index", n=2), []

        async for event in stream.events():
            times.append((type(event), anyio.current_time()))

        began = times[0][1]
        assert [(kind, time - began) for kind, time in times] == [
            (StreamStarted, 0),
            (ProgressReported, 0),
            (ProgressReported, 1),
            (StreamChunk, 2),
            (StreamEnded, 2),
        ]

    async def test_have_the_latest_of_several_in_a_row(self):
        registry = Registry()

        @registry.tool
        async def work(call: Call):
            for done in range(100):
                call.progress(done)
            yield "chunk"
            call.progress(100)
            call.progress(101)

        assert await shown(registry.stream("work")) == ["begin", (99,), "chunk", (101,), "end"]

    async def test_have_the_latest_of_several_in_a_row_from_a_thread(self):
        registry = Registry()
        said = Gate()

        @registry.tool
        def work(call: Call):
            yield "chunk"
            for done in range(100):
                call.progress(done)
            said.entered.set()
            yield "chunk"

        events = []
        async for event in registry.stream("work").events():
            if isinstance(event, StreamChunk) and not event.index:
                assert said.entered.wait(5)  # the loop turns no further until all of it is said
            events.append(event)

        assert len([event for event in events if isinstance(event, ProgressReported)]) <= 2
        assert events[-3].done == 99

    async def test_have_none_that_comes_before_they_are_asked_for(self):
        registry = Registry()
        registry.tool(scan)

        async with registry.stream("scan", n=3) as stream:
            await anext(stream)
            events = await shown(stream)

        assert events == ["begin", 1, 2, "end"]

    async def test_leave_chunks_alone_to_who_reads_on(self):
        registry = Registry()
        registry.tool(scan)

        async with registry.stream("scan", n=5) as stream:
            events = stream.events()
            for _ in range(3):
                await anext(events)
            await events.aclose()
            rest = [chunk.content async for chunk in stream]

        assert rest == [1, 2, 3, 4]

    async def test_have_nothing_else_that_observers_are_told(self):
        registry = Registry()

        @registry.tool
        async def work(call: Call):
            call.report_usage(tokens=1)
            yield 1

        assert await shown(registry.stream("work")) == ["begin", 1, "end"]


BRIEFLY = {
    StreamStarted: lambda event: "begin",
    StreamEnded: lambda event: "end",
    ProgressReported: lambda event: (event.done,),
    StreamChunk: lambda event: event.content,
}


async def shown(stream):
    return [BRIEFLY[type(event)](event) async for event in stream.events()]


async def test_a_plain_loop_sees_chunks_alone(registry):
    registry.tool(scan)

    assert [chunk.content async for chunk in registry.stream("scan", n=3)] == [0, 1, 2]


async def test_a_pipe_that_has_ended_takes_no_news():
    pipe = Pipe()
    pipe.end()
    pipe.tell("news")

    assert not pipe.items


class TestIdle:
    """What a limit between signs of life makes of it."""

    @pytest.mark.parametrize(("every", "code"), [(4, None), (6, "TIMEOUT")])
    @pytest.mark.parametrize("streams", [True, False])
    async def test_begins_anew_with_each_report(self, every, code, streams):
        registry = Registry()
        registry.use(TimeoutMiddleware(idle=5))

        async def work(call: Call):
            for done in range(4):
                await anyio.sleep(every)
                call.progress(done)

        async def chunks(call: Call):
            await work(call)
            yield "chunk"

        registry.tool(chunks if streams else work, name="work")
        result = await registry.stream("work").stream_to(lambda chunk: None)

        assert (result.error and result.error.code) == code

    async def test_is_told_of_a_thread_when_it_is_that_reports_turn(self):
        registry, pace = Registry(), Pace()
        registry.use(pace)
        registry.tool(scan)

        await registry.stream("scan", n=3).stream_to(lambda chunk: anyio.sleep(5))

        assert pace.told == ["wanted", "given", "taken"] * 3
