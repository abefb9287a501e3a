"""Virtual time: an event loop whose clock jumps to the next timer as soon as nothing else can happen.

Ten minutes of waiting pass in a millisecond, and always in the same order. A program in which nothing can
happen any more is reported as a `Deadlock`, with what each task waits for.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVarTuple

from toolcase import timer
from toolcase.threads import Threads, Worker

Args = TypeVarTuple("Args")

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
THREAD_SECONDS = 10.0
"""How long, in real seconds, we wait for a thread that does not end before we call it a deadlock."""

THREAD_POLL_SECONDS = 0.002

_PLUMBING = frozenset({"asyncio", "anyio", "trio"})


class Deadlock(RuntimeError):
    """Every task waits, and nothing is left that could wake one."""


class VirtualClock:
    """The time of one virtual run: starts at 0 and EPOCH, moves only by jumps. A `toolcase.Clock`.

    It stands still while a toolcase thread works, and runs with real time while a socket is watched,
    because neither can be foreseen.
    """

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Seconds since the run began."""
        return self.now

    def utcnow(self) -> datetime:
        """EPOCH and the seconds since the run began."""
        return EPOCH + timedelta(seconds=self.now)

    def jump(self, seconds: float) -> None:
        """Let time pass although a thread works; whatever is due then happens at the next wait."""
        if not seconds >= 0:
            raise ValueError(f"time only goes forward, got {seconds!r}")
        self.now += seconds


def current_clock() -> VirtualClock:
    """The clock of the virtual run that we are in."""
    clock: Any
    try:
        clock = getattr(asyncio.get_running_loop(), "clock", None)
    except RuntimeError:
        trio = sys.modules.get("trio")
        in_trio = trio is not None and trio.lowlevel.in_trio_run()
        clock = (
            getattr(trio.lowlevel.current_clock(), "clock", None) if trio is not None and in_trio else None
        )
    if clock is None:
        raise RuntimeError("this does not run in virtual time; start it with toolcase.testing.run")
    found: VirtualClock = clock
    return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a `VirtualClock`."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        super().__init__(_JumpingSelector(self.clock))

    def time(self) -> float:
        """The virtual time."""
        return self.clock.now

    def armed(self) -> list[asyncio.TimerHandle]:
        """The timers that have not come and were not cancelled."""
        scheduled: list[asyncio.TimerHandle] = getattr(self, "_scheduled")  # noqa: B009  no public way
        return [handle for handle in scheduled if not handle.cancelled()]

    def call_at(
        self, when: float, callback: Callable[[*Args], object], *args: *Args, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As on any loop, but what is due at no time is not waited for, or a deadlock would go unseen."""
        if math.isinf(when):
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)


class _JumpingSelector(selectors.DefaultSelector):
    """Moves the clock where another selector would wait."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self._working_since: float | None = None

    def select(self, timeout: float | None = None) -> Any:
        worked = threads_work()  # asked first: a thread tells the loop before it is done
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            self._working_since = None
            return found
        if worked:
            return self._wait_for_threads()
        if len(self.get_map()) > 1:  # more than the loop's own wake-up pipe
            began = time.monotonic()
            found = super().select(timeout)
            self._clock.now += time.monotonic() - began
            return found
        if timeout is None:
            raise Deadlock(f"every task waits, and nothing can wake one:\n{_tasks()}")
        self._clock.now += timeout
        return found

    def _wait_for_threads(self) -> Any:
        now = time.monotonic()
        self._working_since = self._working_since or now
        if now - self._working_since > THREAD_SECONDS:
            raise Deadlock(f"a thread has not ended for {THREAD_SECONDS:g} real seconds:\n{_tasks()}")
        return super().select(THREAD_POLL_SECONDS)


def threads_work() -> bool:
    """Whether a thread of any registry runs a function now."""
    return any(isinstance(thread, Worker) and thread.pending for thread in threading.enumerate())


def pools() -> set[Threads]:
    """The thread pools that have a thread now, at work or idle."""
    return {thread.pool for thread in threading.enumerate() if isinstance(thread, Worker)}


def _tasks() -> str:
    return waiting((f"{task.get_name()}", task.get_coro()) for task in asyncio.all_tasks())


def waiting(tasks: Iterable[tuple[str, Any]]) -> str:
    """One line for each task: its name, and where in its own code it waits."""
    return "\n".join(sorted(f"  {name} waits at {place(coroutine)}" for name, coroutine in tasks))


def place(coroutine: Any) -> str:
    """The innermost line at which a coroutine waits that is not the event loop's own."""
    found = "its start"
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None and not _PLUMBING & set(Path(frame.f_code.co_filename).parts):
            found = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
        inner = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
        if inner is None and frame is not None and frame.f_code.co_filename == timer.__file__:
            inner = frame.f_locals.get("steps")  # what a limit of time drives by hand
        coroutine = inner
    return found
