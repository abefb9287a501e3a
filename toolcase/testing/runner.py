"""Runs a test's async function on either back end, in virtual time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, TypeVarTuple

from toolcase.testing.virtual import VirtualLoop

R = TypeVar("R")
Args = TypeVarTuple("Args")

BACKENDS = ("asyncio", "trio")


def run(
    main: Callable[[*Args], Awaitable[R]], *args: *Args, backend: str = "asyncio", virtual: bool = True
) -> R:
    """Run an async function to its end, in virtual time unless `virtual=False`, and give what it gives.

    Raises Deadlock when nothing can happen any more, and whatever reached the loop's exception handler.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    if is_running():
        raise RuntimeError(f"an event loop runs here already; await {main!r} instead")
    if backend == "trio":
        from toolcase.testing import trio_time

        return trio_time.run(main, *args, virtual=virtual)
    return _run_asyncio(main, *args, virtual=virtual)


def _run_asyncio(main: Callable[[*Args], Awaitable[R]], *args: *Args, virtual: bool) -> R:
    unhandled: list[BaseException] = []

    def collect(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        unhandled.append(context.get("exception") or RuntimeError(context["message"]))

    async def body() -> R:
        asyncio.get_running_loop().set_exception_handler(collect)
        return await main(*args)

    with asyncio.Runner(loop_factory=VirtualLoop if virtual else None) as runner:
        value = runner.run(body())
    if unhandled:
        raise unhandled[0]
    return value


def is_running() -> bool:
    """Whether an event loop of either kind runs in this thread."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
