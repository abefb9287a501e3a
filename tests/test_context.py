"""Who asks, within which limits, and how calls hang together."""

import copy
import json
import pickle
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolcase import (
    BudgetSpec,
    Call,
    CancellationToken,
    ExecutionContext,
    PolicyRef,
    Registry,
    RequestContext,
    RunVersions,
)

FULL = ExecutionContext(
    scope_id="tenant",
    principal_id="person",
    session_id="talk",
    run_id="run",
    job_id="job",
    trace_id="1" * 32,
    span_id="2" * 16,
    parent_span_id="3" * 16,
    idempotency_key="once",
    budgets=BudgetSpec(max_tokens=10, max_cost=0.1),
    policy_ref=PolicyRef("production", "v1", {"allow_web": True}),
    versions=RunVersions(model_version="m", schema_version=1),
    metadata={"tags": ["a"]},
)

DATA = {
    "scope_id": "tenant",
    "principal_id": "person",
    "session_id": "talk",
    "run_id": "run",
    "job_id": "job",
    "trace_id": "1" * 32,
    "span_id": "2" * 16,
    "parent_span_id": "3" * 16,
    "idempotency_key": "once",
    "budgets": {"max_tokens": 10, "max_cost": "0.1"},
    "policy_ref": {"name": "production", "version": "v1", "overrides": {"allow_web": True}},
    "versions": {"model_version": "m", "schema_version": 1},
    "metadata": {"tags": ["a"]},
}

NAMES = list(ExecutionContext.__struct_fields__)
TEXTS = NAMES[: NAMES.index("budgets")]


@pytest.mark.parametrize("name", NAMES)
def test_is_not_changed(name):
    with pytest.raises(AttributeError, match="immutable"):
        setattr(FULL, name, None)


def test_keeps_a_copy_of_the_metadata_that_nobody_assigns_to():
    given = {"a": 1}
    context = ExecutionContext(metadata=given)

    given["a"] = 2

    assert context.metadata == {"a": 1}
    with pytest.raises(TypeError):
        context.metadata["a"] = 3


def pickled(context):
    """The same, as another process has it."""
    return pickle.loads(pickle.dumps(context))  # noqa: S301  our own


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
def test_copies_are_equal(again):
    assert again(FULL) == FULL
    assert hash(again(FULL)) == hash(FULL)


def test_a_deep_copy_shares_no_metadata():
    copied = copy.deepcopy(FULL)

    copied.metadata["tags"].append("b")

    assert FULL.metadata == {"tags": ["a"]}


def test_a_deep_copy_has_the_same_token():
    context = ExecutionContext(cancellation=CancellationToken())

    assert copy.deepcopy(context).cancellation is context.cancellation


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cancellation"])
def test_contexts_that_differ_in_one_thing_differ(name):
    assert msgspec.structs.replace(FULL, **{name: {} if name == "metadata" else None}) != FULL


def test_contexts_of_two_tokens_differ():
    first, second = (ExecutionContext(cancellation=CancellationToken()) for _ in range(2))

    assert first != second


def test_what_differs_in_metadata_alone_has_the_same_hash():
    assert hash(ExecutionContext(metadata={"a": []})) == hash(ExecutionContext())


def test_can_be_encoded_by_msgspec():
    assert json.loads(msgspec.json.encode(FULL))["policy_ref"] == DATA["policy_ref"]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", [5, b"x", True])
def test_refuses_what_is_no_text(name, value):
    with pytest.raises(ValueError, match=f"{name} cannot be {value!r}: Expected `str | null`, got "):
        ExecutionContext(**{name: value})


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("budgets", "Object contains unknown field `a`"),
        ("policy_ref", "Object contains unknown field `a`"),
        ("versions", "Object contains unknown field `a`"),
        ("cancellation", "Expected `CancellationToken`, got `dict`"),
    ],
)
def test_refuses_terms_of_another_kind(name, why):
    with pytest.raises(ValueError, match=f"{name} cannot be {{'a': 1}}: {why}"):
        ExecutionContext(**{name: {"a": 1}})


