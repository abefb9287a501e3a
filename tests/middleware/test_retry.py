"""Trying again: what, how often, how long after, and how it ends."""

import asyncio
import dataclasses
import math
import weakref
from collections.abc import Iterable
from datetime import timedelta
from email.utils import format_datetime

import anyio
import pytest

from toolcase import (
    CircuitOpen,
    Denied,
    ErrorCode,
    ExecutionContext,
    InvalidResult,
    Overloaded,
    RateLimited,
    Registry,
    Stage,
    StreamChunk,
    ToolFailed,
    ToolTimeout,
    Unavailable,
)
from toolcase.events import AttemptStarted, MiddlewareFailed, RetriesExhausted, RetryScheduled
from toolcase.runtime import (
    DecorrelatedJitterBackoff,
    ExponentialBackoff,
    RetryBudget,
    RetryMiddleware,
    RetryPolicy,
    TimeoutMiddleware,
)
from toolcase.testing import Fail, Give, Hang, Recorder, Script, current_clock
from toolcase.testing.virtual import EPOCH

STEADY = ExponentialBackoff(base=1, jitter=False)


def retrying(script, *, random=lambda: 0.5, idempotent=None, **policy):
    """A registry with one tool, a retry around it, and a recorder."""
    registry, recorder = Registry(clock=current_clock()), Recorder()
    settings = {"backoff": STEADY, **policy}
    registry.use(recorder, RetryMiddleware(RetryPolicy(**settings), random=random))
    registry.add(script.tool("t", idempotent=idempotent))
    return registry, recorder


async def test_a_tool_that_works_runs_once():
    script = Script(Give(1))
    registry, _ = retrying(script)

    assert await registry.call("t") == 1
    assert len(script.starts) == 1


@pytest.mark.parametrize("attempts", [1, 2, 5])
async def test_runs_at_most_max_attempts_times_the_first_included(attempts):
    script = Script(Fail(ConnectionError()))
    registry, _ = retrying(script, max_attempts=attempts)

    result = await registry.execute("t")

    assert (len(script.starts), result.attempts) == (attempts, attempts)


async def test_stops_at_the_first_value():
    script = Script(Fail(ConnectionError()), Give(7), Give(8))
    registry, _ = retrying(script, max_attempts=5)

    assert await registry.call("t") == 7
    assert len(script.starts) == 2


async def test_waits_as_the_backoff_says_and_not_after_the_last():
    registry, recorder = retrying(Script(Fail(ConnectionError())), max_attempts=4)

    await registry.execute("t")

    assert [e.wait for e in recorder.records[0].events if isinstance(e, RetryScheduled)] == [1, 2, 4]
    assert current_clock().now == pytest.approx(7)


async def test_jitter_comes_from_the_injected_source():
    backoff = ExponentialBackoff(base=8)
    registry, _ = retrying(Script(Fail(ConnectionError()), Give()), backoff=backoff, random=lambda: 0.25)

    await registry.call("t")

    assert current_clock().now == pytest.approx(2)


async def test_gives_the_last_error_with_the_earlier_ones_in_its_info():
    first, last = ConnectionError("first"), ConnectionError("last")
    registry, _ = retrying(Script(Fail(first), Fail(last)), max_attempts=2)

    result = await registry.execute("t")

    assert result.error.cause is last
    assert [earlier.cause for earlier in result.error.earlier] == [first]
    assert last.__context__ is None
    assert last.__notes__ == ["toolcase gave up on 't': 2 attempts were made"]


async def test_leaves_no_note_where_it_did_not_try_again():
    error = ConnectionError()
    registry, _ = retrying(Script(Fail(error)), max_attempts=1)

    await registry.execute("t")

    assert not hasattr(error, "__notes__")


@pytest.mark.parametrize(
    ("error", "runs"),
    [
        (ConnectionResetError(), 3),
        (TimeoutError(), 3),
        (Unavailable(), 3),
        (Overloaded(), 3),
        (ToolTimeout(), 3),
        (ToolFailed("told so", retryable=True), 3),
        (ToolFailed("told so"), 1),
        (Unavailable(retryable=False), 1),
        (Denied(), 1),
        (OSError(), 1),
        (ValueError(), 1),
    ],
)
async def test_by_default_runs_again_only_after_what_is_known_to_pass(error, runs):
    script = Script(Fail(error))
    registry, _ = retrying(script)

    await registry.execute("t")

    assert len(script.starts) == runs


