"""Threads for synchronous tools: a slot is held until its thread really ends, whoever still waits for it.

One of the three modules that know the back end: a thread wakes its waiter through the loop itself.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel

from toolcase.clock import count, current_loop
from toolcase.errors import Overloaded
from toolcase.task import Work

IDLE_SECONDS = 10.0

leash: contextvars.ContextVar[Leash | None] = contextvars.ContextVar("leash", default=None)
"""In a worker thread: what ties it to the task that waits for it."""

Job = Callable[["Worker"], None]
Late = Callable[[BaseException | None], None]
Meanwhile = Callable[[anyio.Event, "Leash"], Awaitable[None]]


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
            self.pool.pends(self, -1)


class Leash:
    """Ties what a thread has running in the loop to the task that waits for the thread.

    `ended` may be read in any thread; all else belongs to the loop's.
    """

    def __init__(self, loop: Any = None) -> None:
        self.loop = loop
        """Where the task waits; what `current_loop` gave."""
        self.ended = False
        """Whether nobody waits for the thread any more."""
        self.pends: Callable[[int], None] = lambda change: None
        """Told -1 when the thread begins to wait for the loop, and 1 when it works on; from any thread."""
        self.in_turn: Callable[[Callable[[], None]], None] | None = None
        """Runs a callback in the loop after what the thread has given before, if it gives several values."""
        self._held: set[Work] = set()

    def take(self, task: Work) -> None:
        """The thread rests while this task runs, which is cancelled when nobody waits any more."""
        self._held.add(task)
        self.pends(-1)

    def give_back(self, task: Work) -> None:
        """The task has ended, and the thread works on."""
        self.pends(1)
        self._held.discard(task)

    def hold(self, task: Work) -> None:
        """Cancel this task too when nobody waits any more; the thread works on beside it."""
        self._held = {held for held in self._held if not held.ended} | {task}
        if self.ended:
            task.cancel()

    def let_go(self) -> None:
        """Cancel all that it holds, and say that nothing more is to be given to it."""
        self.ended = True
        for task in self._held:
            task.cancel()

    async def end(self) -> None:
        """Let go, and wait until all has stopped, whoever cancels us meanwhile."""
        self.let_go()
        cancelled: BaseException | None = None
        while self._held:
            try:
                with anyio.CancelScope(shield=True):
                    await (task := next(iter(self._held))).wait()
                    self._held.discard(task)
            except anyio.get_cancelled_exc_class() as error:  # natively: it goes on to its target, later
                cancelled = error
        if cancelled is not None:
            raise cancelled


class Latest:
    """Brings what any thread says to the loop; what has not arrived there yet gives way to what is newer."""

    def __init__(self) -> None:
        # The lock guards what is on its way, which is one callback at most.
        self._lock = threading.Lock()
        self._said: list[Callable[[], None]] = []

    def say(self, callback: Callable[[], None], loop: Any) -> None:
        """As `told`, after what this thread has given before; nothing if nobody waits for the thread."""
        held = leash.get()
        if held is not None and held.ended:
            return
        if held is not None and held.in_turn is not None:
            held.in_turn(callback)
            return
        with self._lock:
            first, self._said = not self._said, [callback]
        if first:
            told(self._arrived, loop)

    def _arrived(self) -> None:
        with self._lock:
            callback = self._said.pop()
        callback()


class Threads:
    """A bounded set of daemon threads. Full means an immediate `Overloaded`, never a queue.

    Python cannot stop a thread: where a caller leaves, its thread runs on and keeps its slot, can see so
    by its `leash`, and what it ends with goes to `late`. Daemons, so that such a thread cannot keep the
    program from ending.
    """

    def __init__(self, limit: int = 40) -> None:
        self.limit = count(limit, "max_threads")
        # The lock guards busy, _idle, each worker's `pending` and each run's outcome.
        self._lock = threading.Lock()
        self.busy = 0
        """How many threads run a function now, awaited or abandoned."""
        self._idle: list[Worker] = []

    async def run(
        self,
        function: Callable[[], Any],
        *,
        started: Callable[[], None],
        late: Late,
        meanwhile: Meanwhile = lambda done, held: done.wait(),
    ) -> Any:
        """Run it in a thread with a copy of the context variables, and give what it gives or raises.

        `started` is called once there is a thread for it, `late` with the error (None for a value) of one
        that ended after this task had stopped waiting. `meanwhile` is awaited until the thread is done.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        context = contextvars.copy_context()
        loop, done = current_loop(), anyio.Event()
        held, post = Leash(loop), poster(loop)
        context.run(leash.set, held)
        outcome: list[tuple[Any, BaseException | None]] = []
        waiting = True

        def job(worker: Worker) -> None:
            ended: tuple[Any, BaseException | None]
            held.pends = partial(self.pends, worker)
            try:
                ended = (context.run(function), None)
            except BaseException as raised:  # noqa: BLE001  it is the caller's to see, not the thread's
                ended = (None, raised)
            with self._lock:
                # Free before anyone can know that it ended, or a caller in turn would find no room.
                self.busy -= 1
                self._idle.append(worker)
                outcome.append(ended)
                heard = waiting
            del ended  # an error holds the frames that it came through, and this is one of them
            if heard:
                post(done.set)
            elif not post(tell):
                tell()

        def tell() -> None:
            late(outcome.pop()[1])

        self._start(job, started)
        try:
            await meanwhile(done, held)
        except BaseException:
            with self._lock:
                waiting = False
            held.ended = True
            if outcome:  # it ended in the same tick; the caller has an error already
                tell()
            raise
        finally:
            await held.end()
        value, error = outcome.pop()
        if error is None:
            return value
        try:
            raise error
        finally:
            del error  # no circle through the traceback's frame

    def _start(self, job: Job, started: Callable[[], None]) -> None:
        with self._lock:
            if self.busy >= self.limit:
                raise Overloaded(
                    f"all {self.limit} threads for synchronous tools are busy; try again later "
                    "(the host can write the tool with `async def`, or raise max_threads)"
                )
            self.busy += 1
            worker = self._idle.pop() if self._idle else Worker(self)
            worker.pending += 1
        if worker.ident is None:
            try:
                worker.start()
            except RuntimeError as error:
                with self._lock:
                    self.busy -= 1
                raise Overloaded(
                    "the system has no thread left for a synchronous tool; try again later"
                ) from error
        started()
        worker.jobs.put(job)

    def pends(self, worker: Worker, change: int) -> None:
        """One thing less for a worker whose job is done, to its last line, or that waits for the loop."""
        with self._lock:
            worker.pending += change

    def retired(self, worker: Worker) -> bool:
        """Whether an idle worker may end: not if it was just handed a job."""
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
                return True
            return False


def poster(loop: Any) -> Callable[[Callable[[], None]], bool]:
    """How a thread runs a callback in the loop; False says that the loop has gone."""
    later = loop.call_soon_threadsafe if hasattr(loop, "call_soon_threadsafe") else loop.run_sync_soon

    def post(callback: Callable[[], None]) -> bool:
        try:
            later(callback)
        except RuntimeError:  # it has gone, and whoever waited with it (trio.RunFinishedError is one too)
            return False
        return True

    return post


def told(callback: Callable[[], None], loop: Any) -> None:
    """Call it in this loop: at once where that runs here or has gone, else soon.

    Without a loop, in that which waits for this thread.
    """
    held = leash.get()
    home = held.loop if loop is None and held is not None else loop
    try:
        elsewhere = home is not None and current_loop() is not home
    except RuntimeError:
        elsewhere = home is not None
    if not (elsewhere and poster(home)(callback)):
        callback()
