"""Faults on purpose: which, how often, the same each time, and noted down."""

import math

import anyio
import pytest

from toolcase import Registry
from toolcase.runtime import ExponentialBackoff, RetryMiddleware, RetryPolicy
from toolcase.testing import At, Delay, Fail, FaultPlan, Faults, Give, Hang, Injected, Script, current_clock

RUNS = range(1, 2001)


def kinds(plan, tool="t"):
    return [type(plan.fault(tool, number)) for number in RUNS]


def registry_with(faults, *names):
    registry = Registry()
    registry.use(faults)
    registry.add(*(Script(Give(name)).tool(name) for name in names))
    return registry


@pytest.mark.parametrize(("setting", "kind"), [("fail", Fail), ("delay", Delay), ("hang", Hang)])
def test_a_share_of_the_runs_goes_wrong(setting, kind):
    found = kinds(FaultPlan(**{setting: 0.2}))

    assert set(found) == {kind, type(None)}
    assert 0.17 < found.count(kind) / len(RUNS) < 0.23


def test_the_shares_stand_side_by_side():
    found = kinds(FaultPlan(fail=0.5, delay=0.25, hang=0.25))

    assert type(None) not in found
    assert 0.46 < found.count(Fail) / len(RUNS) < 0.54


def test_nothing_goes_wrong_by_default():
    assert set(kinds(FaultPlan())) == {type(None)}


def test_the_same_seed_gives_the_same_faults_and_another_others():
    one, same, other = (kinds(FaultPlan(seed=seed, fail=0.5)) for seed in (1, 1, 2))

    assert one == same != other


def test_each_tool_has_faults_of_its_own():
    plan = FaultPlan(fail=0.5)

    assert kinds(plan, "a") != kinds(plan, "b")


def test_errors_says_what_is_raised():
    plan = FaultPlan(fail=1, errors=(KeyError, OSError))

    errors = [plan.fault("t", number).error for number in RUNS]

    assert {type(error) for error in errors} == {KeyError, OSError}
    assert errors[0].args == ("fault on purpose in run 1 of 't'",)


def test_seconds_bounds_how_long_a_run_is_delayed():
    delays = [FaultPlan(delay=1, seconds=(3, 4)).fault("t", number).seconds for number in RUNS]

    assert 3 <= min(delays) < 3.1
    assert 3.9 < max(delays) <= 4


def test_only_narrows_the_shares_by_name():
    plan = FaultPlan(fail=1, only="db_*")

    assert plan.fault("db_read", 1)
    assert plan.fault("mail", 1) is None


def test_at_says_which_run_of_which_tool():
    plan = FaultPlan(only="nothing", at=(At("db_*", 3, Hang()),))

    assert [plan.fault("db_read", number) for number in (1, 2, 3, 4)] == [None, None, Hang(), None]
    assert plan.fault("mail", 3) is None


def test_at_comes_before_the_shares():
    assert FaultPlan(fail=1, at=(At("*", 1, Delay(2)),)).fault("t", 1) == Delay(2)


@pytest.mark.parametrize("setting", ["fail", "delay", "hang"])
@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_a_share_is_from_0_to_1(setting, value):
    with pytest.raises(ValueError, match=f"{setting} must be a share from 0 to 1, got {value}"):
        FaultPlan(**{setting: value})


@pytest.mark.parametrize("value", [True, "0.5"])
def test_a_share_is_a_number(value):
    with pytest.raises(TypeError, match="fail must be a share from 0 to 1"):
        FaultPlan(fail=value)


def test_there_is_no_more_than_all_runs():
    with pytest.raises(ValueError, match=r"fail=0.6, delay=0.3 and hang=0.2 are more than all runs"):
        FaultPlan(fail=0.6, delay=0.3, hang=0.2)


@pytest.mark.parametrize("seconds", [(2, 1), (-1, 1), (0, math.inf), (math.nan, 1)])
def test_seconds_is_a_range(seconds):
    with pytest.raises(ValueError, match="seconds must be a range"):
        FaultPlan(seconds=seconds)


def test_there_must_be_an_error_to_raise():
    with pytest.raises(ValueError, match="errors must name at least one"):
        FaultPlan(errors=())


def test_runs_count_from_1():
    with pytest.raises(ValueError, match="the number in at must be at least 1, got 0"):
        FaultPlan(at=(At("*", 0, Hang()),))


async def test_a_run_that_fails_does_not_start_the_tool():
    registry = registry_with(Faults(FaultPlan(at=(At("t", 1, Fail(OSError("full"))),))), "t")

    result = await registry.execute("t")

    assert (result.error.type, result.attempts) == ("OSError", 0)


async def test_a_run_that_is_delayed_gives_its_value_later():
    registry = registry_with(Faults(FaultPlan(at=(At("t", 1, Delay(5)),))), "t")

    assert await registry.call("t") == "t"
    assert current_clock().now == 5


async def test_a_run_that_hangs_ends_when_it_is_cancelled():
    registry = registry_with(Faults(FaultPlan(hang=1)), "t")

    result = await registry.execute("t", timeout=3)

    assert result.error.code.value == "TIMEOUT"
    assert current_clock().now == 3


async def test_every_attempt_is_a_run_of_its_own():
    faults, registry = Faults(FaultPlan(at=(At("t", 1, Fail(ConnectionError())),))), Registry()
    registry.use(RetryMiddleware(RetryPolicy(backoff=ExponentialBackoff(base=0.1))), faults)
    registry.add(Script(Give(7)).tool("t"))

    assert await registry.call("t") == 7
    assert [injected.number for injected in faults.injected] == [1]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
async def test_faults_do_not_depend_on_the_order_of_calls(order):
    plan = FaultPlan(seed=3, fail=0.5)
    faults = Faults(plan)
    registry = registry_with(faults, "a", "b")

    async with anyio.create_task_group() as group:
        for name in order * 20:
            group.start_soon(registry.execute, name)

    for name in order:
        failed = {injected.number for injected in faults.injected if injected.tool == name}
        assert failed == {number for number in range(1, 21) if plan.fault(name, number)}


async def test_injected_keeps_what_happened_up_to_its_limit():
    faults = Faults(FaultPlan(at=tuple(At("t", number, Delay(number)) for number in (1, 2, 3))), limit=2)
    registry = registry_with(faults, "t")

    for _ in range(4):
        await registry.call("t")

    assert faults.injected == [Injected("t", 2, Delay(2)), Injected("t", 3, Delay(3))]
