"""A task that belongs to an object and not to a block: for what runs beside the calls of a registry.

It knows the back end: on asyncio such a task is a plain one, on trio a system task.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Protocol

import anyio

from toolcase.clock import current_loop


class Work(Protocol):
    """Something that runs and can be ended; a `BackgroundTask` is one."""

    def cancel(self) -> None:
        """Tell it to stop; for the loop's own thread."""

    async def wait(self) -> None:
        """Wait until it has ended."""

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""


class BackgroundTask:
    """A running task, which whoever holds this ends.

    Its function raises nothing: there is nobody to raise it to. On asyncio the loop's exception handler
    would get it, on trio it would end the program.
    """

    def __init__(
        self,
        function: Callable[[], Awaitable[None]],
        *,
        context: Context | None = None,
        ended: Callable[[BackgroundTask], None] | None = None,
    ) -> None:
        """Start it in the loop that runs here; `ended` is called when it has ended, however it did."""
        self._function, self._then = function, ended
        self._scope: anyio.CancelScope | None = None
        self._cancelled = False
        self._ended = anyio.Event()
        loop = current_loop()
        if isinstance(loop, asyncio.AbstractEventLoop):
            # Kept, because asyncio keeps none alive. And not by the loop's factory: that may be an eager one,
            # and would begin before whoever makes this holds it.
            self._task = asyncio.Task(self._run(), loop=loop, context=context)
            # One that was cancelled before its first step never runs.
            self._task.add_done_callback(lambda task: self._over())
        else:
            # Which would have trio's own variables otherwise.
            context = copy_context() if context is None else context
            sys.modules["trio"].lowlevel.spawn_system_task(self._run, context=context)

    def cancel(self) -> None:
        """Tell it to stop; for the loop's own thread."""
        self._cancelled = True
        if self._scope is not None:
            self._scope.cancel()

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self._ended.is_set()

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._ended.wait()

    async def _run(self) -> None:
        try:
            with anyio.CancelScope() as self._scope:
                if not self._cancelled:
                    await self._function()
        finally:
            self._over()

    def _over(self) -> None:
        if not self._ended.is_set():
            self._ended.set()
            then, self._then = self._then, None  # no circle through whoever is told
            if then is not None:
                then(self)
