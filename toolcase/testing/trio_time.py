"""Virtual time on trio; imported only where something runs on trio."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, TypeVarTuple

import trio

from toolcase.testing.virtual import (
    THREAD_POLL_SECONDS,
    THREAD_SECONDS,
    Deadlock,
    VirtualClock,
    threads_work,
    waiting,
)

R = TypeVar("R")
Args = TypeVarTuple("Args")

POLL_SECONDS = 1e-9
"""Above 0, so that trio serves `wait_all_tasks_blocked` before time moves."""

OWN_READERS = 1
"""trio itself always waits for its own wake-up socket."""

_OWN_TASKS = frozenset({"<init>", "<TrioToken.run_sync_soon task>"})


def run(main: Callable[[*Args], Awaitable[R]], *args: *Args, virtual: bool) -> R:
    """Run it to its end; Deadlock when nothing can happen any more."""
    if not virtual:
        return trio.run(main, *args)
    clock = JumpingClock()

    async def body() -> R:
        with clock.scope:
            return await main(*args)
        raise Deadlock(clock.deadlock)

    return trio.run(body, clock=clock, instruments=[clock])


class JumpingClock(trio.abc.Clock, trio.abc.Instrument):
    """Moves the clock where trio would wait.

    trio's own MockClock does not know our threads, and spins for ever in a deadlock.
    """

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.scope = trio.CancelScope()
        self.deadlock = ""
        self._polled = False
        self._worked = False
        self._working_since: float | None = None
        self._waited_since: float | None = None

    def start_clock(self) -> None:
        """Nothing to start."""

    def current_time(self) -> float:
        """The virtual time."""
        if self._waited_since is not None:
            now = time.monotonic()
            self.clock.now += now - self._waited_since
            self._waited_since = None
        return self.clock.now

    def before_task_step(self, task: Any) -> None:
        """Something happened, so that more may come of it."""
        self._polled = False
        self._working_since = None

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """trio asks this when no task can run."""
        now = self.current_time()
        if deadline <= now:
            return 0.0
        if not self._polled:  # let what threads and sockets have sent come in first
            self._polled, self._worked = True, threads_work()
            return POLL_SECONDS
        if self._worked:
            return self._wait_for_threads()
        if _sockets_are_watched():
            self._waited_since = time.monotonic()
            return deadline - now
        if math.isinf(deadline):
            self._report("every task waits, and nothing can wake one")
        else:
            self.clock.now = deadline
        return 0.0

    def _wait_for_threads(self) -> float:
        now = time.monotonic()
        self._working_since = self._working_since or now
        if now - self._working_since > THREAD_SECONDS:
            self._report(f"a thread has not ended for {THREAD_SECONDS:g} real seconds")
        self._polled = False
        return THREAD_POLL_SECONDS

    def _report(self, what: str) -> None:
        if self.scope.cancel_called:
            _lift_shields()  # the first report ended nobody: those who wait are shielded from it
            return
        self.deadlock = f"{what}:\n{_tasks()}"
        self.scope.cancel()


def _sockets_are_watched() -> bool:
    statistics: Any = trio.lowlevel.current_statistics().io_statistics
    return bool(statistics.tasks_waiting_read > OWN_READERS or statistics.tasks_waiting_write)


def _tasks() -> str:
    """The tasks below ours; above are trio's own."""
    return waiting((task.name, task.coro) for task in all_tasks() if task.name not in _OWN_TASKS)


def all_tasks() -> list[Any]:
    """Every task of this run, trio's own too."""
    found: list[Any] = []
    tasks = [trio.lowlevel.current_root_task()]
    while tasks:
        task: Any = tasks.pop()
        tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        found.append(task)
    return found


def _lift_shields() -> None:
    """So that a deadlock in shielded clean-up ends too."""
    for task in all_tasks():
        status = task._cancel_status  # noqa: SLF001  trio has no public way from a task to its scopes
        while status is not None:
            if task.name not in _OWN_TASKS:
                status._scope.shield = False  # noqa: SLF001
            status = status._parent  # noqa: SLF001


@contextmanager
def suspensions_watched(told: Callable[[Any, Any], None]) -> Iterator[Callable[[], bool]]:
    """Tells each suspension of this task and of those below it: the coroutine, and nothing more.

    Gives what asks whether the running step can see that the scope around us is cancelled.
    """
    task: Any = trio.lowlevel.current_task()
    watch, around = _Watch(task, told), task._cancel_status  # noqa: SLF001  as above

    def unshielded() -> bool:
        status = task._cancel_status  # noqa: SLF001
        while status is not around and not status._scope.shield:  # noqa: SLF001
            status = status._parent  # noqa: SLF001
        return status is around

    trio.lowlevel.add_instrument(watch)
    try:
        yield unshielded
    finally:
        trio.lowlevel.remove_instrument(watch)


class _Watch(trio.abc.Instrument):
    def __init__(self, top: Any, told: Callable[[Any, Any], None]) -> None:
        self._top, self._told = top, told

    def after_task_step(self, task: Any) -> None:
        above = task
        while above is not self._top and above.parent_nursery is not None:
            above = above.parent_nursery.parent_task
        if above is self._top and task.coro.cr_frame is not None:
            self._told(task.coro, None)
