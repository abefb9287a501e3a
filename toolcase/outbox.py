"""A bounded queue to one slow consumer, for observers: they must not wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from toolcase.clock import count
from toolcase.events import Event, OutboxDisabled
from toolcase.task import BackgroundTask
from toolcase.timer import shielded

T = TypeVar("T")

CONSUMER_SECONDS = 1.0
"""How long the consumer may take for one item, and for all that is left when it is closed."""

FAILURES_IN_A_ROW = 5


class Outbox(Generic[T]):
    """What an observer puts here is handed on, one after the other, to `consume`, by a task of its own.

    Made by `Registry.outbox`; runs while the registry is entered. It keeps at most `size` items: what comes
    when it is full is dropped and counted. A consumer has a second for each item; one that fails or takes
    longer five times in a row is disabled until the registry is entered again; that is reported once, as
    `OutboxDisabled`.
    """

    def __init__(
        self,
        consume: Callable[[T], Awaitable[None]],
        *,
        size: int,
        report: Callable[[Event], None],
    ) -> None:
        self.dropped = 0
        """How many items were not handed on: no room, no time, or the consumer failed."""
        self.disabled = False
        """Whether the consumer has failed too often; nothing is handed on any more."""
        self._consume, self._report = consume, report
        self._size = count(size, "size")
        self._items: deque[T] = deque()
        self._wake = anyio.Event()
        self._closing = False
        self._task: BackgroundTask | None = None
        self._failures = 0

    def put(self, item: T) -> bool:
        """Hand it on later; never waits. False says that it was dropped."""
        if self.disabled or len(self._items) >= self._size:
            self.dropped += 1
            return False
        self._items.append(item)
        self._wake.set()
        return True

    def __len__(self) -> int:
        """How many items wait."""
        return len(self._items)

    def open(self) -> None:
        """Hand items on from now on, in a task of the loop that runs here."""
        self._closing, self.disabled, self._failures = False, False, 0
        self._task = BackgroundTask(self._run)

    async def close(self) -> None:
        """Hand on what waits, for a second at most, and stop; what is left then is dropped."""
        task, self._task = self._task, None
        if task is None:
            return
        self._closing = True
        self._wake.set()
        try:
            with anyio.move_on_after(CONSUMER_SECONDS):
                await task.wait()
        finally:
            task.cancel()
            with shielded():
                await task.wait()
            self._drop()

    async def _run(self) -> None:
        while not self.disabled:
            if self._items:
                await self._hand_on(self._items.popleft())
            elif self._closing:
                return
            else:
                self._wake = anyio.Event()
                await self._wake.wait()

    async def _hand_on(self, item: T) -> None:
        self.dropped += 1  # until it has arrived
        try:
            with anyio.fail_after(CONSUMER_SECONDS):
                await self._consume(item)
        except Exception as error:  # noqa: BLE001  foreign code; it is reported when it keeps failing
            self._failures += 1
            if self._failures >= FAILURES_IN_A_ROW:
                self.disabled = True
                self._drop()
                self._report(OutboxDisabled(tool="", consumer=self._consume, error=error))
        else:
            self.dropped -= 1
            self._failures = 0

    def _drop(self) -> None:
        self.dropped += len(self._items)
        self._items.clear()
