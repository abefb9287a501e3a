"""Permits: never more out than there are, handed over in order, lent inwards, and none lost."""

import asyncio
import contextlib

import anyio
import pytest

from toolcase import Registry, ToolTimeout
from toolcase.call import Call
from toolcase.clock import asyncio_task
from toolcase.permits import Permits
from toolcase.testing import current_clock
from toolcase.waiting import Waiters


def a_call(name="t", parent=None):
    return Call(name, None, {}, None, Registry(), parent)


def a_stream(parent):
    return a_call(parent=parent).streaming_to(print)


def a_shared_run():
    run = a_call()
    run.info._waiters = Waiters()
    return run


class Queue:
    """Calls that wait, and the order in which their turns came."""

    def __init__(self, permits, tasks):
        self.permits, self.tasks = permits, tasks
        self.turns, self.scopes, self.tasks_of = {}, {}, {}

    async def join(self, name, **settings):
        """One more in the queue; it waits when this returns."""
        self.tasks.start_soon(self._wait, name, settings)
        await anyio.wait_all_tasks_blocked()

    async def _wait(self, name, settings):
        call = settings.pop("call", None) or a_call(name)
        self.tasks_of[name] = asyncio_task()
        with anyio.CancelScope() as self.scopes[name], contextlib.suppress(asyncio.CancelledError):
            self.turns[name] = self.permits.take(call) or await self.permits.wait(call, **settings)

    async def give_back(self, permit):
        self.permits.give_back(permit)
        await anyio.wait_all_tasks_blocked()

    async def strike(self, name):
        """Cancel whose turn has come in this tick. On trio it keeps its permit, which it gives back here."""
        task = self.tasks_of[name]
        task.cancel() if task else self.scopes[name].cancel()
        await anyio.wait_all_tasks_blocked()
        if name in self.turns:
            assert task is None
            await self.give_back(self.turns[name])

    async def cancel(self, name):
        self.scopes[name].cancel()
        await anyio.wait_all_tasks_blocked()


@pytest.fixture
def permits():
    return Permits(1, 10)


def counts(permits):
    return permits.running, permits.waiting


class TestTaking:
    def test_without_a_size_there_are_none_and_nobody_may_wait(self):
        permits = Permits()

        assert (permits.limit, permits.queue) == (0, 0)
        assert permits.take(a_call()) is None

    def test_there_are_as_many_as_the_limit_says(self):
        permits = Permits(2)

        taken = [permits.take(a_call()) for _ in range(3)]

        assert [permit is not None for permit in taken] == [True, True, False]
        assert permits.running == 2

    def test_one_that_is_given_back_can_be_taken_again(self, permits):
        permits.give_back(permits.take(a_call()))

        assert permits.running == 0
        assert permits.take(a_call())

    def test_two_runs_of_one_call_have_one_each(self):
        permits, call = Permits(2), a_call()
        first, second = permits.take(call), permits.take(call.copy())

        assert permits.running == 2
        permits.give_back(second)
        permits.give_back(first)
        assert permits.running == 0

    def test_no_two_are_equal(self):
        permits, call = Permits(2), a_call()

        assert permits.take(call) != permits.take(call)


