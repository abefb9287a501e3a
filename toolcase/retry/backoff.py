"""How long to wait before the next attempt."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from toolcase.clock import number, seconds

Random = Callable[[], float]
"""Gives numbers evenly spread over [0, 1)."""


class Backoff(Protocol):
    """Seconds to wait after a failed attempt. Shared by all calls, and so it keeps nothing of any one."""

    def wait(self, attempt: int, random: Random, previous: float) -> float:
        """The wait after `attempt` (from 1) has failed; never negative, always finite.

        `previous` is how many seconds were waited before that attempt, 0 before the first.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantBackoff:
    """Always the same number of seconds; with jitter anything from 0 to that."""

    seconds: float = 1.0
    jitter: bool = True

    def __post_init__(self) -> None:
        _finite(self.seconds, "seconds")

    def wait(self, attempt: int, random: Random, previous: float) -> float:
        """The same after every attempt."""
        return self.seconds * random() if self.jitter else self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Capped:
    base: float = 0.5
    cap: float = 30.0

    def __post_init__(self) -> None:
        _finite(self.base, "base")
        _finite(self.cap, "cap")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearBackoff(_Capped):
    """`base * attempt`, at most `cap`, in seconds; with jitter anything from 0 to that."""

    jitter: bool = True

    def wait(self, attempt: int, random: Random, previous: float) -> float:
        """Seconds after `attempt` (from 1) has failed; the same for every attempt once `cap` is reached."""
        limit = min(self.cap, self.base * attempt)
        return limit * random() if self.jitter else limit


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentialBackoff(_Capped):
    """`base * factor ** (attempt - 1)`, at most `cap`, in seconds; with jitter anything from 0 to that.

    Full jitter spreads callers who failed together, so that they do not come back together: Marc Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    factor: float = 2.0
    jitter: bool = True

    def __post_init__(self) -> None:
        _Capped.__post_init__(self)  # not by super(): a class with slots is made twice
        number(self.factor, "factor", least=1)

    def wait(self, attempt: int, random: Random, previous: float) -> float:
        """Seconds after `attempt` (from 1) has failed; the same for every attempt once `cap` is reached."""
        try:
            limit = min(self.cap, self.base * float(self.factor) ** (attempt - 1))
        except OverflowError:  # from the 1,025th attempt on, where the factor is 2
            limit = self.cap
        return limit * random() if self.jitter else limit


@dataclass(frozen=True, slots=True)
class DecorrelatedJitterBackoff(_Capped):
    """Anything from `base` to three times the previous wait, at most `cap`, in seconds.

    Grows as fast as an exponential backoff does, without the short waits of full jitter: the same article,
    "Decorrelated Jitter".
    """

    def wait(self, attempt: int, random: Random, previous: float) -> float:
        """Seconds after an attempt has failed before which `previous` seconds were waited."""
        most = min(3.0 * max(self.base, previous), sys.float_info.max)
        return min(self.cap, self.base + (most - self.base) * random())


def _finite(value: float, setting: str) -> None:
    if math.isinf(seconds(value, setting)):
        raise ValueError(f"{setting} must be finite seconds, got {value!r}")
