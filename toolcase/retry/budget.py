"""How many retries all calls of a tool may make together."""

from __future__ import annotations

import math
import threading
import weakref
from dataclasses import dataclass, field
from fractions import Fraction

from toolcase.clock import count, number


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RetryBudget:
    """At most `reserve` retries, and `ratio` more for each call: a bucket of tokens for each tool.

    It is full at first; each call adds a fraction of a token to it, and each retry takes a whole one.

    So a tool that is down is asked 1 + `ratio` times as often in the long run, and not `max_attempts`
    times. The buckets belong to this object: whatever shares it, in one registry or in several, draws from
    the same bucket for the same tool, and two budgets with equal settings are two.
    """

    ratio: float = 0.2
    reserve: int = 10
    _share: Fraction = field(init=False, repr=False)
    # What is left in buckets that are not as at first, in whole parts of a token: ten times 0.1 is not 1.
    # Weak, so that a tool which is gone takes its bucket along.
    _left: weakref.WeakKeyDictionary[object, int] = field(
        default_factory=weakref.WeakKeyDictionary, init=False, repr=False
    )
    # Guards _left: registries in other threads may share the policy.
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < number(self.ratio, "ratio") < math.inf:
            raise ValueError(
                f"ratio must be a finite number above 0, got {self.ratio!r}; "
                "RetryPolicy(budget=None) is without a limit"
            )
        count(self.reserve, "reserve")
        object.__setattr__(self, "_share", Fraction(repr(self.ratio)))

    def deposit(self, tool: object) -> None:
        """A call of this tool begins, and adds its share of a token; `tool` is hashable by identity."""
        with self._lock:
            left = self._left.get(tool)
            if left is not None:
                full = self.reserve * self._share.denominator
                self._left[tool] = min(full, left + self._share.numerator)

    def withdraw(self, tool: object) -> bool:
        """A retry of this tool is about to be made; False where there is no whole token left for it."""
        with self._lock:
            left = self._left.get(tool, self.reserve * self._share.denominator) - self._share.denominator
            if left >= 0:
                self._left[tool] = left
            return left >= 0