@pytest.mark.parametrize("value", [None, "a", [("a", 1)]])
def test_refuses_metadata_that_are_no_mapping(value):
    with pytest.raises(ValueError, match="metadata cannot be .*: Expected `object`, got "):
        ExecutionContext(metadata=value)


class TestChild:
    """A nested context is the same, save for its span."""

    def test_has_a_span_of_its_own_below_ours(self):
        child = FULL.child(new_span=True)

        assert (child.trace_id, child.parent_span_id) == (FULL.trace_id, FULL.span_id)
        assert child.span_id != FULL.span_id
        assert len(bytes.fromhex(child.span_id)) == 8

    def test_keeps_everything_else(self):
        full = msgspec.structs.replace(FULL, cancellation=CancellationToken())

        child = full.child()

        kept = [name for name in NAMES if name not in {"span_id", "parent_span_id"}]
        assert [getattr(child, name) for name in kept] == [getattr(full, name) for name in kept]

    def test_leaves_ours_as_it_is(self):
        before = FULL.to_dict()

        FULL.child()

        assert FULL.to_dict() == before

    def test_begins_a_trace_where_there_is_none(self):
        child = ExecutionContext().child()

        assert (len(bytes.fromhex(child.trace_id)), len(bytes.fromhex(child.span_id))) == (16, 8)
        assert child.parent_span_id is None
        assert child.span_id not in child.trace_id

    def test_spans_differ(self):
        assert len({FULL.child().span_id for _ in range(100)}) == 100

    def test_is_the_same_where_no_span_is_wanted(self):
        assert FULL.child(new_span=False) is FULL


def test_with_job_changes_the_job_alone():
    assert FULL.with_job("other") == msgspec.structs.replace(FULL, job_id="other")


@pytest.mark.parametrize("job_id", [b"j", 5])
def test_with_job_refuses_what_is_no_text(job_id):
    with pytest.raises(ValueError, match=f"job_id cannot be {job_id}: Expected `str | null`, got "):
        FULL.with_job(job_id)


def test_a_request_is_told_who_asks_and_under_which_span_and_nothing_more():
    assert FULL.to_request_context() == RequestContext(
        scope_id="tenant",
        principal_id="person",
        session_id="talk",
        run_id="run",
        job_id="job",
        trace_id="1" * 32,
        span_id="2" * 16,
        parent_span_id="3" * 16,
    )


class TestData:
    """A context as plain JSON data, and back."""

    def test_says_all_that_is_set(self):
        assert FULL.to_dict() == DATA

    def test_says_nothing_of_what_is_not_set(self):
        assert ExecutionContext().to_dict() == {}

    def test_says_that_there_are_terms_which_set_nothing(self):
        assert ExecutionContext(budgets=BudgetSpec()).to_dict() == {"budgets": {}}

    def test_leaves_the_token_out(self):
        assert ExecutionContext(run_id="r", cancellation=CancellationToken()).to_dict() == {"run_id": "r"}

    def test_shares_nothing_with_the_context(self):
        FULL.to_dict()["metadata"]["tags"].append("b")

        assert FULL.metadata == {"tags": ["a"]}

    def test_reads_what_it_wrote(self):
        assert ExecutionContext.from_dict(json.loads(json.dumps(FULL.to_dict()))) == FULL

    def test_leaves_what_it_reads_as_it_is(self):
        data = copy.deepcopy(DATA)

        ExecutionContext.from_dict(data)

        assert data == DATA

    def test_reads_null_as_not_set(self):
        data = {name: None for name in NAMES if name not in {"metadata", "cancellation"}}

        assert ExecutionContext.from_dict(data) == ExecutionContext()

    def test_a_tuple_becomes_a_list(self):
        assert ExecutionContext(metadata={"a": (1, (2,))}).to_dict() == {"metadata": {"a": [1, [2]]}}

    @pytest.mark.parametrize("value", [Decimal(1), float("nan"), float("inf"), b"x", {1}, object])
    def test_refuses_to_write_what_json_cannot_say(self, value):
        context = ExecutionContext(metadata={"a": [{"b": value}]})

        with pytest.raises(TypeError, match=r"^metadata\['a'\]\[0\]\['b'\] is .* which JSON cannot say"):
            context.to_dict()

    def test_refuses_to_write_a_key_that_is_no_text(self):
        context = ExecutionContext(policy_ref=PolicyRef("p", overrides={"a": {1: 2}}))

        with pytest.raises(TypeError, match=r"^policy_ref\.overrides\['a'\] has the key 1; "):
            context.to_dict()

    def test_refuses_to_write_what_holds_itself(self):
        round_and_round = []
        round_and_round.append(round_and_round)

        with pytest.raises(RecursionError):
            ExecutionContext(metadata={"a": round_and_round}).to_dict()

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({"tenant": "a"}, "the context has the key 'tenant', .* newer version"),
            ({"cancellation": None}, "the context has the key 'cancellation'"),
            ({5: "a"}, "the context has the key 5"),
            ({"budgets": {"max_pages": 1}}, "budgets cannot be .*contains unknown field `max_pages`"),
            ({"budgets": {"max_cost": "-1"}}, "max_cost must be an amount of at least 0, got -1"),
            ({"budgets": {"max_tokens": "5"}}, "budgets cannot be .*'5'.*: Expected `int.*max_tokens"),
            ({"budgets": 5}, "budgets cannot be 5: "),
            ({"versions": {"schema_version": -1}}, "schema_version': -1}: Expected `int` >= 0"),
            ({"versions": {"model_version": 5}}, "model_version': 5}: Expected `str | null`, got `int`"),
            ({"policy_ref": {}}, "policy_ref cannot be {}: Object missing required field `name`"),
            ({"scope_id": 5}, "scope_id cannot be 5: Expected `str | null`, got `int`"),
            ({"metadata": None}, "metadata cannot be None: Expected `object`, got `null`"),
        ],
    )
    def test_refuses_to_read_what_does_not_fit(self, data, message):
        with pytest.raises(ValueError, match=message):
            ExecutionContext.from_dict(data)


