"""Who waits for a call, and being told of who comes."""

from toolcase import Registry
from toolcase.call import Call
from toolcase.waiting import Waiters, told_who_comes, waits_for


def a_call(parent=None, *, shared=False):
    call = Call("t", None, {}, None, Registry(), parent)
    if shared:
        call.info._waiters = Waiters()
    return call


def test_for_a_child_call_that_in_whose_body_it_was_made():
    outer = a_call()

    assert list(waits_for(a_call(outer))) == [outer]
    assert list(waits_for(outer)) == []


def test_for_a_shared_run_those_who_say_so_and_as_long_as_nobody_does_the_call_around():
    outer, other = a_call(), a_call()
    run = a_call(outer, shared=True)
    assert list(waits_for(run)) == [outer]

    run.info._waiters.add(other)

    assert list(waits_for(run)) == [other]


def test_who_comes_to_any_run_around_is_told_of():
    far, near = a_call(shared=True), a_call(shared=True)
    inside, told = a_call(near), []

    with told_who_comes(inside, lambda: told.append(1)):
        near.info._waiters.add(a_call(far))
        far.info._waiters.add(a_call())
        assert len(told) == 2

    near.info._waiters.add(a_call())
    assert (len(told), far.info._waiters.watching, near.info._waiters.watching) == (2, {}, {})


def test_calls_that_wait_for_each_other_are_looked_at_once():
    one, other = a_call(shared=True), a_call(shared=True)
    one.info._waiters.add(other)
    other.info._waiters.add(one)

    with told_who_comes(one, lambda: None):
        assert len(other.info._waiters.watching) == 1
