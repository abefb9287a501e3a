"""A budget around streams: what is reported between chunks counts at once, and only time cuts one off."""

import anyio
import pytest

from toolcase import BudgetExceeded, BudgetSpec, Call, ExecutionContext, Registry, ToolTimeout
from toolcase.runtime import BudgetMiddleware
from toolcase.testing import current_clock


def budgeted(**limits):
    """A budget, and a view within it of a registry with a tool that uses 10 tokens for each chunk."""
    budget, registry = BudgetMiddleware(), Registry(clock=current_clock())
    registry.use(budget)

    @registry.tool
    async def t(call: Call, gives: int = 3):
        for number in range(gives):
            await anyio.sleep(1)
            call.report_usage(tokens=10)
            yield number

    return budget, registry.view(context=ExecutionContext(run_id="r", budgets=BudgetSpec(**limits)))


async def test_what_is_reported_between_chunks_is_counted_at_once():
    budget, view = budgeted(max_tokens=1_000)
    seen = []

    await view.stream("t").stream_to(lambda chunk: seen.append(budget.usage("r").tokens))

    assert seen == [10, 20, 30]


async def test_what_was_used_before_its_reader_left_stays_counted():
    budget, view = budgeted(max_tokens=1_000)

    async with view.stream_execute("t", {"gives": 100}, buffer=1) as stream:
        await anext(stream)

    used = budget.usage("r")
    assert (used.tokens, used.tool_calls) == (10, 1)


async def test_a_stream_that_uses_up_its_budget_comes_to_its_end_and_the_next_one_is_refused():
    _, view = budgeted(max_tokens=20)

    assert await view.stream("t").collect() == [0, 1, 2]

    with pytest.raises(BudgetExceeded, match="used 30 of max_tokens=20"):
        await anext(view.stream("t"))


async def test_while_it_runs_others_of_its_run_are_refused():
    _, view = budgeted(max_tokens=20)

    async with view.stream("t") as stream:
        await anext(stream)
        await anext(stream)
        with pytest.raises(BudgetExceeded):
            await view.call("t")
        assert (await anext(stream)).content == 2


async def test_a_stream_takes_one_place_of_the_calls_and_gives_it_back_where_nothing_was_started():
    budget, view = budgeted(max_tool_calls=1)

    async with view.stream("t"):
        pass  # nobody read
    assert budget.usage("r") is None
    async with view.stream("t") as stream:
        await anext(stream)
        with pytest.raises(BudgetExceeded, match="max_tool_calls=1"):
            await anext(view.stream("t"))

    assert budget.usage("r").tool_calls == 1


async def test_when_the_time_of_the_run_is_over_it_ends_after_the_chunks_before():
    _, view = budgeted(max_runtime_seconds=2.5)
    given = []

    with pytest.raises(BudgetExceeded, match=r"'t' was stopped: its run has used 2\.5 of"):
        async for chunk in view.stream("t"):
            given.append(chunk.content)

    assert (given, current_clock().now) == ([0, 1], 2.5)


async def test_the_time_that_a_reader_takes_is_time_of_the_run():
    _, view = budgeted(max_runtime_seconds=10)
    given = []

    with pytest.raises(BudgetExceeded):
        async for chunk in view.stream_execute("t", {"gives": 100}, buffer=1):
            given.append(chunk.content)
            await anyio.sleep(4)

    # In its last read there is one chunk in the pipe, given before.
    assert given == [0, 1, 2, 3]


async def test_a_limit_of_the_caller_ends_it_after_the_chunks_before():
    _, view = budgeted()
    given = []
    stream = view.stream_execute("t", timeout=2.5)

    with pytest.raises(ToolTimeout, match=r"'t' took longer than 2\.5 s"):
        async for chunk in stream:
            given.append(chunk.content)

    assert (given, stream.result.error.code.value) == ([0, 1], "TIMEOUT")
