"""Several streams as one: as they come, in turns, or row by row."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable
from functools import partial
from typing import Any, TypeVar, overload

import anyio

from toolcase.concurrency.combined import Combined, Reading
from toolcase.concurrency.together import Together
from toolcase.pipe import MOST_CHUNKS
from toolcase.stream import Put, Stream

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


def merge(*sources: AsyncIterable[T], buffer: int = MOST_CHUNKS) -> Stream[T]:
    """Give the items of all sources as they come; each source's own keep their order.

    All are read at once, up to `buffer` items ahead together. The first error ends the others; what was given
    before it comes before it.
    """
    readings = _readings(sources, "merge")

    async def produce(put: Put) -> None:
        async with Together() as tasks:
            for reading in readings:
                tasks.start(partial(reading.pass_on, put))

    return Combined(produce, *readings, buffer=buffer)


def interleave(*sources: AsyncIterable[T]) -> Stream[T]:
    """Give one item of each source in turn; one that has ended is left out.

    All are read at once, each one item ahead. The first error ends the others.
    """
    readings = _readings(sources, "interleave")

    async def produce(put: Put) -> None:
        turns = _Turns(len(readings))
        async with Together() as tasks:
            for number, reading in enumerate(readings):
                tasks.start(partial(turns.take, number, reading, put))

    return Combined(produce, *readings)


@overload
def zip_streams(
    first: AsyncIterable[A], second: AsyncIterable[B], /, *, strict: bool = False
) -> Stream[tuple[A, B]]: ...


@overload
def zip_streams(
    first: AsyncIterable[A], second: AsyncIterable[B], third: AsyncIterable[C], /, *, strict: bool = False
) -> Stream[tuple[A, B, C]]: ...


@overload
def zip_streams(*sources: AsyncIterable[T], strict: bool = False) -> Stream[tuple[T, ...]]: ...


def zip_streams(*sources: AsyncIterable[Any], strict: bool = False) -> Stream[Any]:
    """Give a tuple with one item of each source, until the shortest has ended.

    All are read at once, each one item ahead. The first error ends the others. ValueError with `strict` where
    the others go on after one has ended.
    """
    readings = _readings(sources, "zip_streams")

    async def produce(put: Put) -> None:
        async with Together() as tasks:
            rows = _Rows(len(readings), put, tasks, strict=strict)
            for number, reading in enumerate(readings):
                tasks.start(partial(rows.read, number, reading))

    return Combined(produce, *readings)


def _readings(sources: tuple[AsyncIterable[T], ...], combinator: str) -> list[Reading[T]]:
    return [Reading(source, combinator) for source in sources]


class _Turns:
    """Whose turn it is among several that wait for theirs."""

    def __init__(self, count: int) -> None:
        self._order = deque(range(count))
        self._mine = [anyio.Event() for _ in range(count)]
        self._call_up()

    async def take(self, number: int, reading: Reading[Any], put: Put) -> None:
        """Put each item of it when its turn comes, and leave when it has ended."""
        async with reading as items:
            async for item in items:
                await self._mine[number].wait()
                await put(item)
                self._mine[number] = anyio.Event()
                self._order.rotate(-1)
                self._call_up()
        await self._mine[number].wait()
        self._order.popleft()
        self._call_up()

    def _call_up(self) -> None:
        if self._order:
            self._mine[self._order[0]].set()


class _Rows:
    """A row that is filled by several; whoever fills its last place puts it."""

    def __init__(self, count: int, put: Put, tasks: Together, *, strict: bool) -> None:
        self._count, self._put, self._tasks, self._strict = count, put, tasks, strict
        self._row: dict[int, Any] = {}
        self._passed = 0
        self._next = anyio.Event()
        self._ended: set[int] = set()

    async def read(self, number: int, reading: Reading[Any]) -> None:
        """Fill its place in each row, until it has ended."""
        async with reading as items:
            async for item in items:
                self._row[number] = item
                self._check()
                await self._filled()
        self._ended.add(number)
        self._check()
        if not self._strict:
            self._tasks.stop()

    async def _filled(self) -> None:
        if len(self._row) < self._count:
            await self._next.wait()
            return
        row, self._row = tuple(self._row[number] for number in range(self._count)), {}
        await self._put(row)
        self._passed += 1
        done, self._next = self._next, anyio.Event()
        done.set()

    def _check(self) -> None:
        """ValueError where one has ended and another goes on."""
        if self._strict and self._ended and self._row:
            raise ValueError(
                f"source {min(self._ended)} ended after {self._passed} items, and source {min(self._row)} "
                "did not; leave out `strict` to end with the shortest"
            )
