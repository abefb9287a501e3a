"""Limits around streams: held until the stream has ended, however it ends, and by nobody after that."""

import gc

import anyio
import pytest

from toolcase import Overloaded, Registry
from toolcase.runtime import BulkheadMiddleware, together
from toolcase.testing import Way, cancel_at_every_await, current_clock
from toolcase_limits import RateLimitMiddleware


class Limited:
    """A registry whose streaming tool `t` may run once at a time, by a middleware or by its own word."""

    def __init__(self, kind, *, gives=3, error=None, after=0.0):
        self.registry, self.cleaned = Registry(clock=current_clock()), 0
        if kind == "middleware":
            self.registry.use(BulkheadMiddleware(1, queue=10))

        @self.registry.tool(max_concurrent=1 if kind == "tool" else None)
        async def t():
            try:
                for number in range(gives):
                    await anyio.sleep(after)
                    yield number
                if error is not None:
                    raise error
            finally:
                self.cleaned += 1

        found = self.registry._permits if kind == "tool" else self.registry._used[0].middleware._permits
        self.permits = found

    @property
    def running(self):
        return self.permits.find("t").running

    @property
    def waiting(self):
        return self.permits.find("t").waiting


@pytest.fixture(params=["middleware", "tool"])
def kind(request):
    return request.param


class TestBulkhead:
    """A permit is out as long as the stream lives."""

    async def test_is_held_while_a_slow_reader_reads(self, kind):
        held, seen = Limited(kind, gives=40), []

        async with held.registry.stream("t") as stream:
            async for _ in stream:
                await anyio.sleep(1)
                seen.append(held.running)

        # The tool may be done some chunks before its reader.
        assert seen[:22] == [1] * 22
        assert held.running == 0

    async def test_the_next_one_begins_when_it_has_ended(self, kind):
        held, starts = Limited(kind, after=1), []

        async def read():
            async with held.registry.stream("t") as stream:
                await anext(stream)
                starts.append(current_clock().now)
                async for _ in stream:
                    pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            tasks.start_soon(read)
            await anyio.sleep(0.5)
            assert (held.running, held.waiting) == (1, 1)

        assert starts == [1, 4]

    async def test_is_free_when_it_has_failed(self, kind):
        held = Limited(kind, error=ValueError("no"))

        with pytest.raises(ValueError, match="no"):
            async for _ in held.registry.stream("t"):
                pass

        assert held.running == 0

    async def test_is_free_when_it_was_closed_early(self, kind):
        held = Limited(kind, gives=100)

        async with held.registry.stream("t") as stream:
            await anext(stream)
            assert held.running == 1

        assert (held.running, held.cleaned) == (0, 1)

    async def test_is_free_when_it_was_closed_early_without_a_block(self, kind):
        held = Limited(kind, gives=100)
        stream = held.registry.stream("t")
        async for _ in stream:
            break
        assert held.running == 1

        await stream.aclose()

        assert (held.running, held.cleaned) == (0, 1)

    async def test_is_free_soon_when_its_handle_was_dropped(self, kind):
        held = Limited(kind, gives=100)

        async for _ in held.registry.stream("t"):
            break
        gc.collect()
        await anyio.wait_all_tasks_blocked()

        assert (held.running, held.cleaned) == (0, 1)

    async def test_is_free_when_a_read_was_cancelled(self, kind):
        held = Limited(kind, after=10)

        with anyio.move_on_after(1):
            async for _ in held.registry.stream("t"):
                pass

        assert held.running == 0

    async def test_is_free_when_its_sink_failed(self, kind):
        held = Limited(kind)

        def sink(chunk):
            assert held.running == 1
            raise OSError("gone")

        with pytest.raises(OSError, match="gone"):
            await held.registry.stream("t").stream_to(sink)

        assert held.running == 0

    async def test_one_that_is_closed_while_it_waits_leaves_the_queue(self, kind):
        held = Limited(kind, gives=100)

        async with held.registry.stream("t") as first, held.registry.stream("t") as second:
            await anext(first)
            with anyio.move_on_after(1):
                await anext(second)
            assert held.waiting == 1  # a read that was cancelled in the block may be made again
            await second.aclose()
            assert (held.running, held.waiting) == (1, 0)

        assert held.running == 0

    async def test_no_room_is_an_error_before_the_first_chunk(self):
        registry = Registry()
        registry.use(BulkheadMiddleware(1, queue=0))

        @registry.tool
        async def t():
            yield 1
            await anyio.sleep_forever()

        async with registry.stream("t") as first:
            await anext(first)
            with pytest.raises(Overloaded, match="1 of 1 calls run"):
                await anext(registry.stream("t"))


