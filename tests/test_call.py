"""A call: what it shows, what its copies share, whom it tells."""

import decimal
import sys
import threading
from collections import OrderedDict
from decimal import Decimal

import anyio
import pytest

from toolcase import Call, CallInfo, ExecutionContext, Registry, Usage
from toolcase.call import EARLIER_KEPT
from toolcase.events import AttemptStarted, GuardFailed, UsageReported
from toolcase.runtime import compose
from toolcase.testing import Give, Recorder, Script


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


# What it has used


def test_has_used_nothing_at_first():
    assert made().info.usage == Usage(tokens=0, cost=0, turns=0)


def test_reports_of_usage_add_up():
    call = made()

    call.report_usage(tokens=3, cost=0.1, turns=1)
    call.report_usage(tokens=4, cost="0.20", model="m")

    assert call.info.usage == Usage(tokens=7, cost=Decimal("0.3"), turns=1)


def test_copies_use_together():
    call = made()

    call.copy().report_usage(tokens=3)

    assert call.info.usage.tokens == 3


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ({"tokens": -1}, "tokens cannot be -1: Expected `int` >= 0"),
        ({"tokens": True}, "tokens cannot be True: Expected `int`"),
        ({"turns": 1.5}, "turns cannot be 1.5: Expected `int`"),
        ({"cost": -1}, "cost must be an amount of at least 0, got -1"),
        ({"cost": float("inf")}, "cost must be an amount of at least 0, got Infinity"),
        ({"cost": "1e1000000"}, "cost must be an amount of at least 0, got Infinity"),
        ({"cost": "a lot"}, "cost cannot be 'a lot'"),
        ({"cost": True}, "cost cannot be True"),
    ],
)
def test_refuses_what_is_no_use_and_records_none_of_it(used, said):
    call = made()

    with pytest.raises(ValueError, match=said):
        call.report_usage(**{"tokens": 1, "cost": 1, **used})

    assert call.info.usage == Usage()


def test_a_sum_of_costs_is_exact_whatever_the_tool_rounds_to():
    call = made()

    with decimal.localcontext(prec=2):
        for _ in range(1_000):
            call.report_usage(cost=Decimal("1.001"))

    assert call.info.usage.cost == Decimal("1001.000")


@pytest.fixture
def hasty():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_no_report_is_lost_among_threads():
    call = made()
    threads = [
        threading.Thread(target=lambda: [call.report_usage(tokens=1) for _ in range(500)]) for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert call.info.usage.tokens == 2_000


def test_a_meter_is_told_each_report_once():
    call, told = made(), []
    call.metered_by(told.append)
    call.metered_by(told.append)

    call.report_usage(tokens=3, cost=1, turns=2, model="m")

    assert told == [UsageReported(tool="t", tokens=3, cost=Decimal(1), turns=2, model="m")]


def test_what_a_meter_raises_is_reported_and_does_not_reach_the_tool():
    def broken(said):
        raise fault

    call, told, events, fault = made(), [], [], OSError("disk full")
    call.host.on_event(events.append)
    call.metered_by(broken)
    call.metered_by(told.append)

    call.report_usage(tokens=3)

    assert events == [GuardFailed(tool="t", middleware=broken, error=fault)]
    assert (len(told), call.info.usage.tokens) == (1, 3)


class Threaded(Recorder):
    """Keeps in which thread it is told, too."""

    def on_event(self, call, event):
        super().on_event(call, event)
        call.state["thread"] = threading.get_ident()


def reporter(sync):
    if sync:

        def spends(call: Call) -> None:
            call.report_usage(tokens=3)
    else:

        async def spends(call: Call) -> None:
            call.report_usage(tokens=1)
            thread = threading.Thread(target=lambda: call.report_usage(tokens=2))
            thread.start()
            thread.join()
            await anyio.sleep(1)  # for what the thread has left to the loop

    return spends


@pytest.mark.parametrize("sync", [False, True])
async def test_observers_are_told_in_the_loop_before_the_call_ends(sync):
    registry, recorder = Registry(), Threaded()
    registry.use(recorder)
    registry.add(reporter(sync))

    await registry.call("spends")

    (record,) = recorder.records
    assert sum(event.tokens for event in record.events) == record.call.info.usage.tokens == 3
    assert record.call.state["thread"] == threading.get_ident()


async def test_observers_without_a_registry_are_told_in_the_loop_too():
    recorder, registry = Threaded(), Registry()

    await compose(recorder)(registry.add(reporter(True)) or registry.get("spends"))()

    assert recorder.records[0].call.state["thread"] == threading.get_ident()


def test_a_report_after_the_loop_has_gone_is_recorded():
    recorder, registry, calls = Recorder(), Registry(), []
    registry.use(recorder)

    @registry.tool
    async def spends(call: Call) -> None:
        calls.append(call)

    registry.blocking().call("spends")
    calls[0].report_usage(tokens=3)

    assert calls[0].info.usage.tokens == 3
    assert len(recorder.records[0].events) == 1
