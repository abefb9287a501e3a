"""How a registry is entered and left: who is let in, who may finish, and who is cut off."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import Context
from typing import Any, TypeVar

import anyio

from toolcase.call import Call, Host, Inner, running
from toolcase.clock import number
from toolcase.errors import Denied, Unavailable
from toolcase.events import CallStopped
from toolcase.outbox import Outbox
from toolcase.stop import Stop, stoppable
from toolcase.task import BackgroundTask
from toolcase.timer import shielded
from toolcase.watchdog import Watchdog

T = TypeVar("T")

PATH_SHOWN = 5


class Lifetime:
    """From entering a registry to having left it; between calls from outside can be stopped.

    Belongs to one event loop. A registry that was never entered lets everyone in and stops nobody.
    """

    def __init__(self, host: Host, *, grace: float, stall_seconds: float) -> None:
        self.grace = number(grace, "grace")
        self.entered = False
        """Whether we are between entering and the end of leaving."""
        self.closed = False
        """Whether calls from outside are refused: from the beginning of leaving until it is entered again."""
        self._host = host
        self._watchdog = Watchdog(host, stall_seconds)
        self.lifespans: list[Callable[[], AbstractAsyncContextManager[Any]]] = []
        self._alive = AsyncExitStack()
        self._outboxes: list[Outbox[Any]] = []
        self._beside: set[BackgroundTask] = set()
        self._cutting = False
        self._changed: anyio.Event | None = None

    async def enter(self) -> None:
        """Enter the lifespans, and let calls in. RuntimeError if it is entered already."""
        if self.entered:
            raise RuntimeError("this registry is entered already; enter it once, around all that uses it")
        self.entered, self.closed, self._cutting = True, False, False
        async with AsyncExitStack() as alive:
            alive.callback(self.forget)
            for make in self.lifespans:
                await alive.enter_async_context(make())
            self._alive = alive.pop_all()
        self._watchdog.start()
        for outbox in self._outboxes:
            outbox.open()

    def own(self, outbox: Outbox[T]) -> Outbox[T]:
        """Run it while we are entered."""
        self._outboxes.append(outbox)
        if self.entered:
            outbox.open()
        return outbox

    def spawn(
        self,
        function: Callable[[], Awaitable[None]],
        context: Context | None,
        ended: Callable[[BackgroundTask], None] | None,
    ) -> BackgroundTask:
        """Run it beside the calls, until it ends or we have left."""

        def over(task: BackgroundTask) -> None:
            self._beside.discard(task)
            if ended is not None:
                ended(task)

        task = BackgroundTask(function, context=context, ended=over)
        self._beside.add(task)
        return task

    async def leave(self) -> None:
        """Refuse calls from outside, give those in flight `grace` seconds, then cut them off and wait.

        A cancelled scope around it cuts them off at once. RuntimeError inside one of them.
        """
        around = running.get()
        if around is not None and self._covers(around) and not around.info._ended:
            raise RuntimeError(
                f"{around.name!r} cannot leave the registry in which it runs: leaving would wait for it; "
                "tell the host to leave"
            )
        self.closed = True
        try:
            with anyio.move_on_after(self.grace):
                await self._wait_for_the_rest()
        finally:
            self._cutting = True
            async with AsyncExitStack() as ending:  # each of these, whatever becomes of the one before
                ending.push_async_callback(self._alive.aclose)
                ending.push_async_callback(self._close_outboxes)
                ending.push_async_callback(self._end_the_rest_beside)
                with shielded(math.inf):
                    await self._wait_for_the_rest()

    def forget(self) -> None:
        """Be not entered any more, also where the loop has gone without anybody leaving."""
        self._watchdog.stop()
        self._beside.clear()
        self.entered = False

    def admit(self, name: str, around: Call | None) -> None:
        """Unavailable if calls from outside are refused and the one around is none of ours."""
        if self.closed and not self._covers(around):
            raise Unavailable(f"{name!r} cannot be called: its registry is closed")

    def around(self, chain: Inner) -> Inner:
        """The same way, for a call that can be cut off when the registry is left."""
        return stoppable(chain) if self.entered else chain

    def _covers(self, call: Call | None) -> bool:
        """Whether this call stands in one of ours, or is one; a child of another registry's is a guest."""
        while call is not None and call.host is not self._host:
            call = call.parent
        return call is not None

    async def _wait_for_the_rest(self) -> None:
        """Until no call is left, those included that turn out to have outlived their parents."""
        while left := [call for call in self._host.calls if call.info._home is not None]:
            self._changed = anyio.Event()
            for call in left:
                stop: Stop = call.info._stop or Stop(call, self._changed_now)
                parent = call.parent
                if (
                    self._cutting
                    and not stop.told
                    and (parent is None or parent.info._ended or not self._covers(parent))
                ):  # the others end with their parents
                    self._host.report(CallStopped(tool=call.name, elapsed=call.elapsed))
                    stop.now()
            await self._changed.wait()

    def _changed_now(self) -> None:
        if self._changed is not None:
            self._changed.set()

    async def _end_the_rest_beside(self) -> None:
        for task in (tasks := list(self._beside)):
            task.cancel()
        with shielded(math.inf):
            for task in tasks:
                await task.wait()

    async def _close_outboxes(self) -> None:
        async with anyio.create_task_group() as tasks:
            for outbox in self._outboxes:
                tasks.start_soon(outbox.close)


def too_deep(call: Call, around: Call, limit: int) -> Denied:
    """The error for a call that stands in too many others, with the way that led there."""
    names, outer = [call.name], around
    while len(names) < PATH_SHOWN:
        names.insert(0, outer.name)
        if outer.parent is None:
            break
        outer = outer.parent
    return Denied(
        f"calls nest {call.depth} deep ({' > '.join(names)}), more than max_depth={limit}; "
        "does a tool call itself without end?"
    )
