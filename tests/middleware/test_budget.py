"""A run within its budget: what counts, what is refused, what is kept, and what is forgotten."""

import contextlib
import math
import sys
import threading
from decimal import Decimal

import anyio
import pytest

from toolcase import (
    BudgetExceeded,
    BudgetSpec,
    Call,
    ErrorCode,
    ExecutionContext,
    Overloaded,
    Registry,
    Stage,
    Tool,
    ToolTimeout,
)
from toolcase.events import CallRejected, GuardFailed
from toolcase.runtime import BudgetMiddleware, RetryMiddleware, RunUsage, TimeoutMiddleware, compose
from toolcase.testing import Fail, Give, Hang, Recorder, Script, current_clock
from toolcase.tool_options import ToolOptions

RUN = ExecutionContext(run_id="r")


def budgeted(script, spec=None, context=RUN, **settings):
    """A budget, and a view of a registry with one tool in it that plays the script."""
    budget, registry = BudgetMiddleware(spec, **settings), Registry(clock=current_clock())
    registry.use(budget)
    registry.add(script.tool("t"))
    return budget, registry.view(context=context)


def spending(**used):
    """A registry with a budget, and a tool that reports this use."""
    budget, registry = BudgetMiddleware(BudgetSpec()), Registry(context=RUN)
    registry.use(budget)

    @registry.tool
    async def spends(call: Call) -> None:
        call.report_usage(**used)

    return budget, registry


def limited_to(registry, **limits):
    return registry.view(context=ExecutionContext(run_id="r", budgets=BudgetSpec(**limits)))


# What is refused


async def test_refuses_tool_calls_beyond_their_number():
    script = Script(Give(1))
    _, view = budgeted(script, BudgetSpec(max_tool_calls=2))

    results = [await view.execute("t") for _ in range(3)]

    assert [result.ok for result in results] == [True, True, False]
    assert len(script.starts) == 2
    assert results[2].error.message == (
        "'t' was refused: its run has used 2 of max_tool_calls=2; "
        "finish with what is there, or give the run a larger budget"
    )


@pytest.mark.parametrize(
    ("used", "limits", "said"),
    [
        ({"tokens": 5}, {"max_tokens": 5}, "5 of max_tokens=5"),
        ({"tokens": 7}, {"max_tokens": 5}, "7 of max_tokens=5"),
        ({"cost": "0.10"}, {"max_cost": 0.1}, "0.10 of max_cost=0.1"),
        ({"cost": 2}, {"max_cost": "1.5"}, "2 of max_cost=1.5"),
        ({"turns": 3}, {"max_turns": 3}, "3 of max_turns=3"),
    ],
)
async def test_refuses_a_run_whose_use_has_reached_its_limit(used, limits, said):
    _, registry = spending(**used)
    view = limited_to(registry, **limits)

    first, second = [await view.execute("spends") for _ in range(2)]

    assert (first.ok, second.error.code) == (True, ErrorCode.BUDGET_EXCEEDED)
    assert f"its run has used {said};" in second.error.message


@pytest.mark.parametrize("limits", [{"max_tokens": 6}, {"max_cost": "0.11"}, {"max_turns": 4}])
async def test_admits_a_run_whose_use_is_below_its_limit(limits):
    _, registry = spending(tokens=5, cost="0.1", turns=3)
    view = limited_to(registry, **limits)

    assert [(await view.execute("spends")).ok for _ in range(2)] == [True, True]


@pytest.mark.parametrize("name", ["max_tool_calls", "max_tokens", "max_cost", "max_turns"])
async def test_a_limit_of_nothing_refuses_at_once_and_keeps_nothing(name):
    script = Script(Give(1))
    budget, view = budgeted(script, BudgetSpec(**{name: 0}))

    result = await view.execute("t")

    assert (result.error.code, result.error.retryable) == (ErrorCode.BUDGET_EXCEEDED, False)
    assert (script.starts, budget.usage("r"), len(budget._runs)) == ([], None, 0)


async def test_a_refusal_is_told_to_observers():
    recorder, registry, budget = Recorder(), Registry(), BudgetMiddleware(BudgetSpec(max_turns=0))
    registry.use(recorder, budget)
    registry.add(Script(Give()).tool("t"))

    with pytest.raises(BudgetExceeded) as caught:
        await registry.call("t")

    (event,) = recorder.records[0].events
    assert event == CallRejected(tool="t", middleware=budget, error=caught.value)