@pytest.mark.parametrize(
    ("retry_on", "runs"),
    [
        (LookupError, 3),
        ((OSError, LookupError), 3),
        (OSError, 1),
        (lambda error: "again" in str(error), 3),
        (lambda error: False, 1),
        (lambda error: 1, 1),
    ],
)
async def test_runs_again_after_what_the_policy_names(retry_on, runs):
    script = Script(Fail(KeyError("again")))
    registry, _ = retrying(script, retry_on=retry_on)

    await registry.execute("t")

    assert len(script.starts) == runs


async def test_a_predicate_that_raises_is_reported_and_the_tools_error_stands():
    error, faults = ConnectionError("the tool's own"), []

    def broken(error):
        raise RuntimeError("predicate")

    registry, _ = retrying(Script(Fail(error)), retry_on=broken)
    registry.on_event(faults.append)

    result = await registry.execute("t")

    assert result.error.cause is error
    assert [(type(fault), str(fault.error)) for fault in faults] == [(MiddlewareFailed, "predicate")]


async def test_an_attempts_timeout_is_tried_again():
    script = Script(Hang(), Give(7))
    registry, _ = retrying(script)
    registry.use(TimeoutMiddleware(5))

    assert await registry.call("t") == 7
    assert current_clock().now == pytest.approx(5 + 1)


async def test_an_outer_limit_is_not_tried_again():
    script = Script(Hang())
    registry, _ = retrying(script)

    result = await registry.execute("t", timeout=5)

    assert (result.error.code, len(script.starts)) == ("TIMEOUT", 1)


@pytest.mark.parametrize("around", [(), (TimeoutMiddleware(3),)])
async def test_an_outer_limit_is_not_tried_again_though_the_tool_fails_while_it_is_stopped(around):
    registry, starts = Registry(), []
    registry.use(*around, RetryMiddleware())

    @registry.tool
    async def flaky() -> None:
        starts.append(current_clock().now)
        try:
            await anyio.sleep(99)
        finally:
            raise ConnectionError("could not say goodbye")

    await registry.execute("flaky", timeout=None if around else 3)

    assert starts == [0]
    assert current_clock().now == pytest.approx(3)


async def test_what_a_tool_fails_with_while_an_outer_limit_stops_it_is_the_last_error():
    registry, recorder = Registry(), Recorder()
    registry.use(recorder, RetryMiddleware())

    @registry.tool
    async def flaky() -> None:
        try:
            await anyio.sleep(99)
        finally:
            raise ConnectionError("could not say goodbye")

    result = await registry.execute("flaky", timeout=3)

    assert result.error.type == "ConnectionError"
    assert recorder.records[0].events[-1].reason == "the next attempt would start after the deadline"


class TestCancellation:
    """Is never tried again."""

    async def test_while_the_tool_runs(self):
        script = Script(Hang())
        registry, _ = retrying(script)

        with anyio.move_on_after(2):
            await registry.call("t")

        assert len(script.starts) == 1

    async def test_while_waiting_for_the_next_attempt(self):
        script = Script(Fail(ConnectionError()))
        registry, _ = retrying(script)

        with anyio.move_on_after(0.5):
            await registry.call("t")

        assert len(script.starts) == 1
        assert current_clock().now == pytest.approx(0.5)

    @pytest.mark.backends("asyncio")
    async def test_natively(self):
        script = Script(Fail(ConnectionError()))
        registry, _ = retrying(script)
        task = asyncio.create_task(registry.call("t"))
        await asyncio.sleep(0.5)

        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(script.starts) == 1


