"""The innermost step of a tool that streams: it runs the function, and hands its chunks over one by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

from toolcase.call import Call, Inner
from toolcase.chunk import Collected, StreamChunk, numbered
from toolcase.resume import resumed


def streamed(prepare: Callable[[Call], partial[AsyncGenerator[Any, Any]]]) -> Inner:
    """For an async generator. A caller who wants one value gets all chunks together.

    After chunks have been handed over, another run goes on where the last one broke off, if the tool can.
    """

    async def invoke(call: Call) -> Any:
        info, emit, pace = call.info, call.emit, call._pace
        info.attempts += 1
        collected = None if emit else Collected(call.name, info._most_bytes)
        begin, resume = prepare(call), None
        if emit is not None and call.tool is not None and (resume := call.tool.resume) is not None:
            begin = begin if info.cursor is None else resumed(begin, resume, info.cursor)
        async with aclosing(begin()) as source:
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
                    if resume is not None:
                        info.cursor = numbered(chunk, place)
                if pace is not None:
                    pace.taken()
        return collected and collected.value

    return invoke
