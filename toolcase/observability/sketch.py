"""Quantiles of durations in bounded memory: how often each of a row of growing ranges was met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate
from math import ceil, exp, log, nan

ERROR = 0.01
"""How far a quantile may be from the true one, as a part of it."""

LEAST_SECONDS = 1e-6
MOST_SECONDS = 1e6
"""What is shorter or longer than these counts as if it were that long."""

# Ranges of equal ratio (1 + e) / (1 - e) keep every value within e of what stands for its range: Masson, Rim
# and Lee, "DDSketch", VLDB 2019. There are 1,383 of them between the least and the most.
_SCALE = 1 / log((1 + ERROR) / (1 - ERROR))
_FIRST, _LAST = ceil(log(LEAST_SECONDS) * _SCALE), ceil(log(MOST_SECONDS) * _SCALE)


class Sketch:
    """Durations as counts by range.

    One thread adds; any thread may read, and reads what was there at one instant.
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: defaultdict[int, int] = defaultdict(int)

    def add(self, seconds: float) -> None:
        """Take in one duration."""
        if LEAST_SECONDS < seconds < MOST_SECONDS:
            place = ceil(log(seconds) * _SCALE)
        else:
            place = _FIRST if seconds <= LEAST_SECONDS else _LAST
        self._counts[place] += 1

    def quantiles(self, parts: Iterable[float]) -> list[float]:
        """Durations in seconds below which these parts of all lie, within `ERROR`; nan where there are none.

        What took no measurable time is said to have taken none.
        """
        counts = sorted(self._counts.copy().items())
        total = sum(count for _, count in counts)
        return [_at(counts, part * (total - 1)) if total else nan for part in parts]


def _at(counts: list[tuple[int, int]], rank: float) -> float:
    """The duration that stands at this rank, from 0."""
    sums = accumulate(count for _, count in counts)
    place = next(place for (place, _), passed in zip(counts, sums, strict=True) if passed > rank)
    # Not the middle of the range, but where both of its ends are as far away, as a part of themselves.
    return 0.0 if place == _FIRST else exp(place / _SCALE) * (1 - ERROR)