class TestRetryAfter:
    """What a server says about when."""

    async def test_is_waited_for_where_it_is_longer_than_the_backoff(self):
        registry, _ = retrying(Script(Fail(Unavailable(retry_after=20)), Give()))

        await registry.call("t")

        assert current_clock().now == pytest.approx(20)

    async def test_is_no_reason_to_come_back_sooner(self):
        backoff = ExponentialBackoff(base=9, jitter=False)
        registry, _ = retrying(Script(Fail(Unavailable(retry_after=2)), Give()), backoff=backoff)

        await registry.call("t")

        assert current_clock().now == pytest.approx(9)

    async def test_may_be_an_http_date(self):
        class Answered(ConnectionError):
            headers = {"Retry-After": format_datetime(EPOCH + timedelta(seconds=25), usegmt=True)}

        registry, _ = retrying(Script(Fail(Answered()), Give()))

        await registry.call("t")

        assert current_clock().now == pytest.approx(25)

    @pytest.mark.parametrize(("asked", "runs"), [(60, 2), (60.1, 1)])
    async def test_above_the_maximum_ends_the_call_at_once(self, asked, runs):
        script = Script(Fail(Unavailable(retry_after=asked)), Give())
        registry, recorder = retrying(script)

        result = await registry.execute("t")

        assert len(script.starts) == runs
        if runs == 1:
            assert result.error.retry_after == asked
            assert current_clock().now == 0
            assert "max_retry_after=60" in recorder.records[0].events[-1].reason

    async def test_the_maximum_is_a_setting(self):
        script = Script(Fail(Unavailable(retry_after=3)), Give())
        registry, _ = retrying(script, max_retry_after=2)

        await registry.execute("t")

        assert len(script.starts) == 1

    async def test_of_an_error_that_is_not_ours_stands_in_the_info(self):
        class Answered(ConnectionError):
            headers = {"retry-after": "300"}

        registry, _ = retrying(Script(Fail(Answered())))

        result = await registry.execute("t")

        assert result.error.retry_after == 300


class TestDeadline:
    """No wait that ends too late is begun."""

    async def test_gives_up_where_the_next_attempt_would_start_after_it(self):
        script = Script(Fail(Unavailable("down", retry_after=20)), Give())
        registry, recorder = retrying(script)

        result = await registry.execute("t", timeout=10)

        assert (result.error.code, len(script.starts)) == ("UNAVAILABLE", 1)
        assert current_clock().now == 0
        assert recorder.records[0].events[-1].reason == "the next attempt would start after the deadline"

    async def test_goes_on_where_there_is_time(self):
        script = Script(Fail(Unavailable("down", retry_after=9)), Give(1))
        registry, _ = retrying(script)

        assert (await registry.execute("t", timeout=10)).value == 1

    async def test_gives_up_where_the_next_attempt_would_start_just_when_it_is_over(self):
        registry, _ = retrying(Script(Fail(ConnectionError(), after=1)))

        result = await registry.execute("t", timeout=2)

        assert (result.error.type, current_clock().now) == ("ConnectionError", 1)


class TestIdempotency:
    """A tool that says it is not idempotent."""

    async def test_is_not_run_again_and_its_outcome_is_unknown(self):
        script = Script(Fail(ConnectionError()))
        registry, recorder = retrying(script, idempotent=False)

        result = await registry.execute("t")

        assert len(script.starts) == 1
        assert result.error.outcome_unknown
        assert "not idempotent" in recorder.records[0].events[-1].reason

    async def test_is_run_again_with_an_idempotency_key(self):
        script = Script(Fail(ConnectionError()), Give(1))
        registry, _ = retrying(script, idempotent=False)

        result = await registry.execute("t", idempotency_key="k")

        assert (result.value, len(script.starts)) == (1, 2)

    async def test_is_run_again_with_a_key_in_the_context(self):
        script = Script(Fail(ConnectionError()), Give(1))
        registry, _ = retrying(script, idempotent=False)

        result = await registry.execute("t", context=ExecutionContext(idempotency_key="k"))

        assert result.value == 1

    @pytest.mark.parametrize("refusal", [CircuitOpen(), RateLimited(), Overloaded()], ids=lambda e: e.code)
    async def test_is_tried_again_where_it_was_refused_before_it_was_started(self, refusal):
        script, refusals = Script(Give(1)), [refusal, refusal]
        registry, _ = retrying(script, idempotent=False, retry_on=refusal.code)

        async def full(call, inner):
            if refusals:
                raise refusals.pop()
            return await inner(call)

        full.stage = RetryMiddleware.stage
        registry.use(full)

        assert await registry.call("t") == 1

    async def test_is_not_run_again_where_it_was_started_and_says_itself_that_there_was_no_room(self):
        script = Script(Fail(RateLimited()))
        registry, _ = retrying(script, idempotent=False)

        result = await registry.execute("t")

        assert (len(script.starts), result.error.outcome_unknown) == (1, True)

    @pytest.mark.parametrize(
        "error", [ConnectionRefusedError(), ExceptionGroup("g", [ConnectionRefusedError()])]
    )
    async def test_is_run_again_where_its_connection_was_refused(self, error):
        script = Script(Fail(error), Give(1))
        registry, _ = retrying(script, idempotent=False)

        assert await registry.call("t") == 1

    async def test_is_known_to_have_done_nothing_where_every_connection_was_refused(self):
        registry, _ = retrying(Script(Fail(ConnectionRefusedError())), idempotent=False)

        result = await registry.execute("t")

        assert (result.attempts, result.error.outcome_unknown) == (3, False)

    @pytest.mark.parametrize(("not_dispatched", "runs"), [((), 1), ((BrokenPipeError,), 1), ((OSError,), 3)])
    async def test_what_says_that_nothing_was_done_is_a_setting(self, not_dispatched, runs):
        script = Script(Fail(ConnectionRefusedError()))
        registry, _ = retrying(script, idempotent=False, not_dispatched=not_dispatched)

        await registry.execute("t")

        assert len(script.starts) == runs

    async def test_has_an_unknown_outcome_also_where_its_last_attempt_failed(self):
        script = Script(Fail(ConnectionRefusedError()), Fail(ConnectionResetError()))
        registry, _ = retrying(script, idempotent=False, max_attempts=2)

        result = await registry.execute("t")

        assert (result.attempts, result.error.outcome_unknown) == (2, True)

    async def test_one_attempt_says_no_more_of_the_outcome_than_no_retry_does(self):
        registry, _ = retrying(Script(Fail(ConnectionError())), idempotent=False, max_attempts=1)

        result = await registry.execute("t")

        assert not result.error.outcome_unknown

    @pytest.mark.parametrize("idempotent", [True, None])
    async def test_others_are_run_again(self, idempotent):
        script = Script(Fail(ConnectionError()), Give(1))
        registry, _ = retrying(script, idempotent=idempotent)

        result = await registry.execute("t")

        assert result.value == 1

    async def test_a_key_that_came_down_from_the_parent_names_another_effect(self):
        script = Script(Fail(ConnectionError()), Give(1))
        registry, _ = retrying(script, idempotent=False)

        @registry.tool
        async def parent(key: str | None) -> bool:
            return (await registry.execute("t", idempotency_key=key)).ok

        inherited = await registry.execute("parent", {"key": None}, idempotency_key="k")
        script.starts.clear()
        given = await registry.execute("parent", {"key": "own"}, idempotency_key="k")

        assert (inherited.value, given.value) == (False, True)


