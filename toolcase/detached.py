"""A run that its caller may leave: for work that several calls wait for, or that goes on for a later one."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec.structs import replace

from toolcase.call import Call, CallInfo, Inner
from toolcase.cancellation import CancellationToken
from toolcase.chain import run_chain
from toolcase.events import Event, UsageReported
from toolcase.waiting import Waiters


class Detached:
    """One run of a call's inner, with a life of its own: `call.host.spawn` it, and end it yourself.

    Its `call` has the tool, the arguments and the context of the one that it was made of, and a copy of its
    `state`. It has an `info` of its own, so it is the parent of the calls made in it even after the first
    one has ended; no deadline; and, if the context has a cancellation token, a token of its own there, for
    you to cancel. It gives one value, also of a tool that streams. What its tool uses is charged to the call
    of which it was made.
    """

    def __init__(self, call: Call, *, patience: Callable[[], float], notify: Callable[[Event], None]) -> None:
        """`patience` gives the seconds for which anybody wants the outcome, `notify` gets its events."""
        context = call.context
        if context.cancellation is not None:
            context = replace(context, cancellation=CancellationToken())
        own = self.call = call.copy()
        own.info = CallInfo(started=call.host.clock.monotonic(), _context=context, _patience=patience)
        own.info._most_bytes = call.info._most_bytes
        # Whoever asked first pays, also for what is used after it has gone.
        own.info._meters = (*call.info._meters, partial(_charge, call))
        own.info._waiters = self._waiters = Waiters()
        own._state = dict(call.state)
        own._listeners = (self,)
        own._deadline, own._deadline_task, own._within = math.inf, None, ()
        own.emit = own._pace = None  # a reader may leave as any caller may
        self._notify = notify

    async def run(self, inner: Inner) -> Any:
        """What inner gives or raises; once, and in a task of its own."""
        return await run_chain(self.call, inner)

    def joined(self, call: Call) -> None:
        """This call waits for the run from now on, until it has `left`: what it holds may be lent to the run.

        Where nobody has said so, the call waits in whose body the one was made of which this is a run.
        """
        self._waiters.add(call)

    def left(self, call: Call) -> None:
        """It does not wait any more."""
        del self._waiters.calls[call]

    def on_event(self, call: Call, event: Event) -> None:
        """Hand on what is told inside it."""
        self._notify(event)


def _charge(call: Call, said: UsageReported) -> None:
    with call.host.lock:
        call.info.usage = call.info.usage.plus(said)
