"""What one distribution implements and another one uses."""

from __future__ import annotations

from typing import Protocol

import msgspec


class CircuitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the instances of a host tell one another of one circuit."""

    state: str
    """"closed", "open" or "isolated"; that a circuit is on trial is told to nobody."""
    remaining: float = 0.0
    """Seconds until an open circuit may be tried, from when the record was saved or loaded."""
    cause: str = ""
    """The class of the failure that opened it, or why it was isolated."""
    version: int = 0
    """Counts what was saved under this key; the store sets it."""


class CircuitStore(Protocol):
    """Where circuit breakers in several processes meet."""

    async def load(self, key: str) -> CircuitRecord | None:
        """What was saved last, `remaining` less the seconds since then by the store's clock, at least 0."""

    async def save(self, key: str, record: CircuitRecord, expected: int) -> bool:
        """Keep it as version `expected` + 1, if `expected` is the version there (0 for none); whether it was.

        The comparison and the write are one step. `record.version` says nothing here.
        """
