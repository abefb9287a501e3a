"""Middleware in one value, for a registry or around one function without a registry."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextvars import Context
from typing import Any, ParamSpec

from toolcase.call import Call, CallInfo, Middleware, running
from toolcase.chain import Used, compile_chain, flat, label, run_chain
from toolcase.clock import Clock, SystemClock
from toolcase.context import ExecutionContext
from toolcase.events import Event, report_to_log
from toolcase.secrets import Secrets
from toolcase.task import BackgroundTask
from toolcase.threads import Threads
from toolcase.tool import Tool
from toolcase.tool_options import AnyMiddleware

P = ParamSpec("P")


class Stack:
    """Several middleware in one value: `registry.use(stack)`, or `stack(tool)` without a registry."""

    def __init__(self, middleware: Iterable[Middleware]) -> None:
        self.middleware = tuple(middleware)

    def __iter__(self) -> Iterator[Middleware]:
        return iter(self.middleware)

    def __repr__(self) -> str:
        return f"compose({', '.join(map(label, self.middleware))})"

    def __call__(self, tool: Tool[P, Any]) -> Callable[P, Awaitable[Any]]:
        """The tool with this middleware around it, as an async function of the same parameters.

        Nothing is validated: the caller is Python code. What the host would be told goes to the log.
        """
        chain = compile_chain(tool, [Used(entry) for entry in self.middleware], validate=False)
        host, context, named = _Alone(), ExecutionContext(), _naming(tool)

        @functools.wraps(tool.function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            info = CallInfo(started=host.clock.monotonic())
            call = Call(tool.name, tool, named(*args, **kwargs), context, host, running.get(), info)
            return await run_chain(call, chain)

        return run


def compose(*middleware: AnyMiddleware | Iterable[AnyMiddleware]) -> Stack:
    """Middleware in one value, sorted by stage when used, in the given order within each."""
    return Stack(flat(middleware))


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
