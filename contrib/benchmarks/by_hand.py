"""The tools that are called, and what careful hands would write around them without a framework."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from bisect import bisect
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio
import structlog
from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict

from benchmarks.workload import Backend

Function = Callable[..., Awaitable[Any]]

ARGUMENTS = {"a": 1, "b": 2}
SECONDS = 30.0
ATTEMPTS = 3
FAILURES = 5

# Its level is above that of the records, as in a host that logs warnings only.
quiet: Any = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


async def add(a: int, b: int) -> int:
    """Add a and b."""
    return a + b


def waiting(backend: Backend) -> Function:
    """The same tool, suspended once on the way."""
    if backend == "trio":
        from trio.lowlevel import checkpoint

        async def add(a: int, b: int) -> int:
            await checkpoint()
            return a + b

    else:

        async def add(a: int, b: int) -> int:
            await asyncio.sleep(0)
            return a + b

    return add


def layer(inner: Function) -> Function:
    """A closure that does nothing: the least that a layer can cost."""

    async def run(**arguments: Any) -> Any:
        return await inner(**arguments)

    return run


def retried(inner: Function) -> Function:
    """Try again after the errors that mean a connection or a limit of time."""

    async def run(**arguments: Any) -> Any:
        attempt = 1
        while True:
            try:
                return await inner(**arguments)
            except (ConnectionError, TimeoutError):
                if attempt >= ATTEMPTS:
                    raise
            await anyio.sleep(0.5 * 2**attempt)
            attempt += 1

    return run


def broken_off(inner: Function) -> Function:
    """Refuse calls for a while after so many failures in a row."""
    failures, until = 0, 0.0

    async def run(**arguments: Any) -> Any:
        nonlocal failures, until
        if failures >= FAILURES and anyio.current_time() < until:
            raise ConnectionError("it failed too often")
        try:
            value = await inner(**arguments)
        except Exception:
            failures, until = failures + 1, anyio.current_time() + SECONDS
            raise
        failures = 0
        return value

    return run


def timed(inner: Function, backend: Backend) -> Function:
    """A limit of time from the back end's own library."""
    if backend == "trio":
        from trio import fail_after

        async def run(**arguments: Any) -> Any:
            with fail_after(SECONDS):
                return await inner(**arguments)

    else:

        async def run(**arguments: Any) -> Any:
            async with asyncio.timeout(SECONDS):
                return await inner(**arguments)

    return run


def logged(inner: Function) -> Function:
    """A record before and one after, each behind a test of the level."""
    log = quiet.bind()

    async def run(**arguments: Any) -> Any:
        loud = log.is_enabled_for(logging.INFO)
        if loud:
            log.info("call.started")
        try:
            value = await inner(**arguments)
        except Exception as error:
            log.warning("call.failed", exc_info=error)
            raise
        if loud:
            log.info("call.ended")
        return value

    return run


def measured(inner: Function) -> Function:
    """Two readings of the clock, a counter, and a histogram in a list."""
    bounds = [0.001 * 2**power for power in range(16)]
    buckets, ended = [0] * 17, Counter[str]()
    now = time.perf_counter

    async def run(**arguments: Any) -> Any:
        began = now()
        try:
            return await inner(**arguments)
        finally:
            ended["add"] += 1
            buckets[bisect(bounds, now() - began)] += 1

    return run


def traced(inner: Function) -> Function:
    """A test of whether anybody has switched tracing on."""
    tracer: Any = None

    async def run(**arguments: Any) -> Any:
        if tracer is None:
            return await inner(**arguments)
        with tracer.start_as_current_span("add"):
            return await inner(**arguments)

    return run


def seen(inner: Function) -> Function:
    """Tracing that is off, logging that is off, and metrics."""
    return traced(logged(measured(inner)))


class Sum(TypedDict):
    """The arguments of `add`."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    a: int
    b: int


validate = TypeAdapter(Sum).validator.validate_python


def validated(inner: Function) -> Function:
    """Arguments checked by pydantic's core, with a validator made beforehand."""

    async def run(**arguments: Any) -> Any:
        return await inner(**validate(arguments))

    return run


def by_name(tools: dict[str, Function]) -> Function:
    """Call a tool by its name."""

    async def call(name: str, /, **arguments: Any) -> Any:
        return await tools[name](**arguments)

    return call


def chain(function: Function, backend: Backend) -> Function:
    """By name: logging > validation > retry > timeout > function."""
    return by_name({"add": logged(validated(retried(timed(function, backend))))})


async def register(functions: Iterable[Callable[..., Any]]) -> int:
    """Read each signature into a table; how many there are."""
    table: dict[str, inspect.Signature] = {}
    for function in functions:
        table[function.__name__] = inspect.signature(function)
    return len(table)