# Whose budget


async def test_a_call_without_a_budget_passes_and_is_not_counted():
    budget, view = budgeted(Script(Give(1)))

    assert await view.call("t") == 1
    assert (budget.usage("r"), len(budget._runs)) == (None, 0)


@pytest.mark.parametrize(("asked", "most", "admitted"), [(1, 3, 1), (3, 1, 1), (2, None, 2), (None, 2, 2)])
async def test_the_smaller_of_the_contexts_and_its_own_limit_holds(asked, most, admitted):
    context = ExecutionContext(run_id="r", budgets=BudgetSpec(max_tool_calls=asked))
    script = Script(Give())
    _, view = budgeted(script, BudgetSpec(max_tool_calls=most), context)

    for _ in range(4):
        await view.execute("t")

    assert len(script.starts) == admitted


async def test_runs_and_scopes_have_budgets_of_their_own():
    script = Script(Give())
    budget, view = budgeted(script, BudgetSpec(max_tool_calls=1))

    for run, scope in [("r", None), ("r", "a"), ("r", "b"), ("s", "a")] * 2:
        await view._registry.execute("t", context=ExecutionContext(run_id=run, scope_id=scope))

    assert len(script.starts) == 4
    assert budget.usage("r", "a").tool_calls == 1


async def test_without_a_run_each_call_tree_is_one_and_is_forgotten_with_its_root():
    registry, script = Registry(), Script(Give())
    budget = BudgetMiddleware(BudgetSpec(max_tool_calls=3))
    registry.use(budget)
    registry.add(script.tool("t"))

    @registry.tool
    async def asks() -> list[bool]:
        return [(await registry.execute("t")).ok for _ in range(3)]

    assert [await registry.call("asks") for _ in range(2)] == [[True, True, False]] * 2
    assert len(budget._runs) == 0


async def test_the_calls_of_one_trace_that_overlap_are_one_run():
    script = Script(Give(after=1))
    _, view = budgeted(script, BudgetSpec(max_tool_calls=1), ExecutionContext(trace_id="f" * 32))

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(view.execute, "t")
    await view.execute("t")

    assert len(script.starts) == 2


async def test_works_without_a_registry():
    script = Script(Give())
    run = compose(BudgetMiddleware(BudgetSpec(max_tool_calls=0)))(script.tool("t"))

    with pytest.raises(BudgetExceeded):
        await run()


# What counts


async def test_only_leaf_tools_count_as_tool_calls():
    registry, script = Registry(context=RUN), Script(Give(1))
    leaf, budget = script.tool("leaf"), BudgetMiddleware(BudgetSpec(max_tool_calls=2))
    registry.use(budget)

    async def both() -> list[bool]:
        return [(await registry.execute("leaf")).ok for _ in range(3)]

    registry.add(leaf, Tool(both, ToolOptions(name="both"), children=[leaf]))

    assert await registry.call("both") == [True, True, False]
    assert await registry.call("both") == [False, False, False]


async def test_a_combinator_may_be_called_where_no_tool_call_is_left():
    leaf, registry = Script(Give(1)).tool("leaf"), Registry(context=RUN)
    registry.use(BudgetMiddleware(BudgetSpec(max_tool_calls=0)))

    async def tries() -> bool:
        return (await registry.execute("leaf")).ok

    registry.add(leaf, Tool(tries, ToolOptions(name="tries"), children=[leaf]))

    assert await registry.call("tries") is False


async def test_a_call_counts_once_however_often_it_is_tried():
    budget, registry, script = (
        BudgetMiddleware(BudgetSpec()),
        Registry(context=RUN),
        Script(Fail(TimeoutError())),
    )
    registry.use(budget, RetryMiddleware())
    registry.add(script.tool("t"))

    await registry.execute("t")

    assert (len(script.starts), budget.usage("r").tool_calls) == (3, 1)


@pytest.mark.parametrize("first", [Give(1), Fail(ConnectionError())])
async def test_a_call_counts_once_where_a_guard_runs_it_again(first):
    async def twice(call, inner):
        with contextlib.suppress(ConnectionError):
            await inner(call)
        return await inner(call)

    budget, registry = BudgetMiddleware(BudgetSpec(max_tool_calls=1)), Registry(context=RUN)
    registry.use(twice, budget, budget)
    registry.add(Script(first, Give(2)).tool("t"))

    assert await registry.call("t") == 2
    assert budget.usage("r").tool_calls == 1


