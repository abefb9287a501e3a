"""A context manager that is entered and left in a task of its own, so that it cannot break its host."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio

from toolcase.task import Owned
from toolcase.timer import shielded


class Lifespan:
    """Entered when `start` gives None, left when `stop` does; else they give what it raised.

    A task group that it opens is its own: one that fails cancels the plugin and not the host.
    """

    def __init__(
        self,
        make: Callable[[], AbstractAsyncContextManager[Any]],
        crashed: Callable[[BaseException], None],
    ) -> None:
        """`crashed` is called when it ends after it has started and before it is stopped."""
        self._make, self._crashed = make, crashed
        self._error: BaseException | None = None
        self._entered = False
        self._ready, self._leave = anyio.Event(), anyio.Event()
        self._task = Owned(self._run)

    async def start(self, seconds: float) -> BaseException | None:
        """Wait until it is entered, for so long; one that is not then, is cancelled."""
        try:
            with anyio.move_on_after(seconds):
                await self._ready.wait()
        finally:
            if not self._entered:
                await self._cancel()
        if not self._entered:
            return self._error or TimeoutError(f"it did not start within {seconds:g} s")
        return None

    async def stop(self, seconds: float) -> BaseException | None:
        """Leave it, and cancel it after so long, whether or not we are cancelled ourselves."""
        self._leave.set()
        with shielded(seconds) as waiting:
            await self._task.wait()
        if not waiting.cancelled_caught:
            return self._error
        await self._cancel()
        return self._error or TimeoutError(f"it did not stop within {seconds:g} s")

    async def _cancel(self) -> None:
        self._task.cancel()
        with shielded():  # what does not even end now is let go, and reported by whoever asked
            await self._task.wait()

    async def _run(self) -> None:
        try:
            async with self._make():
                self._entered = True
                self._ready.set()
                await self._leave.wait()
            if not self._leave.is_set():
                raise RuntimeError("it ended by itself")
        except anyio.get_cancelled_exc_class():
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  foreign code, and SystemExit must not end the host
            self._error = error
            if self._entered and not self._leave.is_set():
                self._crashed(error)
        finally:
            self._ready.set()
