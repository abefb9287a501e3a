"""Middleware in one value, for a registry or around one function without a registry."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextvars import Context
from typing import Any, ParamSpec

from toolcase.call import Call, CallInfo, Inner, Middleware, running
from toolcase.chain import Used, compile_chain, flat, label, run_chain
from toolcase.clock import Clock, SystemClock
from toolcase.context import ExecutionContext
from toolcase.events import Event, report_to_log
from toolcase.result import MOST_BYTES
from toolcase.secrets import Secrets
from toolcase.task import BackgroundTask
from toolcase.threads import Threads
from toolcase.tool import Tool
from toolcase.tool_options import AnyMiddleware
from toolcase.tool_stream import ToolStream

P = ParamSpec("P")

Begin = Callable[[], tuple[Call, Inner]]
"""Makes a call, and the compiled way for it."""


class _Together:
    """Several middleware in one value, for a registry or around one tool."""

    _made_by = "compose"

    def __init__(self, middleware: Iterable[Middleware]) -> None:
        self.middleware = tuple(middleware)

    def __iter__(self) -> Iterator[Middleware]:
        return iter(self.middleware)

    def __repr__(self) -> str:
        return f"{self._made_by}({', '.join(map(label, self.middleware))})"

    def _around(self, tool: Tool[..., Any]) -> Callable[..., Begin]:
        """What makes of arguments, as Python gives them, that which begins a call."""
        chain = compile_chain(tool, [Used(entry) for entry in self.middleware], validate=False)
        host, context, named = _Alone(), ExecutionContext(), _naming(tool)

        def prepare(*args: Any, **kwargs: Any) -> Begin:
            arguments = named(*args, **kwargs)

            def begin() -> tuple[Call, Inner]:
                info = CallInfo(started=host.clock.monotonic())
                return Call(tool.name, tool, arguments, context, host, running.get(), info), chain

            return begin

        return prepare


class Stack(_Together):
    """Several middleware in one value: `registry.use(stack)`, or `stack(tool)` without a registry."""

    def __call__(self, tool: Tool[P, Any]) -> Callable[P, Awaitable[Any]]:
        """The tool with this middleware around it, as an async function of the same parameters.

        Nothing is validated: the caller is Python code. What the host would be told goes to the log.
        """
        prepare = self._around(tool)

        @functools.wraps(tool.function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            return await run_chain(*prepare(*args, **kwargs)())

        return run


class StreamStack(_Together):
    """The same for what is read chunk by chunk: `stack(tool)` is a function that gives a `ToolStream`."""

    _made_by = "compose_streaming"

    def __call__(self, tool: Tool[P, Any]) -> Callable[P, ToolStream]:
        """The tool with this middleware around it, as a function of the same parameters.

        Nothing is validated, and the log is told, as with `Stack`. What is collected is bounded as it is in a
        registry that says nothing of it.
        """
        prepare = self._around(tool)

        @functools.wraps(tool.function)
        def stream(*args: P.args, **kwargs: P.kwargs) -> ToolStream:
            return ToolStream(tool.name, prepare(*args, **kwargs), most_bytes=MOST_BYTES)

        return stream


def compose(*middleware: AnyMiddleware | Iterable[AnyMiddleware]) -> Stack:
    """Middleware in one value, sorted by stage when used, in the given order within each."""
    return Stack(flat(middleware))


def compose_streaming(*middleware: AnyMiddleware | Iterable[AnyMiddleware]) -> StreamStack:
    """The same, for `compose_streaming(...)(tool)(prompt="x")`, which gives a `ToolStream`."""
    return StreamStack(flat(middleware))


def _naming(tool: Tool[..., Any]) -> Callable[..., dict[str, Any]]:
    """What turns arguments as Python gives them into arguments by name, defaults filled in."""
    whole = inspect.signature(tool.function)
    given = [p for p in whole.parameters.values() if p.name not in tool.schema.injected]
    signature = whole.replace(parameters=given)
    rest = next((p.name for p in given if p.kind is p.VAR_KEYWORD), None)

    def named(*args: Any, **kwargs: Any) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        if tool.schema.mapping:
            return dict(arguments[tool.schema.mapping])
        extras = {} if rest is None else arguments.pop(rest)
        return {**arguments, **extras}

    return named


class _Alone:
    """The host of a call without a registry."""

    def __init__(self) -> None:
        self.clock: Clock = SystemClock()
        self.threads = Threads()
        self.calls: set[Call] = set()
        self.secrets = Secrets()
        self.loop = None
        self.lock = threading.Lock()

    def report(self, event: Event) -> None:
        report_to_log(event, self.secrets)

    def spawn(
        self,
        function: Callable[[], Awaitable[None]],
        *,
        context: Context | None = None,
        ended: Callable[[BackgroundTask], None] | None = None,
    ) -> BackgroundTask:
        return BackgroundTask(function, context=context, ended=ended)