async def test_a_call_that_a_guard_runs_twice_at_a_time_counts_while_one_of_them_may_start():
    begun = anyio.Event()

    async def hedged(call, inner):
        async with anyio.create_task_group() as group:
            group.start_soon(inner, call.copy())
            await begun.wait()
            group.start_soon(inner, call.copy())

    async def slow_gate(call, inner):
        if not begun.is_set():
            begun.set()
            await anyio.sleep(0.5)
            return None
        await anyio.sleep(1)
        seen.append(budget.usage("r").tool_calls)
        return await inner(call)

    seen, budget, registry = [], BudgetMiddleware(BudgetSpec(max_tool_calls=1)), Registry(context=RUN)
    registry.use(hedged, budget, slow_gate)
    registry.add(Script(Give()).tool("t"))

    await registry.call("t")

    assert (seen, budget.usage("r").tool_calls) == ([1], 1)


async def test_a_call_whose_tool_was_not_started_is_given_back():
    async def answers(call, inner):
        return "known"

    budget, registry = BudgetMiddleware(BudgetSpec(max_tool_calls=1)), Registry(context=RUN)
    registry.use(budget, answers)
    registry.add(Script(Give()).tool("t"))

    assert [await registry.call("t") for _ in range(3)] == ["known"] * 3
    assert budget.usage("r") == RunUsage(seconds=budget.usage("r").seconds)


async def test_a_call_that_is_cancelled_before_its_tool_starts_is_given_back():
    async def waits(call, inner):
        await anyio.sleep(100)

    budget, registry = BudgetMiddleware(BudgetSpec(max_tool_calls=1)), Registry(context=RUN)
    registry.use(budget, waits)
    registry.add(Script(Give()).tool("t"))

    with anyio.move_on_after(1):
        await registry.call("t")

    assert budget.usage("r").tool_calls == 0


@pytest.mark.parametrize("step", [Fail(ValueError()), Hang()])
async def test_a_call_whose_tool_was_started_counts_however_it_ends(step):
    budget, view = budgeted(Script(step), BudgetSpec())

    with anyio.move_on_after(1):
        await view.execute("t")

    assert budget.usage("r").tool_calls == 1


async def test_a_hundred_calls_at_once_get_no_more_than_there_is():
    script = Script(Give(after=1))
    _, view = budgeted(script, BudgetSpec(max_tool_calls=10))

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(view.execute, "t")

    assert len(script.starts) == 10


# What tools report


async def test_usage_adds_up_over_calls_beyond_the_limit_too():
    budget, registry = spending(tokens=3, cost=0.1, turns=1)

    for _ in range(3):
        await registry.call("spends")

    used = budget.usage("r")
    assert (used.tokens, used.cost, used.turns, used.tool_calls) == (9, Decimal("0.3"), 3, 3)


async def test_what_a_thread_reports_late_is_recorded():
    budget, registry = BudgetMiddleware(BudgetSpec()), Registry(context=RUN)
    begun, gate, told = threading.Event(), threading.Event(), threading.Event()
    registry.use(budget)

    @registry.tool
    def slow(call: Call) -> None:
        begun.set()
        gate.wait(10)
        call.report_usage(tokens=4)
        told.set()

    async with anyio.create_task_group() as group:
        group.start_soon(registry.call, "slow")
        while not begun.is_set():
            await anyio.sleep(0)
        group.cancel_scope.cancel()
    before = budget.usage("r").tokens
    gate.set()
    told.wait(10)

    assert (before, budget.usage("r").tokens) == (0, 4)


async def test_no_report_is_lost_among_threads():
    budget, registry = BudgetMiddleware(BudgetSpec()), Registry(context=RUN)
    registry.use(budget)

    @registry.tool
    def spends(call: Call) -> None:
        for _ in range(300):
            call.report_usage(tokens=1)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(registry.call, "spends")
    finally:
        sys.setswitchinterval(before)

    assert budget.usage("r").tokens == 1_200


