"""Trying again: what, how often, how long after, and how it ends."""

import asyncio
import dataclasses
import math
from collections.abc import Iterable
from datetime import timedelta
from email.utils import format_datetime

import anyio
import pytest

from toolcase import (
    Denied,
    ExecutionContext,
    InvalidResult,
    Overloaded,
    Registry,
    ToolFailed,
    ToolTimeout,
    Unavailable,
)
from toolcase.events import AttemptStarted, MiddlewareFailed, RetriesExhausted, RetryScheduled
from toolcase.runtime import ExponentialBackoff, RetryMiddleware, RetryPolicy, TimeoutMiddleware
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

    async def test_is_tried_again_where_it_was_not_started(self):
        script = Script(Give(1))
        registry, _ = retrying(script, idempotent=False)
        refusals = [Overloaded("full"), Overloaded("full")]

        async def full(call, inner):
            if refusals:
                raise refusals.pop()
            return await inner(call)

        full.stage = RetryMiddleware.stage
        registry.use(full)

        assert await registry.call("t") == 1

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
        def wait(self, attempt, random):
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
