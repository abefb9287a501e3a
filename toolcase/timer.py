"""Limits of time that interrupt, and clean-up that they do not interrupt.

One of the three modules that know the back end. On asyncio a limit is a native timer that is armed only when
the call first suspends: a call that never waits cannot be late, and most of what a timer costs is arming it.
On trio it is a plain scope. Never a scope entered late: scopes nest by entry order, and what the tool entered
in its first step would lie inside it (docs/decisions/0003-a-timer-instead-of-a-scope.md has the figures).
"""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import anyio

from toolcase.call import Call, Inner
from toolcase.clock import asyncio_task
from toolcase.errors import ToolTimeout
from toolcase.events import CancelOverrun

GRACE_SECONDS = 5.0


def limited(inner: Inner, seconds: float, *, kind: str) -> Inner:
    """Inner with a limit of time: after `seconds` it is cancelled, awaited, and `ToolTimeout` is raised.

    Where a deadline that is armed around us in the same task comes first, that one will do: no second
    timer is armed, and the error is that one's own. `kind` says in the error which limit it was.
    """

    def run(call: Call) -> Any:
        task = asyncio_task()
        if task is None:
            return _in_scope(inner, call, seconds, kind)
        deadline = task.get_loop().time() + seconds
        if call._deadline <= deadline and call._deadline_task is task:
            return inner(call)
        return _lazily(inner, call, task, deadline, seconds, kind)

    return run


def remaining(call: Call) -> float:
    """Seconds until the earliest deadline armed around this task ends the call; inf where there is none."""
    task = asyncio_task()
    if task is not None:
        return call._deadline - task.get_loop().time() if call._deadline_task is task else float("inf")
    trio = sys.modules["trio"]
    armed_here = call._deadline_task is trio.lowlevel.current_task()
    return call._deadline - trio.current_time() if armed_here else float("inf")


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
    shield = _Shield(task, _shield.get())
    timer = _armed.get()
    while timer is not None and timer.task is task:
        shield.hold(timer)
        timer = timer.outer
    token = _shield.set(shield)
    try:
        with anyio.move_on_after(grace, shield=True) as scope:
            yield scope
    finally:
        _shield.reset(token)
        for timer in shield.held:
            timer.release()


class _Timer:
    """One armed limit of one asyncio task."""

    __slots__ = ("_base", "_call", "_due", "_handle", "_holds", "fired", "outer", "task")

    def __init__(self, call: Call, task: asyncio.Task[Any], deadline: float) -> None:
        self.task, self.outer, self._call = task, _armed.get(), call
        self._base, self._holds, self._due = task.cancelling(), 0, False
        self.fired = False
        self._handle: asyncio.Handle = task.get_loop().call_at(deadline, self._fire)

    def _fire(self) -> None:
        if self._holds:
            self._due = True
            return
        self.fired = True
        self.task.cancel()
        self._handle = self.task.get_loop().call_later(GRACE_SECONDS, _overrun, self._call)

    def hold(self) -> None:
        self._holds += 1

    def release(self) -> None:
        self._holds -= 1
        if self._due and not self._holds:
            self._due = False
            # Not at once: cancel() on the task that runs now strikes at its next await, and up to Python 3.12
            # uncancel() does not take that back: it would hit the caller after the call had returned.
            self._handle = self.task.get_loop().call_soon(self._fire)

    def took_it_back(self) -> bool:
        """Undo our cancellation; whether nobody else has cancelled too, so that the error is ours."""
        self.fired = False
        return self.task.uncancel() <= self._base

    def disarm(self) -> None:
        self._handle.cancel()
        self._due = False
        if self.fired:  # inner swallowed the cancellation, or turned it into an error of its own
            self.task.uncancel()


class _Shield:
    """The timers that wait while one shielded clean-up runs."""

    __slots__ = ("held", "outer", "task")

    def __init__(self, task: asyncio.Task[Any], outer: _Shield | None) -> None:
        self.task, self.outer = task, outer
        self.held: list[_Timer] = []

    def hold(self, timer: _Timer) -> None:
        timer.hold()
        self.held.append(timer)


# Context variables, because both belong to a task; a child task inherits them, hence the tests for `task`.
_armed: ContextVar[_Timer | None] = ContextVar("armed", default=None)
_shield: ContextVar[_Shield | None] = ContextVar("shield", default=None)


def _late(call: Call, seconds: float, kind: str) -> ToolTimeout:
    if call.info.attempts and not (call.tool is not None and call.tool.read_only):
        call.info.outcome_unknown = True  # it was stopped on its way, or runs on in its thread
    scope = ", waits and retries included" if kind == "total" else ""
    return ToolTimeout(f"{call.name!r} took longer than {seconds:g} s{scope}", kind=kind)


def _overrun(call: Call) -> None:
    call.host.report(CancelOverrun(tool=call.name, grace=GRACE_SECONDS))


@types.coroutine
def _lazily(
    inner: Inner, call: Call, task: asyncio.Task[Any], deadline: float, seconds: float, kind: str
) -> Generator[Any, None, Any]:
    """Drive inner's first step by hand and arm the timer when it waits."""
    outer_deadline, outer_task = call._deadline, call._deadline_task
    call._deadline, call._deadline_task = deadline, task
    shield_around = _shield.get()
    timer: _Timer | None = None
    try:
        awaitable: Any = inner(call)
        steps = awaitable if hasattr(awaitable, "send") else awaitable.__await__()
        waits_for = steps.send(None)
        timer = _Timer(call, task, deadline)
        shield = _shield.get()
        while shield is not None and shield is not shield_around:  # entered in that first step
            shield.hold(timer)
            shield = shield.outer
        token = _armed.set(timer)
        try:
            try:
                yield waits_for
            except BaseException as thrown:  # noqa: BLE001  mostly a cancellation at the first suspension
                return (yield from _resumed(steps, thrown))
            return (yield from steps)  # asyncio resumes with None, so the rest runs at C speed
        finally:
            _armed.reset(token)
    except StopIteration as end:
        return end.value
    except asyncio.CancelledError as error:
        if timer is not None and timer.fired and timer.took_it_back():
            raise _late(call, seconds, kind) from error
        raise
    finally:
        call._deadline, call._deadline_task = outer_deadline, outer_task
        if timer is not None:
            timer.disarm()


@types.coroutine
def _resumed(steps: Any, thrown: BaseException) -> Generator[Any, None, Any]:
    """Go on with a coroutine that was started by hand, by throwing into it."""
    try:
        while True:
            waits_for = steps.throw(thrown)
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001  thrown in by the loop, handed on at once
                thrown = error
                continue
            return (yield from steps)
    except StopIteration as end:
        return end.value


async def _in_scope(inner: Inner, call: Call, seconds: float, kind: str) -> Any:
    trio = sys.modules["trio"]
    task, deadline = trio.lowlevel.current_task(), trio.current_time() + seconds
    if call._deadline <= deadline and call._deadline_task is task:
        return await inner(call)
    outer_deadline, outer_task = call._deadline, call._deadline_task
    call._deadline, call._deadline_task = deadline, task
    try:
        with trio.CancelScope(deadline=deadline):
            return await inner(call)
    finally:
        call._deadline, call._deadline_task = outer_deadline, outer_task
        if trio.current_time() > deadline + GRACE_SECONDS:
            _overrun(call)
    raise _late(call, seconds, kind)
