"""What the tests of combinators read, which notes how much was taken of it and where it was closed."""

import asyncio
from dataclasses import dataclass
from typing import Any

import anyio

from toolcase import shielded


@dataclass
class After:
    """An item, or an error, that takes its time."""

    seconds: float
    item: Any


class Source:
    """Gives its items one by one, raises those that are errors, and notes what becomes of it."""

    def __init__(self, *items, every=0.0, cleanup=0.0, faulty=None):
        """`every` item takes so many seconds, and the clean-up `cleanup`, which then raises `faulty`."""
        self.items, self.every, self.cleanup, self.faulty = items, every, cleanup, faulty
        self.produced, self.running = 0, 0
        self.begun_in = self.ended_in = None
        self.times_closed = 0

    def __aiter__(self):
        return self._give()

    async def _give(self):
        self.begun_in = anyio.get_current_task().id
        self.running += 1
        try:
            for each in self.items:
                after = each if isinstance(each, After) else After(self.every, each)
                if after.seconds:
                    await anyio.sleep(after.seconds)
                if isinstance(after.item, BaseException):
                    raise after.item
                self.produced += 1
                yield after.item
        finally:
            try:
                if self.cleanup:
                    with shielded():
                        await anyio.sleep(self.cleanup)
            finally:
                self.running -= 1
                self.ended_in = anyio.get_current_task().id
            if self.faulty is not None:
                raise self.faulty

    async def aclose(self):
        """What an async iterable may have besides its iterator."""
        self.times_closed += 1

    @property
    def closed(self):
        """Whether both were closed, the iterator in the task that began it."""
        return self.times_closed == 1 and self.running == 0 and self.ended_in == self.begun_in


class Gone(Exception):
    """What a source raises."""


def numbers(count, **settings):
    """A source of so many numbers, from 0."""
    return Source(*range(count), **settings)


async def listed(stream):
    """All of it, and the error after it, if any."""
    items = []
    try:
        async for item in stream:
            items.append(item)
    except Exception as error:
        return items, error
    return items, None


async def double(number):
    """A function to map; it is quick."""
    return 2 * number


async def cancelled_elsewhere():
    """Wait, on asyncio, for a task that somebody else has cancelled."""
    task = asyncio.ensure_future(asyncio.sleep(1000))
    asyncio.get_running_loop().call_soon(task.cancel)
    await task
