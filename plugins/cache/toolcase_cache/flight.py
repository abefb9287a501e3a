"""One run of a tool that several calls wait for: it belongs to none of them, and ends with the last."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, copy_context
from enum import Enum, auto
from types import TracebackType
from typing import Any

import anyio
import anyio.lowlevel

from toolcase import BackgroundTask, Call, Inner, remaining, shielded
from toolcase.events import Event
from toolcase.runtime import Detached
from toolcase_cache.events import FlightFailed
from toolcase_cache.key import RUN
from toolcase_cache.twin import twin

NOBODY_WAITS = "nobody waits for it any more"

_around: ContextVar[Flight | None] = ContextVar("flight", default=None)
"""The flight in whose run we are."""


class NotShared(Enum):
    """What a call is given where the outcome cannot be its own too."""

    AGAIN = auto()
    """The run was stopped from elsewhere, or ended with what only one may be told: ask anew."""
    ALONE = auto()
    """The value cannot be copied: run alone."""


class Flight:
    """A run, and the calls that wait for it in the order in which they came.

    For one event loop; what it holds is changed between two awaits. The first in the line stands for the
    run before the observers, and is given the outcome itself; the others are given copies.
    """

    def __init__(self, call: Call, inner: Inner, over: Callable[[Flight], None]) -> None:
        """For this call, with which it begins; `over` is called when none is to join it any more."""
        # What the first caller does to its arguments once it has gone is not to be seen here.
        self._run = Detached(call.with_own_arguments(), patience=self._patience, notify=self._notify)
        self._inner, self._over = inner, over
        self._task: BackgroundTask | None = None
        self._waiters: dict[_Waiter, None] = {}
        self._abandoned = False
        self._attempts_told = 0
        # How it ended, if it was not stopped; and who was given that itself.
        self._landed = self._cancelled = False
        self._taker: _Waiter | None = None
        self._value: Any = None
        self._error: BaseException | None = None
        self._traceback: TracebackType | None = None

    @property
    def waits_for_us(self) -> bool:
        """Whether it cannot end before the code that runs here has."""
        known: set[Flight] = set()
        left = [_around.get()]
        while left:
            flight = left.pop()
            if flight is self:
                return True
            if flight is not None and flight not in known:
                known.add(flight)
                left += [waiter.around for waiter in flight._waiters]  # noqa: SLF001  another of us
        return False

    async def outcome(self, call: Call) -> Any:
        """The value for this call, or the error raised; `NotShared` where there is none for it."""
        waiter = _Waiter(call)
        self._waiters[waiter] = None
        self._run.joined(call)
        try:
            await self._ended(call)
            return self._outcome_of(waiter)
        finally:
            self._leave(waiter)

    # The run

    async def _ended(self, call: Call) -> None:
        """Begin it, if nobody has, and wait for its end; the last one who cannot wait ends it."""
        task = self._task = self._task or self._begin(call)
        try:
            await task.wait()
        except BaseException as reason:
            if len(self._waiters) == 1:
                await self._abandon(task, reason)
            raise

    def _begin(self, call: Call) -> BackgroundTask:
        context = copy_context()
        context.run(_around.set, self)
        return call.host.spawn(self._fly, context=context)

    async def _fly(self) -> None:
        try:
            self._value = await self._run.run(self._inner)
            self._landed = True
        except BaseException as error:  # noqa: BLE001  it is for those who wait
            self._cancelled = isinstance(error, anyio.get_cancelled_exc_class())
            if self._cancelled:
                await anyio.lowlevel.checkpoint_if_cancelled()  # raises, if we were stopped
            self._error, self._traceback, self._landed = error, error.__traceback__, True
            if self._abandoned and isinstance(error, Exception):
                self._run.call.host.report(FlightFailed(tool=self._run.call.name, error=error))
        finally:
            if self._error is not None or not self._landed:
                self._over(self)  # the next call tries again

    async def _abandon(self, task: BackgroundTask, reason: BaseException) -> None:
        """Nobody wants it any more: stop it, and wait until it has stopped, unless what waits is closed."""
        self._over(self)
        token = self._run.call.context.cancellation
        if not task.ended:
            self._abandoned = True
            if token is not None:
                token.cancel(NOBODY_WAITS)
            task.cancel()
        while not task.ended and not isinstance(reason, GeneratorExit):
            # Cancelled natively once more? What we were cancelled with at first goes on in the end.
            with suppress(anyio.get_cancelled_exc_class()), shielded(math.inf):
                await task.wait()
        untold = None if self._taker or self._cancelled else self._error
        if untold is not None and not isinstance(untold, Exception):
            raise untold  # the program is to end, and nobody else would know

    def _patience(self) -> float:
        until = max((waiter.until for waiter in self._waiters), default=-math.inf)
        return until - self._run.call.host.clock.monotonic()

    def _notify(self, event: Event) -> None:
        first = next(iter(self._waiters), None)
        if first is not None:
            first.call.notify(event)

    # Those who wait

    def _stands_for_it(self, waiter: _Waiter) -> bool:
        return waiter is (self._taker or next(iter(self._waiters)))

    def _outcome_of(self, waiter: _Waiter) -> Any:
        if not self._landed:
            return NotShared.AGAIN
        ours = self._stands_for_it(waiter)
        waiter.call.state[RUN] = self._run.call.state if ours else None
        if ours:
            self._taker = waiter
            return self._taken()
        if self._error is None:
            return _copied(self._value)
        if not isinstance(self._error, Exception):
            return NotShared.AGAIN
        raise twin(self._error).with_traceback(self._traceback)

    def _taken(self) -> Any:
        """The outcome itself; what is left for the others is a copy, which its taker cannot change."""
        value, error, shared = self._value, self._error, len(self._waiters) > 1
        if shared and isinstance(error, Exception):
            self._error = twin(error)
        elif shared:
            self._value = _copied(value)
        if error is None:
            return value
        try:
            raise error.with_traceback(self._traceback)
        finally:
            del error  # no circle through the traceback's frame

    def _leave(self, waiter: _Waiter) -> None:
        """Out of the line, with what is known of the run; its attempts are told to one call only."""
        own, run = waiter.call.info, self._run.call.info
        own.outcome_unknown = own.outcome_unknown or run.outcome_unknown
        own.earlier = run.earlier or own.earlier
        own.retry_after = own.retry_after if run.retry_after is None else run.retry_after
        if self._stands_for_it(waiter):
            own.attempts += run.attempts - self._attempts_told
            self._attempts_told = run.attempts
        del self._waiters[waiter]
        self._run.left(waiter.call)
        if not self._waiters:
            self._over(self)
            self._value = self._error = self._traceback = None


class _Waiter:
    """A call that waits for a flight, and until when."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.around = _around.get()
        self.until = call.host.clock.monotonic() + remaining(call)


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001  a generator, a file, a lock, or what any class may raise
        return NotShared.ALONE
