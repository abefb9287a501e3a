"""The thing that a host talks to: it holds tools and the middleware around them, and runs calls."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, ParamSpec, TypeVar, overload

import anyio

from toolcase.call import Call, CallInfo, Inner, Middleware, Stage, running
from toolcase.chain import Used, arrange, compile_chain, compile_refusal, flat, label, run_chain
from toolcase.clock import Clock, SystemClock, seconds
from toolcase.context import ExecutionContext
from toolcase.errors import Denied, ToolError, UnknownTool
from toolcase.events import Event, log_fault, report_to_log
from toolcase.result import MOST_BYTES, ToolResult, bounded, byte_limit, describe
from toolcase.schema import Arguments, nearest
from toolcase.secrets import Secrets
from toolcase.threads import Threads
from toolcase.tool import Tool, tool_of

P = ParamSpec("P")
R = TypeVar("R")


class Registry:
    """Tools by name, and the middleware around them.

    `max_threads` bounds how many synchronous tools run at once, `max_result_bytes` what `execute` gives.
    `secrets` holds what is masked in all that leaves the host. `clock` is for tests.
    """

    def __init__(
        self,
        *,
        context: ExecutionContext | None = None,
        max_threads: int = 40,
        max_result_bytes: float = MOST_BYTES,
        clock: Clock | None = None,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.threads = Threads(max_threads)
        self.secrets = Secrets()
        self._max_result_bytes = byte_limit(max_result_bytes)
        self._context = context or ExecutionContext()
        self._tools: dict[str, Tool[..., Any]] = {}
        self._used: tuple[Used, ...] = ()
        self._listeners: tuple[Callable[[Event], None], ...] = ()
        # Compiled when first called; emptied when tools or middleware change.
        self._ready: dict[str, tuple[Tool[..., Any], Inner]] = {}

    # What it holds

    def add(self, *tools: Callable[..., Any]) -> None:
        """Take in tools; plain functions become tools first. ValueError if a name is taken."""
        made = [tool if isinstance(tool, Tool) else tool_of(tool) for tool in tools]
        named = {tool.name: tool for tool in made}
        for tool in made:
            if tool.name in self._tools or named[tool.name] is not tool:
                raise ValueError(
                    f"there is a tool named {tool.name!r} already; give this one another with @tool(name=...)"
                )
        self._tools.update(named)

    @overload
    def tool(self, function: Callable[P, R], /) -> Tool[P, R]: ...
    @overload
    def tool(self, function: None = None, /, **settings: Any) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
    @overload
    def tool(self, function: Callable[P, R], /, **settings: Any) -> Tool[P, R]: ...
    def tool(self, function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
        """`@registry.tool` or `@registry.tool(...)`: make a tool, as `toolcase.tool` does, and add it."""
        if function is None:
            return lambda function: self.tool(function, **settings)
        made = tool_of(function, **settings)
        self.add(made)
        return made

    def get(self, name: str) -> Tool[..., Any]:
        """The tool of that name; UnknownTool if there is none."""
        try:
            return self._tools[name]
        except KeyError:
            raise unknown(name, self._tools) from None

    def names(self) -> list[str]:
        """The names of all tools, in the order in which they were added."""
        return list(self._tools)

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
        found = arrange(self.get(name), self._used)
        return {stage: found[stage] for stage in Stage if found[stage]}

    # What it does

    async def call(self, name: str, /, **arguments: Any) -> Any:
        """The tool's value, or the error raised: its own exception as it is, a `ToolError` for ours."""
        tool, chain = self._ready.get(name) or self._prepare(name)
        parent = running.get()
        return await run_chain(self._call(name, tool, arguments, parent), chain)

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
        return await self._execute(*begun)

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
        parent = None if detached else running.get()
        if timeout is not None:
            seconds(timeout, "timeout")
        if view is None or view.has(name):
            tool, chain = self._ready.get(name) or self._prepare(name)
        else:
            tool, chain = None, compile_refusal(name, self._used, unknown(name, view.names()))
        call = self._call(name, tool, {} if given is None else given, parent)
        call.limit = timeout
        if context is not None:
            if parent is not None and not context.same_caller(parent.context):
                error = Denied(
                    f"{name!r} was called inside {parent.name!r} in the name of another scope or principal"
                )
                chain = compile_refusal(name, self._used, error)
            call.context = context
        if idempotency_key is not None:
            call.context = replace(call.context, idempotency_key=idempotency_key)
        return call, chain

    def _call(self, name: str, tool: Tool[..., Any] | None, given: Arguments, parent: Call | None) -> Call:
        info = CallInfo(0, False, None, self.clock.monotonic())
        if parent is None:
            return Call(name, tool, given, self._context, self, None, info)
        if parent.info._ended:  # a task that outlived its call speaks for the same caller, on its own
            return Call(name, tool, given, parent.context, self, None, info)
        call = Call(name, tool, given, parent.context, self, parent, info)
        call._deadline, call._deadline_task = parent._deadline, parent._deadline_task
        return call

    def _prepare(self, name: str) -> tuple[Tool[..., Any] | None, Inner]:
        """Compile the way for a name; one that cannot be called gets a way that ends in the error."""
        try:
            tool = self.get(name)
            ready = self._ready[name] = tool, compile_chain(tool, self._used)
        except (ToolError, TypeError) as error:  # a TypeError says that its signature cannot make a tool
            return None, compile_refusal(name, self._used, error)
        return ready

    async def _execute(self, call: Call, chain: Inner) -> ToolResult:
        value, error = None, None
        try:
            value = bounded(await run_chain(call, chain), call, self._max_result_bytes)
        except BaseExceptionGroup as group:
            cancelled = group.subgroup(anyio.get_cancelled_exc_class())
            if cancelled is not None:
                raise cancelled from None  # a tool's error beside it does not make a result of it
            if not isinstance(group, Exception):
                raise
            error = describe(group, call, call.elapsed)
        except Exception as raised:  # noqa: BLE001  this is the verb that gives errors as values
            error = describe(raised, call, call.elapsed)
        return ToolResult(
            tool=call.name,
            value=value,
            error=error,
            attempts=call.info.attempts,
            duration=call.elapsed,
            _secrets=self.secrets,
        )