async def test_two_budgets_around_a_call_are_both_told():
    first, second, registry = (
        BudgetMiddleware(BudgetSpec()),
        BudgetMiddleware(BudgetSpec()),
        Registry(context=RUN),
    )
    registry.use(first, second, first)

    @registry.tool
    async def spends(call: Call) -> None:
        call.report_usage(tokens=2)

    await registry.call("spends")

    assert (first.usage("r").tokens, second.usage("r").tokens) == (2, 2)


# Time


async def test_cuts_off_what_runs_when_the_run_time_is_over():
    script = Script(Give(after=3), Hang())
    _, view = budgeted(script, BudgetSpec(max_runtime_seconds=10))
    await view.call("t")
    await anyio.sleep(2)

    result = await view.execute("t")

    assert (result.error.code, result.duration) == (ErrorCode.BUDGET_EXCEEDED, 5)
    assert result.error.message.startswith("'t' was stopped: its run has used 10 of max_runtime_seconds=10")
    assert (result.error.outcome_unknown, script.cancelled) == (True, 1)
    assert isinstance(result.error.cause.__cause__, ToolTimeout)
    assert "refused: its run has used 10 of" in (await view.execute("t")).error.message


@pytest.mark.parametrize("seconds", [None, math.inf, 100])
async def test_lets_end_what_ends_within_the_run_time(seconds):
    _, view = budgeted(Script(Give(1, after=99)), BudgetSpec(max_runtime_seconds=seconds))

    assert await view.call("t") == 1


@pytest.mark.parametrize(("run", "own", "code"), [(3, 5, "BUDGET_EXCEEDED"), (5, 3, "TIMEOUT")])
async def test_of_two_limits_the_one_that_expires_owns_the_error(run, own, code):
    registry = Registry(context=RUN)
    registry.use(BudgetMiddleware(BudgetSpec(max_runtime_seconds=run)), TimeoutMiddleware(own))
    registry.add(Script(Hang()).tool("t"))

    assert (await registry.execute("t")).error.code == code


async def test_an_earlier_limit_of_the_caller_keeps_its_own_error():
    _, view = budgeted(Script(Hang()), BudgetSpec(max_runtime_seconds=5))

    assert (await view.execute("t", timeout=3)).error.code == "TIMEOUT"


async def test_a_timeout_that_a_tool_raises_is_not_taken_for_ours():
    _, view = budgeted(Script(Fail(ToolTimeout("mine", kind="run"))), BudgetSpec(max_runtime_seconds=5))

    assert (await view.execute("t")).error.message == "mine"


async def test_a_child_call_ends_with_the_run_and_so_does_its_parent():
    registry = Registry(context=RUN)
    registry.use(BudgetMiddleware(BudgetSpec(max_runtime_seconds=5)))
    registry.add(Script(Hang()).tool("t"))

    @registry.tool
    async def asks() -> None:
        await anyio.sleep(1)
        await registry.call("t")

    result = await registry.execute("asks")

    assert (result.error.code, result.duration) == ("BUDGET_EXCEEDED", 5)


# What is kept


async def test_tells_what_a_run_has_used_and_for_how_long():
    budget, registry = spending(tokens=3)
    await anyio.sleep(5)
    await registry.call("spends")
    await anyio.sleep(7)

    assert budget.usage("r") == RunUsage(tokens=3, tool_calls=1, seconds=7.0)
    assert budget.usage("r", scope_id="other") is None


def test_what_it_tells_is_a_record_that_says_nothing_of_itself_and_does_not_change():
    usage = RunUsage()

    assert usage == RunUsage(tokens=0, cost=0, turns=0, tool_calls=0, seconds=0.0)
    with pytest.raises(TypeError, match="positional"):
        RunUsage(5)
    with pytest.raises(AttributeError):
        usage.tool_calls = 5


async def test_of_a_run_no_more_is_kept_than_its_fields():
    budget, view = budgeted(Script(Give()), BudgetSpec())
    await view.call("t")

    assert [hasattr(run, "__dict__") for _, run in budget._runs] == [False]


async def test_a_new_run_is_refused_where_there_is_no_room_and_the_others_go_on():
    script = Script(Give(1))
    _, view = budgeted(script, BudgetSpec(), max_runs=1)
    await view.call("t")

    with pytest.raises(
        Overloaded, match=r"no room for a further run \(max_runs=1\), and none has ended; .*`end`"
    ):
        await view._registry.call("t")

    assert await view.call("t") == 1


