"""Laws 31, 32, 33, 35 and 36: permits, whatever comes, leaves or is cancelled, and in whatever order."""

import contextlib
import math
from functools import partial
from typing import NamedTuple

import anyio
from hypothesis import given
from hypothesis import strategies as st

from laws.observing import outcome
from toolcase import Registry
from toolcase.call import Call
from toolcase.permits import Permits
from toolcase.runtime import BulkheadMiddleware
from toolcase.testing import Recorder, Script
from toolcase.testing.strategies import scripts

numbers = st.integers(0, 20)
steps = st.builds(lambda priority: [("comes", priority)], st.integers(0, 2)) | st.lists(
    st.tuples(st.sampled_from(["leaves", "is cancelled"]), numbers), min_size=1, max_size=3
)
"""What happens in one tick: a call comes, or some of those that are there leave or are cancelled."""


class Model:
    """What should be: who has a permit, and who waits, in the order in which their turns come."""

    def __init__(self, limit):
        self.limit, self.inside, self.queue, self.come = limit, [], [], 0

    def comes(self, priority):
        self.come += 1
        self.queue.append((priority, self.come))
        self.settle()

    def gone(self, name):
        self.inside = [each for each in self.inside if each != name]
        self.queue = [each for each in self.queue if each != name]

    def settle(self):
        self.queue.sort()
        while self.queue and len(self.inside) < self.limit:
            self.inside.append(self.queue.pop(0))


class Real:
    """The same with permits, and a task for each call."""

    def __init__(self, permits, tasks):
        self.permits, self.tasks, self.inside, self.come = permits, tasks, {}, 0
        self.scopes = {}

    async def comes(self, priority):
        self.come += 1
        self.tasks.start_soon(self.run, (priority, self.come))
        await anyio.wait_all_tasks_blocked()

    async def run(self, name):
        call = Call("t", None, {}, None, Registry())
        with anyio.CancelScope() as self.scopes[name]:
            permit = self.permits.take(call) or await self.permits.wait(call, priority=name[0])
            self.inside[name] = anyio.Event()
            try:
                await self.inside[name].wait()
            finally:
                del self.inside[name]
                self.permits.give_back(permit)

    def conserved(self):
        """Law 31, and that nobody waits while there is room."""
        permits = self.permits
        assert 0 <= permits.running <= permits.limit
        assert permits.waiting == sum(map(len, permits._lines.values()))
        assert permits.running == permits.limit or not permits.waiting


@given(limit=st.integers(1, 3), happens=st.lists(steps, max_size=25))
async def test_laws_31_to_33_permits_do_what_a_queue_on_paper_does(limit, happens):
    model = Model(limit)
    async with anyio.create_task_group() as tasks:
        real = Real(Permits(limit, 100), tasks)
        for tick in happens:
            for what, number in tick:
                await one_step(model, real, what, number)
                real.conserved()
            await anyio.wait_all_tasks_blocked()
            model.settle()

            real.conserved()
            assert set(real.inside) == set(model.inside)
            assert (real.permits.running, real.permits.waiting) == (len(model.inside), len(model.queue))
        tasks.cancel_scope.cancel()

    assert (real.permits.running, real.permits.waiting, real.permits._lines) == (0, 0, {})
    assert not real.permits._held


async def one_step(model, real, what, number):
    if what == "comes":
        model.comes(number)
        await real.comes(number)
        return
    there = [*model.inside, *([] if what == "leaves" else model.queue)]
    if there:
        name = there[number % len(there)]
        model.gone(name)
        real.inside[name].set() if what == "leaves" else real.scopes[name].cancel()


class Working(Script):
    """A script that knows how many of its runs were there at once, and in which order they began."""

    most = 0

    async def play(self, arguments):
        self.most = max(self.most, self.running + 1)
        return await super().play(arguments)


moments = st.sampled_from([0.0, 0.5, 1.0, 3.0])
arrivals = st.lists(st.tuples(moments, moments, st.none() | moments), min_size=1, max_size=12)


@given(
    script=scripts(), limit=st.integers(1, 3), queue=st.integers(0, 4), arrivals=arrivals, patience=moments
)
async def test_laws_32_and_35_however_calls_come_and_end(script, limit, queue, arrivals, patience):
    tool, registry = Working(*script), Registry()
    bulkhead = BulkheadMiddleware(limit, queue=queue, queue_seconds=patience or math.inf)
    registry.use(bulkhead)
    registry.add(tool.tool("t"))

    async def one(after):
        with anyio.move_on_after(math.inf if after is None else after):
            await registry.execute("t", timeout=20)

    async with anyio.create_task_group() as tasks:
        for gap, _, after in arrivals:
            tasks.start_soon(one, after)
            await anyio.sleep(gap)
            assert bulkhead.waiting("t") <= queue

    assert tool.most <= limit
    assert tool.running == bulkhead.running("t") == bulkhead.waiting("t") == 0
    assert not bulkhead._permits._by_key.find("t")._held


