"""What passes chunks from the task that makes them to the one that reads them, and makes the faster one wait.

It knows the back end: chunks are many, and waking a task natively is cheaper than by an event.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from itertools import islice
from typing import Any

from toolcase.chunk import StreamChunk, StreamStopped, numbered
from toolcase.clock import current_loop

MOST_CHUNKS = 16
MOST_BYTES = 1024 * 1024


class Pipe:
    """A bounded queue to one reader: `size` chunks or 1 MiB of text and data, whichever comes first.

    Belongs to one event loop. A chunk that is larger than all of it passes when nothing else is in it. Those
    who wait for room are woken when half of it is free, so that they do not take turns chunk by chunk.
    """

    __slots__ = (
        "_bytes",
        "_closed",
        "_filled",
        "_numbers",
        "_over",
        "_room",
        "_size",
        "error",
        "items",
        "maker",
        "passed",
    )

    def __init__(self, size: int = MOST_CHUNKS, *, numbers: bool = False) -> None:
        """`numbers` says that chunks are told their place among all that pass."""
        self.items: deque[Any] = deque()
        """What nobody has read yet."""
        self.error: BaseException | None = None
        """What the reader gets after the last of them."""
        self._size, self._bytes = size, 0
        self.maker: int | None = None
        """The id of the task that adds items, where that is the reader's own."""
        self.passed = 0
        """How many items were added."""
        self._numbers = numbers
        self._over = self._closed = False
        wake = AsyncioWake if isinstance(current_loop(), asyncio.AbstractEventLoop) else TrioWake
        self._filled, self._room = wake(), wake()

    async def put(self, item: Any) -> None:
        """Add it once there is room; StreamStopped if nobody will read it."""
        while self.items and (len(self.items) >= self._size or self._bytes >= MOST_BYTES):
            try:
                await self._room.wait()
            except BaseException:  # it may have been woken, and another can have the room
                self._room.wake(1)
                raise
        if self._closed:
            raise StreamStopped
        if self._numbers:
            item = numbered(item, self.passed)
        self.passed += 1
        self._bytes += bytes_in(item)
        self.items.append(item)
        if self._filled.waits:
            self._filled.wake()

    def tell(self, news: Any) -> None:
        """Add what is no item and waits for no room; the latest of its kind stands for all since an item."""
        if self._over or self._closed:
            return
        if self.items and type(self.items[-1]) is type(news):
            self.items.pop()
        self.items.append(news)
        if self._filled.waits:
            self._filled.wake()

    def forget(self, kind: type) -> None:
        """Take back what was told of this kind."""
        self.items = deque(item for item in self.items if type(item) is not kind)
        self._room.wake()  # it may have been all that there was

    def take(self) -> Any:
        """The next item, of which there must be one."""
        items = self.items
        item = items.popleft()
        self._bytes -= bytes_in(item)
        if self._room.waits and len(items) * 2 <= self._size and self._bytes * 2 <= MOST_BYTES:
            self._room.wake(self._size - len(items))
        return item

    async def filled(self) -> bool:
        """Wait until there is an item; False if there will be none."""
        while not self.items:
            if self._over:
                return False
            await self._filled.wait()
        return True

    @property
    def over(self) -> bool:
        """Whether no further item comes."""
        return self._over

    def end(self, error: BaseException | None = None) -> None:
        """No further item comes, and after those that are there this error, if any. The first word stands."""
        if self._over:
            return
        self._over, self.error = True, error
        self._filled.wake()

    def close(self) -> None:
        """Forget what nobody will read any more, and take nothing further."""
        self._closed, self.error = True, None
        self.items.clear()
        self._room.wake()


def bytes_in(item: Any) -> int:
    """How many bytes an item counts for: its text or data, and nothing for anything else."""
    content = item.content if type(item) is StreamChunk else item
    return len(content) if type(content) in _SIZED else 0


_SIZED = frozenset({str, bytes})


class AsyncioWake:
    """Wakes those asyncio tasks that wait for it, who came first first."""

    __slots__ = ("waits",)

    def __init__(self) -> None:
        self.waits: dict[asyncio.Future[None], None] = {}

    async def wait(self) -> None:
        """Until it is woken."""
        future = asyncio.get_running_loop().create_future()
        self.waits[future] = None
        try:
            await future
        finally:
            self.waits.pop(future, None)

    def wake(self, most: int | None = None) -> None:
        """Wake so many of them, or all."""
        for future in list(islice(self.waits, most)):
            del self.waits[future]
            if not future.done():  # it was cancelled
                future.set_result(None)


class TrioWake:
    """Wakes those trio tasks that wait for it, who came first first."""

    __slots__ = ("waits",)

    def __init__(self) -> None:
        self.waits: dict[Any, None] = {}

    async def wait(self) -> None:
        """Until it is woken."""
        lowlevel = sys.modules["trio"].lowlevel
        task = lowlevel.current_task()
        self.waits[task] = None

        def abort(raise_cancel: Any) -> Any:
            del self.waits[task]
            return lowlevel.Abort.SUCCEEDED

        await lowlevel.wait_task_rescheduled(abort)

    def wake(self, most: int | None = None) -> None:
        """Wake so many of them, or all."""
        for task in list(islice(self.waits, most)):
            del self.waits[task]
            sys.modules["trio"].lowlevel.reschedule(task)
