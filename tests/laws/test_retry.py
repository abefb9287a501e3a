"""Laws 10 to 18 and 63: trying again."""

import contextlib
import math

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.observing import outcome
from toolcase import Registry, StreamChunk, ToolTimeout
from toolcase.runtime import (
    ExponentialBackoff,
    RetryBudget,
    RetryMiddleware,
    RetryPolicy,
    TimeoutMiddleware,
)
from toolcase.testing import Fail, Give, Hang, Script, current_clock
from toolcase.testing.strategies import policies, scripts

pytestmark = pytest.mark.filterwarnings("ignore:.*the attempts of .* multiply:UserWarning")


def quick(attempts):
    return RetryMiddleware(RetryPolicy(max_attempts=attempts, backoff=ExponentialBackoff(base=0.1)))


@given(script=scripts())
async def test_law_10_one_attempt_is_the_identity(script):
    assert await outcome(script, quick(1)) == await outcome(script)


@given(script=scripts(), n=st.integers(1, 6))
async def test_law_11_runs_until_the_first_accepted_outcome_and_at_most_n_times(script, n):
    _, starts, _ = await outcome(script, quick(n))

    played = (*script, *script[-1:] * n)[:n]
    again = [isinstance(step, Fail) and isinstance(step.error, ConnectionError) for step in played]
    assert starts == (again.index(False) + 1 if False in again else n)


@given(value=st.integers(), policy=policies())
async def test_law_12_a_tool_that_never_fails_runs_once(value, policy):
    end, starts, _ = await outcome((Give(value),), RetryMiddleware(policy))

    assert (end, starts) == (("value", value), 1)


@given(script=scripts(), n=st.integers(1, 4), m=st.integers(1, 4))
async def test_law_13_two_multiply_at_most(script, n, m):
    _, starts, _ = await outcome(script, quick(n), quick(m))

    assert starts <= n * m


seconds = st.floats(1e-6, 1e6)


@given(
    base=seconds, cap=seconds, attempt=st.integers(1, 1_000_000), jitter=st.booleans(), drawn=st.floats(0, 1)
)
def test_law_14_a_wait_lies_between_nothing_and_its_bound(base, cap, attempt, jitter, drawn):
    backoff = ExponentialBackoff(base=base, cap=cap, jitter=jitter)

    wait = backoff.wait(attempt, lambda: drawn, 0.0)

    bound = min(cap, math.ldexp(base, min(attempt - 1, 900)))
    assert 0 <= wait <= bound
    assert jitter or wait == bound


@given(script=scripts(), policy=policies(), deadline=st.sampled_from([0.5, 2.0, 7.0]))
async def test_law_15_ends_by_the_deadline_save_for_clean_up(script, policy, deadline):
    _, _, elapsed = await outcome(script, RetryMiddleware(policy), timeout=deadline)

    cleanup = max((step.cleanup for step in script if isinstance(step, Hang)), default=0.0)
    assert elapsed <= deadline + cleanup + 1e-6


@given(script=scripts(), policy=policies(), moment=st.floats(0.01, 20))
async def test_law_16_after_a_cancellation_no_further_attempt_starts(script, policy, moment):
    tool, registry = Script(*script), Registry()
    registry.use(RetryMiddleware(policy))
    registry.add(tool.tool("t"))
    began = current_clock().now

    with anyio.move_on_after(moment):
        await registry.execute("t")
    starts, cancelled = len(tool.starts), current_clock().now
    await anyio.sleep(100)

    assert len(tool.starts) == starts
    assert tool.running == 0
    assert cancelled - began <= moment + 8 + 1e-6


@given(
    ratio=st.sampled_from([0.1, 0.2, 0.5, 1]),
    reserve=st.integers(1, 5),
    arrivals=st.lists(st.sampled_from([0.0, 0.3, 1.0, 4.0]), min_size=1, max_size=25),
    attempts=st.integers(1, 6),
)
async def test_law_17_retries_stay_within_the_budget_however_calls_overlap(
    ratio, reserve, arrivals, attempts
):
    tool, registry, budget = (
        Script(Fail(ConnectionError())),
        Registry(),
        RetryBudget(ratio=ratio, reserve=reserve),
    )
    registry.use(RetryMiddleware(RetryPolicy(max_attempts=attempts, budget=budget)))
    registry.add(tool.tool("t"))

    async with anyio.create_task_group() as tasks:
        for calls, gap in enumerate(arrivals, 1):
            tasks.start_soon(registry.execute, "t")
            await anyio.sleep(gap)
            assert len(tool.starts) - calls <= reserve + ratio * calls + 1e-9

    assert len(tool.starts) - len(arrivals) <= reserve + ratio * len(arrivals) + 1e-9


@given(
    values=st.lists(st.integers(0, 3), min_size=1, max_size=5),
    n=st.integers(1, 5),
    accepted=st.integers(0, 3),
)
async def test_law_18_a_value_that_is_never_accepted_is_the_last_one_unchanged(values, n, accepted):
    boxes = [[value] for value in values]
    played = (boxes + boxes[-1:] * n)[:n]
    tool, registry = Script(*map(Give, boxes)), Registry()
    registry.use(RetryMiddleware(RetryPolicy(max_attempts=n, retry_if_result=lambda box: box[0] != accepted)))
    registry.add(tool.tool("t"))

    value = await registry.call("t")

    assert value is next((box for box in played if box[0] == accepted), played[-1])


@given(
    until=st.integers(0, 12),
    breaks=st.lists(st.integers(0, 5), max_size=6),
    hangs=st.booleans(),
    delay=st.sampled_from([0.0, 2.0, 9.0]),
    how=st.sampled_from(["block", "sink"]),
    resumes=st.booleans(),
)
async def test_law_63_no_chunk_that_was_delivered_is_delivered_again(
    until, breaks, hangs, delay, how, resumes
):
    """The tool breaks off after so many chunks each time, by an error or by giving nothing further."""
    registry, ends, got = Registry(), iter(breaks), []
    registry.use(quick(9), TimeoutMiddleware(idle=5))

    async def go_on(cursor):
        most = next(ends, None)
        for number in range(cursor.content + 1, until)[:most]:
            yield number
        if most is not None:
            await anyio.sleep(99 if hangs else 0)
            raise ConnectionError

    @registry.tool(resume=go_on if resumes else None)
    async def count():
        async for number in go_on(StreamChunk(-1)):
            yield number

    async def take(chunk):
        assert chunk.index == len(got)
        got.append(chunk.content)
        await anyio.sleep(delay)

    stream = registry.stream_execute("count", buffer=2)
    if how == "sink":
        ok = (await stream.stream_to(take)).ok
    else:
        async with stream:
            with contextlib.suppress(ConnectionError, ToolTimeout):
                async for chunk in stream:
                    await take(chunk)
            ok = stream.result.ok

    assert got == list(range(len(got)))
    if resumes or not breaks:
        assert (ok, len(got)) == (True, until)