class View:
    """Some of a registry's tools, with a fixed context and limit; made by `Registry.view`."""

    def __init__(
        self,
        registry: Registry,
        *,
        only: str | Collection[str],
        tags: Iterable[str],
        context: ExecutionContext | None,
        timeout: float | None,
    ) -> None:
        if timeout is not None:
            seconds(timeout, "timeout")
        self._registry = registry
        self._only = (only,) if isinstance(only, str) else tuple(only)
        self._tags = frozenset((tags,) if isinstance(tags, str) else tags)
        self._context, self._timeout = context, timeout

    def sees(self, tool: Tool[..., Any]) -> bool:
        """Whether its name matches one of the patterns and it has every one of the tags."""
        return self._tags <= tool.tags and any(fnmatch.fnmatchcase(tool.name, only) for only in self._only)

    def has(self, name: str) -> bool:
        """Whether a tool of that name can be called here."""
        tool = self._registry._tools.get(name)
        return tool is not None and self.sees(tool)

    def names(self) -> list[str]:
        """The names that can be called here."""
        return [name for name in self._registry.names() if self.has(name)]

    def get(self, name: str) -> Tool[..., Any]:
        """The tool of that name; UnknownTool if this view has none."""
        if not self.has(name):
            raise unknown(name, self.names())
        return self._registry.get(name)

    async def call(self, name: str, /, **arguments: Any) -> Any:
        """As `Registry.call`, within this view."""
        begun = self._registry._begin(
            name, arguments, context=self._context, timeout=self._timeout, view=self
        )
        return await run_chain(*begun)

    async def execute(
        self,
        name: str,
        arguments: Arguments | None = None,
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> ToolResult:
        """As `Registry.execute`, within this view; the smaller of both limits holds."""
        limits = [limit for limit in (timeout, self._timeout) if limit is not None]
        return await self._registry._execute(
            *self._registry._begin(
                name,
                arguments,
                context=self._context,
                timeout=min(limits) if limits else None,
                idempotency_key=idempotency_key,
                view=self,
            )
        )


def unknown(name: str, names: Collection[str]) -> UnknownTool:
    """The error for a name that is not there, with the nearest one that is."""
    return UnknownTool(f"no tool named {name!r}; {nearest(name, names) or 'there is none like it'}")
