"""The error tree, and the record of one failure."""

import copy
import json
import math
import pickle

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolcase import (
    ApprovalRequired,
    BudgetExceeded,
    CircuitOpen,
    Denied,
    ErrorCode,
    ErrorInfo,
    InvalidArguments,
    InvalidResult,
    Overloaded,
    RateLimited,
    ToolDisabled,
    ToolError,
    ToolFailed,
    ToolTimeout,
    Unavailable,
    UnknownTool,
)
from toolcase.errors import error_of, message_of

CODES = {
    UnknownTool: "UNKNOWN_TOOL",
    ToolDisabled: "DISABLED",
    InvalidArguments: "INVALID_ARGUMENTS",
    InvalidResult: "INVALID_RESULT",
    ToolFailed: "TOOL_FAILED",
    ToolTimeout: "TIMEOUT",
    RateLimited: "RATE_LIMITED",
    CircuitOpen: "CIRCUIT_OPEN",
    Overloaded: "OVERLOADED",
    Denied: "DENIED",
    ApprovalRequired: "APPROVAL_REQUIRED",
    BudgetExceeded: "BUDGET_EXCEEDED",
    Unavailable: "UNAVAILABLE",
}
RETRYABLE = {ToolTimeout, RateLimited, Overloaded, Unavailable}
KINDS = [*CODES, ToolError]
kinds = pytest.mark.parametrize("kind", KINDS)


class Mute(ToolError):
    """Fails to say what it is."""

    def __str__(self):
        raise RuntimeError("mute")


def pickled(error, protocol=None):
    """The same, as another process has it."""
    return pickle.loads(pickle.dumps(error, protocol))  # noqa: S301  our own


class TestTree:
    """One class per code."""

    @pytest.mark.parametrize(("kind", "code"), CODES.items())
    def test_the_class_fixes_the_code(self, kind, code):
        assert kind("why").code == code
        assert issubclass(kind, ToolError)

    def test_every_code_has_its_class(self):
        assert set(CODES.values()) == {code.value for code in ErrorCode}

    @kinds
    def test_the_class_says_whether_to_try_again(self, kind):
        assert kind().retryable is (kind in RETRYABLE)

    @kinds
    def test_an_error_may_say_otherwise(self, kind):
        error = kind("why", retryable=kind not in RETRYABLE, retry_after=2.5)

        assert (error.retryable, error.retry_after) == (kind not in RETRYABLE, 2.5)
        assert kind().retryable is (kind in RETRYABLE)

    @pytest.mark.parametrize("wait", [math.nan, math.inf, -1.0])
    def test_drops_a_wait_that_is_no_duration(self, wait):
        assert ToolError("why", retry_after=wait).retry_after is None

    def test_a_timeout_is_caught_as_the_builtin_one(self):
        with pytest.raises(TimeoutError, match="took longer"):
            raise ToolTimeout("took longer")

    def test_a_timeout_names_its_limit(self):
        assert (ToolTimeout().kind, ToolTimeout(kind="total").kind) == ("attempt", "total")

    def test_an_approval_says_what_to_approve(self):
        assert ApprovalRequired("ask", action_id="a1").action_id == "a1"

    def test_keeps_a_wait_of_no_time_at_all(self):
        assert ToolError("why", retry_after=0).retry_after == 0

    def test_what_invalid_arguments_say_without_values_may_be_nothing(self):
        assert InvalidArguments("got 5", without_values="").without_values == ""


class TestCopies:
    """Errors go to other processes, and to jobs."""

    @kinds
    @settings(derandomize=True, max_examples=100, deadline=None)
    @given(
        message=st.text(),
        retryable=st.none() | st.booleans(),
        wait=st.none() | st.floats(min_value=0, allow_infinity=False),
        protocol=st.integers(0, pickle.HIGHEST_PROTOCOL),
    )
    def test_pickling_keeps_all_that_was_given(self, kind, message, retryable, wait, protocol):
        error = kind(message, retryable=retryable, retry_after=wait)

        again = pickled(error, protocol)

        assert type(again) is kind
        assert (str(again), again.args, vars(again)) == (message, (message,), vars(error))

    @pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
    def test_copies_keep_notes_and_what_was_added(self, again):
        error = ToolTimeout("why", kind="total")
        error.add_note("a note")

        assert (again(error).kind, again(error).__notes__) == ("total", ["a note"])

    def test_pickling_leaves_out_the_record(self):
        error = ToolError("why")
        error.info = ErrorInfo(code=ErrorCode.DENIED, message="why", cause=RuntimeError(lambda: None))

        again = pickled(error)

        assert again.info.code is ErrorCode.TOOL_FAILED

    def test_in_another_process_it_has_been_told_nothing_yet(self):
        error = ToolError("why")
        error.told_at = 5.0

        assert pickled(error).told_at == -math.inf


class TestInfo:
    """What is known of a failure."""

    def test_says_its_own_facts_before_a_call_has_ended(self):
        error = RateLimited("full", retry_after=3)

        assert error.info == ErrorInfo(
            code=ErrorCode.RATE_LIMITED,
            message="full",
            type="RateLimited",
            retryable=True,
            retry_after=3,
            cause=error,
        )

    def test_says_what_the_call_has_learned(self):
        error, info = Denied("no"), ErrorInfo(code=ErrorCode.DENIED, message="no", attempts=2)

        error.info = info

        assert error.info == msgspec.structs.replace(info, cause=error)

    def test_is_not_changed(self):
        with pytest.raises(AttributeError):
            Denied("no").info.message = "yes"

    def test_becomes_plain_json_without_the_exception(self):
        earlier = ErrorInfo(code=ErrorCode.TIMEOUT, message="slow", cause=TimeoutError())
        info = ErrorInfo(code=ErrorCode.DENIED, message="no", tool="add", earlier=(earlier,), cause=OSError())

        data = info.to_dict()

        assert json.loads(json.dumps(data)) == data
        assert (data["code"], data["tool"], data["earlier"][0]["message"]) == ("DENIED", "add", "slow")
        assert "cause" not in data

    def test_every_field_but_the_exception_is_told(self):
        assert set(Denied("no").info.to_dict()) == set(ErrorInfo.__struct_fields__) - {"cause"}

    def test_says_so_where_an_error_cannot_say_what_it_is(self):
        assert Mute().info.message == "<no message: it raised RuntimeError>"

    def test_its_code_becomes_plain_text(self):
        assert type(Denied("no").info.to_dict()["code"]) is str


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("a"), "a"),
        (KeyError("k"), "'k'"),
        (ValueError(), ""),
        (Mute(), "<no message: it raised RuntimeError>"),
    ],
)
def test_a_message_is_to_be_had_of_every_error(error, said):
    assert message_of(error) == said


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_a_failure_from_elsewhere_becomes_an_error_of_its_class(kind, code):
    info = ErrorInfo(code=ErrorCode(code), message="why", retryable=True, retry_after=2.5, tool="add")

    error = error_of(info)

    assert type(error) is kind
    assert (str(error), error.retryable, error.retry_after, error.info.tool) == ("why", True, 2.5, "add")