async def test_a_run_that_is_ended_makes_room_and_begins_anew():
    budget, view = budgeted(Script(Give(1)), BudgetSpec(max_tool_calls=1), max_runs=1)
    await view.call("t")

    assert budget.end("r").tool_calls == 1
    assert budget.usage("r") is None
    assert await view.call("t") == 1


async def test_a_run_with_calls_in_flight_ends_with_the_last_of_them():
    budget, view = budgeted(Script(Give(1, after=5)), BudgetSpec(max_tool_calls=1))

    async with anyio.create_task_group() as group:
        group.start_soon(view.call, "t")
        await anyio.sleep(1)
        budget.end("r")
        meanwhile = await view.execute("t")

    assert meanwhile.error.code == ErrorCode.BUDGET_EXCEEDED
    assert await view.call("t") == 1


def test_to_end_what_is_not_known_does_nothing():
    assert BudgetMiddleware().end("r") is None


@pytest.mark.parametrize(("pause", "ok"), [(9, False), (10, True)])
async def test_a_run_without_calls_for_idle_seconds_has_ended(pause, ok):
    budget, view = budgeted(Script(Give(after=1)), BudgetSpec(max_tool_calls=1), idle_seconds=10)
    await view.call("t")

    await anyio.sleep(pause)

    assert (budget.usage("r") is None) is ok
    assert (await view.execute("t")).ok is ok


async def test_a_call_that_takes_long_keeps_its_run_from_being_idle():
    budget, view = budgeted(Script(Give(after=60)), BudgetSpec(), idle_seconds=10)

    async with anyio.create_task_group() as group:
        group.start_soon(view.call, "t")
        await anyio.sleep(50)
        assert budget.usage("r").tool_calls == 1


async def test_an_idle_run_makes_room_for_another():
    _, view = budgeted(Script(Give(1)), BudgetSpec(), max_runs=1, idle_seconds=10)
    await view.call("t")
    await anyio.sleep(10)

    assert await view._registry.call("t") == 1


# Its settings, and its place


def test_stands_among_the_guards():
    assert BudgetMiddleware.stage is Stage.GUARD


def test_two_are_two():
    assert BudgetMiddleware() != BudgetMiddleware()


def test_all_settings_but_the_limits_are_given_by_name():
    with pytest.raises(TypeError, match="positional"):
        BudgetMiddleware(None, 5)


def test_its_repr_has_settings_alone():
    assert repr(BudgetMiddleware()) == "BudgetMiddleware(limits=None, max_runs=10000, idle_seconds=inf)"


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"limits": 5}, TypeError, "limits must be a BudgetSpec, got 5"),
        ({"max_runs": 0}, ValueError, "max_runs must be at least 1, got 0"),
        ({"max_runs": 1.5}, TypeError, "max_runs must be a whole number, got 1.5"),
        ({"idle_seconds": 0}, ValueError, "idle_seconds must be above 0 seconds, got 0"),
        ({"idle_seconds": True}, TypeError, "idle_seconds must be a number of seconds, got True"),
    ],
)
def test_refuses_settings_that_are_none(settings, error, said):
    with pytest.raises(error, match=said):
        BudgetMiddleware(**settings)


async def test_what_it_cannot_do_refuses_the_call(monkeypatch):
    script = Script(Give())
    _, view = budgeted(script, BudgetSpec())
    events = []
    view._registry.on_event(events.append)
    monkeypatch.setattr("toolcase.middleware.budget._Run.begin", None)

    result = await view.execute("t")

    assert (result.error.code, script.starts) == (ErrorCode.DENIED, [])
    assert not [event for event in events if isinstance(event, GuardFailed)]


async def test_a_call_without_a_budget_has_no_context_made_for_it():
    registry = Registry()
    registry.use(BudgetMiddleware())

    @registry.tool
    async def t(call: Call) -> bool:
        return call.info._context is None

    assert await registry.call("t")


async def test_a_child_has_the_budget_of_the_call_around_it():
    registry, budget = Registry(), BudgetMiddleware()
    registry.use(budget)
    registry.add(Script(Give(1)).tool("inner"))

    @registry.tool
    async def outer() -> int:
        return await registry.call("inner")

    run = ExecutionContext(run_id="run", budgets=BudgetSpec(max_tool_calls=5))
    await registry.execute("outer", context=run)

    assert budget.usage("run").tool_calls == 2
