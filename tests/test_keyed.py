"""State by key: bounded, and what is in use is never forgotten."""

import pytest

from toolcase import ExecutionContext, Registry
from toolcase.keyed import Keyed, by_principal, by_scope, by_tool, together


class State:
    def __init__(self):
        self.busy = False


def keyed(most=2):
    return Keyed(State, idle=lambda state: not state.busy, most=most)


def test_a_key_has_one_state():
    states = keyed()

    assert states.get("a") is states.get("a")
    assert states.get("a") is not states.get("b")


def test_the_least_recently_asked_for_goes():
    states = keyed()
    kept = states.get("a")
    states.get("b")
    states.get("a")

    states.get("c")

    assert states.find("a") is kept
    assert states.find("b") is None
    assert len(states) == 2


def test_looking_keeps_none():
    states = keyed()
    states.get("a")
    states.get("b")
    states.find("a")

    states.get("c")

    assert [key for key, _ in states] == ["b", "c"]


def test_what_is_in_use_stays():
    states = keyed()
    states.get("a").busy = True
    states.get("b")

    states.get("c")

    assert [key for key, _ in states] == ["a", "c"]


def test_with_all_in_use_there_is_no_room():
    states = keyed(most=1)
    states.get("a").busy = True

    assert states.get("b") is None
    assert states.get("a") is not None


def test_dropped_it_is_made_anew():
    states = keyed()
    before = states.get("a")

    states.drop("a")
    states.drop("unknown")

    assert states.get("a") is not before


def test_a_state_that_is_false_is_one_all_the_same():
    states = Keyed(list, idle=lambda state: not state)

    assert states.get("a") is states.get("a")


@pytest.mark.parametrize("most", [0, -1, True, 1.5])
def test_room_is_a_whole_number(most):
    with pytest.raises((TypeError, ValueError), match="most must be"):
        keyed(most)


async def test_the_usual_keys():
    registry = Registry()
    keys = []

    async def note(call, inner):
        keys.append([key(call) for key in (by_tool, by_scope, by_principal, together)])

    registry.use(note)

    @registry.tool
    async def t():
        return None

    who = ExecutionContext(scope_id="acme", principal_id="ann")

    await registry.execute("t", context=who)
    await registry.execute("t")

    assert keys == [["t", "acme", ("acme", "ann"), None], ["t", None, (None, None), None]]
