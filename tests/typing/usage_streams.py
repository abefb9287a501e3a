"""How users write and read streams; type-checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

from toolcase import (
    BlockingStream,
    Call,
    Emit,
    Inner,
    Registry,
    StreamChunk,
    StreamEnded,
    StreamStarted,
    ToolResult,
    ToolStream,
    tool,
)
from toolcase.runtime import TimeoutMiddleware


def say(*said: object) -> None: ...


@tool(read_only=True, buffer=4)
async def words(text: str) -> AsyncIterator[str]:
    for word in text.split():
        yield word


async def read(registry: Registry) -> ToolResult:
    async for chunk in registry.stream("words", text="a b"):
        assert_type(chunk, StreamChunk)
        say(chunk, chunk.index, chunk.metadata.get("id"))
    async with registry.stream_execute("words", {"text": "a"}, timeout=5, buffer=2) as stream:
        assert_type(stream, ToolStream)
        first: StreamChunk = await anext(stream)
        say(first.content)
    return stream.result


async def in_other_ways(registry: Registry) -> None:
    async for event in registry.view(only="words").stream("words").events():
        match event:
            case StreamStarted(tool=name):
                say(name)
            case StreamChunk(content):
                say(content)
            case StreamEnded(result):
                say(result.ok)
    value: Any = await registry.stream("words").collect()
    result = await registry.stream("words").stream_to(lambda chunk: say(value, chunk))
    assert_type(result, ToolResult)


async def shouting(call: Call, inner: Inner) -> Any:
    emit: Emit | None = call.emit
    if emit is None:
        return await inner(call)

    async def louder(chunk: StreamChunk) -> None:
        await emit(StreamChunk(str(chunk).upper(), chunk.index))

    return await inner(call.streaming_to(louder))


def of_a_method(registry: Registry) -> AsyncIterator[str]:
    registry.add(words)
    registry.use(shouting)
    return words("called directly, with no registry")


async def after(cursor: StreamChunk, path: str) -> AsyncIterator[str]:
    yield f"{path} after {cursor.index}"


@tool(resume=after)
async def lines(path: str) -> AsyncIterator[str]:
    yield path


def limited(registry: Registry) -> None:
    registry.use(TimeoutMiddleware(first_chunk=5, idle=2), TimeoutMiddleware(60))
    registry.add(lines)


def without_a_loop(registry: Registry) -> ToolResult:
    tools = registry.blocking()
    for chunk in tools.stream("words", text="a b"):
        assert_type(chunk, StreamChunk)
    with tools.view(only="words").stream_execute("words", {"text": "a"}, timeout=5) as stream:
        assert_type(stream, BlockingStream)
        say(next(stream).content)
    return stream.result


@tool
def rows(path: str) -> Iterator[str]:
    with open(path, encoding="utf-8") as file:
        yield from file


@tool
async def copies(names: list[str], call: Call) -> int:
    for done, name in enumerate(names):
        call.progress(done, len(names), name)
    return len(names)