class TestInside:
    """A stream that a tool reads runs in a task of its own, with the permit of that tool."""

    def host(self, limit=1):
        registry, bulkhead = Registry(clock=current_clock()), BulkheadMiddleware(limit, key=together)
        registry.use(bulkhead)
        self.bulkhead = bulkhead

        @registry.tool
        async def count(to: int):
            for number in range(to):
                await anyio.sleep(1)
                yield number

        @registry.tool
        async def double(number: int) -> int:
            await anyio.sleep(1)
            return number * 2

        return registry

    def running(self):
        (permits,) = [permits for _, permits in self.bulkhead._permits._by_key] or [None]
        return (permits.running, permits.waiting)

    async def test_a_tool_that_streams_another_uses_one_permit(self):
        registry = self.host()

        @registry.tool
        async def outer():
            async with registry.stream("count", to=3) as stream:
                async for chunk in stream:
                    assert self.running() == (1, 0)
                    yield chunk.content

        with anyio.fail_after(100):
            assert await registry.stream("outer").collect() == [0, 1, 2]
            assert await registry.call("outer") == [0, 1, 2]
        assert self.running() == (0, 0)

    async def test_a_tool_that_gathers_another_uses_one_permit(self):
        registry = self.host()

        @registry.tool
        async def outer() -> int:
            return sum(await registry.stream("count", to=4).collect())

        with anyio.fail_after(100):
            assert await registry.call("outer") == 6
        assert self.running() == (0, 0)

    async def test_streams_of_streams_use_one_permit(self):
        registry = self.host()

        @registry.tool
        async def nested(depth: int):
            yield depth
            if depth:
                async with registry.stream("nested", depth=depth - 1) as stream:
                    async for chunk in stream:
                        yield chunk.content

        with anyio.fail_after(100):
            assert await registry.stream("nested", depth=5).collect() == [5, 4, 3, 2, 1, 0]
        assert self.running() == (0, 0)

    async def test_one_that_is_left_open_ends_with_the_tool_that_opened_it(self):
        registry, kept = self.host(), []

        @registry.tool
        async def outer():
            stream = registry.stream("count", to=1000)
            kept.append(stream)
            yield (await anext(stream)).content

        assert await registry.stream("outer").collect() == [0]

        assert self.running() == (0, 0)
        assert registry.inflight() == []
        with pytest.raises(anyio.ClosedResourceError, match="ended with the call of"):
            async for _ in kept[0]:
                pass

    async def test_a_tool_that_calls_another_for_each_chunk_of_a_stream(self):
        registry = self.host()

        @registry.tool
        async def outer():
            async with registry.stream("count", to=40) as stream:
                async for chunk in stream:
                    yield await registry.call("double", number=chunk.content)

        with anyio.fail_after(1_000):
            assert await registry.stream("outer").collect() == [2 * number for number in range(40)]
        assert self.running() == (0, 0)

    async def test_a_tool_that_reads_a_stream_for_each_chunk_of_another(self):
        registry = self.host()

        @registry.tool
        async def outer():
            async with registry.stream("count", to=20) as rows:
                async for row in rows:
                    async with registry.stream("count", to=20) as columns:
                        async for column in columns:
                            yield row.content * column.content

        with anyio.fail_after(1_000):
            assert len(await registry.stream("outer").collect()) == 400
        assert self.running() == (0, 0)


@pytest.mark.parametrize("verb", ["block", "collect", "stream_to"])
def test_law_31_nothing_is_lost_wherever_streams_are_cancelled(verb, kind, backend):
    made = []

    async def scenario():
        made.append(held := Limited(kind, gives=4, after=1))
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(read, held.registry, verb)

    def at_rest():
        held = made[-1]
        assert (held.running, held.waiting, held.registry.inflight()) == (0, 0, [])

    report = cancel_at_every_await(scenario, backend=backend, check=at_rest)

    assert len(report.cancelled) == report.suspensions * (len(Way) if backend == "asyncio" else 1) > 0


async def read(registry, verb):
    stream = registry.stream_execute("t", buffer=1)
    match verb:
        case "block":
            async with stream:
                async for _ in stream:
                    await anyio.sleep(0.5)
        case "collect":
            await stream.collect()
        case "stream_to":
            await stream.stream_to(lambda chunk: anyio.sleep(0.5))


class TestRateLimit:
    """A stream counts once, when it starts."""

    def host(self, **settings):
        registry, self.limiter = Registry(clock=current_clock()), RateLimitMiddleware(1, per=10, **settings)
        registry.use(self.limiter)

        @registry.tool
        async def t():
            for number in range(3):
                await anyio.sleep(1)
                yield number

        return registry

    async def test_a_stream_is_one_start_however_many_chunks_it_has(self):
        registry = self.host()

        assert len(await registry.stream("t").collect()) == 3
        result = await registry.stream("t").stream_to(print)

        assert (result.error.code.value, result.error.retry_after) == ("RATE_LIMITED", 7)

    async def test_it_waits_for_its_turn_before_its_first_chunk(self):
        registry = self.host(wait=True)
        await registry.stream("t").collect()

        async with registry.stream("t") as stream:
            await anext(stream)

        assert current_clock().now == 11

    async def test_one_that_is_closed_while_it_waits_gives_its_turn_back(self):
        registry = self.host(wait=True)
        await registry.stream("t").collect()

        async with registry.stream("t") as stream:
            with anyio.move_on_after(1):
                await anext(stream)
        assert current_clock().now == 4
        await registry.stream("t").collect()

        assert current_clock().now == 13
