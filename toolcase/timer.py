"""Limits of time that interrupt, and clean-up that they do not interrupt.

One of the three modules that know the back end. On asyncio a limit is a native timer that is armed only when
the call first suspends: a call that never waits cannot be late, and most of what a timer costs is arming it.
On trio it is a plain scope. Never a scope entered late: scopes nest by entry order, and what the tool entered
in its first step would lie inside it (docs/decisions/0003-a-timer-instead-of-a-scope.md has the figures).
"""

from __future__ import annotations

import asyncio
import math
import sys
import types
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar

import anyio
import anyio.lowlevel

from toolcase.call import Call, Inner, Stage, running
from toolcase.clock import asyncio_task
from toolcase.errors import ToolTimeout
from toolcase.events import CancelOverrun

GRACE_SECONDS = 5.0


def limited(inner: Inner, call: Call, seconds: float, kind: str) -> Awaitable[Any]:
    """Run inner with a limit of time: after `seconds` it is cancelled, awaited, and `ToolTimeout` is raised.

    Where a deadline that is armed around us in the same task comes first, that one will do: no second
    timer is armed, and the error is that one's own. `kind` says in the error which limit it was.
    """
    if seconds == math.inf:
        return inner(call)
    task = asyncio_task()
    if task is None:
        return _in_scope(inner, call, seconds, kind)
    now = task.get_loop().time()
    if now < call._deadline <= now + seconds and _holds(call, task):
        return inner(call)
    return _lazily(inner, call, task, now + seconds, seconds, kind)


@dataclass(frozen=True, slots=True)
class ToolsOwnTimeout:
    """What `@tool(timeout=)` adds where no limit stands around each attempt."""

    seconds: float
    kind: ClassVar[str] = "attempt"
    stage: ClassVar[Stage] = Stage.ACT

    def __str__(self) -> str:
        return f"ToolsOwnTimeout({self.seconds:g} s)"

    def __call__(self, call: Call, inner: Inner) -> Awaitable[Any]:
        return limited(inner, call, self.seconds, self.kind)


def remaining(call: Call) -> float:
    """Seconds until the earliest deadline armed around this task ends the call; inf where there is none.

    Once it has passed, nothing remains: what the tool made of its cancellation is no reason to go on. In a
    `Detached` run it is no longer than anybody wants the outcome.
    """
    left = patience(call)
    return math.inf if left is None else left()


def patience(call: Call) -> Callable[[], float] | None:
    """What tells `remaining`, for a task beside this one to ask at any time; None where there is no end."""
    task, others = asyncio_task(), call.info._patience
    now = sys.modules["trio"].current_time if task is None else task.get_loop().time
    if not (_holds_on_trio(call) if task is None else _holds(call, task)):
        return others
    deadline = call._deadline
    return lambda: min(deadline - now(), math.inf if others is None else others())


@contextmanager
def shielded(grace: float = GRACE_SECONDS) -> Iterator[anyio.CancelScope]:
    """Clean-up that neither a scope nor a limit of ours interrupts, bounded to `grace` seconds.

    On asyncio anyio's own shield does not stop a native cancellation, and that is what our timers are.
    A cancellation that the host sends natively (`task.cancel()`) still gets through: nothing can stop it.
    The scope's `cancelled_caught` tells afterwards whether the time was enough.
    """
    task = asyncio_task()
    if task is None:
        with anyio.move_on_after(grace, shield=True) as scope:
            yield scope
        return
    limits = limits_of(task)
    limits.shields += 1
    try:
        with anyio.move_on_after(grace, shield=True) as scope:
            yield scope
    finally:
        limits.shields -= 1
        for timer in limits.armed:
            timer.release()


class Timer:
    """One armed limit of one asyncio task; without a deadline it waits to be told.

    It stands inside `shields` shielded clean-ups, and waits while there are more.
    """

    __slots__ = ("_due", "_handle", "_limits", "_shields", "base", "call", "fired", "task")

    def __init__(
        self, call: Call, task: asyncio.Task[Any], limits: Limits, shields: int, deadline: float | None = None
    ) -> None:
        self.task, self.call, self._limits, self._shields = task, call, limits, shields
        self.base, self._due = task.cancelling(), False
        self.fired = False
        self._handle: asyncio.Handle | None = None
        if deadline is not None:
            self._handle = task.get_loop().call_at(deadline, self.now)
        limits.armed.append(self)

    def now(self) -> None:
        """Cancel the task, or note that this is due where a clean-up is shielded."""
        if self._limits.shields > self._shields:
            self._due = True
            return
        self.fired = True
        self.task.cancel()
        self._handle = self.task.get_loop().call_later(GRACE_SECONDS, overrun, self.call)

    def release(self) -> None:
        """Do what was due, if a clean-up that has ended was the last that it waited for."""
        if self._due and self._limits.shields <= self._shields:
            self._due = False
            # Not at once: cancel() on the task that runs now strikes at its next await, and up to Python 3.12
            # uncancel() does not take that back: it would hit the caller after the call had returned.
            self._handle = self.task.get_loop().call_soon(self.now)

    def took_it_back(self) -> bool:
        """Undo our cancellation; whether nobody else has cancelled too, so that the error is ours."""
        self.fired = False
        return self.task.uncancel() <= self.base

    def disarm(self) -> None:
        self._limits.armed.remove(self)
        if self._handle is not None:
            self._handle.cancel()
        if self.fired:  # inner swallowed the cancellation, or turned it into an error of its own
            self.task.uncancel()


