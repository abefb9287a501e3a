"""Cuts off a running call from outside, such that its caller gets an error and no cancellation.

It knows the back end, as the timer does: on asyncio a call is cut off natively, and nothing is prepared
for it but to note its task; on trio there must be a scope around it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel

from toolcase.call import Call, Inner
from toolcase.cancellation import CancellationToken
from toolcase.clock import asyncio_task
from toolcase.errors import Unavailable
from toolcase.timer import GRACE_SECONDS, Limits, Timer, limits_of, note_effect, overrun


def stoppable(inner: Inner) -> Inner:
    """Inner, such that a call on this way can be given a `Stop`."""

    def run(call: Call) -> Any:
        task = asyncio_task()
        if task is None:
            return _in_scope(inner, call)
        call.info._home = limits_of(task)
        return inner(call)

    return run


def interrupted(inner: Inner, token: CancellationToken) -> Inner:
    """Inner, left when the token is cancelled."""

    async def run(call: Call) -> Any:
        return await token.interrupt(partial(inner, call))

    return run


class Stop:
    """What cuts off one running call of the way that `stoppable` made."""

    def __init__(self, call: Call, over: Callable[[], None]) -> None:
        """`over` is called when the call has ended."""
        self.call, self._over = call, over
        self.told = False
        """Whether the call was cut off."""
        self._told_at = 0.0
        self._timer: Timer | None = None
        home: Any = call.info._home
        if isinstance(home, Limits):
            task: Any = home.task()  # it runs, and so it is there
            self._timer = Timer(call, task, home, shields=0)
            self._timer.base = 0  # whoever cancels it already is not to be taken for us
        call.info._stop = self

    def now(self) -> None:
        """Cancel it; its caller gets `Unavailable` once it has stopped."""
        self.told, self._told_at = True, anyio.current_time()
        if self._timer is not None:
            self._timer.now()
        else:
            self.call.info._home.scope.cancel()

    async def settle(self, error: BaseException) -> Unavailable | None:
        """What the call ends with instead of this error, if it was we who ended it."""
        timer = self._timer
        if timer is None or not timer.fired or not isinstance(error, asyncio.CancelledError):
            return None
        if timer.took_it_back():
            return _cut_off(self.call)
        # Somebody else cancelled too: if that was a scope of anyio, it must see a cancellation of its own.
        await anyio.lowlevel.checkpoint_if_cancelled()
        return None

    def over(self) -> None:
        """The call has ended."""
        if self._timer is not None:
            self._timer.disarm()
        elif self.told and anyio.current_time() >= self._told_at + GRACE_SECONDS:
            overrun(self.call)
        self._over()


class _Scope(NamedTuple):
    """Where a call runs on trio."""

    task: Any
    scope: anyio.CancelScope


async def _in_scope(inner: Inner, call: Call) -> Any:
    task, parent = sys.modules["trio"].lowlevel.current_task(), call.parent
    if parent is not None and parent.info._home is not None and parent.info._home.task is task:
        call.info._home = parent.info._home
        return await inner(call)
    home = call.info._home = _Scope(task, anyio.CancelScope())
    with home.scope:
        return await inner(call)
    raise _cut_off(call)


def _cut_off(call: Call) -> Unavailable:
    note_effect(call)
    return Unavailable(f"{call.name!r} was stopped: its registry is closing")
