"""Workloads: what one middleware adds to a call, against what the same layer by hand adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from benchmarks import by_hand
from benchmarks.by_hand import ARGUMENTS, SECONDS, Function, add, quiet
from benchmarks.workload import Added, Backend, Build, Calls, Side, Workload
from toolcase import Call, Inner, Middleware, Registry, Stage
from toolcase.runtime import (
    CircuitBreakerMiddleware,
    LoggingMiddleware,
    MetricsMiddleware,
    RetryMiddleware,
    TimeoutMiddleware,
    TracingMiddleware,
)


async def guard(call: Call, inner: Inner) -> Any:
    """A user's middleware that does nothing."""
    return await inner(call)


class Observer:
    """An observer that does nothing."""

    stage: ClassVar[Stage] = Stage.OBSERVE

    async def __call__(self, call: Call, inner: Inner) -> Any:
        return await inner(call)


def called(function: Function, *middleware: Middleware) -> Side:
    """A call through a registry that has this middleware."""
    registry = Registry()
    registry.add(function)
    registry.use(*middleware)
    assert str(registry).count(">") + str(registry).count("|") == len(middleware), "some are left out"
    return Calls(registry.call, "add", **ARGUMENTS)


def by_hand_adds(layer: Callable[[Function], Function]) -> Build:
    """What a hand-written layer adds to the bare function."""
    return lambda backend: Added(Calls(layer(add), **ARGUMENTS), Calls(add, **ARGUMENTS))


def ours_adds(middleware: Middleware, *others: Middleware) -> Build:
    """What a middleware adds to a call that has the others."""
    return lambda backend: Added(called(add, middleware, *others), called(add, *others))


def ours_add(*middleware: Middleware) -> Build:
    """What several middleware add together to a call that has none."""
    return lambda backend: Added(called(add, *middleware), called(add))


def timeout_by_hand(backend: Backend) -> Side:
    """The back end's own limit of time."""
    return Added(Calls(by_hand.timed(add, backend), **ARGUMENTS), Calls(add, **ARGUMENTS))


def timeout_by_hand_waiting(backend: Backend) -> Side:
    """The same around a function that is suspended."""
    function = by_hand.waiting(backend)
    return Added(Calls(by_hand.timed(function, backend), **ARGUMENTS), Calls(function, **ARGUMENTS))


def timeout_waiting(backend: Backend) -> Side:
    """Our limit of time around a tool that is suspended."""
    function = by_hand.waiting(backend)
    return Added(called(function, TimeoutMiddleware(SECONDS)), called(function))


WORKLOADS = (
    Workload(
        name="guard",
        how="the first guard, added, against a closure",
        floor=by_hand_adds(by_hand.layer),
        ours=ours_adds(guard),
        goal=2.0,
    ),
    Workload(
        name="observer-second",
        how="the second observer, added, against a closure",
        floor=by_hand_adds(by_hand.layer),
        ours=ours_adds(Observer(), Observer()),
    ),
    Workload(
        name="retry",
        how="RetryMiddleware, added, against a loop with try",
        floor=by_hand_adds(by_hand.retried),
        ours=ours_adds(RetryMiddleware()),
    ),
    Workload(
        name="breaker",
        how="CircuitBreakerMiddleware, closed, added, against a count of failures in a row",
        floor=by_hand_adds(by_hand.broken_off),
        ours=ours_adds(CircuitBreakerMiddleware()),
    ),
    Workload(
        name="retry-breaker",
        how="both of these, added, against both by hand",
        floor=by_hand_adds(lambda function: by_hand.retried(by_hand.broken_off(function))),
        ours=ours_add(RetryMiddleware(), CircuitBreakerMiddleware()),
        goal=2.0,
    ),
    Workload(
        name="timeout",
        how="TimeoutMiddleware, added, against asyncio.timeout or trio.fail_after",
        floor=timeout_by_hand,
        ours=ours_adds(TimeoutMiddleware(SECONDS)),
        goal=0.7,
    ),
    Workload(
        name="timeout-waiting",
        how="the same around a tool that is suspended once",
        floor=timeout_by_hand_waiting,
        ours=timeout_waiting,
        goal=0.7,
    ),
    Workload(
        name="logging-off",
        how="LoggingMiddleware below the level, added, against a test of the level",
        floor=by_hand_adds(by_hand.logged),
        ours=ours_adds(LoggingMiddleware(quiet)),
    ),
    Workload(
        name="metrics",
        how="MetricsMiddleware in memory, added, against two clocks, a counter and a histogram",
        floor=by_hand_adds(by_hand.measured),
        ours=ours_adds(MetricsMiddleware()),
    ),
    Workload(
        name="tracing-off",
        how="TracingMiddleware without a provider, added, against a test",
        floor=by_hand_adds(by_hand.traced),
        ours=ours_adds(TracingMiddleware()),
    ),
    Workload(
        name="seen",
        how="the three of them, logging off, added, against the three closures",
        floor=by_hand_adds(by_hand.seen),
        ours=ours_add(TracingMiddleware(), LoggingMiddleware(quiet), MetricsMiddleware()),
        goal=1.5,
    ),
)
