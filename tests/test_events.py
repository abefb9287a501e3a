"""Records of what happened, and the log that tells them where nobody asked."""

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
    report_to_log,
)

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
    report_to_log(event)

    (record,) = caplog.records
    assert (record.name, record.levelno) == ("toolcase", logging.WARNING)
    assert f"{type(event).__name__} in 'add'" in record.getMessage()


def test_the_log_names_the_middleware(caplog):
    report_to_log(GuardFailed(tool="add", middleware=guard, error=ERROR))

    assert f"in 'add': {guard!r}" in caplog.text


def test_the_log_has_the_error(caplog):
    report_to_log(LateCompletion(tool="add", error=ERROR, elapsed=2.0))

    assert caplog.records[0].exc_info[1] is ERROR


def test_the_log_has_no_error_where_there_was_none(caplog):
    report_to_log(LateCompletion(tool="add", error=None, elapsed=2.0))

    assert not caplog.records[0].exc_info
