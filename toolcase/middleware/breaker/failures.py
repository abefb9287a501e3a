"""Which errors say that a tool is not well."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import anyio

from toolcase.clock import asyncio_task
from toolcase.errors import (
    ApprovalRequired,
    BudgetExceeded,
    CircuitOpen,
    Denied,
    ErrorCode,
    InvalidArguments,
    Overloaded,
    RateLimited,
    ToolDisabled,
    ToolError,
    ToolTimeout,
    UnknownTool,
)

REFUSALS = (
    ApprovalRequired, BudgetExceeded, CircuitOpen, Denied, InvalidArguments, Overloaded, RateLimited,
    ToolDisabled, UnknownTool,
)  # fmt: skip

Counted = type[Exception] | ErrorCode
Counts = Counted | tuple[Counted, ...] | Callable[[Exception], bool]


def of_the_tool(error: Exception) -> bool:
    """Whether it is a failure where nobody said otherwise: all but refusals, wrong arguments, and a limit of
    time around more than one attempt.
    """
    return error.kind == "attempt" if isinstance(error, ToolTimeout) else not isinstance(error, REFUSALS)


def predicate(counts: Counts) -> Callable[[Exception], bool]:
    """What `counts` means; TypeError where it means nothing."""
    if callable(counts) and not isinstance(counts, type):
        if inspect.iscoroutinefunction(counts):
            raise TypeError(f"counts takes a predicate that is not async, got {counts!r}")
        return counts
    named: tuple[Any, ...] = counts if isinstance(counts, tuple) else (counts,)
    for entry in named:
        if not isinstance(entry, ErrorCode) and not (
            isinstance(entry, type) and issubclass(entry, Exception)
        ):
            raise TypeError(f"counts takes exception types, error codes or one predicate, got {entry!r}")
    types = tuple(entry for entry in named if isinstance(entry, type))

    def counted(error: Exception) -> bool:
        code = error.code if isinstance(error, ToolError) else ErrorCode.TOOL_FAILED
        return isinstance(error, types) or code in named

    return counted


def stopped() -> bool:
    """Whether what runs here is being stopped from outside: what a tool makes of that says nothing of it."""
    task = asyncio_task()
    natively = task is not None and task.cancelling() > 0  # which anyio does not see
    return natively or anyio.current_effective_deadline() == -math.inf
