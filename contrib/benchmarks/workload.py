"""What is measured: a workload, and the ways to time one side of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter, process_time
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

Backend = Literal["asyncio", "trio"]


class Sample(NamedTuple):
    """Seconds that one side took."""

    cpu: float
    wall: float


class Side(Protocol):
    """One side of a comparison."""

    async def value(self) -> Any:
        """What one run gives, to be checked before anything is timed."""
        ...

    async def sample(self, times: int) -> Sample:
        """The time that so many runs take."""
        ...


class Calls:
    """An async function with its arguments, awaited in a loop that has no call of ours in between."""

    def __init__(self, function: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> None:
        self._function, self._args, self._kwargs = function, args, kwargs

    async def value(self) -> Any:
        return await self._function(*self._args, **self._kwargs)

    async def sample(self, times: int) -> Sample:
        function, args, kwargs = self._function, self._args, self._kwargs
        turns = repeat(None, times)
        wall, cpu = perf_counter(), process_time()
        for _ in turns:
            await function(*args, **kwargs)
        return Sample(process_time() - cpu, perf_counter() - wall)


class Added:
    """What one side costs more than another: a layer, without what it stands around.

    A small difference of large times: both are taken in thin slices, so that a machine that changes its speed
    during a sample changes it for both.
    """

    slices: ClassVar[int] = 16

    def __init__(self, with_it: Side, without_it: Side) -> None:
        self._with_it, self._without_it = with_it, without_it

    async def value(self) -> Any:
        value = await self._with_it.value()
        assert value == await self._without_it.value(), "the layer changes the value"
        return value

    async def sample(self, times: int) -> Sample:
        cpu = wall = 0.0
        for start in range(self.slices):
            share = len(range(start, times, self.slices))
            more, less = await self._with_it.sample(share), await self._without_it.sample(share)
            cpu, wall = cpu + more.cpu - less.cpu, wall + more.wall - less.wall
        return Sample(cpu, wall)


class FreshProcess:
    """A statement in a Python process of its own, which times it without its own start.

    Bytecode is kept in a folder of ours, which the first run fills: where one of two packages happened to be
    compiled already and the other not, the row would tell that and nothing else.
    """

    def __init__(self, statement: str) -> None:
        self._bytecode = tempfile.TemporaryDirectory()
        self._program = (
            "from time import perf_counter, process_time\n"
            "wall, cpu = perf_counter(), process_time()\n"
            f"{statement}\n"
            "print(process_time() - cpu, perf_counter() - wall)"
        )

    async def value(self) -> Any:
        return self._run() > Sample(0.0, 0.0)

    async def sample(self, times: int) -> Sample:
        runs = [self._run() for _ in range(times)]
        return Sample(sum(run.cpu for run in runs), sum(run.wall for run in runs))

    def _run(self) -> Sample:
        words = [sys.executable, "-c", self._program]
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": self._bytecode.name}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        done = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
        cpu, wall = map(float, done.stdout.split())
        return Sample(cpu, wall)


Build = Callable[[Backend], Side]
"""Makes one side, inside the event loop in which it is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The same work by hand and through toolcase."""

    name: str
    how: str
    """What is compared with what, for the last column of the table."""
    floor: Build
    ours: Build
    expected: Any = 3
    """What both sides must give."""
    target: float | None = None
    """The ratio that `--check` demands of the median."""
    goal: float | None = None
    """A ratio that is printed and not demanded yet."""
    on_loop: bool = True
    """False where nothing of it depends on the event loop, so that one back end tells all."""
