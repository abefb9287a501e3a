"""Workloads: what it costs to hold tools, many of them, and to import toolcase at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from benchmarks import by_hand
from benchmarks.by_hand import ARGUMENTS, Function
from benchmarks.workload import Backend, Calls, FreshProcess, Side, Workload
from toolcase import Registry

REGISTERED = 1_000
FEW, MANY = 10, 3_000


def functions(count: int) -> list[Function]:
    """So many functions, each with a name of its own."""
    return [_function(f"add_{number}") for number in range(count)]


def _function(name: str) -> Function:
    async def add(a: int, b: int) -> int:
        """Add a and b."""
        return a + b

    add.__name__ = name
    return add


async def register(functions: Sequence[Callable[..., Awaitable[object]]]) -> int:
    """One after the other, as decorators do; how many there are."""
    registry = Registry()
    for function in functions:
        registry.add(function)
    return len(registry.names())


def among(count: int) -> Side:
    """Ten calls, spread evenly over so many tools that are all compiled."""
    registry = Registry()
    registry.add(*functions(count))
    names = registry.names()

    async def call(names: Sequence[str]) -> int:
        total = 0
        for name in names:
            total += await registry.call(name, **ARGUMENTS)
        return total

    return _AllFirst(call, names)


class _AllFirst(Calls):
    """Calls of ten tools, after every tool has been called."""

    def __init__(self, call: Callable[[Sequence[str]], Awaitable[int]], names: Sequence[str]) -> None:
        super().__init__(call, names[:: len(names) // FEW])
        self._call, self._names = call, names

    async def value(self) -> int:
        assert await self._call(self._names) == 3 * len(self._names)
        return int(await super().value())


def register_by_hand(backend: Backend) -> Side:
    """Signatures in a table."""
    return Calls(by_hand.register, functions(REGISTERED))


def register_ours(backend: Backend) -> Side:
    """Tools in a registry."""
    return Calls(register, functions(REGISTERED))


WORKLOADS = (
    Workload(
        name="register-1000",
        how="1,000 times registry.add against inspect.signature into a dict",
        floor=register_by_hand,
        ours=register_ours,
        expected=REGISTERED,
        goal=4.0,
        on_loop=False,
    ),
    Workload(
        name="among-3000",
        how="ten calls among 3,000 tools against ten among 10",
        floor=lambda backend: among(FEW),
        ours=lambda backend: among(MANY),
        expected=3 * FEW,
        goal=1.1,
    ),
    Workload(
        name="import",
        how="import toolcase against pydantic's BaseModel and TypeAdapter",
        floor=lambda backend: FreshProcess("from pydantic import BaseModel, TypeAdapter"),
        ours=lambda backend: FreshProcess("import toolcase"),
        expected=True,
        goal=1.0,
        on_loop=False,
    ),
)
