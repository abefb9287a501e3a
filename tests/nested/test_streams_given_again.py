"""Chunks that a middleware gives in the place of a tool, inside limits of the time between chunks."""

import anyio
import pytest

from toolcase import Registry, StreamChunk, ToolTimeout
from toolcase.runtime import TimeoutMiddleware, emit_again
from toolcase.testing import current_clock
from toolcase_cache import CacheMiddleware

BETWEEN = TimeoutMiddleware(1_000, first_chunk=2, idle=2)


async def instead(call, inner):
    await emit_again(call, [StreamChunk("a"), StreamChunk("b", 1)])


async def instead_and_late(call, inner):
    await emit_again(call, [StreamChunk("a")])
    await anyio.sleep(3)


instead.stage = instead_and_late.stage = CacheMiddleware.stage


def host(*used):
    """A registry with these middleware around a tool that streams a chunk each second."""
    registry = Registry(clock=current_clock())
    registry.use(*used)

    @registry.tool(read_only=True)
    async def t():
        for text in "ab":
            await anyio.sleep(1)
            yield text

    return registry


@pytest.mark.parametrize("used", [(BETWEEN, instead), (instead,)])
async def test_the_time_that_a_reader_takes_is_not_the_tools(used):
    seen = []

    async def sink(chunk):
        seen.append(chunk.content)
        await anyio.sleep(10)

    result = await host(*used).stream("t").stream_to(sink)

    assert (result.ok, result.attempts, seen) == (True, 0, ["a", "b"])


async def test_the_time_until_the_end_is():
    stream = host(BETWEEN, instead_and_late).stream("t")

    with pytest.raises(ToolTimeout, match="gave no chunk for 2 s"):
        await stream.collect()


async def test_a_cache_inside_such_a_limit_gives_a_slow_reader_all_again():
    registry = host(BETWEEN, CacheMiddleware(60))

    for _ in range(2):
        given = []
        async for chunk in registry.stream_execute("t", buffer=1):
            given.append(chunk.content)
            await anyio.sleep(10)
        assert given == ["a", "b"]

    assert current_clock().now == 41