class TestWaiting:
    async def test_a_turn_comes_when_a_permit_is_given_back(self, permits):
        permit = permits.take(a_call())
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("next")
            assert counts(permits) == (1, 1)

            await queue.give_back(permit)

        assert list(queue.turns) == ["next"]
        assert counts(permits) == (1, 0)

    async def test_equals_come_in_the_order_of_their_arrival(self, permits):
        permit = permits.take(a_call())
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            for name in "abc":
                await queue.join(name)

            for name in "abc":
                await queue.give_back(permit)
                permit = queue.turns[name]

        assert list(queue.turns) == ["a", "b", "c"]

    async def test_the_lowest_priority_goes_first(self, permits):
        permit = permits.take(a_call())
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("late", priority=1)
            await queue.join("usual")
            await queue.join("urgent", priority=-1)
            await queue.join("usual too", priority=0)

            for name in ("urgent", "usual", "usual too", "late"):
                await queue.give_back(permit)
                permit = queue.turns[name]

        assert list(queue.turns) == ["urgent", "usual", "usual too", "late"]

    async def test_nobody_gets_in_between(self, permits):
        permit = permits.take(a_call())
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("next")

            permits.give_back(permit)
            newcomer = permits.take(a_call())  # before the one whose turn it is knows

        assert newcomer is None
        assert permits.running == 1

    async def test_who_is_cancelled_leaves_at_once_and_holds_up_nobody(self, permits):
        permit = permits.take(a_call())
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("first")
            await queue.join("second")

            await queue.cancel("first")
            assert permits.waiting == 1
            await queue.give_back(permit)

        assert list(queue.turns) == ["second"]

    async def test_the_wait_has_a_limit_of_its_own(self, permits):
        permits.take(a_call())

        with pytest.raises(ToolTimeout, match="^'t' waited longer than 3 s for its turn$") as caught:
            await permits.wait(a_call(), seconds=3)

        assert (caught.value.kind, current_clock().now) == ("queue", pytest.approx(3))
        assert counts(permits) == (1, 0)

    async def test_no_trace_of_who_left_is_kept(self, permits):
        permits.take(a_call())
        for number in range(50):
            with anyio.move_on_after(1):
                await permits.wait(a_call(), priority=number)

        assert permits._lines == {}


class TestOneTick:
    """What comes in the same tick as a turn: known ways in which others have lost permits."""

    async def test_cpython_90155_who_is_cancelled_in_the_tick_of_its_turn_passes_it_on(self, permits):
        permit = permits.take(a_call())
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("struck")
            await queue.join("next")

            permits.give_back(permit)
            await queue.strike("struck")

        assert "next" in queue.turns
        assert counts(permits) == (1, 0)

    async def test_anyio_947_a_permit_passed_on_to_nobody_is_free(self, permits):
        permit = permits.take(a_call())
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("struck")

            permits.give_back(permit)
            await queue.strike("struck")

        assert counts(permits) == (0, 0)

    async def test_anyio_1145_only_cancelled_ones_in_the_queue_do_not_keep_a_permit(self, permits):
        permit = permits.take(a_call())
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("struck")

            queue.scopes["struck"].cancel()  # it has not left yet when the permit comes back
            permits.give_back(permit)
            await queue.join("newcomer")

        assert "newcomer" in queue.turns
        assert counts(permits) == (1, 0)

    async def test_anyio_1170_a_permit_on_its_way_is_out(self, permits):
        permit = permits.take(a_call())
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("next")

            permits.give_back(permit)

            assert counts(permits) == (1, 0)

    async def test_dotnet_77180_who_left_is_not_handed_a_permit(self, permits):
        permit = permits.take(a_call())
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("left")
            await queue.cancel("left")

            await queue.give_back(permit)

        assert counts(permits) == (0, 0)

    async def test_a_turn_that_comes_with_the_end_of_the_wait_is_not_lost(self, permits):
        permit = permits.take(a_call())

        async def give_back():
            await anyio.sleep(3)
            permits.give_back(permit)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(give_back)
            with contextlib.suppress(ToolTimeout):
                permits.give_back(await permits.wait(a_call(), seconds=3))

        assert counts(permits) == (0, 0)


