"""The innermost step of a tool that streams: it runs the function, and hands its chunks over one by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from toolcase.call import Call, Inner
from toolcase.chunk import Collected, StreamChunk


def streamed(prepare: Callable[[Call], Callable[[], AsyncGenerator[Any, Any]]]) -> Inner:
    """For an async generator. A caller who wants one value gets all chunks together."""

    async def invoke(call: Call) -> Any:
        call.info.attempts += 1
        async with aclosing(prepare(call)()) as source:
            return await handed_on(call, source)

    return invoke


async def handed_on(call: Call, source: AsyncIterator[Any]) -> Any:
    """Hand on what the source gives, chunk by chunk; where one value is wanted, give it."""
    info, emit, pace = call.info, call.emit, call._pace
    collected = None if emit else Collected(call.name, info._most_bytes)
    info._given = False
    async for given in source:
        chunk = given if type(given) is StreamChunk else StreamChunk(given, info.chunks)
        if pace is not None:
            info._given = True
            pace.given()
        if emit is None:
            await collected.add(chunk)  # type: ignore[union-attr]
        else:
            if not info.chunks:
                info.first_chunk = call.host.clock.monotonic()
            info.chunks += 1
            await emit(chunk)
        if pace is not None:
            info._given = False
            pace.wanted()
    return collected and collected.value
