"""How a registry is entered and left: who is let in, who may finish, and who is cut off."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import anyio

from toolcase.call import Call, Host, Inner, running
from toolcase.errors import Unavailable
from toolcase.events import CallStopped
from toolcase.outbox import Outbox
from toolcase.timer import Stop, shielded, stoppable
from toolcase.watchdog import Watchdog

T = TypeVar("T")


class Lifetime:
    """From entering a registry to having left it; between calls from outside can be stopped.

    Belongs to one event loop. A registry that was never entered lets everyone in and stops nobody.
    """

    def __init__(self, host: Host, *, grace: float, stall_seconds: float) -> None:
        if isinstance(grace, bool) or not isinstance(grace, int | float):
            raise TypeError(f"grace must be a number of seconds, got {grace!r}")
        if not grace >= 0:
            raise ValueError(f"grace must be 0 seconds or more, got {grace!r}")
        self.grace = grace
        self.entered = False
        """Whether we are between entering and the end of leaving."""
        self.closed = False
        """Whether calls from outside are refused: from the beginning of leaving until it is entered again."""
        self._host = host
        self._watchdog = Watchdog(host, stall_seconds)
        self._outboxes: list[Outbox[Any]] = []
        self._stops: set[Stop] = set()
        self._idle: anyio.Event | None = None

    def enter(self) -> None:
        """Let calls in. RuntimeError if it is entered already."""
        if self.entered:
            raise RuntimeError("this registry is entered already; enter it once, around all that uses it")
        self.entered, self.closed, self._stops = True, False, set()
        self._watchdog.start()
        for outbox in self._outboxes:
            outbox.open()

    def own(self, outbox: Outbox[T]) -> Outbox[T]:
        """Run it while we are entered."""
        self._outboxes.append(outbox)
        if self.entered:
            outbox.open()
        return outbox

    async def leave(self) -> None:
        """Refuse calls from outside, give those in flight `grace` seconds, then cut them off and wait.

        A cancellation of this very task cuts them off at once. RuntimeError inside one of them.
        """
        around, stopped = running.get(), {stop.call.info for stop in self._stops}
        while around is not None:
            if around.info in stopped:
                raise RuntimeError(
                    f"{around.name!r} cannot leave the registry in which it runs: leaving would wait for it; "
                    "tell the host to leave"
                )
            around = around.parent
        self.closed = True
        try:
            with anyio.move_on_after(self.grace):
                await self._wait_for_the_rest()
        finally:
            try:
                self._cut_off()
                with shielded(math.inf):
                    await self._wait_for_the_rest()
                for outbox in self._outboxes:
                    await outbox.close()
            finally:
                self._watchdog.stop()
                self.entered = False

    def forget(self) -> None:
        """Be not entered any more: the loop has gone without anybody leaving."""
        self._watchdog.stop()
        self.entered, self._stops = False, set()

    def admit(self, name: str, around: Call | None) -> None:
        """Unavailable if calls from outside are refused and the one around is none of ours."""
        if self.closed and not self._covers(around):
            raise Unavailable(f"{name!r} cannot be called: its registry is closed")

    def around(self, chain: Inner) -> Inner:
        """The same way, for a call that can be cut off when the registry is left."""
        if not self.entered:
            return chain
        stopping = stoppable(chain, self._stops)

        async def run(call: Call) -> Any:
            if call.parent is not None and self._covers(call.parent):  # it ends with that
                return await chain(call)
            try:
                return await stopping(call)
            finally:
                if self._idle is not None and not self._stops:
                    self._idle.set()

        return run

    def _covers(self, call: Call | None) -> bool:
        """Whether this call stands in one of ours, or is one; a child of another registry's is a guest."""
        while call is not None and call.host is not self._host:
            call = call.parent
        return call is not None

    def _cut_off(self) -> None:
        for stop in list(self._stops):
            call = stop.call
            self._host.report(CallStopped(tool=call.name, elapsed=call.elapsed))
            stop.now()

    async def _wait_for_the_rest(self) -> None:
        while self._stops:
            self._idle = anyio.Event()
            await self._idle.wait()
