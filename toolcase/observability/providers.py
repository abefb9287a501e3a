"""Whether anybody has set up OpenTelemetry, so that a call is worth telling it of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Generic, TypeVar

P = TypeVar("P")

LOOK_SECONDS = 0.1

_API = ("opentelemetry.trace", "opentelemetry.metrics")


def real(provider: Any) -> bool:
    """Whether it does anything. Those of the interface itself do nothing, or wait for one that does."""
    return not type(provider).__module__.startswith(_API)


class Watch(Generic[P]):
    """Looks for a provider every `LOOK_SECONDS`, until there is one.

    OpenTelemetry has no cheap question for it: the one that it has costs as much as the rest of a call's way.
    So whoever asks compares first: there is no need to `look` while `since <= now < until`. A clock that went
    back is another one, and says nothing of when we looked.
    """

    __slots__ = ("_ask", "_given", "since", "until")

    def __init__(self, given: P | None, ask: Callable[[], P]) -> None:
        self._given, self._ask = given, ask
        self.since, self.until = math.inf, -math.inf

    def look(self, now: float) -> P | None:
        """The given provider or, without one, the global one; None where it is not real."""
        self.since, self.until = now, now + LOOK_SECONDS
        provider = self._ask() if self._given is None else self._given
        return provider if real(provider) else None
