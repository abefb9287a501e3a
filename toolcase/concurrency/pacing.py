"""The pace of a stream: ahead of its reader, evenly, in batches, or with a limit of time for each item."""

from __future__ import annotations

import math
from collections.abc import AsyncIterable
from typing import TypeVar

import anyio

from toolcase.clock import SystemClock, count, number
from toolcase.clock import seconds as duration
from toolcase.concurrency.combined import Combined, Reading
from toolcase.concurrency.together import Together
from toolcase.pipe import MOST_CHUNKS, Pipe
from toolcase.stream import Put, Stream, running

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


def buffer(source: AsyncIterable[T], size: int) -> Stream[T]:
    """Read up to `size` items ahead of the reader, or 1 MiB of text and data if that is less."""
    reading = Reading(source, "buffer")
    return Combined(reading.pass_on, reading, buffer=count(size, "size"))


def throttle(source: AsyncIterable[T], per_second: float) -> Stream[T]:
    """Give at most so many items a second, evenly spaced; none is left out, and the source waits."""
    if not number(per_second, "per_second"):
        raise ValueError(f"per_second must be above 0, got {per_second!r}")
    return _Throttled(1 / per_second, Reading(source, "throttle"))


def batch(source: AsyncIterable[T], size: int, within_seconds: float = math.inf) -> Stream[list[T]]:
    """Give lists of `size` items, and of fewer when the first of them has waited `within_seconds`.

    The last one holds what is left at the end, or before an error. Up to 16 items of the next list are read
    ahead, but no more than `size`.
    """
    most, within = count(size, "size"), duration(within_seconds, "within_seconds")
    reading = Reading(source, "batch")

    async def produce(put: Put) -> None:
        ahead = Pipe(min(most, MOST_CHUNKS))
        try:
            async with Together() as tasks:
                tasks.start(running(reading.pass_on, ahead))
                while await ahead.filled():
                    items = [ahead.take()]
                    with anyio.move_on_after(within):
                        while len(items) < most and await ahead.filled():
                            items.append(ahead.take())
                    await put(items)
        except anyio.get_cancelled_exc_class():
            if not isinstance(ahead.error, Exception):  # the source's clean-up has not failed
                raise
        error, ahead.error = ahead.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # no circle through the traceback's frame

    return Combined(produce, reading)


def timeout(source: AsyncIterable[T], seconds: float) -> Stream[T]:
    """Wait at most so long for each item of the source, else raise TimeoutError; a slow reader has time."""
    limit, reading = duration(seconds, "seconds"), Reading(source, "timeout")

    async def produce(put: Put) -> None:
        now = SystemClock().monotonic
        # One scope around it all, because the source may have scopes of its own open between two items.
        with anyio.CancelScope(deadline=now() + limit) as scope:
            async with reading as items:
                async for item in items:
                    scope.deadline = math.inf
                    await put(item)
                    scope.deadline = now() + limit
        if scope.cancel_called:  # whatever the source made of it
            raise TimeoutError(f"the source gave no item within {limit:g} s")

    return Combined(produce, reading)


class _Throttled(Combined[T_co]):
    """Here the reader waits: what is ready would otherwise come all at once to one who was away."""

    def __init__(self, gap: float, reading: Reading[T_co]) -> None:
        super().__init__(reading.pass_on, reading)
        self._gap, self._due = gap, -math.inf
        self._held: list[T_co] = []
        """The item whose time has not come; a read that was cancelled leaves it to the next one."""
        self._now = SystemClock().monotonic

    async def __anext__(self) -> T_co:
        if self._waiting:
            return await self._next()  # which refuses: it has one reader
        if not self._held:
            self._held.append(await super().__anext__())
            # From when it was due, not from when we woke up for it, or late timers would add up.
            self._due = max(self._due, self._now())
        if self._now() < self._due:
            await self._waited(anyio.sleep_until(self._due))
        self._check_open()
        self._due += self._gap
        return self._held.pop()
