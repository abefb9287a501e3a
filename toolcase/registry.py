"""The thing that a host talks to: it holds tools and the middleware around them, and runs calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from functools import partial
from typing import Any, Self, TypeVar

from msgspec.structs import replace

from toolcase.blocking import Blocking, Portal
from toolcase.bulkhead import KeyedPermits
from toolcase.call import Call, CallInfo, Inner, Middleware, Stage, running
from toolcase.catalogue import Catalogue, unknown
from toolcase.chain import Used, arrange, compile_chain, compile_refusal, flat, label, run_chain
from toolcase.clock import Clock, SystemClock, count, current_loop, reader, seconds, turns
from toolcase.context import ExecutionContext
from toolcase.errors import Denied, InvalidArguments, ToolError, UnknownTool
from toolcase.events import Event, ToolsChanged, log_fault, report_to_log
from toolcase.lifetime import Lifetime, too_deep
from toolcase.outbox import Outbox
from toolcase.outcome import outcome_of
from toolcase.result import MOST_BYTES, ToolResult, byte_limit
from toolcase.schema import Arguments, shown_value
from toolcase.stop import interrupted
from toolcase.task import BackgroundTask
from toolcase.threads import Threads
from toolcase.tool import Tool
from toolcase.tool_stream import ToolStream
from toolcase.view import View

T = TypeVar("T")


class Registry(Catalogue):
    """Tools by name, the middleware around them, and the verbs that run them.

    It belongs to one event loop at a time: RuntimeError when it is used in a second one while the first
    still runs. `async with registry:` is for hosts that end in order: see `__aexit__`. `secrets` holds what
    is masked in all that leaves the host.
    """

    def __init__(
        self,
        *,
        context: ExecutionContext | None = None,
        max_threads: int = 40,
        max_argument_bytes: int = 1024 * 1024,
        max_result_bytes: float = MOST_BYTES,
        max_depth: int = 16,
        grace: float = 10.0,
        stall_seconds: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        """`context` is that of calls which name none. `max_threads` synchronous tools run at once.

        JSON arguments above `max_argument_bytes` are refused unread, results above `max_result_bytes` are
        kept from who executes, and calls that stand in more than `max_depth` others are refused. `grace`:
        see `__aexit__`. While entered, a loop that a tool has blocked for `stall_seconds` is reported as
        `LoopStalled`; math.inf is for not watching. `clock` is for tests.
        """
        super().__init__()
        self.clock: Clock = clock or SystemClock()
        self.threads = Threads(max_threads)
        self.calls: set[Call] = set()
        self.lock = threading.Lock()
        self.max_argument_bytes = count(max_argument_bytes, "max_argument_bytes")
        self._most_bytes = byte_limit(max_result_bytes)
        self.max_depth = count(max_depth, "max_depth", least=0)
        self._context = context or ExecutionContext()
        if self._context.cancellation is not None:
            raise TypeError(
                "a registry's own context cannot have a cancellation token; "
                "give it with the call, or to a view"
            )
        self._used: tuple[Used, ...] = ()
        # Of tools with `max_concurrent`; kept when chains are compiled anew.
        self._permits = KeyedPermits()
        self._listeners: tuple[Callable[[Event], None], ...] = ()
        self._life = Lifetime(self, grace=grace, stall_seconds=stall_seconds)
        self._portal = Portal(in_use=self._turning, settle=self._settle, enter=lambda: self)
        # What `current_loop` gave where we are in use, and the time there.
        self.loop: Any = None
        self._now: Callable[[], float] = self.clock.monotonic
        # Compiled when first called; emptied when tools or middleware change.
        self._ready: dict[str, tuple[Tool[..., Any], Inner]] = {}

    # What it holds

    def use(self, *middleware: Middleware | Iterable[Middleware], only: str = "*") -> None:
        """Put middleware around the tools whose name matches `only` (as in `fnmatch`), the first outermost.

        Their stage comes before the order in which they are used: see `toolcase.Stage`.
        """
        self._used += tuple(Used(entry, only) for entry in flat(middleware))
        self._ready.clear()

    def on_event(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Tell the listener what happens outside any one call's chain; gives what takes it off again."""
        self._listeners += (listener,)

        def remove() -> None:
            self._listeners = tuple(kept for kept in self._listeners if kept is not listener)

        return remove

    def report(self, event: Event) -> None:
        """Tell the listeners, and the log; a listener that raises is logged."""
        log: Callable[[Event], None] = partial(report_to_log, secrets=self.secrets)
        for listener in (log, *self._listeners):
            try:
                listener(event)
            except Exception as fault:  # noqa: BLE001  foreign code
                log_fault(f"a listener to {type(event).__name__} failed", fault, self.secrets)

    def __str__(self) -> str:
        """Every tool with what stands around it, outermost first."""
        lines = []
        for name in self._tools:
            around = [
                f"{stage.name} {' > '.join(map(label, found))}" for stage, found in self.around(name).items()
            ]
            lines.append(" | ".join([name, *around]))
        return "\n".join(lines) or "no tools"

    def around(self, name: str) -> dict[Stage, list[Middleware]]:
        """What stands around a tool, by stage, outermost first; UnknownTool if there is none."""
        found = arrange(self.get(name), self._used, self._permits)
        return {stage: found[stage] for stage in Stage if found[stage]}

    # What it does

    async def __aenter__(self) -> Self:
        """Take charge of the calls that are made from here on. RuntimeError if it is entered already."""
        self._settle(current_loop())
        await self._life.enter()
        self._ready.clear()
        return self

    async def __aexit__(self, *raised: object) -> None:
        """Refuse further calls, let those in flight end within `grace` seconds, and cut off the rest.

        A call that is cut off ends with `Unavailable` once its tool has stopped, and is reported as
        `CallStopped`. Child calls of those in flight are let in. Entered again, it takes calls again.
        RuntimeError in a tool that runs in it.
        """
        self._ready.clear()
        await self._life.leave()

    def lifespan(self, make: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        """Enter what this makes whenever we are entered, and leave it after the calls have ended.

        RuntimeError if we are entered already.
        """
        if self._life.entered:
            raise RuntimeError("this registry is entered already; give it its lifespans before that")
        self._life.lifespans.append(make)

    def inflight(self) -> list[Call]:
        """The calls that run now, child calls included, in no particular order."""
        return list(self.calls)

    def blocking(self, *, backend: str = "asyncio") -> Blocking:
        """The same verbs without `await`, for code without an event loop, synchronous tools included.

        `backend` is for the loop that is made where the registry is not in use on one.
        """
        return Blocking(self, portal=self._portal, backend=backend)

    def outbox(self, consume: Callable[[T], Awaitable[None]], *, size: int = 1_000) -> Outbox[T]:
        """A bounded queue to `consume`, for an observer that has more to do than it may wait for."""
        return self._life.own(Outbox(consume, size=size, report=self.report))

    def spawn(
        self,
        function: Callable[[], Awaitable[None]],
        *,
        context: Context | None = None,
        ended: Callable[[BackgroundTask], None] | None = None,
    ) -> BackgroundTask:
        """Run a function beside the calls, in a task that no single call owns; it must not raise.

        It begins soon, with this context's variables, and ends by itself, when it is cancelled, or when the
        registry is left: then, after the last call has ended, it is cancelled and awaited. `ended` is called
        when it has ended, however it did.
        """
        return self._life.spawn(function, context, ended)

    async def call(self, name: str, /, **arguments: Any) -> Any:
        """The tool's value, or the error raised: its own exception as it is, a `ToolError` for ours."""
        return await run_chain(*self._start(name, arguments, running.get()))

    async def execute(
        self,
        name: str,
        arguments: Arguments | None = None,
        *,
        context: ExecutionContext | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        detached: bool = False,
    ) -> ToolResult:
        """How the call ended; never raises for what a tool or a middleware did. Cancellation passes through.

        `arguments` are a mapping, or a JSON object as text or bytes. `timeout` bounds all of it, waits and
        retries included, in seconds. Inside a tool, `detached` makes it no child of the running call.
        """
        begun = self._begin(
            name,
            arguments,
            context=context,
            timeout=timeout,
            idempotency_key=idempotency_key,
            detached=detached,
        )
        return await outcome_of(*begun, self._most_bytes)

    def stream(self, name: str, /, **arguments: Any) -> ToolStream:
        """What the tool gives, chunk by chunk; it begins when the first one is asked for."""
        return self.stream_execute(name, arguments)

    def stream_execute(
        self,
        name: str,
        arguments: Arguments | None = None,
        *,
        context: ExecutionContext | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        detached: bool = False,
        buffer: int | None = None,
    ) -> ToolStream:
        """The same with the settings of `execute`; while `buffer` chunks are unread the tool waits.

        How it ended says `stream.result`; an error is raised to whoever reads, after the last chunk.
        """
        begin = partial(
            self._begin,
            name,
            arguments,
            context=context,
            timeout=timeout if timeout is None else seconds(timeout, "timeout"),
            idempotency_key=idempotency_key,
            detached=detached,
        )
        return ToolStream(name, begin, most_bytes=self._most_bytes, buffer=buffer)

    def view(
        self,
        *,
        only: str | Collection[str] = "*",
        tags: Iterable[str] = (),
        context: ExecutionContext | None = None,
        timeout: float | None = None,
    ) -> View:
        """The same verbs over fewer tools, with a fixed context and limit.

        It limits what is named from outside and is no policy: a combinator's children need not be in it.
        """
        return View(self, only=only, tags=tags, context=context, timeout=timeout)

    # How

    def _begin(
        self,
        name: str,
        given: Arguments | None,
        *,
        context: ExecutionContext | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        detached: bool = False,
        view: View | None = None,
    ) -> tuple[Call, Inner]:
        """The call, and the compiled way for it, for the verbs that take more than arguments."""
        if timeout is not None:
            seconds(timeout, "timeout")
        if not isinstance(name, str):  # what a model says is not always what it should be
            name = shown_value(name)
        given = {} if given is None else given
        plain = view is None and type(given) is dict
        refused = None if plain else self._refusal(name, given, view)
        call, chain = self._start(name, {} if refused else given, running.get(), detached)
        parent = call.parent
        call.limit = timeout
        if context is not None:
            if parent is not None and not context.same_caller(parent.context):
                refused = Denied(
                    f"{name!r} was called inside {parent.name!r} in the name of another scope or principal; "
                    "a tool that may do so says detached=True"
                )
            call._context = context if parent is None else context.child()
            if context.cancellation is not None:
                chain = interrupted(chain, context.cancellation)
        if idempotency_key is not None:
            call.info._context = replace(call.context, idempotency_key=idempotency_key)
        if refused is None:
            return call, chain
        if isinstance(refused, UnknownTool):
            call.tool = None
        return call, compile_refusal(name, self._used, refused)

    def _start(
        self, name: str, given: Arguments, around: Call | None, detached: bool = False
    ) -> tuple[Call, Inner]:
        """The call, and the compiled way for it; `around` is the call in whose body this one is made."""
        try:
            loop: Any = asyncio.get_running_loop()  # the common case, without the price of asking further
        except RuntimeError:
            loop = current_loop()
        if loop is not self.loop:
            self._settle(loop)
        if around is not None:
            return self._nest(name, given, around, detached)
        tool, chain = self._ready.get(name) or self._prepare(name)
        info = CallInfo(0, False, None, self._now())
        return Call(name, tool, given, self._context, self, None, info), chain

    def _nest(self, name: str, given: Arguments, around: Call, detached: bool) -> tuple[Call, Inner]:
        info = CallInfo(0, False, None, self._now())
        if around.info._ended:
            tool, chain = self._ready.get(name) or self._prepare(name)
            # A task that outlived its call speaks for the same caller, on its own.
            context = self._context if detached else around.context.child()
            return Call(name, tool, given, context, self, None, info), chain
        tool, chain = self._ready.get(name) or self._prepare(name, None if detached else around)
        if detached:
            call = Call(name, tool, given, self._context, self, None, info)
        else:
            call = Call(name, tool, given, None, self, around, info)
            call._deadline, call._deadline_task = around._deadline, around._deadline_task
            info._patience = around.info._patience
        call.depth = around.depth + 1
        if call.depth > self.max_depth:
            chain = compile_refusal(name, self._used, too_deep(call, around, self.max_depth))
        return call, chain

    def _refusal(self, name: str, given: Arguments, view: View | None) -> ToolError | None:
        """Why a call is refused whatever its tool says, if it is."""
        if view is not None and not view.has(name):
            return unknown(name, view.names())
        if isinstance(given, bytes | str):
            size = len(given) if isinstance(given, bytes) else len(given.encode(errors="replace"))
            if size > self.max_argument_bytes:
                return InvalidArguments(
                    f"the arguments of {name!r} are {size} bytes of JSON, more than "
                    f"max_argument_bytes={self.max_argument_bytes}; give less, or raise that limit"
                )
        return None

    def _settle(self, loop: Any) -> None:
        """Belong to this event loop from now on; RuntimeError while the one before still runs.

        None is for the end of one that was ours.
        """
        if loop is self.loop:
            return
        if loop is not None and self.loop is not None:
            if turns(self.loop):
                raise RuntimeError(
                    "this registry is in use on another event loop that still runs; make a registry for "
                    "each loop, or call this one from other threads through registry.blocking()"
                )
            # What ran there has gone with its loop, and had no chance to say so.
            self.calls.clear()
            self._ready.clear()
            self._life.forget()
        self.loop, self._now = loop, reader(self.clock, loop)

    def _turning(self) -> Any:
        """The event loop in which we are in use, if it still runs."""
        return self.loop if self.loop is not None and turns(self.loop) else None

    def _prepare(self, name: str, around: Call | None = None) -> tuple[Tool[..., Any] | None, Inner]:
        """Compile the way for a name; one that cannot be called gets a way that ends in the error."""
        try:
            self._life.admit(name, around)
            tool = self._callable(name)
            chain = self._life.around(compile_chain(tool, self._used, self._permits))
        except (ToolError, TypeError) as error:  # a TypeError says that its signature cannot make a tool
            return None, compile_refusal(name, self._used, error)
        if not self._life.closed:  # or calls from outside would find it there
            self._ready[name] = tool, chain
        return tool, chain

    def _changed(self, change: ToolsChanged) -> None:
        for name in change.removed:
            self._ready.pop(name, None)
        super()._changed(change)
