"""How many retries all calls of a tool may make together."""

import gc
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolcase import tool
from toolcase.runtime import RetryBudget, RetryPolicy


def made(name="t"):
    """A tool."""
    return tool(name=name)(lambda: None)


def retries(budget, tool):
    """How many are left; they are taken."""
    return next(taken for taken in range(10**6) if not budget.withdraw(tool))


def test_has_ten_retries_in_reserve():
    assert retries(RetryBudget(), made()) == 10


def test_the_reserve_is_a_setting():
    assert retries(RetryBudget(reserve=3), made()) == 3


@pytest.mark.parametrize(("ratio", "calls"), [(0.2, 5), (0.1, 10), (0.5, 2), (1, 1), (0.3, 4)])
def test_a_retry_is_earned_by_as_many_calls_as_the_ratio_says(ratio, calls):
    budget, one = RetryBudget(ratio=ratio, reserve=1), made()
    budget.withdraw(one)

    for _ in range(calls - 1):
        budget.deposit(one)
    before = budget.withdraw(one)
    budget.deposit(one)

    assert (before, budget.withdraw(one)) == (False, True)


def test_earns_a_fifth_of_a_retry_per_call_unless_told_otherwise():
    budget, one = RetryBudget(), made()
    retries(budget, one)

    for _ in range(15):
        budget.deposit(one)

    assert retries(budget, one) == 3


def test_never_holds_more_than_the_reserve():
    budget, one = RetryBudget(reserve=2), made()

    for _ in range(100):
        budget.deposit(one)

    assert retries(budget, one) == 2


def test_each_tool_has_a_bucket_of_its_own():
    budget, first, second = RetryBudget(), made(), made()
    retries(budget, first)

    assert (retries(budget, first), retries(budget, second)) == (0, 10)


def test_two_budgets_with_equal_settings_are_two():
    first, second, shared = RetryBudget(), RetryBudget(), made()
    assert first != second

    retries(first, shared)

    assert retries(second, shared) == 10


def test_a_policy_with_one_can_be_a_key():
    policy = RetryPolicy(budget=RetryBudget())

    assert {policy: 7}[policy] == 7


def test_its_repr_is_how_it_was_made():
    assert repr(RetryBudget()) == "RetryBudget(ratio=0.2, reserve=10)"


@pytest.mark.parametrize("hidden", ["_share", "_left", "_lock"])
def test_what_it_keeps_is_no_setting(hidden):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{hidden}'"):
        RetryBudget(**{hidden: None})


def test_its_settings_are_given_by_name():
    with pytest.raises(TypeError, match="positional"):
        RetryBudget(0.2)


def test_a_tool_that_is_gone_takes_its_bucket_along():
    budget, gone = RetryBudget(), made()
    budget.withdraw(gone)
    assert len(budget._left) == 1

    del gone
    gc.collect()

    assert len(budget._left) == 0


@pytest.mark.parametrize("value", [0, math.inf])
def test_refuses_a_ratio_of_none_or_all(value):
    with pytest.raises(ValueError, match=r"ratio must be a finite number above 0, got .*budget=None"):
        RetryBudget(ratio=value)


@pytest.mark.parametrize("value", [-1, math.nan])
def test_refuses_a_ratio_below_zero(value):
    with pytest.raises(ValueError, match=f"ratio must be at least 0, got {value}"):
        RetryBudget(ratio=value)


@pytest.mark.parametrize("value", [True, "0.2", None])
def test_refuses_a_ratio_that_is_no_number(value):
    with pytest.raises(TypeError, match=f"ratio must be a number, got {value!r}"):
        RetryBudget(ratio=value)


@pytest.mark.parametrize(
    ("value", "kind"), [(0, ValueError), (-1, ValueError), (2.5, TypeError), (True, TypeError)]
)
def test_refuses_a_reserve_that_is_no_count(value, kind):
    with pytest.raises(kind, match=f"reserve must be .*, got {value!r}"):
        RetryBudget(reserve=value)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    ratio=st.floats(0.001, 5) | st.sampled_from([0.1, 0.2, 0.3, 1, 2]),
    reserve=st.integers(1, 20),
    steps=st.lists(st.booleans(), max_size=200),
)
def test_law_17_no_prefix_has_more_retries_than_the_reserve_and_the_ratio_allow(ratio, reserve, steps):
    budget, one, calls, taken = RetryBudget(ratio=ratio, reserve=reserve), made(), 0, 0

    for is_call in steps:
        if is_call:
            budget.deposit(one)
            calls += 1
        else:
            taken += budget.withdraw(one)

        assert taken <= reserve + Fraction(repr(ratio)) * calls
