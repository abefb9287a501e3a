"""What is tried again, how often, and what a server says about when."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.message import Message
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolcase import (
    Denied,
    ErrorCode,
    InvalidResult,
    RateLimited,
    ToolError,
    ToolFailed,
    ToolTimeout,
    Unavailable,
)
from toolcase.retry import retry_after
from toolcase.runtime import ExponentialBackoff, RetryBudget, RetryPolicy

NOW = datetime(2025, 1, 1, tzinfo=UTC)


class Answer(Exception):
    """An error with what HTTP clients put on it."""

    def __init__(self, **facts):
        super().__init__("answer")
        vars(self).update(facts)


class Broken(Exception):
    """An error of foreign code."""

    @property
    def response(self):
        raise RuntimeError("not read yet")


def said(value):
    """An error whose response says when to come back."""
    return Answer(response=SimpleNamespace(headers={"retry-after": value}))


class TestAccepts:
    """Which errors are worth another try."""

    @pytest.mark.parametrize(
        "error",
        [ToolTimeout(), RateLimited(), ToolError(retryable=True), ConnectionResetError(), TimeoutError()],
    )
    def test_takes_what_is_transient_unless_told_otherwise(self, error):
        assert RetryPolicy().accepts(error)

    @pytest.mark.parametrize(
        "error", [Denied(), RateLimited(retryable=False), OSError(), ValueError(), Exception()]
    )
    def test_leaves_everything_else_alone(self, error):
        assert not RetryPolicy().accepts(error)

    @pytest.mark.parametrize(
        "retry_on", [LookupError, (ConnectionError, LookupError), lambda error: error.args == ("k",)]
    )
    def test_takes_what_the_host_says_and_nothing_more(self, retry_on):
        policy = RetryPolicy(retry_on=retry_on)

        assert policy.accepts(KeyError("k"))
        assert not policy.accepts(ToolTimeout())

    @pytest.mark.parametrize("error", [InvalidResult(), ExceptionGroup("group", [InvalidResult()])])
    def test_never_takes_a_result_that_does_not_fit(self, error):
        assert not RetryPolicy(retry_on=Exception).accepts(error)
        assert not RetryPolicy(retry_on=lambda error: True).accepts(error)

    def test_no_types_take_nothing(self):
        assert not RetryPolicy(retry_on=()).accepts(ToolTimeout())

    @pytest.mark.parametrize("verdict", [1, "yes", None, object()])
    def test_takes_nothing_but_true_from_a_predicate(self, verdict):
        assert not RetryPolicy(retry_on=lambda error: verdict).accepts(ToolTimeout())

    def test_lets_the_fault_of_a_predicate_through(self):
        with pytest.raises(ZeroDivisionError):
            RetryPolicy(retry_on=lambda error: 1 / 0).accepts(ToolTimeout())


class TestCodes:
    """An error is accepted by the code that a result shows for it."""

    @pytest.mark.parametrize("error", [Unavailable(), Unavailable(retryable=False)])
    def test_takes_errors_of_the_code(self, error):
        assert RetryPolicy(retry_on=ErrorCode.UNAVAILABLE).accepts(error)

    @pytest.mark.parametrize("error", [RateLimited(), ToolError(), ConnectionError(), ValueError()])
    def test_leaves_errors_of_other_codes(self, error):
        assert not RetryPolicy(retry_on=ErrorCode.UNAVAILABLE).accepts(error)

    @pytest.mark.parametrize("error", [Unavailable(), RateLimited(), KeyError()])
    def test_takes_several_codes_and_types_together(self, error):
        policy = RetryPolicy(retry_on=(ErrorCode.UNAVAILABLE, LookupError, ErrorCode.RATE_LIMITED))

        assert policy.accepts(error)
        assert not policy.accepts(Denied())

    @pytest.mark.parametrize("error", [ToolFailed(), ValueError()])
    def test_a_tools_own_error_has_the_code_of_a_failed_tool(self, error):
        assert RetryPolicy(retry_on=ErrorCode.TOOL_FAILED).accepts(error)


class TestGroups:
    """A group round one error is that error; a group of several is only itself."""

    @pytest.mark.parametrize(
        "retry_on",
        [
            ConnectionError,
            ErrorCode.TOOL_FAILED,
            lambda error: type(error) is ConnectionError,
            RetryPolicy().retry_on,
        ],
    )
    def test_a_group_of_one_is_judged_as_what_is_in_it(self, retry_on):
        group = ExceptionGroup("outer", [ExceptionGroup("inner", [ConnectionError()])])

        assert RetryPolicy(retry_on=retry_on).accepts(group)

    def test_a_group_of_one_error_that_is_not_accepted_is_not(self):
        assert not RetryPolicy().accepts(ExceptionGroup("task group", [ValueError()]))

    def test_a_group_of_several_is_not_accepted_for_what_is_in_it(self):
        group = ExceptionGroup("task group", [ConnectionError(), ConnectionError()])

        assert not RetryPolicy().accepts(group)
        assert not RetryPolicy(retry_on=ConnectionError).accepts(group)

    @pytest.mark.parametrize("errors", [[ValueError()], [ValueError(), KeyError()]])
    def test_a_group_is_accepted_where_groups_are(self, errors):
        assert RetryPolicy(retry_on=ExceptionGroup).accepts(ExceptionGroup("task group", errors))


class TestRejects:
    """Which values are worth another try."""

    def test_takes_every_value_unless_told_otherwise(self):
        assert not RetryPolicy().rejects(None)

    @pytest.mark.parametrize(("value", "rejected"), [(None, True), (0, False)])
    def test_asks_the_predicate(self, value, rejected):
        assert RetryPolicy(retry_if_result=lambda value: value is None).rejects(value) is rejected

    @pytest.mark.parametrize("verdict", [1, "yes", None, object()])
    def test_takes_nothing_but_true_from_it(self, verdict):
        assert not RetryPolicy(retry_if_result=lambda value: verdict).rejects(5)


class TestSettings:
    """A wrong setting is an error when the policy is made."""

    def test_starts_a_tool_three_times_at_most_unless_told_otherwise(self):
        policy = RetryPolicy()

        assert (policy.max_attempts, policy.max_retry_after, policy.backoff) == (
            3,
            60.0,
            ExponentialBackoff(),
        )

    def test_are_given_by_name(self):
        with pytest.raises(TypeError, match="positional"):
            RetryPolicy(3)

    @pytest.mark.parametrize("value", [0, -1])
    def test_refuses_no_attempt(self, value):
        with pytest.raises(ValueError, match=f"max_attempts must be at least 1, got {value}"):
            RetryPolicy(max_attempts=value)

    @pytest.mark.parametrize("value", [True, 2.0, "3", math.inf])
    def test_refuses_attempts_that_are_no_whole_number(self, value):
        with pytest.raises(TypeError, match=f"max_attempts must be a whole number, got {value!r}"):
            RetryPolicy(max_attempts=value)

    @pytest.mark.parametrize("value", [0, 0.5, math.inf])
    def test_takes_a_longest_wait(self, value):
        assert RetryPolicy(max_retry_after=value).max_retry_after == value

    @pytest.mark.parametrize("value", [-1, math.nan])
    def test_refuses_a_longest_wait_below_zero(self, value):
        with pytest.raises(ValueError, match=f"max_retry_after must be at least 0, got {value}"):
            RetryPolicy(max_retry_after=value)

    @pytest.mark.parametrize("value", [True, "5", None])
    def test_refuses_a_longest_wait_that_is_no_number(self, value):
        with pytest.raises(TypeError, match=f"max_retry_after must be a number, got {value!r}"):
            RetryPolicy(max_retry_after=value)

    @pytest.mark.parametrize(
        "value",
        [
            5,
            int,
            BaseException,
            KeyboardInterrupt,
            [ValueError],
            (ValueError, 5),
            (ValueError, [ValueError]),
            (ValueError, lambda error: True),
        ],
    )
    def test_refuses_what_tells_no_errors_apart(self, value):
        message = "retry_on takes exception types, error codes or one predicate, got "

        with pytest.raises(TypeError, match=message):
            RetryPolicy(retry_on=value)

    @pytest.mark.parametrize("value", ["UNAVAILABLE", (OSError, "UNAVAILABLE")])
    def test_says_how_a_code_is_written(self, value):
        with pytest.raises(TypeError, match=r"got 'UNAVAILABLE'; write ErrorCode\.UNAVAILABLE$"):
            RetryPolicy(retry_on=value)

    def test_offers_no_code_for_a_word_that_is_none(self):
        with pytest.raises(TypeError, match="got 'SOON'$"):
            RetryPolicy(retry_on="SOON")

    @pytest.mark.parametrize("value", [InvalidResult, ErrorCode.INVALID_RESULT])
    def test_refuses_what_is_never_tried_again(self, value):
        with pytest.raises(ValueError, match="retry_on cannot take .* there is retry_if_result"):
            RetryPolicy(retry_on=(OSError, value))

    @pytest.mark.parametrize("value", [5, "no", ()])
    def test_refuses_what_cannot_judge_a_value(self, value):
        with pytest.raises(TypeError, match="retry_if_result takes a predicate of the value, got "):
            RetryPolicy(retry_if_result=value)

    def test_refuses_an_async_judge_of_values(self):
        async def later(value): ...

        with pytest.raises(TypeError, match="retry_if_result takes .* not async, got .*later"):
            RetryPolicy(retry_if_result=later)

    @pytest.mark.parametrize("value", [5, True, RetryBudget])
    def test_refuses_what_is_no_budget(self, value):
        with pytest.raises(TypeError, match="budget must be a RetryBudget, got "):
            RetryPolicy(budget=value)

    @pytest.mark.parametrize("value", [OSError, (5,), (BaseException,), None])
    def test_refuses_what_are_no_errors_before_the_dispatch(self, value):
        with pytest.raises(TypeError, match="not_dispatched must be a tuple of exception types, got "):
            RetryPolicy(not_dispatched=value)

    def test_refuses_an_async_predicate(self):
        async def later(error): ...

        with pytest.raises(TypeError, match="retry_on takes .* not async, got .*later"):
            RetryPolicy(retry_on=later)

    @pytest.mark.parametrize("value", [5, None, ExponentialBackoff])
    def test_refuses_a_backoff_that_cannot_say_how_long(self, value):
        with pytest.raises(TypeError, match=r"backoff must have wait\(attempt, random, previous\), got "):
            RetryPolicy(backoff=value)


class TestRetryAfter:
    """Seconds, or a date, wherever the error keeps them."""

    @pytest.mark.parametrize(
        ("value", "wait"), [(5, 5.0), (0.25, 0.25), ("5", 5.0), (" 5 ", 5.0), ("2.5", 2.5), ("1e2", 100.0)]
    )
    def test_takes_seconds(self, value, wait):
        assert retry_after(said(value), NOW) == wait

    @pytest.mark.parametrize(
        "value",
        [
            "Wed, 01 Jan 2025 00:00:10 GMT",
            "Wed, 01 Jan 2025 00:00:10 -0000",
            "Wed, 01 Jan 2025 01:00:10 +0100",
            "Wednesday, 01-Jan-25 00:00:10 GMT",
            "Wed Jan  1 00:00:10 2025",
        ],
    )
    def test_takes_a_date(self, value):
        assert retry_after(said(value), NOW) == 10.0

    @pytest.mark.parametrize("value", [0, -1, "-5", "0", NOW - timedelta(hours=1)])
    def test_what_has_passed_says_nothing(self, value):
        if isinstance(value, datetime):
            value = format_datetime(value, usegmt=True)

        assert retry_after(said(value), NOW) is None

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "soon",
            "nan",
            "inf",
            "-inf",
            "9" * 5_000,
            10**400,
            math.nan,
            math.inf,
            None,
            True,
            b"5",
            [5],
            Decimal(5),
            timedelta(seconds=5),
            "Wed, 99 Jan 2025 00:00:10 GMT",
            "Wed, 01 Jan 99999 00:00:10 GMT",
            "Wed, 01 Jan 2025 00:00:10 +9999999999",
        ],
    )
    @pytest.mark.parametrize("of", [said, lambda value: Answer(retry_after=value)])
    def test_garbage_says_nothing(self, value, of):
        assert retry_after(of(value), NOW) is None

    @pytest.mark.parametrize(
        "error",
        [
            RateLimited(retry_after=7),
            Answer(retry_after="7"),
            Answer(headers={"Retry-After": "7"}),
            Answer(headers={"RETRY-AFTER": 7}),
            Answer(response=SimpleNamespace(headers={"retry-after": "7", "x": "1"})),
            Answer(response=None, headers={"retry-after": "7"}),
            Answer(retry_after=None, headers={"retry-after": "7"}),
        ],
    )
    def test_is_found_wherever_clients_keep_it(self, error):
        assert retry_after(error, NOW) == 7.0

    def test_is_found_in_the_headers_of_the_standard_library(self):
        headers = Message()
        headers["Retry-After"] = "7"

        assert retry_after(Answer(headers=headers), NOW) == 7.0

    def test_what_the_error_says_itself_comes_first(self):
        assert retry_after(Answer(retry_after=3, headers={"retry-after": "7"}), NOW) == 3.0

    @pytest.mark.parametrize(
        "error",
        [
            ValueError("no"),
            Answer(headers=None),
            Answer(headers={}),
            Answer(headers=[("retry-after", "7")]),
            Answer(headers={1: "7"}),
            Answer(response=SimpleNamespace()),
            Broken(),
        ],
    )
    def test_is_none_where_nothing_is_said(self, error):
        assert retry_after(error, NOW) is None

    def test_what_the_response_says_comes_before_the_errors_own_headers(self):
        response = SimpleNamespace(headers={"retry-after": "3"})

        assert retry_after(Answer(response=response, headers={"retry-after": "7"}), NOW) == 3.0

    def test_an_error_that_says_no_time_at_all_is_not_asked_for_its_headers(self):
        assert retry_after(Answer(retry_after=0, headers={"retry-after": "7"}), NOW) is None


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.text() | st.text("0123456789 +-:,GMTJanWed.", max_size=40) | st.floats() | st.integers() | st.binary()
)
def test_a_wait_is_a_finite_duration_whatever_is_said(value):
    wait = retry_after(said(value), NOW)

    assert wait is None or 0 < wait < math.inf


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_date_says_what_lies_between(date):
    date = date.replace(microsecond=0)

    wait = retry_after(said(format_datetime(date, usegmt=True)), NOW)

    assert wait == ((date - NOW).total_seconds() if date > NOW else None)


def test_of_the_same_settings_is_equal():
    assert RetryPolicy(retry_on=(OSError,)) == RetryPolicy(retry_on=(OSError,))
    assert RetryPolicy(retry_on=(OSError,)) != RetryPolicy(retry_on=(KeyError,))


def test_shows_settings_and_nothing_else():
    assert "_accepted" not in repr(RetryPolicy())