class TestResults:
    """A value that is worth another try."""

    async def test_is_tried_again_until_one_is_accepted(self):
        script = Script(Give(None), Give(None), Give(7), Give(8))
        registry, _ = retrying(script, max_attempts=5, retry_if_result=lambda value: value is None)

        assert await registry.call("t") == 7
        assert len(script.starts) == 3
        assert current_clock().now == pytest.approx(1 + 2)

    async def test_law_18_is_returned_unchanged_after_the_last_attempt(self):
        values = [[1], [2]]
        registry, _ = retrying(Script(*map(Give, values)), max_attempts=2, retry_if_result=lambda value: True)

        assert await registry.call("t") is values[1]

    async def test_is_told_to_observers_as_an_attempt_without_an_error(self):
        registry, recorder = retrying(Script(Give(0)), max_attempts=2, retry_if_result=lambda value: True)

        await registry.call("t")

        assert recorder.records[0].events == [
            AttemptStarted(tool="t", number=1),
            RetryScheduled(tool="t", number=1, error=None, wait=1.0),
            AttemptStarted(tool="t", number=2),
            RetriesExhausted(tool="t", number=2, error=None, reason="2 attempts were made"),
        ]

    async def test_is_no_reason_for_anything_but_true(self):
        script = Script(Give(5))
        registry, _ = retrying(script, retry_if_result=lambda value: value)

        assert await registry.call("t") == 5
        assert len(script.starts) == 1

    async def test_is_kept_where_the_predicate_raises_and_the_fault_is_told_once(self):
        faults, script = [], Script(Give(0))
        registry, _ = retrying(script, retry_if_result=lambda value: 1 / value)
        registry.on_event(faults.append)

        assert await registry.call("t") == 0
        assert len(script.starts) == 1
        assert [(type(fault), type(fault.error)) for fault in faults] == [
            (MiddlewareFailed, ZeroDivisionError)
        ]

    async def test_of_a_tool_that_is_not_idempotent_is_returned_and_its_outcome_is_known(self):
        script = Script(Give(0))
        registry, recorder = retrying(script, idempotent=False, retry_if_result=lambda value: True)

        assert await registry.call("t") == 0
        assert len(script.starts) == 1
        assert not recorder.records[0].call.info.outcome_unknown
        assert "not idempotent" in recorder.records[0].events[-1].reason

    async def test_is_returned_where_the_next_attempt_would_start_after_the_deadline(self):
        registry, _ = retrying(Script(Give(0, after=1)), retry_if_result=lambda value: True)

        result = await registry.execute("t", timeout=1.5)

        assert (result.value, current_clock().now) == (0, 1)

    async def test_is_tried_again_after_errors_and_before_them(self):
        last = ConnectionError("last")
        script = Script(Fail(ConnectionError()), Give(0), Fail(last))
        registry, _ = retrying(script, retry_if_result=lambda value: value == 0)

        result = await registry.execute("t")

        assert result.error.cause is last
        assert [earlier.type for earlier in result.error.earlier] == ["ConnectionError"]
        assert last.__context__ is None

    async def test_what_an_earlier_error_asked_to_wait_is_not_said_of_it(self):
        script = Script(Fail(Unavailable(retry_after=2)), Give(0))
        registry, recorder = retrying(script, max_attempts=2, retry_if_result=lambda value: True)

        await registry.call("t")

        assert recorder.records[0].call.info.retry_after is None