class TestLending:
    """A call inside one that holds a permit."""

    def test_uses_the_permit_of_the_call_around(self, permits):
        outer = a_call()
        permits.take(outer)

        assert permits.take(a_call(parent=outer))
        assert permits.running == 1

    def test_uses_that_of_the_nearest_one_that_has_one(self, permits):
        outer = a_call()
        permit = permits.take(outer)
        between = a_call("another tool", parent=outer)

        assert permits.take(a_call(parent=between)).lender is permit

    def test_the_next_inside_uses_what_that_one_uses(self, permits):
        outer = a_call()
        permits.take(outer)
        middle = a_call(parent=outer)
        permit = permits.take(middle)

        assert permits.take(a_call(parent=middle)).lender is permit

    def test_a_second_one_at_the_same_time_takes_a_free_one(self):
        permits, outer = Permits(2), a_call()
        permits.take(outer)
        permits.take(a_call(parent=outer))

        assert permits.take(a_call(parent=outer)).lender is None
        assert permits.take(a_call(parent=outer)) is None
        assert permits.running == 2

    def test_those_that_share_a_run_lend_it_theirs_each_once(self):
        permits, outer = Permits(2), a_call()
        between, run = a_call("another tool", parent=outer), a_shared_run()
        permit = permits.take(outer)
        permits.take(a_call())
        for _ in range(2):
            run.info._waiters.add(a_call("another tool", parent=between))

        assert permits.take(run).lender is permit
        assert permits.take(a_call(parent=between)) is None

    def test_what_a_stream_was_lent_its_reader_lends_once_more(self, permits):
        outer = a_call()
        permits.take(outer)
        stream = permits.take(a_stream(parent=outer))

        inside = permits.take(a_call(parent=outer))

        assert inside.lender is stream
        assert permits.take(a_call(parent=outer)) is None
        permits.give_back(inside)
        assert permits.take(a_stream(parent=outer)).lender is stream
        assert permits.running == 1

    def test_each_stream_lends_it_on_to_what_its_reader_calls(self, permits):
        outer = a_call()
        permits.take(outer)
        first = permits.take(a_stream(parent=outer))
        second = permits.take(a_stream(parent=outer))
        third = permits.take(a_stream(parent=second.call))  # which the second one hands on

        inside = permits.take(a_call(parent=outer))

        assert (second.lender, third.lender, inside.lender) == (first, second, third)
        permits.give_back(second)
        assert third.lender is first
        assert permits.take(a_call(parent=outer)) is None

    def test_a_stream_lends_only_what_is_not_free(self):
        permits, outer = Permits(2), a_call()
        permits.take(outer)
        stream = permits.take(a_stream(parent=outer))

        free, lent = permits.take(a_stream(parent=outer)), permits.take(a_call(parent=outer))

        assert (free.lender, lent.lender, permits.running) == (None, stream, 2)

    def test_a_stream_that_ends_first_leaves_it_with_who_borrowed_it(self, permits):
        outer = a_call()
        permit = permits.take(outer)
        stream = permits.take(a_stream(parent=outer))
        inside = permits.take(a_call(parent=outer))

        permits.give_back(stream)
        assert (inside.lender, permit.borrower) == (permit, inside)
        permits.give_back(inside)
        permits.give_back(permit)

        assert permits.running == 0

    def test_a_stream_does_not_lend_what_it_was_not_lent(self, permits):
        outer = a_call()
        permits.take(a_stream(parent=outer))

        assert permits.take(a_call(parent=outer)) is None

    async def test_who_waits_uses_it_as_soon_as_a_stream_has_it(self, permits):
        outer = a_call()
        permits.take(outer)
        first = permits.take(a_call(parent=outer))
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("stream", call=a_stream(parent=outer))
            await queue.join("call", call=a_call(parent=outer))

            await queue.give_back(first)

            assert queue.turns["call"].lender is queue.turns["stream"]

    async def test_what_is_returned_to_a_stream_goes_to_who_else_its_reader_waits_for(self, permits):
        outer = a_call()
        permits.take(outer)
        stream = a_stream(parent=outer)
        lender = permits.take(stream)
        first = permits.take(a_call(parent=stream))
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("call", call=a_call(parent=outer))
            assert queue.turns == {}

            await queue.give_back(first)

            assert queue.turns["call"].lender is lender

    async def test_what_is_returned_goes_to_the_next_one_inside_and_not_to_a_stranger(self, permits):
        outer = a_call()
        permits.take(outer)
        inside = permits.take(a_call(parent=outer))
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("stranger", priority=-1)
            await queue.join("inside too", call=a_call(parent=outer))

            await queue.give_back(inside)
            assert list(queue.turns) == ["inside too"]
            await queue.cancel("stranger")

    async def test_one_that_nobody_inside_waits_for_returns_to_its_lender(self, permits):
        outer = a_call()
        permit = permits.take(outer)
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            inside = permits.take(a_call(parent=outer))
            await queue.join("stranger")

            await queue.give_back(inside)
            assert queue.turns == {}
            await queue.give_back(permit)

        assert list(queue.turns) == ["stranger"]

    def test_a_call_inside_that_outlives_its_lender_keeps_the_permit(self, permits):
        outer = a_call()
        permit = permits.take(outer)
        inside = permits.take(a_call(parent=outer))

        permits.give_back(permit)

        assert permits.take(a_call()) is None
        permits.give_back(inside)
        assert permits.running == 0

    def test_what_outlives_a_borrower_returns_to_the_first_lender(self, permits):
        outer = a_call()
        first = permits.take(outer)
        middle = a_call(parent=outer)
        second = permits.take(middle)
        third = permits.take(a_call(parent=middle))

        permits.give_back(second)
        assert permits.take(a_call(parent=outer)) is None
        permits.give_back(third)

        assert permits.take(a_call(parent=outer)).lender is first

    def test_the_last_of_several_that_outlive_each_other_frees_it(self, permits):
        outer = a_call()
        middle = a_call(parent=outer)
        first, second = permits.take(outer), permits.take(middle)
        third = permits.take(a_call(parent=middle))

        for permit in (second, first, third):
            assert permits.running == 1
            permits.give_back(permit)

        assert permits.running == 0

    async def test_one_inside_that_is_cancelled_in_the_tick_of_its_turn_returns_it(self, permits):
        outer = a_call()
        permit = permits.take(outer)
        inside = permits.take(a_call(parent=outer))
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("struck", call=a_call(parent=outer))
            permits.give_back(inside)
            await queue.strike("struck")

        assert permit.borrower is None
        assert permits.running == 1


