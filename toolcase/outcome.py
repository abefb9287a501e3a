"""How a call is run to its end for those who want to know how it ended, and no exception."""

from __future__ import annotations

from typing import Any

import anyio

from toolcase.call import Call, Inner
from toolcase.chain import run_chain
from toolcase.result import ToolResult, bounded, describe


async def outcome_of(call: Call, chain: Inner, most_bytes: float) -> ToolResult:
    """Run it; never raises for what a tool or a middleware did. Cancellation passes through.

    A value of more than `most_bytes` is a failure of its own.
    """
    value: Any = None
    error = None
    call.info._most_bytes = most_bytes
    try:
        value = bounded(await run_chain(call, chain), call, most_bytes)
    except BaseExceptionGroup as group:
        cancelled = group.subgroup(anyio.get_cancelled_exc_class())
        if cancelled is not None:
            raise cancelled from None  # a tool's error beside it does not make a result of it
        if not isinstance(group, Exception):
            raise
        error = describe(group, call, call.elapsed)
    except Exception as raised:  # noqa: BLE001  these are given as values
        error = describe(raised, call, call.elapsed)
    try:
        return ToolResult(
            tool=call.name,
            value=value,
            error=error,
            attempts=call.info.attempts,
            duration=call.elapsed,
            _secrets=call.host.secrets,
        )
    finally:
        del error  # no circle through the traceback's frame
