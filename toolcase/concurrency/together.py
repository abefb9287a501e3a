"""Tasks that end together, with their errors as they were raised."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Self

import anyio

from toolcase.cancellation import RunCancelled
from toolcase.chunk import StreamStopped
from toolcase.stream import apart


def called_off() -> bool:
    """Whether the code that runs here is being cancelled by a scope around it."""
    return anyio.current_effective_deadline() == -math.inf


def cancelled_by_itself() -> RunCancelled:
    """What to raise for a cancellation that is nobody's here, and must be no quiet end."""
    return RunCancelled("what a stream waits for was cancelled, and not the stream")


class Together:
    """Tasks that end together: where one fails, the others are cancelled, and awaited before it is raised.

    One error is raised as it is; several are a group, in the order in which their tasks were started. An
    `Exception` of the block itself cancels nobody: it is raised when all that was started has ended. Where
    nobody wants further items they are all stopped, which is no error.
    """

    def __init__(self) -> None:
        self._tasks = anyio.create_task_group()
        self._errors: dict[int, BaseException] = {}
        self._started = 0

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run it beside the others."""
        self._tasks.start_soon(self._run, self._next(), work)

    def stop(self) -> None:
        """Cancel them all, the block included, which is no error."""
        self._tasks.cancel_scope.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: object
    ) -> bool:
        if raised is not None:
            raised, error = apart(raised)
            if error is not None:
                self._note(self._next(), error)
                if not isinstance(error, Exception):
                    self.stop()
            del error  # no circles through a traceback's frame, here and below
        try:
            stopped = await self._tasks.__aexit__(type(raised) if raised else None, raised, None)
        except anyio.get_cancelled_exc_class():
            if not self._errors:  # whoever fails while it is cancelled has failed
                raise
        self._raise()
        return bool(stopped)

    def _next(self) -> int:
        number, self._started = self._started, self._started + 1
        return number

    def _note(self, number: int, error: BaseException) -> None:
        if not isinstance(error, StreamStopped):
            self._errors[number] = error

    async def _run(self, number: int, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except BaseException as raised:  # noqa: BLE001  a program's end included: all of it is raised again
            cancelled, error = apart(raised)
            if error is None and not called_off():
                error, cancelled = cancelled_by_itself(), None
            if error is not None:
                self._note(number, error)
                self.stop()
            del error
            if cancelled is not None:
                raise cancelled from None

    def _raise(self) -> None:
        errors = [self._errors[number] for number in sorted(self._errors)]
        self._errors.clear()
        if not errors:
            return
        error = errors[0] if len(errors) == 1 else BaseExceptionGroup("several failed at once", errors)
        try:
            raise error
        finally:
            del error, errors