class TestSharedRuns:
    """A call that waits in a run, when one more comes to wait for that run."""

    async def test_is_let_in_if_that_one_has_a_permit_to_lend(self, permits):
        outer, run = a_call(), a_shared_run()
        permits.take(outer)
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("inside", call=a_call(parent=run))

            run.info._waiters.add(outer)

        assert queue.turns["inside"].lender.call is outer
        assert counts(permits) == (1, 0)

    async def test_waits_on_if_that_one_has_none(self, permits):
        permits.take(a_call())
        run = a_shared_run()
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("inside", call=a_call(parent=run))

            run.info._waiters.add(a_call())
            assert counts(permits) == (1, 1)
            await queue.cancel("inside")

    async def test_is_not_lent_one_in_the_tick_of_its_own_turn(self):
        permits, outer, run = Permits(2, 10), a_call(), a_shared_run()
        permits.take(outer)
        permit = permits.take(a_call())
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("inside", call=a_call(parent=run))

            permits.give_back(permit)
            run.info._waiters.add(outer)

        assert queue.turns["inside"].lender is None
        assert counts(permits) == (2, 0)


class TestAnotherSize:
    async def test_a_larger_one_lets_in_who_waits(self, permits):
        permits.take(a_call())
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            for name in "abc":
                await queue.join(name)

            permits.resize(3, 10)
            await anyio.wait_all_tasks_blocked()
            assert set(queue.turns) == {"a", "b"}
            await queue.cancel("c")

    async def test_with_a_smaller_one_nobody_is_let_in_until_enough_have_left(self):
        permits = Permits(2, 10)
        taken = [permits.take(a_call()), permits.take(a_call())]
        async with anyio.create_task_group() as tasks:
            queue = Queue(permits, tasks)
            await queue.join("next")
            permits.resize(1, 10)

            await queue.give_back(taken[0])
            assert queue.turns == {}
            await queue.give_back(taken[1])

        assert list(queue.turns) == ["next"]
        assert permits.running == 1

    def test_the_queue_is_as_large_as_the_limit_where_nobody_says(self, permits):
        permits.resize(7, None)

        assert (permits.limit, permits.queue) == (7, 7)
