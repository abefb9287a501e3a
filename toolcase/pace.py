"""Limits of time between chunks: they run while the tool is waited for, and never while its reader is.

It knows the back end, as the timer does. On asyncio one native timer serves all chunks of an attempt: a chunk
notes the time and no more, and the timer, when it is due, arms itself anew for what is left by then. On trio
it is a scope whose deadline moves.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio.lowlevel

from toolcase.call import Call, Inner
from toolcase.chunk import Pace
from toolcase.clock import asyncio_task
from toolcase.errors import ToolTimeout
from toolcase.timer import GRACE_SECONDS, Limits, Timer, limits_of, note_effect, overrun


def paced(inner: Inner, call: Call, *, first_chunk: float, idle: float) -> Awaitable[Any]:
    """Run inner, and raise `ToolTimeout` where its tool lets wait too long for a chunk.

    `first_chunk` is the time until the tool has given one, from now on; `idle` that between one and the next,
    and from the last one to the end. A tool that does not stream has no chunks: it is held to `idle` from the
    first time that it says how far it is.
    """
    streams = call.tool is not None and call.tool.streams
    if not streams:
        first_chunk = math.inf
    if first_chunk == idle == math.inf:
        return inner(call)
    task = asyncio_task()
    if task is None:
        return _in_scope(inner, _Watch(call, first_chunk, idle, sys.modules["trio"].current_time))
    return _in_task(inner, _Watch(call, first_chunk, idle, task.get_loop().time), task)


class _Watch:
    """The `Pace` of one attempt. It tells the one around it, because what is waited for here is so there."""

    __slots__ = (
        "_first_chunk",
        "_idle",
        "_kind",
        "_now",
        "_outer",
        "_quiet",
        "_reading",
        "_until",
        "call",
        "move",
    )

    def __init__(self, call: Call, first_chunk: float, idle: float, now: Callable[[], float]) -> None:
        self.call = call.copy()
        """What inner is given."""
        self.call._pace = self
        self._first_chunk, self._idle, self._now = first_chunk, idle, now
        self._outer: Pace | None = call._pace
        self._until = now() + first_chunk
        self._quiet = math.inf
        self._reading = False
        self._kind = "first_chunk"
        self.move: Callable[[float], None] = lambda due: None
        """Told the moment at which the time is over, whenever that changes."""

    @property
    def due(self) -> float:
        """When the time is over, as things are."""
        return min(self._until, self._quiet)

    def given(self) -> None:
        """A chunk has come."""
        self._until = math.inf
        self._reading = True
        self.move(math.inf)
        if self._outer is not None:
            self._outer.given()

    def taken(self) -> None:
        """The reader has it."""
        self._reading = False
        self._waits()
        if self._outer is not None:
            self._outer.taken()

    def wanted(self) -> None:
        """The tool goes on."""
        if not self._reading:
            self._waits()
        if self._outer is not None:
            self._outer.wanted()

    def _waits(self) -> None:
        """From now on the tool is waited for."""
        if self._idle < math.inf:
            self._quiet = self._now() + self._idle
            self._kind = "idle" if self._quiet < self._until else "first_chunk"
            self.move(self.due)

    def late(self) -> ToolTimeout:
        """The error for a tool whose time was over."""
        call = self.call
        note_effect(call)
        if self._kind == "first_chunk":
            said = f"gave no first chunk within {self._first_chunk:g} s"
        else:
            what = "chunk" if call.tool is not None and call.tool.streams else "sign of progress"
            said = f"gave no {what} for {self._idle:g} s"
        return ToolTimeout(f"{call.name!r} {said}", kind=self._kind)


class _MovingTimer(Timer):
    """A timer that looks, when it is due, whether it still is.

    It is armed for no later than `_due_at`, so that a deadline which moves away costs nothing.
    """

    __slots__ = ("_armed_for", "_due_at", "_loop")

    def __init__(self, watch: _Watch, task: asyncio.Task[Any], limits: Limits) -> None:
        super().__init__(watch.call, task, limits, limits.shields)
        self._loop = task.get_loop()
        self._due_at = self._armed_for = math.inf
        self.move(watch.due)

    def move(self, due: float) -> None:
        """The time is over then, and not before."""
        self._due_at = due
        if due < self._armed_for and not (self.fired or self._due):
            self._arm()

    def now(self) -> None:
        self._handle, self._armed_for = None, math.inf
        if self._loop.time() >= self._due_at:
            super().now()
        elif self._due_at < math.inf:
            self._arm()

    def disarm(self) -> None:
        super().disarm()
        self._armed_for = -math.inf  # whoever still tells us of chunks arms nothing any more

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for = self._due_at
        self._handle = self._loop.call_at(self._due_at, self.now)


async def _in_task(inner: Inner, watch: _Watch, task: asyncio.Task[Any]) -> Any:
    timer = _MovingTimer(watch, task, limits_of(task))
    watch.move = timer.move
    try:
        return await inner(watch.call)
    except asyncio.CancelledError as error:
        if timer.fired:
            if timer.took_it_back():
                raise watch.late() from error
            # Somebody else cancelled too: a scope of anyio must see a cancellation of its own.
            await anyio.lowlevel.checkpoint_if_cancelled()
        raise
    finally:
        timer.disarm()


async def _in_scope(inner: Inner, watch: _Watch) -> Any:
    trio = sys.modules["trio"]
    scope = trio.CancelScope(deadline=watch.due)

    def move(due: float) -> None:
        scope.deadline = due

    watch.move = move
    try:
        with scope:
            return await inner(watch.call)
    finally:
        if trio.current_time() >= scope.deadline + GRACE_SECONDS:
            overrun(watch.call)
    raise watch.late()
