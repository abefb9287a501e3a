"""One call, as a middleware with hooks hears of it, and what becomes of the call where a hook fails."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel

from toolcase.call import Call, Inner, Middleware, Stage
from toolcase.cancellation import RunCancelled
from toolcase.chunk import Kept, StreamChunk, StreamStopped, joined
from toolcase.chunk_hooks import HookContext, OwnHooks, several
from toolcase.clock import asyncio_task
from toolcase.errors import Denied, ToolError, ToolTimeout
from toolcase.events import GuardFailed, MiddlewareFailed
from toolcase.timer import limited, note_effect, shielded

HOOK_SECONDS = 1.0
"""How long an observer's hook may wait, and any `on_cancel`."""

_ENDS = (KeyboardInterrupt, SystemExit, GeneratorExit, RunCancelled)


def around_form(middleware: Middleware) -> Middleware:
    """The same as an async function of a call and inner, which most are."""
    if callable(middleware):
        return middleware
    observes = getattr(middleware, "stage", None) is Stage.OBSERVE
    return partial(_run, _Observed if observes else _Guarded, OwnHooks(middleware))


async def _run(form: type[_Heard], hooks: OwnHooks, call: Call, inner: Inner) -> Any:
    """One call, with all that its hooks are told."""
    if call.tool is None:  # nothing begins under a name that is no tool
        return await inner(call)
    heard = form(hooks, call)
    error = None
    try:
        heard.value = await heard.through(inner)
    except BaseException as raised:  # noqa: BLE001  it goes on below
        error = raised
    error = await heard.ended(error)
    if error is None:
        return heard.value
    try:  # outside the except block, so that what is raised here keeps its own context
        raise error
    finally:
        del error


class _Heard(ABC):
    """One call, as one middleware with hooks hears of it."""

    may_fail = False
    """Whether a ToolError of its last hook is the call's."""

    def __init__(self, hooks: OwnHooks, call: Call) -> None:
        self.hooks, self.call, self.ctx = hooks, call, HookContext(call)
        self.kept = Kept(hooks.most) if hooks.most else None
        self.value: Any = None
        """What the call gives."""
        self.out: Any = call.emit
        """Where chunks go on; None where there is nobody to take any."""
        self.stopped = False
        """Whether nobody further out wants any chunks."""

    @abstractmethod
    async def through(self, inner: Inner) -> Any:
        """From `on_start` to inner's value."""

    @abstractmethod
    def failed(self, fault: Exception) -> None:
        """A hook failed where that is nothing to the call."""

    async def settle(self, hook: str, said: Awaitable[Any]) -> None:
        """Await what a hook gave."""
        await said

    async def tell(self, hook: str, *facts: Any) -> ToolError | None:
        """Tell one hook, if it is there; gives the ToolError that it raised."""
        tell = getattr(self.hooks, hook)
        if tell is None:
            return None
        try:
            said = tell(*facts, self.ctx)
            if said is not None and inspect.isawaitable(said):
                await self.settle(hook, said)
        except Exception as fault:  # noqa: BLE001  it is the call's error, or reported
            if isinstance(fault, ToolError) and self.may_fail:
                return fault
            if not any(fault is fact for fact in facts):  # or it raised what it was told
                self.failed(fault)
        return None

    async def ended(self, error: BaseException | None) -> BaseException | None:
        """Tell the one hook that says how it ended; gives the call's error."""
        if self.stopped or not (error is None or isinstance(error, Exception)):
            await self._left(closing=isinstance(error, GeneratorExit))
            return error
        if error is None:
            return await self.completed(self.kept and self.kept.value)
        instead = await self.tell("on_error", error)
        if instead is None or instead is error:
            return error
        instead.__cause__ = instead.__cause__ or error
        return instead

    async def completed(self, accumulated: Any) -> ToolError | None:
        """Tell `on_complete`."""
        return await self.tell("on_complete", accumulated)

    async def _left(self, *, closing: bool) -> None:
        """Tell `on_cancel`, whose own fault is reported; `closing` says that nothing can be awaited."""
        if self.hooks.on_cancel is None:
            return
        try:
            said = self.hooks.on_cancel(self.ctx)
            if closing:
                if inspect.iscoroutine(said):
                    said.close()
            elif said is not None and inspect.isawaitable(said):
                with shielded(HOOK_SECONDS) as scope:
                    await said
                if scope.cancelled_caught:
                    self.failed(_too_long("on_cancel"))
        except Exception as fault:  # noqa: BLE001  the call ends as it would have
            self.failed(fault)


