"""A context manager that is entered and left in a task of its own, so that it cannot break its host."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import anyio

from toolcase.clock import asyncio_task
from toolcase.task import BackgroundTask
from toolcase.timer import shielded


class Lifespan:
    """Entered when `start` gives None, left when `stop` does; else they give what it raised.

    A task group that it opens is its own: one that fails cancels the plugin and not the host.
    """

    def __init__(
        self,
        make: Callable[[], AbstractAsyncContextManager[Any] | None],
        crashed: Callable[[BaseException], None],
    ) -> None:
        """`crashed` is called when it ends after it has started and before it is stopped."""
        self._make, self._crashed = make, crashed
        self._error: BaseException | None = None
        self._entered = False
        self._ready, self._leave = anyio.Event(), anyio.Event()
        self._task = BackgroundTask(self._run)

    async def start(self, seconds: float) -> BaseException | None:
        """Wait until it is entered, for so long; one that is not then, is cancelled."""
        try:
            with anyio.move_on_after(seconds):
                await self._ready.wait()
        finally:
            started = self._entered
            if not started:
                await self._cancel()
        return None if started else self._error or TimeoutError(f"it did not start within {seconds:g} s")

    async def stop(self, seconds: float) -> BaseException | None:
        """Leave it, and cancel it after so long, whether or not we are cancelled ourselves."""
        self._leave.set()
        try:
            with shielded(seconds) as waiting:
                await self._task.wait()
        finally:
            await self._cancel()
        late = TimeoutError(f"it did not stop within {seconds:g} s") if waiting.cancelled_caught else None
        return late if self._error is None else self._error

    async def _cancel(self) -> None:
        self._leave.set()  # for one that swallows its cancellation, and would wait now
        self._task.cancel()
        with shielded():  # what does not even end now is let go, and reported by whoever asked
            await self._task.wait()

    async def _run(self) -> None:
        try:
            async with self._make() or nullcontext():
                self._entered = True
                self._ready.set()
                await self._leave.wait()
            if not self._leave.is_set():
                raise RuntimeError("it ended by itself")
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            task = asyncio_task()
            if isinstance(error, anyio.get_cancelled_exc_class()) and (task is None or task.cancelling()):
                raise  # by us, or with the loop; else it awaited something that was cancelled
            self._error = error  # foreign code, and SystemExit must not end the host
            if self._entered and not self._leave.is_set():
                self._crashed(error)
        finally:
            self._ready.set()
