"""The innermost step of a tool that streams: it runs the function, and hands its chunks over one by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any

from toolcase.call import Call, Inner
from toolcase.chunk import Collected, StreamChunk, StreamStopped, numbered
from toolcase.resume import resumed


def streamed(prepare: Callable[[Call], partial[AsyncGenerator[Any, Any]]]) -> Inner:
    """For an async generator. A caller who wants one value gets all chunks together.

    After chunks have been handed over, another run goes on where the last one broke off, if the tool can.
    """

    async def invoke(call: Call) -> Any:
        info = call.info
        info.attempts += 1
        begin, resume = prepare(call), call.tool and call.tool.resume
        if call.emit is not None and resume is not None and info.cursor is not None:
            begin = resumed(begin, resume, info.cursor)
        stop = None
        try:
            async with aclosing(begin()) as source:
                try:
                    return await handed_on(call, source, resumable=resume is not None)
                except StreamStopped as stopped:
                    stop = stopped
                    raise
        except Exception as error:
            if stop is None:
                raise
            raise stop from error  # what the tool made of being stopped is no failure of its own

    return invoke


async def handed_on(call: Call, source: AsyncIterator[Any], *, resumable: bool = False) -> Any:
    """Hand on what the source gives, chunk by chunk; where one value is wanted, give it."""
    info, emit, pace = call.info, call.emit, call._pace
    collected = None if emit else Collected(call.name, info._most_bytes)
    async for given in source:
        chunk = given if type(given) is StreamChunk else StreamChunk(given, info.chunks)
        if pace is not None:
            pace.given()
        if emit is None:
            await collected.add(chunk)  # type: ignore[union-attr]
        else:
            place = info.chunks
            if not place:
                info.first_chunk = call.host.clock.monotonic()
            info.chunks += 1
            await emit(chunk)
            if resumable:
                info.cursor = numbered(chunk, place)
        if pace is not None:
            pace.taken()
    return collected and collected.value


async def emit_again(call: Call, chunks: Iterable[StreamChunk]) -> None:
    """Hand on chunks in the place of a tool: for a middleware that has them, and starts no tool.

    A limit between chunks is told of them, so that it does not count the time that their reader takes.
    """
    pace, emit = call._pace, call.emit
    assert emit is not None  # noqa: S101  a stream is asked for
    for chunk in chunks:
        if pace is not None:
            pace.given()
        await emit(chunk)
        if pace is not None:
            pace.taken()
