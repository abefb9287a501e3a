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

    So a tool that is down is asked 1 + `ratio` times as often in the long run, and not `max_attempts`
    times. The buckets belong to this object: whatever shares it, in one registry or in several, draws from
    the same bucket for the same tool, and two budgets with equal settings are two.
    """

    ratio: float = 0.2
    reserve: int = 10
    # Weak, so that a tool which is gone takes its bucket along.
    _buckets: weakref.WeakKeyDictionary[object, Bucket] = field(
        default_factory=weakref.WeakKeyDictionary, init=False, repr=False
    )

    def __post_init__(self) -> None:
        if not 0 < number(self.ratio, "ratio") < math.inf:
            raise ValueError(
                f"ratio must be a finite number above 0, got {self.ratio!r}; "
                "RetryPolicy(budget=None) is without a limit"
            )
        count(self.reserve, "reserve")

    def bucket(self, tool: object) -> Bucket:
        """The tokens of this tool, the same at every asking; `tool` must be hashable by identity."""
        return self._buckets.setdefault(tool, Bucket(self.ratio, self.reserve))


class Bucket:
    """Tokens: full at first, a fraction of one added by each call, a whole one taken by each retry."""

    __slots__ = ("_left", "_lock", "_most", "_per_call", "_per_retry")

    def __init__(self, ratio: float, reserve: int) -> None:
        # Counted in whole parts of a token, because ten times 0.1 is not 1 in floating point.
        share = Fraction(repr(ratio))
        self._per_call, self._per_retry = share.numerator, share.denominator
        self._most = self._left = reserve * share.denominator
        # Guards _left: registries in other threads may share the policy.
        self._lock = threading.Lock()

    def deposit(self) -> None:
        """A call begins."""
        with self._lock:
            self._left = min(self._most, self._left + self._per_call)

    def withdraw(self) -> bool:
        """A retry is about to be made; False where there is nothing left for it."""
        with self._lock:
            enough = self._left >= self._per_retry
            if enough:
                self._left -= self._per_retry
            return enough
