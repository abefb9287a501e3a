"""A middleware that gives chunks in the place of a tool, inside one that limits the time between chunks."""

import pytest

from toolcase import Registry, StreamChunk
from toolcase.runtime import emit_again


class Told:
    """A limit between chunks that notes what it is told."""

    def __init__(self):
        self.words = []

    def given(self):
        self.words.append("given")

    def wanted(self):
        self.words.append("wanted")


@pytest.mark.parametrize("limited", [True, False])
async def test_the_time_that_a_reader_takes_is_not_the_tools(limited):
    told = Told()

    async def limits(call, inner):
        copy = call.copy()
        copy._pace = told if limited else None
        return await inner(copy)

    async def instead(call, inner):
        await emit_again(call, [StreamChunk("a"), StreamChunk("b", 1)])

    registry = Registry()
    registry.use(limits, instead)

    @registry.tool
    async def never():
        raise AssertionError("it was started")
        yield

    async def sink(chunk):
        told.words.append(chunk.content)

    result = await registry.stream("never").stream_to(sink)

    assert (result.ok, result.attempts) == (True, 0)
    if limited:
        assert told.words == ["given", "a", "wanted", "given", "b", "wanted"]
    else:
        assert told.words == ["a", "b"]
