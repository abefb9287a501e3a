"""An asynchronous iterator that owns the task which makes what it gives."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Generic, Self, TypeVar

import anyio

from toolcase.cancellation import RunCancelled
from toolcase.clock import count, current_loop, turns
from toolcase.pipe import MOST_CHUNKS, Pipe
from toolcase.task import BackgroundTask, Work
from toolcase.threads import poster
from toolcase.timer import shielded

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_filling: ContextVar[tuple[Pipe, ...]] = ContextVar("filling", default=())
"""The streams for which the code that runs here works: they wait for it."""

Put = Callable[[Any], Awaitable[None]]
"""Takes one item of a stream, and returns once there is room for it."""


class Stream(Generic[T_co]):
    """An asynchronous iterator over what a task of its own makes, bounded in what that makes ahead.

    `async with` guarantees that the task has ended when the block ends, however it ends, and a read that was
    cancelled inside can be made again: nothing is lost. Plain `async for` works too: there the task has ended
    when the stream has, or when a read was cancelled; after a `break`, or an error in the loop's body, it is
    cancelled soon, and not awaited. Nothing starts before the first read. It has one reader, and any task may
    close it: a reader who waits then gets `anyio.ClosedResourceError`.
    """

    def __init__(self, produce: Callable[[Put], Awaitable[None]], *, buffer: int = MOST_CHUNKS) -> None:
        """`produce` gives each item to what it is given, which waits while `buffer` items are unread.

        It must not refer to this stream, or nobody could see that a reader has dropped it.
        """
        self._produce, self._buffer = produce, count(buffer, "buffer")
        self._pipe: Pipe | None = None
        self._work: Work | None = None
        self._entered = self._closed = self._ended = self._waiting = False
        self._reader: int | None = None
        self._loop: Any = None
        self._post: Callable[[Callable[[], None]], bool] | None = None

    async def __aenter__(self) -> Self:
        self._entered = True
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        """RuntimeError if another task has begun to read it."""
        task = anyio.get_current_task().id
        if self._reader not in (None, task):
            raise RuntimeError("another task reads this stream; give each reader a stream of its own")
        self._reader = task
        return self

    async def __anext__(self) -> T_co:
        pipe = self._pipe
        if pipe is not None and pipe.items:  # the common case
            return pipe.take()  # type: ignore[no-any-return]
        return await self._next()

    async def some(self) -> list[T_co]:
        """All items that are there, but at least one; none at the end."""
        try:
            first = await anext(self)
        except StopAsyncIteration:
            return []
        pipe = self._pipe
        return [first, *(pipe.take() for _ in range(len(pipe.items)))] if pipe is not None else [first]

    @property
    def work(self) -> Work | None:
        """What makes the items, once that has begun."""
        return self._work

    async def aclose(self) -> None:
        """End it: cancel its task, if that still runs, and wait until it has stopped. Any task may, often.

        RuntimeError in what makes the stream, in whatever task: it would wait for itself.
        """
        if self._is_made_here():
            raise RuntimeError("a stream cannot be closed in its own task, which would wait for itself")
        work, cancelled = self._work, None
        if work is not None and self._runs_elsewhere():
            self._pipe = None  # nobody is left to wake, or to wait for
        elif work is not None and not work.ended:
            self._close()
            work.cancel()
            cancelled = await _over(work)
        self._close()
        if cancelled is not None:
            raise cancelled

    def __del__(self) -> None:
        work = getattr(self, "_work", None)
        if work is not None and self._post is not None and not work.ended:
            self._post(work.cancel)

    async def _next(self) -> T_co:
        """The next item, where none is there yet."""
        if self._waiting:
            raise RuntimeError("another task waits for this stream's next item; it has one reader")
        if self._ended:
            raise StopAsyncIteration
        self._check_open()
        if self._runs_elsewhere():
            raise anyio.ClosedResourceError("the event loop in which this stream was begun has gone")
        pipe = await self._waited(self._filled())
        self._check_open()
        if pipe.items:
            return pipe.take()  # type: ignore[no-any-return]
        error, self._ended = pipe.error, True
        pipe.close()
        if error is None:
            raise StopAsyncIteration
        try:
            if isinstance(error, StopAsyncIteration):  # which would be a quiet end
                raise RuntimeError(  # noqa: TRY004  as an async generator has it
                    "what makes this stream raised StopAsyncIteration"
                ) from error
            raise error
        finally:
            del error  # no circle through the traceback's frame

    async def _filled(self) -> Pipe:
        """The pipe, once there is an item in it, or nothing more to come."""
        pipe = self._pipe or await self._start()
        await pipe.filled()
        return pipe

    async def _waited(self, wait: Awaitable[T]) -> T:
        """What the reader waits for; who is cancelled meanwhile has left, unless inside `async with`."""
        self._waiting = True
        try:
            return await wait
        except BaseException:
            if not self._entered:
                await self.aclose()
            raise
        finally:
            self._waiting = False

    def _close(self) -> None:
        self._closed = True
        if self._pipe is not None:
            self._pipe.close()

    def _check_open(self) -> None:
        if self._closed:
            raise anyio.ClosedResourceError("this stream was closed before its end")

    async def _start(self) -> Pipe:
        """Begin: what gives the items runs from here on."""
        pipe = self._through(Pipe(self._buffer))
        self._work = BackgroundTask(running(self._produce, pipe), ended=lambda task: stopped(pipe))
        return pipe

    def _through(self, pipe: Pipe) -> Pipe:
        """What is made from here on comes through this pipe."""
        self._pipe, self._loop = pipe, current_loop()
        self._post = poster(self._loop)
        return pipe

    def _is_made_here(self) -> bool:
        """Whether the stream cannot end before the code that runs here has."""
        pipe, work = self._pipe, self._work
        if pipe is None or pipe.over or (work is not None and work.ended):
            return False
        return pipe in _filling.get() or pipe.maker == anyio.get_current_task().id

    def _runs_elsewhere(self) -> bool:
        """Whether what makes it was left over in a loop that has gone; RuntimeError where that goes on."""
        if self._work is None or self._work.ended or self._loop is current_loop():
            return False
        if turns(self._loop):
            raise RuntimeError("this stream was begun in another event loop; read and close it there")
        return True


def running(produce: Callable[[Put], Awaitable[None]], pipe: Pipe) -> Callable[[], Awaitable[None]]:
    """What runs in a stream's task: what it raises goes to the reader, and nothing but a cancellation on.

    Whoever runs it says how it ended where it could not.
    """

    async def run() -> None:
        _filling.set((*(other for other in _filling.get() if not other.over), pipe))
        error: BaseException | None = None
        try:
            await produce(pipe.put)
            pipe.end()
        except BaseException as raised:  # noqa: BLE001  the reader's, a program's end included
            cancelled, error = apart(raised)
            if error is not None:
                pipe.end(error)
            if cancelled is not None:
                raise cancelled from None
        finally:
            del error

    return run


def stopped(pipe: Pipe) -> None:
    """The task has ended; where it could not say how, it was cancelled."""
    pipe.end(RunCancelled("the task of this stream was cancelled"))


def apart(raised: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """The cancellations in what was raised, and the rest of it."""
    kind = anyio.get_cancelled_exc_class()
    if isinstance(raised, kind):
        return raised, None
    if isinstance(raised, BaseExceptionGroup) and raised.subgroup(kind) is not None:
        return raised.split(kind)  # which would copy one that has none
    return None, raised


async def _over(work: Work) -> BaseException | None:
    """Wait until it has ended, whoever cancels us meanwhile; gives that cancellation."""
    cancelled: BaseException | None = None
    while not work.ended:
        try:
            with shielded(math.inf):
                await work.wait()
        except anyio.get_cancelled_exc_class() as error:  # natively: it goes on to its target, later
            cancelled = error
    return cancelled
