"""Streams over real registries, cancelled at every await: the tool has ended, and nothing is left."""

import contextlib

import anyio
import pytest

from cancel.test_ten_scenarios import STEADY, closed, everywhere
from toolcase import Registry, shielded
from toolcase.runtime import BulkheadMiddleware, LoggingMiddleware, TimeoutMiddleware


class Effects:
    """What was begun and has not ended."""

    def __init__(self):
        self.open = 0


def registry_of(effects, *used):
    registry = Registry()
    registry.use(LoggingMiddleware(), BulkheadMiddleware(1), *used)

    @registry.tool
    async def count(until: int, fails: bool = False, wait: float = 1):
        effects.open += 1
        try:
            for number in range(until):
                await anyio.sleep(wait)
                yield number
            if fails:
                raise LookupError
        finally:
            try:
                with shielded():
                    await anyio.sleep(1)
            finally:  # a host's own task.cancel() in the reader's task gets through every shield
                effects.open -= 1

    return registry


async def read(stream, *, most=1_000, wait=None, fails=False):
    """Read it, and wait after each chunk, if only for a turn; None does not wait."""
    async for chunk in stream:
        if wait is not None:
            await anyio.sleep(wait)
        if fails:
            raise ZeroDivisionError
        if chunk.index + 1 == most:
            return


SCENARIOS = {
    "all of it": ({"until": 3}, {}),
    "the reader breaks off": ({"until": 30}, {"most": 2}),
    "the reader breaks off and the tool is far ahead": ({"until": 30, "wait": 0}, {"most": 2, "wait": 1}),
    "the reader fails": ({"until": 3}, {"fails": True}),
    "the tool fails": ({"until": 2, "fails": True}, {}),
    "the reader is slow": ({"until": 4, "wait": 0}, {"wait": 2}),
}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("used", [(), (STEADY, TimeoutMiddleware(100))], ids=["bare", "within"])
def test_inside_a_block(backend, name, used):
    given, how = SCENARIOS[name]
    effects = Effects()

    async def scenario():
        registry = registry_of(effects, *used)
        try:
            async with registry.stream_execute("count", given, buffer=2) as stream:
                await read(stream, **how)
        except (LookupError, ZeroDivisionError):
            pass
        assert effects.open == 0
        assert registry.inflight() == []

    everywhere(scenario, backend, check=lambda: closed(effects))


@pytest.mark.parametrize("name", ["all of it", "the tool fails"])
def test_without_a_block_a_cancelled_read_ends_the_tool(backend, name):
    given, how = SCENARIOS[name]
    effects = Effects()

    async def scenario():
        with contextlib.suppress(LookupError):
            await read(registry_of(effects).stream_execute("count", given), **how)

    everywhere(scenario, backend, check=lambda: closed(effects))


@pytest.mark.parametrize("given", [{"until": 3}, {"until": 2, "fails": True}], ids=["well", "fails"])
@pytest.mark.parametrize("sink", [0, 2], ids=["quick", "slow"])
def test_to_a_sink(backend, given, sink):
    effects = Effects()

    async def scenario():
        await registry_of(effects).stream_execute("count", given).stream_to(lambda chunk: anyio.sleep(sink))

    everywhere(scenario, backend, check=lambda: closed(effects))


def test_a_stream_within_a_stream(backend):
    effects = Effects()

    async def scenario():
        registry = registry_of(effects)

        @registry.tool
        async def outer():
            async for chunk in registry.stream("count", until=9):
                yield chunk

        async with registry.stream_execute("outer") as stream:
            await read(stream, most=2)

    everywhere(scenario, backend, check=lambda: closed(effects))


def test_a_stream_that_a_tool_leaves_open(backend):
    effects, kept = Effects(), []

    async def scenario():
        registry = registry_of(effects)

        @registry.tool
        async def forgets() -> None:
            kept.append(registry.stream_execute("count", {"until": 9}))
            await anext(kept[-1])

        await registry.call("forgets")

    everywhere(scenario, backend, check=lambda: closed(effects))


def test_closing_while_it_is_read(backend):
    effects = Effects()

    async def scenario():
        stream = registry_of(effects).stream_execute("count", {"until": 9})

        async def reader():
            with pytest.raises(anyio.ClosedResourceError):
                await read(stream)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader)
            await anyio.sleep(1.5)
            await stream.aclose()

    everywhere(scenario, backend, check=lambda: closed(effects))


def test_leaving_the_registry_with_a_stream_open(backend):
    effects, streams = Effects(), []

    async def scenario():
        registry = registry_of(effects)
        async with registry:
            streams.append(registry.stream_execute("count", {"until": 99}))
            await anext(streams[-1])

    everywhere(scenario, backend, check=lambda: closed(effects))