class TestBudget:
    """What all calls of a tool may make of retries together."""

    async def test_without_one_nothing_bounds_them(self):
        script = Script(Fail(ConnectionError()))
        registry, _ = retrying(script)

        for _ in range(30):
            await registry.execute("t")

        assert len(script.starts) == 3 * 30

    async def test_an_empty_one_ends_the_call_with_its_own_error(self):
        error = ConnectionError()
        registry, recorder = retrying(Script(Fail(error)), budget=RetryBudget(reserve=1))

        result = await registry.execute("t")

        assert (result.error.cause, result.attempts) == (error, 2)
        assert recorder.records[0].events[-1] == RetriesExhausted(
            tool="t", number=2, error=error, reason="the retry budget of the tool is empty"
        )

    async def test_an_empty_one_does_not_keep_a_call_from_being_made(self):
        script = Script(Fail(ConnectionError()), Fail(ConnectionError()), Fail(ConnectionError()), Give(7))
        registry, _ = retrying(script, budget=RetryBudget(reserve=1))
        await registry.execute("t")
        await registry.execute("t")

        assert await registry.call("t") == 7

    async def test_calls_earn_retries(self):
        script = Script(Fail(ConnectionError()))
        registry, _ = retrying(script, max_attempts=2, budget=RetryBudget(ratio=0.5, reserve=1))

        for _ in range(9):
            await registry.execute("t")

        assert len(script.starts) == 9 + 1 + 4  # the first call finds the bucket full

    async def test_is_charged_for_no_retry_that_is_not_made(self):
        budget = RetryBudget(reserve=1)
        script = Script(Fail(Unavailable(retry_after=99)), Fail(ConnectionError()), Give(7))
        registry, _ = retrying(script, budget=budget)
        await registry.execute("t")

        assert await registry.call("t") == 7

    async def test_survives_that_the_chain_is_compiled_anew(self):
        script = Script(Fail(ConnectionError()))
        registry, _ = retrying(script, budget=RetryBudget(reserve=1))
        await registry.execute("t")

        registry.use(Recorder())
        await registry.execute("t")

        assert len(script.starts) == 2 + 1

    async def test_is_each_tools_own(self):
        script, other = Script(Fail(ConnectionError())), Script(Fail(ConnectionError()))
        registry, _ = retrying(script, budget=RetryBudget(reserve=1))
        registry.add(other.tool("other"))

        await registry.execute("t")
        await registry.execute("other")

        assert (len(script.starts), len(other.starts)) == (2, 2)

    async def test_is_shared_by_registries_that_share_the_policy_and_the_tool(self):
        script = Script(Fail(ConnectionError()))
        shared, policy = script.tool("t"), RetryPolicy(backoff=STEADY, budget=RetryBudget(reserve=1))

        for _ in range(2):
            registry = Registry()
            registry.add(shared)
            registry.use(RetryMiddleware(policy))
            await registry.execute("t")

        assert len(script.starts) == 2 + 1

    async def test_pays_for_values_that_are_tried_again_too(self):
        script = Script(Give(0))
        registry, _ = retrying(script, budget=RetryBudget(reserve=1), retry_if_result=lambda value: True)

        assert await registry.call("t") == 0
        assert len(script.starts) == 2

    async def test_does_not_bound_an_observer_that_retries_what_is_no_tool(self):
        retry, registry = RetryMiddleware(RetryPolicy(budget=RetryBudget())), Registry()

        async def around(call, inner):
            return await retry(call, inner)

        around.stage = Stage.OBSERVE
        registry.use(around)

        assert (await registry.execute("nothing")).error.code is ErrorCode.UNKNOWN_TOOL


