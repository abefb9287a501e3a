"""Workloads: a call through several middleware at once, against the same chain by hand."""

from __future__ import annotations

from benchmarks import by_hand
from benchmarks.by_hand import ARGUMENTS, SECONDS, Function, add, quiet
from benchmarks.layers import called
from benchmarks.workload import Backend, Calls, Side, Workload
from toolcase.runtime import LoggingMiddleware, RetryMiddleware, TimeoutMiddleware


def floor(backend: Backend) -> Side:
    """The chain by hand."""
    return Calls(by_hand.chain(add, backend), "add", **ARGUMENTS)


def ours(backend: Backend) -> Side:
    """The chain through a registry."""
    return _ours(add)


def floor_waiting(backend: Backend) -> Side:
    """The chain by hand around a function that is suspended."""
    return Calls(by_hand.chain(by_hand.waiting(backend), backend), "add", **ARGUMENTS)


def ours_waiting(backend: Backend) -> Side:
    """The chain through a registry around a tool that is suspended."""
    return _ours(by_hand.waiting(backend))


def _ours(function: Function) -> Side:
    return called(function, LoggingMiddleware(quiet), RetryMiddleware(), TimeoutMiddleware(SECONDS))


WORKLOADS = (
    Workload(
        name="chain",
        how="logging off, validation, retry, timeout; against the same by hand",
        floor=floor,
        ours=ours,
        target=1.3,
    ),
    Workload(
        name="chain-waiting",
        how="the same around a tool that is suspended once",
        floor=floor_waiting,
        ours=ours_waiting,
        target=1.3,
    ),
)