class _Guarded(_Heard):
    """It may change and refuse what passes; what it could not check does not pass."""

    may_fail = True
    fault: ToolError | None = None
    """What the call ends with, because `on_chunk` failed."""
    contents: list[Any] | None = None
    """What became of a value that no stream took, chunk by chunk."""

    def failed(self, fault: Exception) -> None:
        self.call.host.report(GuardFailed(tool=self.call.name, middleware=self.hooks.middleware, error=fault))

    async def through(self, inner: Inner) -> Any:
        hooks, call = self.hooks, self.call
        if hooks.on_start is not None:
            said = hooks.on_start(call.tool, call.arguments, self.ctx)
            if said is not None and inspect.isawaitable(said):
                await said
        if not hooks.sees_chunks:
            return await inner(call)
        if call.emit is None:
            return await self._changed(await inner(call))
        value = await inner(call.streaming_to(self.emit))
        if value is None or self.fault is not None or self.stopped:
            return None
        return await self._changed(value)

    async def emit(self, chunk: StreamChunk) -> None:
        """Pass on what `on_chunk` makes of it."""
        if self.stopped or self.fault is not None:
            raise StreamStopped
        given: Any = chunk
        if self.hooks.on_chunk is not None:
            try:
                given = self.hooks.on_chunk(chunk, self.ctx)
                if type(given) is not StreamChunk:
                    if self.hooks.asynchronous or inspect.isawaitable(given):
                        given = await given
                    given = several(given, chunk)
            except Exception as error:
                self.fault = self._unchecked(error)
                raise StreamStopped from error
        for piece in (given,) if type(given) is StreamChunk else given:
            if self.kept is not None:
                self.kept.add(piece.content)
            try:
                await self.out(piece)
            except StreamStopped:
                self.stopped = True
                raise

    async def ended(self, error: BaseException | None) -> BaseException | None:
        if self.fault is None:
            return await super().ended(error)
        # Inside, the tool was stopped, and whatever came of that is not how the call ends.
        sent = None if error is None else await _sent(error)
        return await super().ended(self.fault if sent is None else sent)

    async def completed(self, accumulated: Any) -> ToolError | None:
        """Tell `on_complete`, and pass on what it has held back."""
        if self.hooks.on_complete is None:
            return None
        try:
            given = self.hooks.on_complete(accumulated, self.ctx)
            if given is not None and inspect.isawaitable(given):
                given = await given
            last = several(given, StreamChunk(None))
        except ToolError as error:
            return error
        except Exception as fault:  # noqa: BLE001  the call has ended well
            self.failed(fault)
            return None
        if last and self.contents is None and (self.call.emit is None or self.value is not None):
            self.contents = [self.value]
        for chunk in last:
            await (self.out(chunk) if self.contents is None else self._collect(chunk))
        if last and self.contents is not None:
            self.value = _one(self.contents)
        return None

    async def _changed(self, value: Any) -> Any:
        """What `on_chunk` makes of a value, as one value."""
        self.contents, self.out = [], self._collect
        await self.emit(StreamChunk(value))
        return _one(self.contents)

    async def _collect(self, chunk: StreamChunk) -> None:
        self.contents.append(chunk.content)  # type: ignore[union-attr]  # there is a list by then

    def _unchecked(self, error: Exception) -> ToolError:
        """What the call ends with where `on_chunk` raised this."""
        whole = self.call.emit is None
        if isinstance(error, ToolError):
            if not whole:
                note_effect(self.call)  # the tool is stopped on its way
            return error
        note_effect(self.call)
        what = "its result" if whole else "a chunk of it"
        denied = Denied(f"{self.call.name!r} was refused: {what} could not be checked")
        denied.__cause__ = error
        return denied


class _Observed(_Heard):
    """It changes nothing; once a hook has failed, or taken too long, it hears no more of this call."""

    deaf = False

    def failed(self, fault: Exception) -> None:
        self.deaf = True
        self.call.host.report(
            MiddlewareFailed(tool=self.call.name, middleware=self.hooks.middleware, error=fault)
        )

    async def through(self, inner: Inner) -> Any:
        hooks, call = self.hooks, self.call
        await self.tell("on_start", call.tool, call.arguments)
        if not hooks.sees_chunks:
            return await inner(call)
        value = await inner(call if call.emit is None else call.streaming_to(self.emit))
        if call.emit is None or (value is not None and not self.stopped):
            await self._saw(StreamChunk(value))
        return value

    async def emit(self, chunk: StreamChunk) -> None:
        """Tell of a chunk, and pass it on as it is."""
        await self._saw(chunk)
        try:
            await self.out(chunk)
        except StreamStopped:
            self.stopped = True
            raise

    async def tell(self, hook: str, *facts: Any) -> ToolError | None:
        return None if self.deaf else await super().tell(hook, *facts)

    async def settle(self, hook: str, said: Awaitable[Any]) -> None:
        try:
            await limited(lambda call: said, self.call, HOOK_SECONDS, "hook")
        except ToolTimeout as error:
            raise (_too_long(hook) if error.kind == "hook" else error) from None
        except anyio.get_cancelled_exc_class() as cancelled:
            task = asyncio_task()
            if task is None or task.cancelling():
                raise
            raise RuntimeError(f"{hook} waited for something that had been cancelled") from cancelled

    async def _saw(self, chunk: StreamChunk) -> None:
        if self.kept is not None:
            self.kept.add(chunk.content)
        await self.tell("on_chunk", chunk)

    async def _left(self, *, closing: bool) -> None:
        if not self.deaf:
            await super()._left(closing=closing)


def _one(contents: list[Any]) -> Any:
    """The contents in one value; None where there are none."""
    if len(contents) == 1:
        return contents[0]
    return joined(contents) if contents else None


async def _sent(error: BaseException) -> BaseException | None:
    """What ends a call whatever a hook says: the program's end, or a cancellation that came from outside."""
    ends = _within(error, _ENDS)
    if ends is not None:
        return ends
    cancelled, task = _within(error, anyio.get_cancelled_exc_class()), asyncio_task()
    if cancelled is not None and task is not None and task.cancelling():
        return cancelled
    try:
        await anyio.lowlevel.checkpoint_if_cancelled()
    except anyio.get_cancelled_exc_class() as now:
        return now
    return None


def _within(error: BaseException, kinds: Any) -> BaseException | None:
    """The error, or that part of a group, which is of these kinds."""
    if isinstance(error, BaseExceptionGroup):
        part: BaseException | None = error.subgroup(kinds)
        return part
    return error if isinstance(error, kinds) else None


def _too_long(hook: str) -> TimeoutError:
    return TimeoutError(f"{hook} took longer than {HOOK_SECONDS:g} s")
