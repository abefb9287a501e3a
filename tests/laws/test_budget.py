"""The law of budgets: no interleaving lets a run start more than it may, and what was used adds up."""

from collections import Counter

import anyio
from hypothesis import given
from hypothesis import strategies as st

from toolcase import BudgetSpec, Call, ExecutionContext, Registry, Stage, ToolFailed
from toolcase.runtime import BudgetMiddleware

MOMENTS = st.sampled_from([0.0, 0.5, 1.0, 3.0])
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "run": st.sampled_from("ab"),
            "after": MOMENTS,
            "gate": MOMENTS,
            "refused": st.booleans(),
            "takes": MOMENTS,
            "fails": st.booleans(),
            "tokens": st.integers(0, 3),
            "cancelled": st.sampled_from([0.5, 1.5, 4.0, 100.0]),
        }
    ),
    max_size=14,
)


@given(calls=CALLS, most=st.integers(0, 4))
async def test_no_run_starts_more_than_it_may_and_all_that_was_used_is_counted(calls, most):
    started, used = Counter(), Counter()
    budget, registry = BudgetMiddleware(BudgetSpec(max_tool_calls=most)), Registry()

    async def gate(call, inner):
        await anyio.sleep(call.arguments["plan"]["gate"])
        return None if call.arguments["plan"]["refused"] else await inner(call)

    @registry.tool
    async def works(plan: dict, call: Call) -> None:
        run = call.context.run_id
        started[run] += 1
        assert started[run] <= most
        call.report_usage(tokens=plan["tokens"])
        used[run] += plan["tokens"]
        await anyio.sleep(plan["takes"])
        if plan["fails"]:
            raise ToolFailed("as planned")

    async def make(plan):
        await anyio.sleep(plan["after"])
        with anyio.move_on_after(plan["cancelled"]):
            await registry.execute("works", {"plan": plan}, context=ExecutionContext(run_id=plan["run"]))

    gate.stage = Stage.ACT
    registry.use(budget, gate)
    async with anyio.create_task_group() as group:
        for plan in calls:
            group.start_soon(make, plan)

    for run, kept in ((run, budget.usage(run)) for run in "ab"):
        assert kept is None or (kept.tool_calls, kept.tokens) == (started[run], used[run])
        assert kept is not None or not started[run]
        assert all(not state.inside for _, state in budget._runs)