@given(arrivals=arrivals, limit=st.integers(1, 3))
async def test_law_33_equals_start_in_the_order_of_their_arrival(arrivals, limit):
    started, registry = [], Registry()
    registry.use(BulkheadMiddleware(limit, queue=100))

    @registry.tool
    async def t(number: int, seconds: float) -> None:
        started.append(number)
        await anyio.sleep(seconds)

    async def one(number, seconds, patience):
        with anyio.move_on_after(math.inf if patience is None else patience):
            await registry.call("t", number=number, seconds=seconds + number / 1024)

    async with anyio.create_task_group() as tasks:
        for number, (gap, seconds, patience) in enumerate(arrivals):
            tasks.start_soon(one, number, seconds, patience)
            await anyio.wait_all_tasks_blocked()
            await anyio.sleep(gap)

    assert started == sorted(started)


trees = st.recursive(st.just([]), lambda inner: st.lists(inner, max_size=3), max_leaves=6)


@given(roots=st.lists(trees, min_size=1, max_size=4), limit=st.integers(1, 3))
async def test_law_32_for_calls_inside_calls_and_all_of_them_end(roots, limit):
    registry, working = Registry(), [0, 0]
    bulkhead = BulkheadMiddleware(limit, queue=1_000)
    registry.use(bulkhead)

    @registry.tool
    async def t(tree: list) -> None:
        working[0] += 1
        working[1] = max(working)
        await anyio.sleep(1)
        working[0] -= 1
        async with anyio.create_task_group() as tasks:
            for inner in tree:
                tasks.start_soon(partial(registry.call, "t", tree=inner))

    async with anyio.create_task_group() as tasks:  # a test that hangs in virtual time fails as a deadlock
        for root in roots:
            tasks.start_soon(partial(registry.call, "t", tree=root))

    assert working[1] <= limit
    assert bulkhead.running("t") == bulkhead.waiting("t") == 0


@given(script=scripts())
async def test_law_36_without_a_limit_it_is_the_identity(script):
    plain, bounded = Recorder(), Recorder()

    assert await outcome(script, BulkheadMiddleware(math.inf), bounded) == await outcome(script, plain)
    assert bounded.records[0].events == plain.records[0].events


class Reader(NamedTuple):
    """Reads a stream that comes after so many seconds: so many chunks, in this way, with pauses."""

    after: float
    chunks: int
    way: str
    pause: float


moments = st.sampled_from([0.0, 0.5, 1.0, 3.0])
readers = st.builds(
    Reader,
    moments,
    st.integers(0, 5),
    st.sampled_from(["block", "plain", "sink", "collect", "cancelled"]),
    moments,
)


@given(
    limit=st.integers(1, 3),
    gives=st.integers(0, 4),
    takes=moments,
    fails=st.booleans(),
    comes=st.lists(readers, min_size=1, max_size=6),
)
async def test_laws_31_32_and_35_of_streams_that_are_read_left_and_cancelled(
    limit, gives, takes, fails, comes
):
    bulkhead, registry, inside = BulkheadMiddleware(limit, queue=10), Registry(), [0]
    registry.use(bulkhead)

    @registry.tool
    async def t():
        inside[0] += 1
        assert inside[0] <= limit
        assert inside[0] <= bulkhead.running("t") <= limit
        try:
            for number in range(gives):
                await anyio.sleep(takes)
                yield number
            if fails:
                raise ValueError("drawn")
        finally:
            inside[0] -= 1

    async with anyio.create_task_group() as tasks:
        for reader in comes:
            await anyio.sleep(reader.after)
            tasks.start_soon(read, registry, reader)
    await anyio.wait_all_tasks_blocked()

    assert inside == [0]
    assert (bulkhead.running("t"), bulkhead.waiting("t"), registry.inflight()) == (0, 0, [])


async def read(registry, reader):
    """Read as drawn; its own end and the tool's error are no matter here."""
    stream = registry.stream_execute("t", buffer=1)
    with contextlib.suppress(ValueError, OSError):
        match reader.way:
            case "block":
                async with stream:
                    await taken(stream, reader)
            case "plain":
                await taken(stream, reader)
            case "sink":
                await stream.stream_to(partial(sunk, reader))
            case "collect":
                await stream.collect()
            case "cancelled":
                with anyio.move_on_after(reader.pause + 0.25):
                    await stream.collect()


async def taken(stream, reader):
    if reader.chunks:
        async for chunk in stream:
            await anyio.sleep(reader.pause)
            if chunk.index + 1 == reader.chunks:
                break


async def sunk(reader, chunk):
    await anyio.sleep(reader.pause)
    if chunk.index + 1 >= reader.chunks:
        raise OSError("gone")
