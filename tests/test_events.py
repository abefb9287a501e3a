"""Records of what happened, and the log that tells them where nobody asked."""

import asyncio
import logging

import pytest

from toolcase.events import (
    AttemptStarted,
    Event,
    GuardFailed,
    LateCompletion,
    MiddlewareFailed,
    RetriesExhausted,
    RetryScheduled,
    log_fault,
    report_to_log,
)
from toolcase.secrets import Secrets

ERROR = ValueError("why")


def guard(call, inner):
    """A middleware."""


EVENTS = [
    AttemptStarted(tool="add", number=1),
    RetryScheduled(tool="add", number=1, error=ERROR, wait=0.5),
    RetriesExhausted(tool="add", number=3, error=ERROR, reason="3 attempts were made"),
    MiddlewareFailed(tool="add", middleware=guard, error=ERROR),
    GuardFailed(tool="add", middleware=guard, error=ERROR),
    LateCompletion(tool="add", error=ERROR, elapsed=2.0),
    LateCompletion(tool="add", error=None, elapsed=2.0),
]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_not_changed(event):
    with pytest.raises(AttributeError):
        event.tool = "other"


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_names_its_tool(event):
    assert isinstance(event, Event)
    assert event.tool == "add"


@pytest.mark.parametrize("event", EVENTS)
def test_the_log_tells_what_happened_in_which_tool(event, caplog):
    report_to_log(event, Secrets())

    (record,) = caplog.records
    assert (record.name, record.levelno) == ("toolcase", logging.WARNING)
    assert f"{type(event).__name__} in 'add'" in record.getMessage()


def test_the_log_names_the_middleware(caplog):
    report_to_log(GuardFailed(tool="add", middleware=guard, error=ERROR), Secrets())

    assert f"in 'add': {guard!r}" in caplog.text


def test_the_log_has_the_error(caplog):
    report_to_log(LateCompletion(tool="add", error=ERROR, elapsed=2.0), Secrets())

    assert caplog.records[0].exc_info[1] is ERROR


def test_the_log_has_no_error_where_there_was_none(caplog):
    report_to_log(LateCompletion(tool="add", error=None, elapsed=2.0), Secrets())

    assert not caplog.records[0].exc_info


@pytest.fixture
def secrets():
    """One secret."""
    secrets = Secrets()
    secrets.add("s3cret-key")
    return secrets


def test_the_log_has_no_secret_in_the_name_of_a_middleware(secrets, caplog):
    report_to_log(GuardFailed(tool="add", middleware="Client('s3cret-key')", error=ERROR), secrets)

    assert "Client('[redacted]')" in caplog.text
    assert "s3cret-key" not in caplog.text


def test_the_log_has_no_secret_in_a_traceback_its_causes_or_notes(secrets, caplog):
    error = ValueError("with s3cret-key")
    error.__cause__ = OSError("at s3cret-key")
    error.add_note("sent s3cret-key")

    log_fault("a listener failed", error, secrets)

    assert "s3cret-key" not in caplog.text
    for said in ("OSError: at [redacted]", "ValueError: with [redacted]", "sent [redacted]"):
        assert said in caplog.text


def test_with_secrets_a_log_record_holds_no_exception_that_a_formatter_could_write_out(secrets, caplog):
    log_fault("a listener failed", ERROR, secrets)

    assert not caplog.records[0].exc_info


def test_a_traceback_steers_no_terminal(secrets, caplog):
    log_fault("a listener failed", ValueError("\x1b[2J\u202e"), secrets)

    assert "ValueError: \\x1b[2J\\u202e" in caplog.text


def test_what_is_said_to_the_log_stands_on_one_line(caplog):
    log_fault("one\r\ntwo", None, Secrets())

    assert caplog.records[0].getMessage() == "one\\r\\ntwo"


def test_a_thread_that_stopped_as_it_was_asked_to_leaves_no_traceback_in_the_log(caplog):
    event = LateCompletion(tool="t", error=asyncio.CancelledError("nobody waits"), elapsed=1.0)

    report_to_log(event, Secrets())

    assert caplog.messages == ["LateCompletion in 't'"]
    assert not caplog.records[0].exc_info
