"""What must be gone when an async function has ended: tasks, timers, open generators, changed variables."""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from fnmatch import fnmatchcase
from typing import Any

from toolcase import timer
from toolcase.clock import asyncio_task
from toolcase.testing.virtual import VirtualLoop, place, pools

_Generator = Any
# An async generator; typeshed does not say that it has a name and a frame.


class Before:
    """How things stood in this task before something ran in it."""

    def __init__(self) -> None:
        self._variables = copy_context()
        self._tasks = set(_tasks())
        self._timers = list(_timers())
        self._busy = {pool for pool in pools() if pool.busy}

    def left(self, *, outliving: Collection[str], variables: Collection[ContextVar[Any]]) -> list[str]:
        """What is here now and was not here before, in words."""
        timers = [] if outliving else [handle for handle in _timers() if handle not in self._timers]
        return [
            *self._left_tasks(outliving),
            *(f"a timer is still armed: {handle!r}" for handle in timers),
            *self._changed(variables),
            *_left_limits(),
        ]

    def held_slots(self) -> list[str]:
        """Thread slots that are held although no thread works any more; asked when those have ended."""
        return [
            f"{pool.busy} thread slots are still held, and no thread works"
            for pool in pools() - self._busy
            if pool.busy
        ]

    def _left_tasks(self, outliving: Collection[str]) -> Iterator[str]:
        for task in set(_tasks()) - self._tasks:
            name = task.get_name() if isinstance(task, asyncio.Task) else task.name
            if not any(fnmatchcase(name, pattern) for pattern in outliving):
                coroutine = task.get_coro() if isinstance(task, asyncio.Task) else task.coro
                yield f"task {name!r} still runs, at {place(coroutine)}"

    def _changed(self, variables: Collection[ContextVar[Any]]) -> Iterator[str]:
        allowed = {*variables, timer._limits}  # noqa: SLF001  kept for the task's next call, and looked into below
        missing = object()
        before, now = self._variables, copy_context()
        for variable in (set(before) | set(now)) - allowed:
            if before.get(variable, missing) is not now.get(variable, missing):
                yield f"context variable {variable.name!r} was changed to {now.get(variable)!r}"


def _left_limits() -> Iterator[str]:
    """What is still noted of our limits of time in this task."""
    task = asyncio_task()
    limits = timer._limits.get()  # noqa: SLF001  the kit looks where nobody else should
    if limits is not None and limits.task() is task:
        if limits.armed:
            yield f"{len(limits.armed)} limits of time are still noted as armed"
        if limits.shields:
            yield f"{limits.shields} shielded clean-ups are still noted as open"


def _tasks() -> Iterator[Any]:
    if asyncio_task() is not None:
        yield from asyncio.all_tasks()
    else:
        from toolcase.testing import trio_time

        yield from trio_time.all_tasks()


def _timers() -> list[asyncio.TimerHandle]:
    if asyncio_task() is None:
        return []  # on trio every deadline belongs to a scope, and every scope to a task
    loop = asyncio.get_running_loop()
    return loop.armed() if isinstance(loop, VirtualLoop) else []


@contextmanager
def generators_watched() -> Iterator[Callable[[], list[str]]]:
    """Gives what tells, in words, which async generators that began meanwhile were not closed."""
    begun: list[weakref.ref[_Generator]] = []
    dropped: list[str] = []
    hooks = sys.get_asyncgen_hooks()

    def first(generator: _Generator) -> None:
        begun.append(weakref.ref(generator))
        if hooks.firstiter is not None:
            hooks.firstiter(generator)

    def last(generator: _Generator) -> None:
        dropped.append(generator.__qualname__)
        if hooks.finalizer is not None:
            hooks.finalizer(generator)

    def unclosed() -> list[str]:
        alive = [found for each in begun if (found := each()) is not None]
        names = [*(each.__qualname__ for each in alive if each.ag_frame is not None), *dropped]
        return [f"async generator {name!r} was not closed" for name in names]

    sys.set_asyncgen_hooks(first, last)
    try:
        yield unclosed
    finally:
        sys.set_asyncgen_hooks(*hooks)