class Limits:
    """What is armed, and how many shielded clean-ups we are in, in one asyncio task."""

    __slots__ = ("armed", "shields", "task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = weakref.ref(task)
        self.armed: list[Timer] = []
        self.shields = 0


# A child task inherits its parent's value, hence the test for the task wherever it is read.
_limits: ContextVar[Limits | None] = ContextVar("limits", default=None)


def limits_of(task: asyncio.Task[Any]) -> Limits:
    """Those of the task that runs here."""
    limits = _limits.get()
    if limits is None or limits.task() is not task:
        limits = Limits(task)
        _limits.set(limits)
    return limits


def _holds(call: Call, task: asyncio.Task[Any]) -> bool:
    """Whether the deadline noted in this call is one of this task's, and no clean-up is shielded from it."""
    return call._deadline_task is task and not limits_of(task).shields


def _holds_on_trio(call: Call) -> bool:
    """The same on trio, where a scope that has been cancelled counts as one whose deadline is long over."""
    trio = sys.modules["trio"]
    armed_here = call._deadline_task is trio.lowlevel.current_task()
    return armed_here and bool(trio.current_effective_deadline() <= call._deadline)


def note_effect(call: Call) -> None:
    """A call is being stopped: whether its tool has had its effect is unknown, if it may have had one."""
    if call.info.attempts and not (call.tool is not None and call.tool.read_only):
        call.info.outcome_unknown = True  # it was stopped on its way, or runs on in its thread


def _late(call: Call, seconds: float, kind: str) -> ToolTimeout:
    if kind == "queue":  # nothing was cut off: this attempt had not begun
        return ToolTimeout(f"{call.name!r} waited longer than {seconds:g} s for its turn", kind=kind)
    if kind == "hook":  # of an observer: nothing of the call was cut off
        return ToolTimeout(f"a hook on {call.name!r} took longer than {seconds:g} s", kind=kind)
    note_effect(call)
    scope = ", waits and retries included" if kind == "total" else ""
    return ToolTimeout(f"{call.name!r} took longer than {seconds:g} s{scope}", kind=kind)


def overrun(call: Call) -> None:
    """Report that it was told to stop, and has not for a while."""
    call.host.report(CancelOverrun(tool=call.name, grace=GRACE_SECONDS))


@types.coroutine
def _lazily(
    inner: Inner, call: Call, task: asyncio.Task[Any], deadline: float, seconds: float, kind: str
) -> Generator[Any, None, Any]:
    """Drive inner's first step by hand and arm the timer when it waits."""
    outer_deadline, outer_task = call._deadline, call._deadline_task
    call._deadline, call._deadline_task = deadline, task
    # A middleware may have handed on a copy; children are to find this deadline with their parent.
    token = running.set(call) if running.get() is not call else None
    limits = limits_of(task)
    shields = limits.shields  # those entered in the first step shield from us
    timer: Timer | None = None
    try:
        awaitable: Any = inner(call)
        steps = awaitable if hasattr(awaitable, "send") else awaitable.__await__()
        waits_for = steps.send(None)
        timer = Timer(call, task, limits, shields, deadline)
        while True:
            try:
                yield waits_for
            except BaseException as thrown:  # noqa: BLE001  mostly a cancellation at the first suspension
                waits_for = steps.throw(thrown)
            else:
                return (yield from steps)  # asyncio resumes with None, so the rest runs at C speed
    except StopIteration as end:
        return end.value
    except asyncio.CancelledError as error:
        if timer is not None and timer.fired:
            if timer.took_it_back():
                raise _late(call, seconds, kind) from error
            # Somebody else cancelled too. If that was a scope of anyio, it must see a cancellation of its own
            # and not the one that we sent.
            yield from anyio.lowlevel.checkpoint_if_cancelled().__await__()
        raise
    finally:
        call._deadline, call._deadline_task = outer_deadline, outer_task
        if token is not None:
            running.reset(token)
        if timer is not None:
            timer.disarm()


async def _in_scope(inner: Inner, call: Call, seconds: float, kind: str) -> Any:
    trio = sys.modules["trio"]
    deadline = trio.current_time() + seconds
    if call._deadline <= deadline and _holds_on_trio(call):
        return await inner(call)
    outer_deadline, outer_task = call._deadline, call._deadline_task
    call._deadline, call._deadline_task = deadline, trio.lowlevel.current_task()
    token = running.set(call) if running.get() is not call else None
    try:
        with trio.CancelScope(deadline=deadline):
            return await inner(call)
    finally:
        call._deadline, call._deadline_task = outer_deadline, outer_task
        if token is not None:
            running.reset(token)
        if trio.current_time() >= deadline + GRACE_SECONDS:
            overrun(call)
    raise _late(call, seconds, kind)
