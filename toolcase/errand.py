"""How a thread without an event loop has something done in one: which loop that is, and the errand itself."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import math
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from toolcase.call import Call, running
from toolcase.clock import asyncio_task, current_loop, turns
from toolcase.errors import Unavailable
from toolcase.task import BackgroundTask
from toolcase.threads import Leash, leash, poster

LOOK_SECONDS = 1.0
"""How often a waiting thread looks whether its loop has gone, in real seconds."""

STOP_SECONDS = 5.0
"""How long a thread that was interrupted waits for the call that it leaves, in real seconds."""

LET_GO = "nobody waits for this thread any more"

Verb = Callable[[], Awaitable[Any]]


@dataclass(eq=False)
class Portal:
    """A loop in a thread of its own, for all threads that need one at the same time.

    The first makes it and the last ends it: a registry belongs to one loop at a time.
    """

    in_use: Callable[[], Any]
    settle: Callable[[Any], None]
    enter: Callable[[], AbstractAsyncContextManager[Any]]
    # The lock guards all that follows. It is not held while a loop ends: that may wait for a thread which is
    # about to ask for it.
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _users: int = field(default=0, init=False)
    _entered: bool = field(default=False, init=False)
    _loop: Any = field(default=None, init=False)
    _portal: BlockingPortal | None = field(default=None, init=False)
    _ends: ExitStack = field(default_factory=ExitStack, init=False)

    @contextmanager
    def open(self, backend: str, *, otherwise: Any = None) -> Iterator[Any]:
        """The loop in which the registry is in use, or `otherwise`, or one that lasts while this is open."""
        loop, ours = self.take(backend, otherwise)
        try:
            yield loop
        finally:
            if ours:
                self.give_back()

    def take(self, backend: str, otherwise: Any = None) -> tuple[Any, bool]:
        """The same loop, and whether it is ours and lasts until it is given back."""
        with self._lock:
            loop = self._loop if self._users else self.in_use() or otherwise
            if loop is None:
                loop = self._start(backend)
            ours = loop is self._loop
            self._users += ours
        return loop, ours

    def give_back(self) -> None:
        """Nobody uses it any more for whom it was taken; with the last of them it ends."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
            self.settle(None)
            ends, self._loop, self._portal = self._ends, None, None
        ends.close()

    @contextmanager
    def entered(self, backend: str) -> Iterator[None]:
        """As `open`; where the loop is ours, the registry is entered there, unless another thread has."""
        with self.open(backend) as loop, ExitStack() as stack:
            with self._lock:
                portal = self._portal if loop is self._loop and not self._entered else None
                self._entered = self._entered or portal is not None
            if portal is not None:
                stack.callback(setattr, self, "_entered", False)
                stack.enter_context(portal.wrap_async_context_manager(self.enter()))
            yield

    def _start(self, backend: str) -> Any:
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal(backend))
            loop = self._portal.call(current_loop)
            self.settle(loop)
            self._loop, self._ends = loop, stack.pop_all()
        return loop


def refuse_in_a_loop() -> None:
    """RuntimeError in a thread whose event loop runs."""
    try:
        current_loop()
    except RuntimeError:
        return
    raise RuntimeError("an event loop runs in this thread; await the registry's own verbs here")


class Errand:
    """One verb that a thread has run in a loop, and waits for."""

    def __init__(self, verb: Verb, loop: Any) -> None:
        self._verb, self._loop, self._post = verb, loop, poster(loop)
        self._done: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._outcome: list[tuple[Any, BaseException | None]] = []
        self._held, self._around = leash.get(), running.get()
        home = self._held.loop if self._held is not None else self._around and self._around.host.loop
        # Nothing of one loop may be touched in another: there this thread itself looks whether anybody waits.
        self._elsewhere = home not in (None, loop)
        self._own = Leash(loop)
        self._ties = [self._own]
        self._context = contextvars.copy_context()
        self._context.run(leash.set, None)

    def run(self) -> concurrent.futures.Future[Any]:
        """Wait in this thread until it is done."""
        try:
            turning = self._post(self._start)
            while not self._done.done():
                if not turning:
                    raise Unavailable("the event loop in which the registry was in use has gone")
                if self._elsewhere and self._is_left():
                    self._post(self._own.let_go)
                turning = turns(self._loop)  # asked first: a loop that ends tells its tasks before it is gone
                concurrent.futures.wait([self._done], LOOK_SECONDS)
        except BaseException:  # this thread was interrupted
            if self._post(self._own.let_go) and turns(self._loop):
                concurrent.futures.wait([self._done], STOP_SECONDS)
            raise
        return self._done

    def _is_left(self) -> bool:
        """Whether nobody waits any more for this thread, or for the call in which it was started."""
        left = self._held is not None and self._held.ended
        return left or (self._around is not None and self._around.info._ended)

    def _start(self) -> None:
        if not self._elsewhere:
            self._ties += _ties(self._held, self._around, self._loop)
        if any(tie.ended for tie in self._ties):
            self._done.set_exception(asyncio.CancelledError(LET_GO))
            return
        task = BackgroundTask(self._work, context=self._context, ended=self._end)
        for tie in self._ties:
            tie.take(task)

    async def _work(self) -> None:
        try:
            with anyio.CancelScope() as scope:
                if not self._elsewhere:
                    _adopt(scope)
                self._outcome.append((await self._verb(), None))
        except (Exception, SystemExit) as error:  # noqa: BLE001  the thread's; this loop is not the caller's
            self._outcome.append((None, error))
        except BaseException as error:
            if not isinstance(error, anyio.get_cancelled_exc_class()):  # trio's own must not leave its loop
                self._outcome.append((None, error))
            raise
        finally:
            running.set(None)  # no circle through this task's context and the deadline's task

    def _end(self, task: BackgroundTask) -> None:
        for tie in self._ties:
            tie.give_back(task)
        value, error = self._outcome.pop() if self._outcome else (None, asyncio.CancelledError(LET_GO))
        if error is None:
            self._done.set_result(value)
        else:
            self._done.set_exception(error)


def _ties(held: Leash | None, around: Call | None, loop: Any) -> list[Leash]:
    """What ties the task to the call in whose thread the verb was called.

    A thread of ours has its leash; for any other the call itself has one. Without a call there is none.
    """
    if held is not None:
        return [held]
    if around is None or around.info._ended:
        return []
    around.info._leash = around.info._leash or Leash(loop)
    return [around.info._leash]


def _adopt(scope: anyio.CancelScope) -> None:
    """Make this task a part of the running call, with its deadline."""
    parent, task = running.get(), asyncio_task()
    if parent is None or parent.info._ended:
        return
    copy = parent.copy()
    if copy._deadline <= anyio.current_time():
        copy._deadline = math.inf  # passed, and the parent goes on: a clean-up that is shielded from it
    # The deadline ends the parent, and with it this task. On trio only a scope can say so.
    copy._deadline_task = task or sys.modules["trio"].lowlevel.current_task()
    if task is None:
        scope.deadline = copy._deadline
    running.set(copy)
