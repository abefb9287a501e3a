"""A function over a stream, several of its calls at once."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import anyio

from toolcase.clock import count
from toolcase.concurrency.combined import Combined, Reading
from toolcase.concurrency.together import Together
from toolcase.stream import Put, Stream

T = TypeVar("T")
R = TypeVar("R")


def map_concurrent(
    source: AsyncIterable[T], function: Callable[[T], Awaitable[R]], *, limit: int, ordered: bool = True
) -> Stream[R]:
    """Give the function's value for each item, from at most `limit` calls at once.

    Values come in the order of the source, or with `ordered=False` as they are ready. One that waits for its
    turn counts as a call that runs. The first call that fails ends the others; an error of the source comes
    when those that run have ended.
    """
    most, reading = count(limit, "limit"), Reading(source, "map_concurrent")
    if not callable(function):
        raise TypeError(f"function must be an async function, got {type(function).__name__}")

    async def produce(put: Put) -> None:
        free, before = anyio.Semaphore(most, fast_acquire=True), _past()
        async with Together() as tasks, reading as items:
            await free.acquire()
            async for item in items:
                done = anyio.Event()
                tasks.start(partial(_one, function, item, put, free, before if ordered else None, done))
                before = done
                await free.acquire()

    return Combined(produce, reading)


async def _one(
    function: Callable[[Any], Awaitable[Any]],
    item: Any,
    put: Put,
    free: anyio.Semaphore,
    before: anyio.Event | None,
    done: anyio.Event,
) -> None:
    """One call: its value goes out once that of the item before has."""
    running = function(item)
    if not inspect.isawaitable(running):
        raise TypeError(f"function must be an async function; for {item!r} it gave {type(running).__name__}")
    value = await running
    if before is not None:
        await before.wait()
    await put(value)
    done.set()
    free.release()


def _past() -> anyio.Event:
    """What has happened already."""
    event = anyio.Event()
    event.set()
    return event
