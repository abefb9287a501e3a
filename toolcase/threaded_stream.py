"""The innermost step of a generator that is not async: it runs in one thread, a buffer ahead of the loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple, Self

import anyio
import anyio.lowlevel

from toolcase.call import Call, Inner
from toolcase.clock import current_loop, turns
from toolcase.events import LateCompletion
from toolcase.pipe import MOST_BYTES, MOST_CHUNKS, AsyncioWake, TrioWake, bytes_in
from toolcase.streaming import handed_on
from toolcase.threads import Leash, leash, poster
from toolcase.timer import shielded

SOON_SECONDS = 0.5
"""How long who leaves waits for a generator that is at work to come to its next `yield`."""

CLOSE_SECONDS = 5.0
"""How long who leaves waits for a generator that is being closed."""

LOOK_SECONDS = 1.0
"""How often a thread that waits for room looks whether its loop has gone, in real seconds."""


def threaded(prepare: Callable[[Call], partial[Generator[Any, Any, Any]]]) -> Inner:
    """For a generator that is not async. A caller who wants one value gets all chunks together."""

    async def invoke(call: Call) -> Any:
        host, value = call.host, None
        handover = Handover((call.tool and call.tool.buffer) or MOST_CHUNKS)
        begin = prepare(call)

        def work() -> None:
            try:
                handover.fill(begin())
            finally:
                handover.end()

        def started() -> None:
            call.info.attempts += 1

        async def meanwhile(done: anyio.Event, held: Leash) -> None:
            nonlocal value
            try:
                value = await handed_on(call, handover)
                await done.wait()
            except BaseException:
                held.let_go()
                await handover.leave(done)
                raise

        def late(error: BaseException | None) -> None:
            if error is not None or not handover.left_in_time:
                host.report(LateCompletion(tool=call.name, error=error, elapsed=call.elapsed))

        await host.threads.run(work, started=started, late=late, meanwhile=meanwhile)
        return value

    return invoke


class Said(NamedTuple):
    """What is to be called in the loop when it is its turn."""

    callback: Callable[[], None]


class Handover:
    """Passes what a thread makes to the loop, in order; it may be `size` items, or 1 MiB, ahead.

    While the thread waits for room it rests: a virtual clock may jump.
    """

    def __init__(self, size: int) -> None:
        """Made in the loop."""
        self._size, self._loop = size, current_loop()
        self._post = poster(self._loop)
        # Guards all that follows but the last two; the thread waits for room on it.
        self._changed = threading.Condition()
        self._items: deque[Any] = deque()
        self._bytes = 0
        self._ended = self._closed = self._rests = self._reads = False
        self._held: Leash | None = None
        # These belong to the loop.
        self._filled = AsyncioWake() if isinstance(self._loop, asyncio.AbstractEventLoop) else TrioWake()
        self._since_pause = 0
        self._seen = anyio.Event()
        self.left_in_time = False
        """Whether the thread had ended when who left stopped waiting for it."""

    # In the thread

    def fill(self, source: Generator[Any, Any, Any]) -> None:
        """Give all that the generator gives until nobody wants more; it is closed here in any case."""
        self._held = leash.get()
        if self._held is not None:
            self._held.in_turn = self._say
        with closing(source):
            for item in source:
                if not self._give(item):
                    return

    def end(self) -> None:
        """There will be no more."""
        with self._changed:
            self._ended = True
            self._wake_reader()
            if self._closed:
                self._post(self._seen.set)

    def _give(self, item: Any) -> bool:
        """Add it once there is room; False if nobody will take it."""
        with self._changed:
            while self._is_full() and not self._closed:
                self._rest()
            if self._closed:
                self._post(self._seen.set)
                return False
            self._bytes += bytes_in(item)
            self._items.append(item)
            self._wake_reader()
            return True

    def _is_full(self) -> bool:
        return bool(self._items) and (len(self._items) >= self._size or self._bytes >= MOST_BYTES)

    def _rest(self) -> None:
        """Wait until there is room; a loop that goes while it owes us that says nothing."""
        self._rests = True
        self._pends(-1)
        while self._rests:
            if not self._changed.wait(LOOK_SECONDS) and not turns(self._loop):
                self._closed = True
                self._go_on()

    def _say(self, callback: Callable[[], None]) -> None:
        """Call it in the loop after what was given before; it takes the place of one that was said last."""
        with self._changed:
            if self._items and type(self._items[-1]) is Said:
                self._items.pop()
            self._items.append(Said(callback))
            self._wake_reader()

    # In either; with the lock held

    def _wake_reader(self) -> None:
        if self._reads:
            self._reads = False
            self._post(self._filled.wake)

    def _go_on(self) -> None:
        """The thread works from here on, and not only once it knows."""
        if self._rests:
            self._rests = False
            self._pends(1)
            self._changed.notify()

    def _pends(self, change: int) -> None:
        if self._held is not None:
            self._held.pends(change)

    # In the loop

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        self._since_pause += 1
        if self._since_pause > self._size:  # a thread that is never slower must not keep the loop to itself
            self._since_pause = 0
            await anyio.lowlevel.checkpoint()
        while True:
            with self._changed:
                if self._items:
                    item = self._take()
                elif self._ended:
                    raise StopAsyncIteration
                else:
                    item, self._reads = self, True
            if item is self:
                self._since_pause = 0
                await self._filled.wait()
            elif type(item) is Said:
                item.callback()
            else:
                return item

    def _take(self) -> Any:
        items = self._items
        item = items.popleft()
        self._bytes -= bytes_in(item)
        if self._rests and len(items) * 2 <= self._size and self._bytes * 2 <= MOST_BYTES:
            self._go_on()
        return item

    async def leave(self, done: anyio.Event) -> None:
        """Take nothing further, and wait for the thread if that can be told soon: its generator is closed."""
        with self._changed:
            self._closed, seen = True, self._ended or self._rests
            self._items.clear()
            self._go_on()
        if not seen:
            with shielded(SOON_SECONDS):
                await self._seen.wait()
        if seen or self._seen.is_set():
            with shielded(CLOSE_SECONDS):
                await done.wait()
        self.left_in_time = done.is_set()
