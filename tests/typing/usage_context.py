"""How users state who asks: type-checked, never run."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import assert_type

from toolcase import (
    BudgetSpec,
    CancellationToken,
    ExecutionContext,
    PolicyRef,
    RequestContext,
    RunCancelled,
    RunVersions,
)


class OwnContext(ExecutionContext, frozen=True):
    """What a host made of it."""


def makes_contexts(own: OwnContext, token: CancellationToken) -> None:
    """With terms, and what is made of them."""
    budget = BudgetSpec(max_tokens=10, max_cost=0.5, max_runtime_seconds=30)
    assert_type(budget.max_cost, Decimal | None)
    assert_type(BudgetSpec(max_cost="0.50").within(budget), BudgetSpec)
    context = ExecutionContext(
        budgets=budget,
        policy_ref=PolicyRef("production", "v1", {"allow_web": True}),
        versions=RunVersions(schema_version=1),
        cancellation=token.child(),
        metadata={"env": "test"},
    )
    assert_type(context.to_request_context(), RequestContext)
    assert_type(ExecutionContext.from_dict(context.to_dict()), ExecutionContext)
    assert_type(own.child(new_span=True), OwnContext)
    assert_type(own.with_job("job"), OwnContext)
    assert_type(OwnContext.from_dict({}), OwnContext)
    context.scope_id = "other"  # type: ignore[misc]
    budget.max_turns = 5  # type: ignore[misc]
    BudgetSpec(max_tokens="10")  # type: ignore[arg-type]
    ExecutionContext(budgets={"max_tokens": 10})  # type: ignore[arg-type]
    context.child(False)  # type: ignore[call-arg]


async def calls_off(token: CancellationToken) -> None:
    """From anywhere, and heard everywhere."""
    remove = token.on_cancel(list[str]().clear)
    assert_type(remove, Callable[[], None])
    token.cancel("the user left")
    await token.wait()
    try:
        token.raise_if_cancelled()
    except RunCancelled:
        assert_type(token.reason, str)
    token.is_cancelled = True  # type: ignore[misc]
    token.on_cancel("stop")  # type: ignore[arg-type]
