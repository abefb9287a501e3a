"""How streams are combined, and which types come out: type-checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_type

from toolcase import Registry, StreamChunk
from toolcase.concurrency import (
    Stream,
    TaskGroup,
    batch,
    buffer,
    create_task_group,
    interleave,
    map_concurrent,
    merge,
    skip,
    take,
    throttle,
    timeout,
    zip_streams,
)


async def length(text: str) -> int:
    """A function to map."""
    return len(text)


async def combines(registry: Registry, words: AsyncIterator[str], numbers: AsyncIterator[int]) -> None:
    """Every combinator keeps the type of the items, or says what becomes of it."""
    assert_type(merge(words, words, buffer=2), Stream[str])
    assert_type(interleave(words, words), Stream[str])
    assert_type(zip_streams(words, numbers), Stream[tuple[str, int]])
    assert_type(zip_streams(words, numbers, words, strict=True), Stream[tuple[str, int, str]])
    assert_type(zip_streams(words, words, words, words), Stream[tuple[str, ...]])
    assert_type(buffer(words, 4), Stream[str])
    assert_type(throttle(words, 2.5), Stream[str])
    assert_type(batch(words, 4, within_seconds=1), Stream[list[str]])
    assert_type(take(words, 4), Stream[str])
    assert_type(skip(words, 4), Stream[str])
    assert_type(timeout(words, 4), Stream[str])
    assert_type(map_concurrent(words, length, limit=4), Stream[int])
    assert_type(merge(registry.stream_execute("a"), registry.stream_execute("b")), Stream[StreamChunk])

    async with take(merge(words, words), 3) as first:
        async for word in first:
            assert_type(word, str)
    async with create_task_group() as tasks:
        started: TaskGroup = tasks
        started.start_soon(length, "word")


def nests(words: AsyncIterator[str]) -> Stream[list[int]]:
    """What comes out of one goes into the next."""
    return batch(map_concurrent(buffer(words, 8), length, limit=2, ordered=False), 10)