texts = st.none() | st.text(max_size=8)
counts = st.none() | st.integers(0, 10**12)
json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.text(max_size=5), json_data, max_size=3)
contexts = st.builds(
    ExecutionContext,
    **dict.fromkeys(TEXTS, texts),
    budgets=st.none()
    | st.builds(
        BudgetSpec,
        max_tokens=counts,
        max_cost=st.none() | st.decimals(0, allow_nan=False, allow_infinity=False) | st.floats(0, 1e300),
        max_tool_calls=counts,
        max_turns=counts,
        max_runtime_seconds=st.none() | st.floats(0, exclude_min=True),
    ),
    policy_ref=st.none() | st.builds(PolicyRef, st.text(min_size=1), texts, mappings),
    versions=st.none() | st.builds(RunVersions, runtime_version=texts, schema_version=counts),
    metadata=mappings,
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(contexts)
def test_what_is_written_as_json_is_read_as_the_same(context):
    assert ExecutionContext.from_dict(json.loads(json.dumps(context.to_dict()))) == context


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (FULL.child(), True),
        (ExecutionContext(scope_id="tenant", principal_id="person"), True),
        (ExecutionContext(scope_id="tenant", principal_id="other"), False),
        (ExecutionContext(scope_id="other", principal_id="person"), False),
        (ExecutionContext(), False),
    ],
)
def test_tells_whether_another_speaks_for_the_same(other, same):
    assert FULL.same_caller(other) is same


def test_a_tool_is_given_the_context_of_its_call():
    call = Call("add", None, {}, FULL, Registry())

    assert ExecutionContext.__from_call__(call) is FULL


class Own(ExecutionContext, frozen=True):
    """What a host made of it."""


@pytest.mark.parametrize(
    "again",
    [copy.copy, pickled, Own.child, lambda own: own.with_job("j"), lambda own: Own.from_dict(own.to_dict())],
)
def test_what_is_made_of_it_is_of_the_hosts_own_kind(again):
    assert type(again(Own(scope_id="tenant"))) is Own


class Larger(ExecutionContext, frozen=True, kw_only=True):
    """With a field of the host's own."""

    region: str = "eu"


def test_a_field_of_the_hosts_own_goes_along():
    larger = Larger(region="us", scope_id="tenant")

    assert larger.child().region == "us"
    assert Larger.from_dict(larger.to_dict()) == larger
