"""The innermost step: the function itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any

from toolcase.call import Call, Inner
from toolcase.events import LateCompletion
from toolcase.streaming import streamed
from toolcase.tool import Kind, Tool


def invoker(tool: Tool[..., Any]) -> Inner:
    """The step that runs the tool's function with the call's arguments and counts that it was started."""
    schema = tool.schema
    if tool.kind is Kind.ASYNC and not (schema.injected or schema.positional or schema.gather):
        step = _plain(tool.function)
    else:
        step = _RUN[tool.kind](_prepared(tool))
    return _checked(step, schema.validate_result) if schema.validate_result else step


def _plain(function: Callable[..., Any]) -> Inner:
    """The common tool, on the hot path: an async function that takes its arguments by name."""

    async def invoke(call: Call) -> Any:
        call.info.attempts += 1
        return await function(**call._validated)  # type: ignore[arg-type]

    return invoke


def _prepared(tool: Tool[..., Any]) -> Callable[[Call], partial[Any]]:
    """What makes the function ready to be called with nothing more, from a call."""
    function, schema = tool.function, tool.schema

    def prepare(call: Call) -> partial[Any]:
        given = schema.gather(call.arguments) if schema.gather else call.arguments
        arguments = {**given, **{name: take(call) for name, take in schema.injected.items()}}
        positional = [arguments.pop(name) for name in schema.positional]
        return partial(function, *positional, **arguments)

    return prepare


def _awaited(prepare: Callable[[Call], partial[Any]]) -> Inner:
    async def invoke(call: Call) -> Any:
        call.info.attempts += 1
        return await prepare(call)()

    return invoke


def _threaded(prepare: Callable[[Call], partial[Any]]) -> Inner:
    async def invoke(call: Call) -> Any:
        host = call.host

        def late(error: BaseException | None) -> None:
            host.report(LateCompletion(tool=call.name, error=error, elapsed=call.elapsed))

        def started() -> None:  # a thread was free; none is no attempt
            call.info.attempts += 1

        value = await host.threads.run(prepare(call), started=started, late=late)
        if inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            raise TypeError(
                f"tool {call.name!r} is a plain `def` that gave an awaitable; write it with `async def`"
            )
        return value

    return invoke


def _checked(inner: Inner, validate: Callable[[Any], Any]) -> Inner:
    async def check(call: Call) -> Any:
        return validate(await inner(call))

    return check


_RUN = MappingProxyType({Kind.ASYNC: _awaited, Kind.STREAM: streamed, Kind.SYNC: _threaded})
