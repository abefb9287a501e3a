"""Whether anybody has set up OpenTelemetry, so that a call is worth telling it of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LOOK_SECONDS = 0.1
"""How often the global provider is looked for while there is none.

To ask OpenTelemetry costs as much as the rest of a call's way, and its interface has no cheaper question.
"""

_API = ("opentelemetry.trace", "opentelemetry.metrics")


def real(provider: Any) -> bool:
    """Whether it does anything. Those of the interface itself do nothing, or wait for one that does."""
    return not type(provider).__module__.startswith(_API)


@dataclass(slots=True)
class Lookout:
    """Says when it is time to look again, by the clock of the calls that ask."""

    _looked: float | None = None

    def due(self, now: float) -> bool:
        """Whether `LOOK_SECONDS` have passed since it last said so, or another clock has begun."""
        if self._looked is not None and 0 <= now - self._looked < LOOK_SECONDS:
            return False
        self._looked = now
        return True