async def test_an_error_that_is_raised_is_held_by_nothing_of_ours():
    class Own(Exception):
        """One that can be watched."""

    registry = Registry()
    registry.use(RetryMiddleware(RetryPolicy(max_attempts=1, retry_on=Own)))

    @registry.tool
    async def fail() -> None:
        raise Own

    try:
        await registry.call("fail")
    except Own as error:
        found = weakref.ref(error)

    assert found() is None


async def test_decorrelated_waits_grow_from_the_wait_before():
    backoff = DecorrelatedJitterBackoff(base=1, cap=10)
    registry, recorder = retrying(Script(Fail(ConnectionError())), max_attempts=5, backoff=backoff)

    await registry.execute("t")

    waits = [event.wait for event in recorder.records[0].events if isinstance(event, RetryScheduled)]
    assert waits == [2.0, 3.5, 5.75, 9.125]


async def test_tells_the_backoff_which_attempt_has_failed_and_what_was_waited_before_it():
    class Noting:
        def wait(self, attempt, random, previous):
            told.append((attempt, previous))
            return 5.0 * attempt

    told = []
    registry, _ = retrying(Script(Fail(ConnectionError())), backoff=Noting())

    await registry.execute("t")

    assert told == [(1, 0.0), (2, 5.0)]


async def test_concurrent_calls_do_not_share_the_wait_before():
    backoff = DecorrelatedJitterBackoff(base=1, cap=10)
    registry, recorder = retrying(Script(Fail(ConnectionError())), backoff=backoff)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(registry.execute, "t")

    for record in recorder.records:
        waits = [event.wait for event in record.events if isinstance(event, RetryScheduled)]
        assert waits == [2.0, 3.5]


@pytest.mark.parametrize("retry_on", [ErrorCode.UNAVAILABLE, (KeyError, ErrorCode.UNAVAILABLE)])
async def test_runs_again_after_an_error_of_a_code(retry_on):
    script = Script(Fail(Unavailable(retryable=False)), Fail(ConnectionError()))
    registry, _ = retrying(script, retry_on=retry_on)

    await registry.execute("t")

    assert len(script.starts) == 2


async def test_a_group_round_one_error_is_decided_as_that_error_and_raised_as_it_is():
    group = ExceptionGroup("task group", [Unavailable(retry_after=9)])
    registry, _ = retrying(Script(Fail(group)), max_attempts=2)

    result = await registry.execute("t")

    assert result.error.cause is group
    assert current_clock().now == 9


async def test_a_group_round_a_result_that_does_not_fit_is_never_a_reason_to_run_again():
    script = Script(Fail(ExceptionGroup("task group", [InvalidResult("wrong")])))
    registry, _ = retrying(script, retry_on=Exception)

    await registry.execute("t")

    assert len(script.starts) == 1


async def test_a_result_that_does_not_fit_is_never_a_reason_to_run_again():
    script = Script(Fail(InvalidResult("wrong")))
    registry, _ = retrying(script, retry_on=Exception)

    await registry.execute("t")

    assert len(script.starts) == 1


async def test_an_error_that_takes_no_notes_reaches_the_caller_as_it_is():
    @dataclasses.dataclass(frozen=True)
    class Frozen(ConnectionError):
        x: int

    error = Frozen(1)
    registry, _ = retrying(Script(Fail(error)))

    result = await registry.execute("t")

    assert result.error.cause is error


@pytest.mark.parametrize("wait", [math.nan, math.inf, -1.0, ZeroDivisionError()])
async def test_a_backoff_that_gives_no_wait_ends_the_attempts_and_the_tools_error_stands(wait):
    class Odd:
        def wait(self, attempt, random, previous):
            if isinstance(wait, Exception):
                raise wait
            return wait

    error = ConnectionError("the tool's own")
    registry, recorder = retrying(Script(Fail(error)), backoff=Odd())

    result = await registry.execute("t")

    assert result.error.cause is error
    assert recorder.records[0].events[-1].reason.startswith("the backoff gave ")


