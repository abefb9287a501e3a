"""The verbs of a registry for code that has no event loop of its own: scripts, threads, synchronous tools."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import math
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol, Self, TypedDict, Unpack

import anyio
import anyio.lowlevel

from toolcase.call import running
from toolcase.clock import asyncio_task, current_loop, turns
from toolcase.context import ExecutionContext
from toolcase.errors import Unavailable
from toolcase.portal import Portal
from toolcase.result import ToolResult
from toolcase.schema import Arguments
from toolcase.task import Owned
from toolcase.threads import Leash, leash, poster
from toolcase.tool import Tool

LOOK_SECONDS = 1.0
"""How often a waiting thread looks whether its loop has gone, in real seconds."""

STOP_SECONDS = 5.0
"""How long a thread that was interrupted waits for the call that it leaves, in real seconds."""

Verb = Callable[[], Awaitable[Any]]


class Verbs(Protocol):
    """What a registry and its views have in common."""

    def call(self, name: str, /, **arguments: Any) -> Awaitable[Any]: ...
    def execute(self, *arguments: Any, **settings: Any) -> Awaitable[ToolResult]: ...
    def view(self, *arguments: Any, **settings: Any) -> Verbs: ...
    def get(self, name: str) -> Tool[..., Any]: ...
    def tools(self, *, tag: str | None = None, matching: str = "*") -> list[Tool[..., Any]]: ...


class Settings(TypedDict, total=False):
    """Those of `Registry.execute`; a view takes no context and is never detached."""

    context: ExecutionContext | None
    timeout: float | None
    idempotency_key: str | None
    detached: bool


class Blocking:
    """A registry's verbs without `await`; made by `Registry.blocking` and `View.blocking`.

    A call runs in the event loop in which the registry is in use, from whatever thread it comes. Where there
    is none, a call gets a loop in a thread that ends with it, and calls that are made meanwhile share it;
    `with` gives one loop to all calls of the block, and enters the registry there.

    In a synchronous tool a call made here is a child call: it has the context and the deadline of the call
    around it, and is cancelled when nobody waits for the tool any more. RuntimeError in a thread whose event
    loop runs: `await` the registry's own verbs there.
    """

    def __init__(self, verbs: Verbs, *, portal: Portal, backend: str = "asyncio") -> None:
        self._verbs, self._portal, self._backend = verbs, portal, backend
        # Several where blocks nest, or threads share this.
        self._open: list[AbstractContextManager[None]] = []

    def __enter__(self) -> Self:
        _refuse_in_a_loop()
        entered = self._portal.entered(self._backend)
        entered.__enter__()
        self._open.append(entered)
        return self

    def __exit__(self, *raised: object) -> bool | None:
        return self._open.pop().__exit__(*raised)  # type: ignore[arg-type]

    def call(self, name: str, /, **arguments: Any) -> Any:
        """As `Registry.call`."""
        return self._run(partial(self._verbs.call, name, **arguments))

    def execute(
        self, name: str, arguments: Arguments | None = None, **settings: Unpack[Settings]
    ) -> ToolResult:
        """As `Registry.execute`, or that of the view."""
        result: ToolResult = self._run(partial(self._verbs.execute, name, arguments, **settings))
        return result

    def view(self, **settings: Any) -> Blocking:
        """As `Registry.view`."""
        return self.of(self._verbs.view(**settings))

    def of(self, verbs: Verbs) -> Blocking:
        """The verbs of another view, in the same loop."""
        return Blocking(verbs, portal=self._portal, backend=self._backend)

    def get(self, name: str) -> Tool[..., Any]:
        """As `Registry.get`."""
        return self._verbs.get(name)

    def tools(self, *, tag: str | None = None, matching: str = "*") -> list[Tool[..., Any]]:
        """As `Registry.tools`."""
        return self._verbs.tools(tag=tag, matching=matching)

    def names(self, *, tag: str | None = None, matching: str = "*") -> list[str]:
        """As `Registry.names`."""
        return [tool.name for tool in self.tools(tag=tag, matching=matching)]

    def _run(self, verb: Verb) -> Any:
        _refuse_in_a_loop()
        held = leash.get()
        with self._portal.open(self._backend, otherwise=held and held.loop) as loop:
            return _run_in(loop, verb).result()  # in no variable, or an error would hold itself


def _refuse_in_a_loop() -> None:
    try:
        current_loop()
    except RuntimeError:
        return
    raise RuntimeError("an event loop runs in this thread; await the registry's own verbs here")


def _run_in(loop: Any, verb: Verb) -> concurrent.futures.Future[Any]:
    """Run it as a task of that loop, and wait in this thread until it is done."""
    done: concurrent.futures.Future[Any] = concurrent.futures.Future()
    context, post, own = contextvars.copy_context(), poster(loop), Leash(loop)
    tasks: list[Owned] = []
    held, around = leash.get(), running.get()
    home = held.loop if held is not None else around and around.host.loop
    if elsewhere := home not in (None, loop):
        # Nothing of one loop may be touched in another: this thread itself looks whether anybody waits.
        context.run(leash.set, own)

    def start() -> None:
        tasks.append(Owned(lambda: _work(verb, own, done), context=context))

    try:
        turning = post(start)
        while not done.done():
            if not turning:
                raise Unavailable("the event loop in which the registry was in use has gone")
            if elsewhere and ((held and held.ended) or (around and around.info._ended)):
                post(own.let_go)
            turning = turns(loop)  # asked first: a loop that ends tells its tasks before it is gone
            concurrent.futures.wait([done], LOOK_SECONDS)
    except BaseException:  # this thread was interrupted
        if post(own.let_go):
            concurrent.futures.wait([done], STOP_SECONDS)
        raise
    return done


async def _work(verb: Verb, own: Leash, done: concurrent.futures.Future[Any]) -> None:
    """The task: ends with the verb, or when it is let go by its thread or by who waits for that thread."""
    value: Any = None
    try:
        with anyio.CancelScope() as scope, _adopted(scope, own).holding(scope), own.holding(scope):
            await anyio.lowlevel.checkpoint_if_cancelled()
            value = await verb()
    except Exception as error:  # noqa: BLE001  it is raised in the thread
        done.set_exception(error)
    except BaseException as error:
        # trio's own Cancelled must not leave its loop.
        cancelled = isinstance(error, anyio.get_cancelled_exc_class())
        done.set_exception(asyncio.CancelledError("the event loop ends") if cancelled else error)
        if not isinstance(error, SystemExit):  # that ends the thread; this loop is not the caller's
            raise
    else:
        if scope.cancelled_caught:
            done.set_exception(asyncio.CancelledError("nobody waits for this thread any more"))
        else:
            done.set_result(value)
    finally:
        running.set(None)  # no circle through this task's context and the deadline's task
        del done  # an error holds this frame


def _adopted(scope: anyio.CancelScope, own: Leash) -> Leash:
    """Make this task a part of the call in whose thread the verb was called; gives what ties it to that.

    A thread of ours has its leash; for any other the call itself has one. Without a call there is none,
    and a call in another loop leaves its thread with `own` alone.
    """
    held, parent = leash.get(), running.get()
    leash.set(None)
    if held is own:
        return Leash(own.loop)
    if parent is not None and not parent.info._ended:
        copy, task = parent.copy(), asyncio_task()
        if copy._deadline <= anyio.current_time():
            copy._deadline = math.inf  # passed, and the parent goes on: a clean-up that is shielded from it
        # The deadline ends the parent, and with it this task. On trio only a scope can say so.
        copy._deadline_task = task or sys.modules["trio"].lowlevel.current_task()
        if task is None:
            scope.deadline = copy._deadline
        running.set(copy)
        if held is None:
            held = parent.info._leash = parent.info._leash or Leash(own.loop)
    return held or Leash(own.loop)
