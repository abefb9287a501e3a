"""The innermost step of a stream: what it notes of the chunks, and chunks given in a tool's place."""

import anyio
import pytest

from toolcase import Registry, Stage, StreamChunk, ToolTimeout
from toolcase.runtime import TimeoutMiddleware
from toolcase.streaming import emit_again
from toolcase.testing import current_clock


async def test_notes_how_many_chunks_there_were_and_when_the_first_one_came():
    registry, calls = Registry(clock=current_clock()), []

    @registry.use
    async def sees(call, inner):
        calls.append(call)
        return await inner(call)

    @registry.tool
    async def slow():
        for number in range(3):
            await anyio.sleep(2)
            yield number

    await registry.stream("slow").stream_to(lambda chunk: None)

    info = calls[0].info
    assert (info.chunks, info.first_chunk - info.started) == (3, pytest.approx(2))


def again(*limits, then=0.0):
    """A registry with these limits around what gives two chunks in the place of its tool."""
    registry = Registry()

    async def remembered(call, inner):
        await emit_again(call, [StreamChunk(1), StreamChunk(2)])
        await anyio.sleep(then)

    remembered.stage = Stage.ACT
    registry.use(*limits, remembered)

    @registry.tool
    async def t():
        yield "never"

    return registry


@pytest.mark.parametrize("limits", [(), (TimeoutMiddleware(first_chunk=5, idle=5),)])
async def test_a_reader_who_takes_his_time_over_chunks_given_again_is_no_matter_of_a_limit(limits):
    read = []

    async def slow(chunk):
        read.append(chunk.content)
        await anyio.sleep(9)

    assert (await again(*limits).stream("t").stream_to(slow)).ok
    assert read == [1, 2]


async def test_what_comes_after_chunks_given_again_is_waited_for():
    with pytest.raises(ToolTimeout, match="no chunk for 5 s"):
        await again(TimeoutMiddleware(idle=5), then=99).stream("t").collect()