async def test_an_argument_that_can_be_read_only_once_forbids_a_second_attempt():
    registry, recorder = retrying(Script(Give()))

    @registry.tool
    async def send(rows: Iterable[int]) -> None:
        assert list(rows) == [1, 2]
        raise ConnectionError

    result = await registry.execute("send", {"rows": [1, 2]})

    assert result.attempts == 1
    assert recorder.records[0].events[-1].reason == "an argument can be read only once"


async def test_what_an_attempt_does_to_its_arguments_is_not_seen_by_the_next_one():
    registry, _ = retrying(Script(Give()))
    seen = []

    @registry.tool
    async def send(rows: list[int]) -> None:
        seen.append(list(rows))
        rows.pop()
        raise ConnectionError

    await registry.execute("send", {"rows": [1, 2, 3]})

    assert seen == [[1, 2, 3]] * 3


async def test_can_be_called_by_another_middleware():
    retry, script, registry = (
        RetryMiddleware(RetryPolicy(backoff=STEADY)),
        Script(Fail(TimeoutError())),
        Registry(),
    )

    async def by_day(call, inner):
        return await retry(call, inner)

    registry.use(by_day)
    registry.add(script.tool("t"))

    await registry.execute("t")

    assert len(script.starts) == 3


def test_shows_its_attempts():
    assert str(RetryMiddleware(RetryPolicy(max_attempts=7))) == "RetryMiddleware(7 attempts)"


async def test_tells_observers_what_it_does():
    error = ConnectionError()
    registry, recorder = retrying(Script(Fail(error)), max_attempts=2)

    await registry.execute("t")

    assert recorder.records[0].events == [
        AttemptStarted(tool="t", number=1),
        RetryScheduled(tool="t", number=1, error=error, wait=1.0),
        AttemptStarted(tool="t", number=2),
        RetriesExhausted(tool="t", number=2, error=error, reason="2 attempts were made"),
    ]


async def test_uses_the_same_arguments_each_time():
    script = Script(Fail(ConnectionError()), Fail(ConnectionError()), Give())
    registry = Registry()
    registry.use(RetryMiddleware(RetryPolicy(backoff=STEADY)))

    @registry.tool
    async def send(text: str) -> None:
        await script.play({"text": text})

    await registry.call("send", text="hello")

    assert script.starts == [{"text": "hello"}] * 3


async def test_a_wait_of_no_time_is_a_wait():
    script = Script(Fail(ConnectionError()), Give(7))
    registry, _ = retrying(script, backoff=ExponentialBackoff(), random=lambda: 0.0)

    assert await registry.call("t") == 7
    assert current_clock().now == 0


async def test_a_fault_of_the_policy_is_reported_as_one_of_the_retry():
    faults = []

    def broken(error):
        raise RuntimeError("predicate")

    registry, _ = retrying(Script(Fail(ConnectionError())), retry_on=broken)
    registry.on_event(faults.append)

    await registry.execute("t")

    assert [type(fault.middleware) for fault in faults] == [RetryMiddleware]


