"""A call: what it shows, what its copies share, whom it tells."""

from collections import OrderedDict

import pytest

from toolcase import Call, CallInfo, ExecutionContext, Registry
from toolcase.call import EARLIER_KEPT
from toolcase.events import AttemptStarted
from toolcase.testing import Give, Script


def made(given=None, **fields):
    tool = Script(Give()).tool("t")
    return Call("t", tool, {} if given is None else given, ExecutionContext(), Registry(), **fields)


def test_before_validation_its_arguments_are_what_was_given():
    assert made({"a": "1"}).arguments == {"a": "1"}


@pytest.mark.parametrize("given", [b'{"a": 1}', '{"a": 1}'])
def test_before_validation_json_shows_no_arguments(given):
    call = made(given)

    assert call.arguments == {}
    assert call.given is given


def test_copies_share_state_and_info():
    call = made()

    other = call.copy()
    other.state["key"] = 1
    other.info.attempts += 1

    assert other is not call
    assert call.state == {"key": 1}
    assert call.info.attempts == 1


def test_two_calls_share_nothing():
    first, second = made(), made()

    first.state["key"] = 1
    first.info.attempts += 1

    assert (second.state, second.info.attempts) == ({}, 0)


def test_is_equal_to_itself_alone():
    call = made()

    assert call != call.copy()
    assert len({call, call.copy(), call}) == 2


def test_without_listeners_an_event_goes_nowhere():
    call = made()

    call.notify(AttemptStarted(tool="t", number=1))

    assert not call.observed


def test_outside_a_thread_nobody_has_left():
    assert made().cancelled is False


def test_a_correlation_id_is_made_once_and_is_its_own():
    first, second = CallInfo(), CallInfo()

    assert first.correlation_id == first.correlation_id
    assert first.correlation_id != second.correlation_id


def test_keeps_the_last_failures_only():
    info = CallInfo()

    for number in range(EARLIER_KEPT + 5):
        info.failed_before(OSError(number))

    assert [error.args[0] for error in info.earlier] == list(range(5, EARLIER_KEPT + 5))


def test_keeps_the_last_ten_failures():
    info = CallInfo()

    for number in range(12):
        info.failed_before(OSError(number))

    assert len(info.earlier) == 10


@pytest.mark.parametrize("value", [None, {"a": 1, "b": "text"}])
def test_without_containers_its_own_arguments_are_those_that_it_has(value):
    call = made()
    call._validated = value

    assert call.with_own_arguments() is call


@pytest.mark.parametrize(
    ("value", "inside"),
    [
        ({"k": []}, lambda value: value["k"]),
        ([[]], lambda value: value[0]),
        (([],), lambda value: value[0]),
        ({1}, lambda value: value),
    ],
)
def test_its_own_arguments_are_in_containers_that_nobody_else_holds(value, inside):
    call = made()
    call._validated = {"a": value}

    own = call.with_own_arguments().arguments["a"]

    assert own == value
    assert inside(own) is not inside(value)


def test_its_own_arguments_share_what_is_no_plain_container():
    call, shared = made(), OrderedDict(k=1)
    call._validated = {"a": [shared]}

    assert call.with_own_arguments().arguments["a"][0] is shared
