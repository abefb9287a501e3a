"""How much a run may use, which policy holds for it, and what it was made with."""

import copy
import math
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from decimal import Decimal

import pytest

from toolcase import BudgetSpec, PolicyRef, RunVersions

LIMITS = [each.name for each in fields(BudgetSpec)]


def pickled(record):
    """The same, as another process has it."""
    return pickle.loads(pickle.dumps(record))  # noqa: S301  our own


COUNTS = ["max_tokens", "max_tool_calls", "max_turns"]


class TestBudget:
    """The most that a run may use."""

    def test_sets_no_limit_unless_told(self):
        assert [getattr(BudgetSpec(), name) for name in LIMITS] == [None] * 5

    @pytest.mark.parametrize("name", COUNTS)
    @pytest.mark.parametrize("value", [0, 1, 10**12])
    def test_takes_counts_and_none_at_all(self, name, value):
        assert getattr(BudgetSpec(**{name: value}), name) == value

    @pytest.mark.parametrize("name", COUNTS)
    def test_refuses_a_count_below_zero(self, name):
        with pytest.raises(ValueError, match=f"{name} must be at least 0, got -1"):
            BudgetSpec(**{name: -1})

    @pytest.mark.parametrize("name", COUNTS)
    @pytest.mark.parametrize("value", [True, 1.0, "1", math.inf])
    def test_refuses_what_is_no_count(self, name, value):
        with pytest.raises(TypeError, match=f"{name} must be a whole number, got {value!r}"):
            BudgetSpec(**{name: value})

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            (0.1, "0.1"),
            (10.0, "10.0"),
            (1e300, "1E+300"),
            (3, "3"),
            ("2.50", "2.50"),
            (Decimal("1.10"), "1.10"),
            (0, "0"),
        ],
    )
    def test_a_cost_is_exact_at_once(self, given, kept):
        cost = BudgetSpec(max_cost=given).max_cost

        assert (type(cost), str(cost)) == (Decimal, kept)

    @pytest.mark.parametrize(
        "value", [-1, -0.01, "-1", math.nan, math.inf, "NaN", "sNaN", "Infinity", Decimal("NaN")]
    )
    def test_refuses_a_cost_that_is_no_amount(self, value):
        with pytest.raises(ValueError, match=f"max_cost must be an amount of at least 0, got .*{value}"):
            BudgetSpec(max_cost=value)

    @pytest.mark.parametrize("value", ["", "ten", "1,50"])
    def test_refuses_text_that_is_no_number(self, value):
        with pytest.raises(ValueError, match=f'max_cost must be an amount such as "2.50", got {value!r}'):
            BudgetSpec(max_cost=value)

    @pytest.mark.parametrize("value", [True, b"1", [1], 1j])
    def test_refuses_a_cost_of_another_kind(self, value):
        with pytest.raises(TypeError, match="max_cost must be an amount as int, float, str or Decimal, got "):
            BudgetSpec(max_cost=value)

    @pytest.mark.parametrize("value", [300, 0.5])
    def test_takes_a_runtime(self, value):
        assert BudgetSpec(max_runtime_seconds=value).max_runtime_seconds == value

    def test_an_infinite_runtime_is_no_limit(self):
        assert BudgetSpec(max_runtime_seconds=math.inf) == BudgetSpec()

    @pytest.mark.parametrize("value", [0, -1, math.nan])
    def test_refuses_a_runtime_that_is_no_duration(self, value):
        with pytest.raises(ValueError, match=f"max_runtime_seconds must be above 0 seconds, got {value}"):
            BudgetSpec(max_runtime_seconds=value)

    @pytest.mark.parametrize("value", [True, "5"])
    def test_refuses_a_runtime_that_is_no_number(self, value):
        with pytest.raises(
            TypeError, match=f"max_runtime_seconds must be a number of seconds, got {value!r}"
        ):
            BudgetSpec(max_runtime_seconds=value)

    @pytest.mark.parametrize("name", LIMITS)
    def test_within_another_has_the_smaller_limit_of_each(self, name):
        small, large, none = (BudgetSpec(**{name: limit}) for limit in (2, 3, None))

        assert [mine.within(large) for mine in (small, large, none)] == [small, large, large]
        assert large.within(small) == small
        assert large.within(none) == large

    def test_within_none_is_itself(self):
        budget = BudgetSpec(max_turns=3)

        assert budget.within(None) is budget

    def test_is_not_changed(self):
        with pytest.raises(FrozenInstanceError):
            BudgetSpec().max_turns = 3

    @pytest.mark.parametrize("again", [copy.deepcopy, replace, pickled])
    def test_copies_are_equal(self, again):
        budget = BudgetSpec(max_cost="0.10", max_turns=3)

        assert again(budget) == budget
        assert hash(again(budget)) == hash(budget)


class TestPolicy:
    """Which policy, by name."""

    def test_overrides_are_a_copy_that_nobody_assigns_to(self):
        given = {"allow_web": True}
        policy = PolicyRef("production", overrides=given)

        given["allow_web"] = False

        assert policy.overrides == {"allow_web": True}
        with pytest.raises(TypeError, match="read-only"):
            policy.overrides["allow_web"] = False

    def test_can_be_hashed(self):
        assert hash(PolicyRef("a", overrides={"b": []})) == hash(PolicyRef("a"))

    @pytest.mark.parametrize("value", ["", None])
    def test_refuses_no_name(self, value):
        with pytest.raises(ValueError, match=f"name must be the name of a policy, got {value!r}"):
            PolicyRef(value)

    @pytest.mark.parametrize("value", [5, b"a"])
    @pytest.mark.parametrize("name", ["name", "version"])
    def test_refuses_what_is_no_text(self, name, value):
        with pytest.raises(TypeError, match=f"{name} must be text, got {value!r}"):
            PolicyRef(**{"name": "p", name: value})

    def test_refuses_overrides_that_are_no_mapping(self):
        with pytest.raises(TypeError, match="overrides must be a mapping, got 5"):
            PolicyRef("p", overrides=5)


class TestVersions:
    """What a run was made with."""

    @pytest.mark.parametrize(
        "name", ["runtime_version", "llm_client_version", "operator_version", "model_version"]
    )
    def test_refuses_what_is_no_text(self, name):
        with pytest.raises(TypeError, match=f"{name} must be text, got 1.0"):
            RunVersions(**{name: 1.0})

    @pytest.mark.parametrize(("value", "kind"), [(-1, ValueError), ("1", TypeError), (True, TypeError)])
    def test_refuses_a_schema_version_that_is_no_count(self, value, kind):
        with pytest.raises(kind, match=f"schema_version must be .*, got {value!r}"):
            RunVersions(schema_version=value)