class TestStreams:
    """A stream of which its reader has seen something is not begun anew."""

    def registry(self, *, chunks, resume=None, policy=None, again=10, **options):
        """A tool that fails after so many chunks, each of the first `again` times."""
        registry, recorder, self.starts = Registry(), Recorder(), []
        policy = policy or RetryPolicy(backoff=STEADY)
        registry.use(recorder, RetryMiddleware(policy))

        @registry.tool(resume=resume, **options)
        async def count():
            self.starts.append(current_clock().now)
            for number in range(chunks):
                yield number
            if len(self.starts) <= again:
                raise ConnectionError("lost")
            yield "end"

        return registry, recorder

    async def read(self, stream):
        """The contents of its chunks, and its error if it has one."""
        got, error = [], None
        try:
            async with stream:
                async for chunk in stream:
                    got.append(chunk.content)
        except Exception as raised:
            error = raised
        return got, error

    async def test_before_its_first_chunk_it_is_tried_again_as_any_call(self):
        registry, _ = self.registry(chunks=0, again=2)

        assert await self.read(registry.stream("count")) == (["end"], None)
        assert self.starts == pytest.approx([0, 1, 3])

    async def test_after_it_its_error_passes_with_the_reason(self):
        registry, recorder = self.registry(chunks=2)

        got, error = await self.read(registry.stream("count"))

        assert (got, type(error), len(self.starts)) == ([0, 1], ConnectionError, 1)
        assert recorder.records[0].events[-1].reason == (
            "chunks of it have been handed over already, and the tool has no resume"
        )

    async def test_where_one_value_is_wanted_it_is_tried_again(self):
        registry, _ = self.registry(chunks=2, again=1)

        assert await registry.call("count") == [0, 1, "end"]

    async def test_with_a_resume_it_goes_on(self):
        async def go_on(cursor):
            yield cursor.content + 1

        registry, _ = self.registry(chunks=2, resume=go_on)

        assert await self.read(registry.stream("count")) == ([0, 1, 2], None)

    async def test_with_a_resume_too_a_tool_that_is_not_idempotent_is_not_run_again(self):
        async def go_on(cursor):
            yield "never"

        registry, _ = self.registry(chunks=2, resume=go_on, idempotent=False)

        assert (await self.read(registry.stream("count")))[0] == [0, 1]

    async def test_while_a_chunk_is_on_its_way_even_a_resume_cannot_tell_where_to_go_on(self):
        async def go_on(cursor):
            yield "never"

        registry, recorder = Registry(), Recorder()
        registry.use(recorder, RetryMiddleware(RetryPolicy(backoff=STEADY)), TimeoutMiddleware(5))

        @registry.tool(resume=go_on)
        async def count():
            for number in range(9):
                yield number

        taken = []

        async def slow(chunk):
            taken.append(chunk.content)
            await anyio.sleep(chunk.content * 9)

        result = await registry.stream("count").stream_to(slow)

        assert (taken, result.error.code, result.attempts) == ([0, 1], ErrorCode.TIMEOUT, 1)
        assert recorder.records[0].events[-1].reason == (
            "a chunk of it was on its way to the reader, and may have arrived"
        )

    async def test_while_its_first_chunk_is_on_its_way_neither(self):
        async def go_on(cursor):
            yield "never"

        registry = Registry()
        registry.use(RetryMiddleware(RetryPolicy(backoff=STEADY)), TimeoutMiddleware(5))

        @registry.tool(resume=go_on)
        async def count():
            yield 0

        result = await registry.stream("count").stream_to(lambda chunk: anyio.sleep(9))

        assert result.attempts == 1

    async def test_it_has_no_value_that_could_be_judged(self):
        judged = []
        policy = RetryPolicy(backoff=STEADY, retry_if_result=lambda value: judged.append(value) or True)
        registry, _ = self.registry(chunks=1, again=0, policy=policy)

        assert await self.read(registry.stream("count")) == ([0, "end"], None)
        assert judged == []

    async def test_of_a_tool_that_does_not_stream_the_value_is_judged(self):
        registry, script = Registry(), Script(Give("wait"), Give("done"))
        registry.use(
            RetryMiddleware(RetryPolicy(backoff=STEADY, retry_if_result=lambda value: value == "wait"))
        )
        registry.add(script.tool("t"))

        assert await self.read(registry.stream("t")) == (["done"], None)

    async def test_a_reader_who_leaves_is_no_failure(self):
        registry, _ = self.registry(chunks=2)

        async def leaves(chunk):
            raise ConnectionError("gone")

        with pytest.raises(ConnectionError, match="gone"):
            await registry.stream("count").stream_to(leaves)

        assert len(self.starts) == 1

    @pytest.mark.parametrize(
        ("resumes", "reason"),
        [
            (False, "chunks of it have been handed over already, and the tool has no resume"),
            (True, "chunks that are not its tool's have been handed over already"),
        ],
    )
    async def test_what_another_middleware_gave_is_not_given_twice(self, resumes, reason):
        async def resume(cursor):
            yield "never"

        registry, recorder = self.registry(chunks=0, resume=resume if resumes else None)

        async def announces(call, inner):
            await call.emit(StreamChunk("it begins"))
            return await inner(call)

        announces.stage = Stage.ACT
        registry.use(announces)

        got, error = await self.read(registry.stream("count"))

        assert (got, type(error), len(self.starts)) == (["it begins"], ConnectionError, 1)
        assert recorder.records[0].events[-1].reason == reason

    async def test_no_wait_goes_beyond_the_deadline_of_the_call_around(self):
        registry, recorder = self.registry(
            chunks=0, policy=RetryPolicy(backoff=ExponentialBackoff(base=8, jitter=False))
        )

        @registry.tool(timeout=5)
        async def parent():
            return await self.read(registry.stream("count"))

        _, error = await registry.call("parent")

        assert isinstance(error, ConnectionError)
        assert current_clock().now == 0
        reasons = [getattr(event, "reason", "") for record in recorder.records for event in record.events]
        assert "the next attempt would start after the deadline" in reasons
