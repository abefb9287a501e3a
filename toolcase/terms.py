"""The terms of a run: how much it may use, which policy holds for it, and what it was made with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from toolcase.clock import count, seconds
from toolcase.records import read_only, text


@dataclass(frozen=True, slots=True, init=False)
class BudgetSpec:
    """The most that a run may use of each; None is no limit, and 0 is none at all.

    It only says so. What keeps a run to it is middleware, which reads it from the call's context.
    """

    max_tokens: int | None = None
    """Input and output together."""
    max_cost: Decimal | None = None
    """In the host's currency. Given as int, float, text or Decimal; a float means what it prints."""
    max_tool_calls: int | None = None
    max_turns: int | None = None
    """Of a conversation."""
    max_runtime_seconds: float | None = None
    """Above 0; `math.inf` becomes None."""

    def __init__(
        self,
        *,
        max_tokens: int | None = None,
        max_cost: Decimal | float | str | None = None,
        max_tool_calls: int | None = None,
        max_turns: int | None = None,
        max_runtime_seconds: float | None = None,
    ) -> None:
        counts = {"max_tokens": max_tokens, "max_tool_calls": max_tool_calls, "max_turns": max_turns}
        for name, value in counts.items():
            object.__setattr__(self, name, None if value is None else count(value, name, least=0))
        object.__setattr__(self, "max_cost", None if max_cost is None else _money(max_cost, "max_cost"))
        limit = None if max_runtime_seconds is None else seconds(max_runtime_seconds, "max_runtime_seconds")
        object.__setattr__(self, "max_runtime_seconds", None if limit == math.inf else limit)

    def within(self, other: BudgetSpec | None) -> BudgetSpec:
        """The same, with no limit above the other's: what a part may use of what the whole may."""
        if other is None:
            return self
        limits: dict[str, Any] = {}
        for name in (each.name for each in fields(self)):
            given = [limit for limit in (getattr(self, name), getattr(other, name)) if limit is not None]
            limits[name] = min(given, default=None)
        return BudgetSpec(**limits)


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """Which of the host's policies holds for a run, by name."""

    name: str
    version: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What this run has otherwise; a copy, which cannot be assigned to."""

    def __post_init__(self) -> None:
        text(self.name, "name")
        if not self.name:
            raise ValueError(f"name must be the name of a policy, got {self.name!r}")
        text(self.version, "version")
        object.__setattr__(self, "overrides", read_only(self.overrides, "overrides"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunVersions:
    """What a run was made with, so that it can be run again with the same."""

    runtime_version: str | None = None
    llm_client_version: str | None = None
    operator_version: str | None = None
    model_version: str | None = None
    schema_version: int | None = None
    """Of what the host stores; at least 0."""

    def __post_init__(self) -> None:
        for name in ("runtime_version", "llm_client_version", "operator_version", "model_version"):
            text(getattr(self, name), name)
        if self.schema_version is not None:
            count(self.schema_version, "schema_version", least=0)


def _money(value: Decimal | float | str, setting: str) -> Decimal:
    """An exact amount of at least 0, else an error that names the setting."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
        raise TypeError(f"{setting} must be an amount as int, float, str or Decimal, got {value!r}")
    try:
        # A float by what it prints: 0.1 means a tenth, and not the binary fraction next to it.
        amount = Decimal(float.__repr__(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        raise ValueError(f'{setting} must be an amount such as "2.50", got {value!r}') from None
    if not amount.is_finite() or amount < 0:
        raise ValueError(
            f"{setting} must be an amount of at least 0, got {value!r}; leave it out for no limit"
        )
    return amount
