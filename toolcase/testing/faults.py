"""Faults on purpose, and the same ones each time: what a plan says goes wrong with the n-th run of a tool."""

from __future__ import annotations

import fnmatch
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import anyio

from toolcase.call import Call, Inner, Stage
from toolcase.clock import count
from toolcase.testing.script import Fail, Hang, play


@dataclass(frozen=True, slots=True)
class Delay:
    """Begin only after some seconds."""

    seconds: float


Fault = Fail | Hang | Delay
"""What can go wrong with a run."""


class At(NamedTuple):
    """This fault, in the n-th run (from 1) of each tool whose name matches `only` (as in `fnmatch`)."""

    only: str
    number: int
    fault: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """Which runs go wrong: shares of all runs, drawn from the seed, and single ones by name and number.

    What happens to the n-th run of a tool depends on the seed, the tool's name and n alone, so that neither
    other tools nor the order of concurrent calls change it. `fail`, `delay` and `hang` are shares from 0 to
    1, together at most 1. A failing run raises one of `errors`, made with a message; a delayed one begins
    after some time within `seconds`; one that hangs ends only when cancelled. `only` is the pattern of names
    that the shares are of. What `at` says comes before them.
    """

    seed: int = 0
    fail: float = 0.0
    delay: float = 0.0
    hang: float = 0.0
    errors: tuple[Callable[[str], BaseException], ...] = (ConnectionError,)
    seconds: tuple[float, float] = (0.1, 2.0)
    only: str = "*"
    at: tuple[At, ...] = ()

    def __post_init__(self) -> None:
        for setting in ("fail", "delay", "hang"):
            share = getattr(self, setting)
            if isinstance(share, bool) or not isinstance(share, int | float):
                raise TypeError(f"{setting} must be a share from 0 to 1, got {share!r}")
            if not 0 <= share <= 1:
                raise ValueError(f"{setting} must be a share from 0 to 1, got {share!r}")
        if self.fail + self.delay + self.hang > 1:
            raise ValueError(
                f"fail={self.fail}, delay={self.delay} and hang={self.hang} are more than all runs; "
                "together they can be 1"
            )
        low, high = self.seconds
        if not 0 <= low <= high < math.inf:
            raise ValueError(f"seconds must be a range such as (0.1, 2.0), got {self.seconds!r}")
        if not self.errors:
            raise ValueError("errors must name at least one error, for example (ConnectionError,)")
        for _, number, _ in self.at:
            count(number, "the number in at")

    def fault(self, tool: str, number: int) -> Fault | None:
        """What goes wrong with the n-th run (from 1) of this tool; None for nothing."""
        for only, at, fault in self.at:
            if at == number and fnmatch.fnmatchcase(tool, only):
                return fault
        if not fnmatch.fnmatchcase(tool, self.only):
            return None
        # A stream of its own for each run: one for all would be dealt out in the order of arrival.
        draw = random.Random(f"{self.seed}:{number}:{tool}")
        share = draw.random()
        if share < self.hang:
            return Hang()
        if share < self.hang + self.fail:
            return Fail(draw.choice(self.errors)(f"fault on purpose in run {number} of {tool!r}"))
        if share < self.hang + self.fail + self.delay:
            return Delay(draw.uniform(*self.seconds))
        return None


class Injected(NamedTuple):
    """A fault that happened."""

    tool: str
    number: int
    fault: Fault


@dataclass(slots=True, eq=False)
class Faults:
    """Makes runs go wrong as a plan says; used last it is innermost, and every attempt is a run of its own.

    `injected` keeps what it did, the last `limit` of them.
    """

    plan: FaultPlan
    limit: int = 10_000
    injected: list[Injected] = field(default_factory=list)
    _runs: dict[str, int] = field(default_factory=dict)  # by tool, so no longer than the list of tools
    stage: ClassVar[Stage] = Stage.ACT

    async def __call__(self, call: Call, inner: Inner) -> Any:
        number = self._runs[call.name] = self._runs.get(call.name, 0) + 1
        fault = self.plan.fault(call.name, number)
        if fault is None:
            return await inner(call)
        self.injected.append(Injected(call.name, number, fault))
        del self.injected[: -self.limit]
        if isinstance(fault, Delay):
            await anyio.sleep(fault.seconds)
            return await inner(call)
        return await play(fault)
