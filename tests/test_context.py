"""Who asks, and how calls hang together."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import pytest

from toolcase import Call, ExecutionContext, Registry

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
    metadata={"tags": ["a"]},
)


def test_is_not_changed():
    with pytest.raises(FrozenInstanceError):
        FULL.scope_id = "other"


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


def test_contexts_of_other_callers_differ():
    assert ExecutionContext(scope_id="a") != ExecutionContext(scope_id="b")


class TestChild:
    """A nested context is the same, save for its span."""

    def test_has_a_span_of_its_own_below_ours(self):
        child = FULL.child()

        assert (child.trace_id, child.parent_span_id) == (FULL.trace_id, FULL.span_id)
        assert child.span_id != FULL.span_id

    def test_keeps_everything_else(self):
        child = FULL.child()

        spans = {"span_id", "parent_span_id"}
        kept = [name for name in ExecutionContext.__slots__ if name not in spans]
        assert [getattr(child, name) for name in kept] == [getattr(FULL, name) for name in kept]

    def test_begins_a_trace_where_there_is_none(self):
        child = ExecutionContext().child()

        assert (len(bytes.fromhex(child.trace_id)), len(bytes.fromhex(child.span_id))) == (16, 8)
        assert child.parent_span_id is None

    def test_is_the_same_where_no_span_is_wanted(self):
        assert FULL.child(new_span=False) is FULL


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


def test_a_copy_is_of_the_hosts_own_kind():
    class Own(ExecutionContext):
        """What a host made of it."""

    assert type(copy.copy(Own(scope_id="tenant"))) is Own
