"""How much a run may use, which policy holds for it, and what it was made with."""

import copy
import json
import math
import pickle
from decimal import Decimal

import pytest
from msgspec.structs import replace

from toolcase import BudgetSpec, PolicyRef, RunVersions, Usage
from toolcase.context import ReadOnly

LIMITS = list(BudgetSpec.__struct_fields__)


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
        with pytest.raises(ValueError, match=f"{name} cannot be -1: Expected `int` >= 0"):
            BudgetSpec(**{name: -1})

    @pytest.mark.parametrize("name", COUNTS)
    @pytest.mark.parametrize("value", [True, 1.0, "1", math.inf])
    def test_refuses_what_is_no_count(self, name, value):
        with pytest.raises(ValueError, match=f"{name} cannot be {value!r}: Expected `int"):
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
        ("value", "shown"),
        [
            *((-1, "-1"), (-0.01, "-0.01"), ("-1", "-1"), (math.nan, "NaN"), (math.inf, "Infinity")),
            *(("NaN", "NaN"), ("sNaN", "sNaN"), ("Infinity", "Infinity"), (Decimal("NaN"), "NaN")),
        ],
    )
    def test_refuses_a_cost_that_is_no_amount(self, value, shown):
        with pytest.raises(ValueError, match=f"max_cost must be an amount of at least 0, got {shown}; "):
            BudgetSpec(max_cost=value)

    @pytest.mark.parametrize("value", ["", "ten", "1,50"])
    def test_refuses_text_that_is_no_number(self, value):
        with pytest.raises(ValueError, match=f"max_cost cannot be {value!r}: Invalid decimal string"):
            BudgetSpec(max_cost=value)

    @pytest.mark.parametrize("value", [True, b"1", [1], 1j])
    def test_refuses_a_cost_of_another_kind(self, value):
        with pytest.raises(ValueError, match="max_cost cannot be .*: Expected `decimal | null`, got "):
            BudgetSpec(max_cost=value)

    @pytest.mark.parametrize("value", [300, 0.5])
    def test_takes_a_runtime(self, value):
        assert BudgetSpec(max_runtime_seconds=value).max_runtime_seconds == value

    def test_an_infinite_runtime_is_no_limit(self):
        assert BudgetSpec(max_runtime_seconds=math.inf) == BudgetSpec()

    @pytest.mark.parametrize("value", [0, -1, math.nan])
    def test_refuses_a_runtime_that_is_no_duration(self, value):
        with pytest.raises(ValueError, match=f"max_runtime_seconds cannot be {value}: Expected `float` > 0"):
            BudgetSpec(max_runtime_seconds=value)

    @pytest.mark.parametrize("value", [True, "5"])
    def test_refuses_a_runtime_that_is_no_number(self, value):
        with pytest.raises(ValueError, match=f"max_runtime_seconds cannot be {value!r}: Expected `float"):
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
        with pytest.raises(AttributeError, match="immutable"):
            BudgetSpec().max_turns = 3

    @pytest.mark.parametrize("again", [copy.deepcopy, replace, pickled])
    def test_copies_are_equal(self, again):
        budget = BudgetSpec(max_cost="0.10", max_turns=3)

        assert again(budget) == budget
        assert hash(again(budget)) == hash(budget)


class TestUsage:
    """What was used."""

    def test_is_nothing_unless_told(self):
        assert Usage() == Usage(tokens=0, cost=Decimal(0), turns=0)

    @pytest.mark.parametrize("name", ["tokens", "turns", "cost"])
    def test_refuses_less_than_nothing(self, name):
        with pytest.raises(ValueError, match=f"{name} (cannot be|must be an amount of at least 0, got) -1"):
            Usage(**{name: -1})

    def test_adds_up(self):
        once = Usage(tokens=2**40, cost=0.1, turns=2)

        assert once.plus(once).plus(Usage(turns=1)) == Usage(tokens=2**41, cost="0.2", turns=5)

    def test_is_not_changed(self):
        with pytest.raises(AttributeError, match="immutable"):
            Usage().tokens = 3


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
        with pytest.raises(ValueError, match=f"name cannot be {value!r}: Expected `str`"):
            PolicyRef(value)

    @pytest.mark.parametrize("value", [5, b"a"])
    @pytest.mark.parametrize("name", ["name", "version"])
    def test_refuses_what_is_no_text(self, name, value):
        with pytest.raises(ValueError, match=f"{name} cannot be {value!r}: Expected `str"):
            PolicyRef(**{"name": "p", name: value})

    def test_refuses_overrides_that_are_no_mapping(self):
        with pytest.raises(ValueError, match="overrides cannot be 5: Expected `object`, got `int`"):
            PolicyRef("p", overrides=5)


class TestVersions:
    """What a run was made with."""

    @pytest.mark.parametrize(
        "name", ["runtime_version", "llm_client_version", "operator_version", "model_version"]
    )
    def test_refuses_what_is_no_text(self, name):
        with pytest.raises(ValueError, match=f"{name} cannot be 1.0: Expected `str | null`, got `float`"):
            RunVersions(**{name: 1.0})

    @pytest.mark.parametrize("value", [-1, "1", True])
    def test_refuses_a_schema_version_that_is_no_count(self, value):
        with pytest.raises(ValueError, match=f"schema_version cannot be {value!r}: Expected `int"):
            RunVersions(schema_version=value)


@pytest.mark.parametrize(
    "change",
    [
        lambda mapping: mapping.__setitem__("a", 2),
        lambda mapping: mapping.__delitem__("a"),
        lambda mapping: mapping.__ior__({"a": 2}),
        lambda mapping: mapping.update(a=2),
        lambda mapping: mapping.setdefault("b", 2),
        lambda mapping: mapping.pop("a"),
        lambda mapping: mapping.popitem(),
        lambda mapping: mapping.clear(),
    ],
)
def test_nobody_assigns_to_a_read_only_mapping(change):
    mapping = ReadOnly(a=1)

    with pytest.raises(TypeError, match="this mapping is read-only; make another one"):
        change(mapping)

    assert mapping == {"a": 1}


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_a_copy_is_read_only_too(again):
    assert type(again(ReadOnly(a=1))) is ReadOnly


def test_another_one_is_made_of_it_with_ease():
    mapping = ReadOnly(a=1)

    assert {**mapping, "b": 2} == mapping | {"b": 2} == {"a": 1, "b": 2}
    assert json.dumps(mapping) == '{"a": 1}'
