"""How long to wait before the next attempt."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from toolcase.clock import seconds

Random = Callable[[], float]
"""Gives numbers evenly spread over [0, 1)."""


class Backoff(Protocol):
    """Seconds to wait after a failed attempt."""

    def wait(self, attempt: int, random: Random) -> float:
        """The wait after `attempt` (from 1) has failed; never negative, always finite."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentialBackoff:
    """`base * factor ** (attempt - 1)`, at most `cap`, in seconds; with jitter anything from 0 to that.

    Full jitter spreads callers who failed together, so that they do not come back together: Marc Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    base: float = 0.5
    factor: float = 2.0
    cap: float = 30.0
    jitter: bool = True

    def __post_init__(self) -> None:
        for setting in ("base", "cap"):
            if math.isinf(seconds(getattr(self, setting), setting)):
                raise ValueError(f"{setting} must be finite seconds, got {getattr(self, setting)!r}")
        if isinstance(self.factor, bool) or not isinstance(self.factor, int | float):
            raise TypeError(f"factor must be a number, got {self.factor!r}")
        if not 1 <= self.factor <= sys.float_info.max:
            raise ValueError(f"factor must be a finite number of at least 1, got {self.factor!r}")

    def wait(self, attempt: int, random: Random) -> float:
        """Seconds after `attempt` (from 1) has failed; the same for every attempt once `cap` is reached."""
        try:
            limit = min(self.cap, self.base * float(self.factor) ** (attempt - 1))
        except OverflowError:  # from the 1,025th attempt on, where the factor is 2
            limit = self.cap
        return limit * random() if self.jitter else limit
