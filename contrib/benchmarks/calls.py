"""Workloads: a tool called by its name, with no middleware."""

from __future__ import annotations

from benchmarks.by_hand import ARGUMENTS, add
from benchmarks.workload import Backend, Calls, Side, Workload
from toolcase import Registry


def bare(backend: Backend) -> Side:
    """The function awaited directly, with nothing checked."""
    return Calls(add, **ARGUMENTS)


def dispatch(backend: Backend) -> Side:
    """By name, with validation."""
    return Calls(_registry().call, "add", **ARGUMENTS)


def execute_dict(backend: Backend) -> Side:
    """The same, with the outcome as a value."""
    return Calls(_registry().execute, "add", ARGUMENTS)


def execute_json(backend: Backend) -> Side:
    """The same from the bytes that came over a wire."""
    return Calls(_registry().execute, "add", b'{"a": 1, "b": 2}')


def _registry() -> Registry:
    registry = Registry()
    registry.add(add)
    return registry


WORKLOADS = (
    Workload(
        name="dispatch",
        how="registry.call against await f(**arguments)",
        floor=bare,
        ours=dispatch,
        goal=8.0,
    ),
    Workload(
        name="execute-dict",
        how="registry.execute against await f(**arguments)",
        floor=bare,
        ours=execute_dict,
    ),
    Workload(
        name="execute-json",
        how="registry.execute of JSON bytes against await f(**arguments)",
        floor=bare,
        ours=execute_json,
    ),
)
