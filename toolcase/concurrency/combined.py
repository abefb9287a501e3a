"""What all combinators are: a stream that owns its sources, and closes each in the task that has read it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Generic, TypeVar

import anyio

from toolcase.chunk import StreamStopped
from toolcase.concurrency.together import called_off, cancelled_by_itself
from toolcase.stream import Put, Stream
from toolcase.timer import shielded

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Reading(Generic[T]):
    """One source: `async with` reads it and closes it, both in the same task; `aclose` closes it unread."""

    def __init__(self, source: AsyncIterable[T], combinator: str) -> None:
        if not isinstance(source, AsyncIterable):
            raise TypeError(
                f"a source of {combinator} must be an async iterable, got {type(source).__name__}; "
                "an async generator over it is one"
            )
        self._source: AsyncIterable[T] = source
        self._iterator: AsyncIterator[T] | None = None
        self._closed = False

    async def __aenter__(self) -> AsyncIterator[T]:
        self._iterator = aiter(self._source)
        return self._iterator

    async def __aexit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        if kind is not None and issubclass(kind, anyio.get_cancelled_exc_class() | StreamStopped):
            with shielded():  # or what the source awaits would be cut off at once
                await self.aclose()
            if kind is not StreamStopped and not called_off():
                raise cancelled_by_itself()
        else:
            await self.aclose()

    @property
    def unread(self) -> bool:
        """Whether nobody has begun to read it."""
        return self._iterator is None

    async def pass_on(self, put: Put) -> None:
        """Read all of it, and put each item."""
        async with self as items:
            async for item in items:
                await put(item)

    async def aclose(self) -> None:
        """Close what iterates and what was iterated, where they can be closed; once."""
        if self._closed:
            return
        self._closed = True
        async with AsyncExitStack() as stack:
            for each in {id(each): each for each in (self._source, self._iterator)}.values():
                close = getattr(each, "aclose", None)
                if close is not None:
                    stack.push_async_callback(close)


class Combined(Stream[T_co]):
    """A stream that is made of others, which are closed when it has ended or was closed, read or not.

    What a source raises while it is closed early goes to whoever closes it, unless that was cancelled.
    """

    def __init__(
        self, produce: Callable[[Put], Awaitable[None]], *sources: Reading[Any], buffer: int = 1
    ) -> None:
        self._sources, self._left = sources, _Left()
        super().__init__(partial(_owning, produce, sources, self._left), buffer=buffer)

    async def aclose(self) -> None:
        """End it and its sources, and wait until they have ended. Any task may, often.

        RuntimeError in the stream's own task, which would wait for itself.
        """
        self._left.early = True
        try:
            await super().aclose()
        finally:
            await _close_unread(self._sources)  # it may have been closed before it began
        error, self._left.error = self._left.error, None
        on_the_way = sys.exc_info()[1]  # what it is closed for, which must not be swallowed
        if error is not None and not isinstance(on_the_way, anyio.get_cancelled_exc_class()):
            try:
                raise error
            finally:
                del error  # no circle through the traceback's frame


class _Left:
    """Whether a stream was closed before its end, and what its sources made of that."""

    def __init__(self) -> None:
        self.early = False
        self.error: Exception | None = None


async def _owning(
    produce: Callable[[Put], Awaitable[None]], sources: tuple[Reading[Any], ...], left: _Left, put: Put
) -> None:
    try:
        await produce(put)
    except StopAsyncIteration as error:  # to a reader it would look like the end
        raise RuntimeError("what runs inside a stream raised StopAsyncIteration") from error
    except Exception as error:
        if left.early:
            left.error = error
        raise
    finally:
        await _close_unread(sources)


async def _close_unread(sources: tuple[Reading[Any], ...]) -> None:
    with shielded():
        async with AsyncExitStack() as stack:
            for source in sources:
                if source.unread:
                    stack.push_async_callback(source.aclose)
