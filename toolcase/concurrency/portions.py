"""A part of a stream: its first items, or all but those."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TypeVar

from toolcase.clock import count
from toolcase.concurrency.combined import Combined, Reading
from toolcase.stream import Put, Stream

T = TypeVar("T")


def take(source: AsyncIterable[T], n: int) -> Stream[T]:
    """Give the first `n` items, and close the source when it has given them; none after them is read."""
    most, reading = count(n, "n", least=0), Reading(source, "take")

    async def produce(put: Put) -> None:
        left = most
        if not left:
            return
        async with reading as items:
            async for item in items:
                left -= 1
                await put(item)
                if not left:
                    return

    return Combined(produce, reading)


def skip(source: AsyncIterable[T], n: int) -> Stream[T]:
    """Give all items but the first `n`."""
    fewest, reading = count(n, "n", least=0), Reading(source, "skip")

    async def produce(put: Put) -> None:
        left = fewest
        async with reading as items:
            async for item in items:
                if left:
                    left -= 1
                else:
                    await put(item)

    return Combined(produce, reading)
