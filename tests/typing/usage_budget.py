"""How tools say what they have used, and hosts ask for it: type-checked, never run."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_type

from toolcase import BudgetSpec, Call, Meter, Registry, Usage, tool
from toolcase.events import UsageReported
from toolcase.runtime import BudgetMiddleware, RunUsage


@tool
async def spends(call: Call) -> int:
    """Says so in every way that there is."""
    call.report_usage(tokens=3)
    call.report_usage(cost=0.5, turns=1, model="m")
    call.report_usage(cost="0.5")
    call.report_usage(cost=Decimal("0.5"))
    assert_type(call.info.usage, Usage)
    return call.info.usage.tokens


def keeps_books(call: Call, books: list[UsageReported]) -> None:
    """A guard of a host."""
    meter: Meter = books.append
    call.metered_by(meter)


def asks(registry: Registry) -> None:
    """What a run has used."""
    budget = BudgetMiddleware(BudgetSpec(max_cost="1.50"), max_runs=100, idle_seconds=3600)
    registry.use(budget)
    assert_type(budget.usage("run"), RunUsage | None)
    assert_type(budget.end("run", scope_id="tenant"), RunUsage | None)
