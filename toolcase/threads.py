"""Threads for synchronous tools: a slot is held until its thread really ends, whoever still waits for it.

One of the three modules that know the back end: a thread wakes its waiter through the loop itself.
"""

from __future__ import annotations

import contextvars
import queue
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio.lowlevel

from toolcase.clock import asyncio_task, count
from toolcase.errors import Overloaded

IDLE_SECONDS = 10.0

abandoned: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("abandoned", default=None)
"""In a worker thread: set once nobody waits for the thread any more."""

Job = Callable[["Worker"], None]
Late = Callable[[BaseException | None], None]


class Worker(threading.Thread):
    """One thread. While `pending` is above 0 a virtual clock must not jump; the pool's lock guards it."""

    def __init__(self, pool: Threads) -> None:
        super().__init__(name="toolcase-worker", daemon=True)
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self.pending = 0
        self.pool = pool

    def run(self) -> None:
        """Run jobs until there was none for a while."""
        while True:
            try:
                job = self.jobs.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                if self.pool.retired(self):
                    return
                continue  # a job is on its way
            job(self)
            del job  # keeps no argument or result alive while idle
            self.pool.finished(self)


class Threads:
    """A bounded set of daemon threads. Full means an immediate `Overloaded`, never a queue.

    Python cannot stop a thread: where a caller leaves, its thread runs on and keeps its slot, can see so
    in `abandoned`, and what it ends with goes to `late`. Daemons, so that such a thread cannot keep the
    program from ending.
    """

    def __init__(self, limit: int = 40) -> None:
        self.limit = count(limit, "max_threads")
        # The lock guards _busy, _idle, each worker's `pending` and each run's outcome.
        self._lock = threading.Lock()
        self._busy = 0
        self._idle: list[Worker] = []

    @property
    def busy(self) -> int:
        """How many threads run a function now, awaited or abandoned."""
        return self._busy

    async def run(self, function: Callable[[], Any], *, started: Callable[[], None], late: Late) -> Any:
        """Run it in a thread with a copy of the context variables, and give what it gives or raises.

        `started` is called once there is a thread for it, `late` with the error (None for a value) of one
        that ended after this task had stopped waiting.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        context, flag = contextvars.copy_context(), threading.Event()
        context.run(abandoned.set, flag)
        wait, post, wake = _wakeup()
        outcome: list[tuple[Any, BaseException | None]] = []
        waiting = True

        def job(worker: Worker) -> None:
            ended: tuple[Any, BaseException | None]
            try:
                ended = (context.run(function), None)
            except BaseException as raised:  # noqa: BLE001  it is the caller's to see, not the thread's
                ended = (None, raised)
            with self._lock:
                # Free before anyone can know that it ended, or a caller in turn would find no room.
                self._busy -= 1
                self._idle.append(worker)
                outcome.append(ended)
                heard = waiting
            del ended  # an error holds the frames that it came through, and this is one of them
            if heard:
                post(wake)
            elif not post(tell):
                tell()

        def tell() -> None:
            late(outcome.pop()[1])

        self._start(job, started)
        try:
            await wait()
        except BaseException:
            with self._lock:
                waiting = False
            flag.set()
            if outcome:  # it ended in the same tick; the caller has an error already
                tell()
            raise
        value, error = outcome.pop()
        if error is None:
            return value
        try:
            raise error
        finally:
            del error  # no circle through the traceback's frame

    def _start(self, job: Job, started: Callable[[], None]) -> None:
        with self._lock:
            if self._busy >= self.limit:
                raise Overloaded(
                    f"all {self.limit} threads for synchronous tools are busy; try again later "
                    "(the host can write the tool with `async def`, or raise max_threads)"
                )
            self._busy += 1
            worker = self._idle.pop() if self._idle else Worker(self)
            worker.pending += 1
        if worker.ident is None:
            try:
                worker.start()
            except RuntimeError as error:
                with self._lock:
                    self._busy -= 1
                raise Overloaded(
                    "the system has no thread left for a synchronous tool; try again later"
                ) from error
        started()
        worker.jobs.put(job)

    def finished(self, worker: Worker) -> None:
        """Told by a worker whose job is done, to its last line."""
        with self._lock:
            worker.pending -= 1

    def retired(self, worker: Worker) -> bool:
        """Whether an idle worker may end: not if it was just handed a job."""
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
                return True
            return False


def _wakeup() -> tuple[
    Callable[[], Awaitable[Any]], Callable[[Callable[[], None]], bool], Callable[[], None]
]:
    """What to await in this task, how a thread runs a callback in the loop, and the one that wakes us."""
    task = asyncio_task()
    if task is not None:
        loop = task.get_loop()
        future = loop.create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        return (lambda: future), _poster(loop.call_soon_threadsafe), wake
    trio = sys.modules["trio"]
    event = trio.Event()
    return event.wait, _poster(trio.lowlevel.current_trio_token().run_sync_soon), event.set


def _poster(later: Callable[[Callable[[], None]], Any]) -> Callable[[Callable[[], None]], bool]:
    def post(callback: Callable[[], None]) -> bool:
        try:
            later(callback)
        except (
            RuntimeError
        ):  # the loop has gone, and whoever waited with it (trio.RunFinishedError is one too)
            return False
        return True

    return post
