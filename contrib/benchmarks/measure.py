"""Measuring: floor and ours in turn, in one process, and the ratio of each such pair.

Neighbours on the machine slow both sides of a pair, so the ratios hold where the microseconds do not.
The garbage collector stays on, because a design that makes reference cycles should pay for collecting them.
What is alive before the samples is frozen, and garbage is collected before each: otherwise a pass over every
module in memory would land in whichever sample happened to be running.
"""

from __future__ import annotations

import gc
import math
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.workload import Backend, Sample, Side, Workload
from toolcase import ToolResult


@dataclass(frozen=True, slots=True)
class Effort:
    """How much time goes into one workload."""

    workload_seconds: float
    sample_seconds: float = 0.02
    least_rounds: int = 5


FULL = Effort(6.0)
QUICK = Effort(1.0)


class Spread(NamedTuple):
    """The middle of many values, and where four fifths of them lie."""

    median: float
    p10: float
    p90: float


class Outcome(NamedTuple):
    """What a workload came to: microseconds of one run, and the ratios of the pairs."""

    floor: Sample
    ours: Sample
    cpu: Spread
    wall: Spread
    rounds: int


async def measure(workload: Workload, backend: Backend, effort: Effort) -> Outcome:
    """Check both sides, then time them in turn; AssertionError where one gives a wrong value."""
    sides = workload.floor(backend), workload.ours(backend)
    for side in sides:
        value = _plain(await side.value())
        assert value == workload.expected, f"{workload.name} gave {value!r}, not {workload.expected!r}"
    times = [await _times(side, effort.sample_seconds) for side in sides]
    gc.collect()
    gc.freeze()
    try:
        pairs = await _pairs(sides, times, effort)
    finally:
        gc.unfreeze()
    floors, ours = zip(*pairs, strict=True)
    return Outcome(
        floor=_middle(floors),
        ours=_middle(ours),
        cpu=_spread([_ratio(b.cpu, a.cpu) for a, b in pairs]),
        wall=_spread([_ratio(b.wall, a.wall) for a, b in pairs]),
        rounds=len(pairs),
    )


def _plain(value: Any) -> Any:
    return value.unwrap() if isinstance(value, ToolResult) else value


async def _times(side: Side, seconds: float) -> int:
    """How many runs make a sample of about that length; warms up on the way."""
    times = 1
    while True:
        start = perf_counter()
        await side.sample(times)
        took = perf_counter() - start
        if took >= seconds / 4:
            return max(1, round(times * seconds / took))
        times *= 4


async def _pairs(sides: tuple[Side, Side], times: list[int], effort: Effort) -> list[tuple[Sample, Sample]]:
    pairs: list[tuple[Sample, Sample]] = []
    start = perf_counter()
    while len(pairs) < effort.least_rounds or perf_counter() - start < effort.workload_seconds:
        floor, ours = [await _one(side, count) for side, count in zip(sides, times, strict=True)]
        pairs.append((floor, ours))
    return pairs


async def _one(side: Side, times: int) -> Sample:
    """Microseconds of one run."""
    gc.collect()
    sample = await side.sample(times)
    return Sample(sample.cpu / times * 1e6, sample.wall / times * 1e6)


def _ratio(ours: float, floor: float) -> float:
    # Of a difference that noise turned over nothing can be said; as infinity it stays out of the middle.
    return ours / floor if floor > 0 else math.inf


def _middle(samples: tuple[Sample, ...]) -> Sample:
    return Sample(median(sample.cpu for sample in samples), median(sample.wall for sample in samples))


def _spread(values: list[float]) -> Spread:
    ordered = sorted(values)
    last = len(ordered) - 1
    # Not statistics.quantiles: between a number and infinity it would give no number at all.
    return Spread(median(ordered), ordered[round(last * 0.1)], ordered[round(last * 0.9)])
