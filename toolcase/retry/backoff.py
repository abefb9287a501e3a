"""How long to wait before the next attempt."""

from __future__ import annotations

import math
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
        seconds(self.base, "base")
        seconds(self.cap, "cap")
        if math.isinf(self.cap) or math.isinf(self.base):
            raise ValueError(f"base and cap must be finite seconds, got {self.base!r} and {self.cap!r}")
        if isinstance(self.factor, bool) or not 1 <= self.factor < math.inf:
            raise ValueError(f"factor must be a finite number of at least 1, got {self.factor!r}")

    def wait(self, attempt: int, random: Random) -> float:
        # In logarithms, because the power itself overflows from the 1,025th attempt on.
        exponent = (attempt - 1) * math.log(self.factor)
        limit = self.cap if exponent > math.log(self.cap / self.base) else self.base * math.exp(exponent)
        limit = min(limit, self.cap)
        return limit * random() if self.jitter else limit
