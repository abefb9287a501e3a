"""Middleware around one tool that is read chunk by chunk, without a registry."""

import pytest

from toolcase import Denied, Registry, Stage, StreamChunk, ToolStream, tool
from toolcase.runtime import compose, compose_streaming
from toolcase.testing import Give, Script


class Louder:
    """Writes in capitals."""

    def on_chunk(self, chunk, ctx):
        return StreamChunk(chunk.content.upper(), chunk.index)


class Counts:
    """Counts what goes out."""

    stage = Stage.OBSERVE

    def __init__(self):
        self.chunks = []

    def on_chunk(self, chunk, ctx):
        self.chunks.append(chunk.content)


@tool
async def say(prompt: str, times: int = 2):
    for _ in range(times):
        yield prompt


async def test_gives_a_stream_of_the_same_parameters():
    counts = Counts()
    stream = compose_streaming(Louder(), counts)(say)("x", times=3)

    assert isinstance(stream, ToolStream)
    assert [str(chunk) async for chunk in stream] == ["X", "X", "X"]
    assert (counts.chunks, stream.result.ok, stream.result.tool) == (["X"] * 3, True, "say")


async def test_each_call_is_a_stream_of_its_own():
    streaming = compose_streaming()(say)

    assert await streaming(prompt="a").collect() == "aa"
    assert await streaming(prompt="b", times=1).collect() == "b"


async def test_a_plain_tool_gives_its_value():
    streaming = compose_streaming(Louder())(Script(Give("x")).tool("t"))

    assert [str(chunk) async for chunk in streaming()] == ["X"]


def test_wrong_arguments_are_refused_as_python_refuses_them():
    with pytest.raises(TypeError, match="prompt"):
        compose_streaming()(say)(times=1)


async def test_an_error_comes_after_the_chunks_before_it():
    class Once:
        def on_chunk(self, chunk, ctx):
            ctx["seen"] = ctx.get("seen", 0) + 1
            if ctx["seen"] > 1:
                raise Denied("one is enough")
            return chunk

    read = []
    with pytest.raises(Denied, match="one is enough"):
        async for chunk in compose_streaming(Once())(say)("a"):
            read.append(chunk.content)

    assert read == ["a"]


async def test_a_reader_who_leaves_ends_the_tool():
    ended = []

    @tool(buffer=1)
    async def forever():
        try:
            while True:
                yield "a"
        finally:
            ended.append(True)

    async with compose_streaming()(forever)() as stream:
        await anext(stream)

    assert ended == [True]


async def test_a_stack_serves_a_registry_too():
    registry, stack = Registry(), compose_streaming(compose(Louder()), [Counts()])
    registry.use(stack)
    registry.add(say)

    assert repr(stack) == "compose_streaming(Louder, Counts)"
    assert await registry.stream("say", prompt="x").collect() == "XX"


def test_what_is_no_middleware_is_refused_when_it_is_composed():
    with pytest.raises(TypeError, match="a middleware is"):
        compose_streaming(5)
