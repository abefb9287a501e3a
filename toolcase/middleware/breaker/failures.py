"""Which errors say that a tool is not well."""

from __future__ import annotations

import math

import anyio

from toolcase.clock import asyncio_task
from toolcase.errors import (
    ApprovalRequired,
    BudgetExceeded,
    CircuitOpen,
    Denied,
    InvalidArguments,
    Overloaded,
    RateLimited,
    ToolDisabled,
    ToolTimeout,
    UnknownTool,
)

REFUSALS = (
    ApprovalRequired, BudgetExceeded, CircuitOpen, Denied, InvalidArguments, Overloaded, RateLimited,
    ToolDisabled, UnknownTool,
)  # fmt: skip


_OF_THE_TOOL = frozenset({"attempt", "first_chunk", "idle"})
"""Limits of time that say something of the tool."""


def of_the_tool(error: Exception) -> bool:
    """Whether it is a failure where nobody said otherwise: all but refusals, wrong arguments, and a limit of
    time around more than one attempt, or of the wait for a turn.
    """
    return error.kind in _OF_THE_TOOL if isinstance(error, ToolTimeout) else not isinstance(error, REFUSALS)


def stopped() -> bool:
    """Whether what runs here is being stopped from outside: what a tool makes of that says nothing of it."""
    task = asyncio_task()
    natively = task is not None and task.cancelling() > 0  # which anyio does not see
    return natively or anyio.current_effective_deadline() == -math.inf
