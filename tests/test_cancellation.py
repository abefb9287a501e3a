"""A token: said once and for good, told to everybody, from any thread."""

import copy
import gc
import logging
import pickle
import threading
import weakref

import anyio
import pytest

from toolcase import CancellationToken, ExecutionContext, Registry, RunCancelled
from toolcase.runtime import RetryMiddleware, RetryPolicy
from toolcase.testing import current_clock


def cancelled(reason="enough"):
    """One that is."""
    token = CancellationToken()
    token.cancel(reason)
    return token


def in_a_thread(function):
    """Run it there to its end."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_is_not_cancelled_at_first():
    token = CancellationToken()

    token.raise_if_cancelled()

    assert (token.is_cancelled, token.reason) == (False, "")


def test_is_cancelled_for_a_reason():
    assert (cancelled().is_cancelled, cancelled().reason) == (True, "enough")


def test_needs_no_reason():
    assert (cancelled("").is_cancelled, cancelled("").reason) == (True, "")


def test_keeps_the_first_reason():
    token = cancelled("first")

    token.cancel("second")

    assert token.reason == "first"


@pytest.mark.parametrize(("reason", "message"), [("enough", "enough"), ("", "the run was cancelled")])
def test_raises_with_the_reason(reason, message):
    with pytest.raises(RunCancelled) as caught:
        cancelled(reason).raise_if_cancelled()

    assert str(caught.value) == message


def test_a_cancellation_is_no_error():
    assert not issubclass(RunCancelled, Exception)


class TestOnCancel:
    """Who asked to be told."""

    def test_is_told_once(self):
        token, told = CancellationToken(), []
        token.on_cancel(lambda: told.append(token.reason))

        token.cancel("first")
        token.cancel("second")

        assert told == ["first"]

    def test_is_told_at_once_where_it_has_happened(self):
        told = []

        cancelled().on_cancel(lambda: told.append(1))

        assert told == [1]

    def test_is_told_in_the_thread_that_cancels(self):
        token, told, threads = CancellationToken(), [], []
        token.on_cancel(lambda: told.append(threading.get_ident()))

        in_a_thread(lambda: (threads.append(threading.get_ident()), token.cancel()))

        assert told == threads

    def test_all_are_told_in_the_order_of_asking(self):
        token, told = CancellationToken(), []
        for number in range(5):
            token.on_cancel(lambda number=number: told.append(number))

        token.cancel()

        assert told == [0, 1, 2, 3, 4]

    def test_is_not_told_once_taken_off(self):
        token, told = CancellationToken(), []
        remove = token.on_cancel(lambda: told.append(1))

        remove()
        remove()
        token.cancel()

        assert told == []

    def test_may_be_taken_off_by_another_who_is_told(self):
        token, told, removes = CancellationToken(), [], []
        token.on_cancel(lambda: removes[0]())
        removes.append(token.on_cancel(lambda: told.append(1)))

        token.cancel()

        assert told == []

    def test_may_take_itself_off_afterwards(self):
        cancelled().on_cancel(lambda: None)()

    def test_one_that_raises_is_logged_and_the_others_are_told(self, caplog):
        token, told = CancellationToken(), []
        token.on_cancel(lambda: 1 / 0)
        token.on_cancel(lambda: told.append(1))

        with caplog.at_level(logging.ERROR, "toolcase"):
            token.cancel()

        assert told == [1]
        assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]

    def test_is_told_but_once_however_many_threads_cancel(self):
        token, told, together = CancellationToken(), [], threading.Barrier(8)
        for number in range(200):
            token.on_cancel(lambda number=number: told.append(number))

        threads = [threading.Thread(target=lambda: (together.wait(), token.cancel())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(told) == list(range(200))

    def test_none_is_missed_that_asks_while_another_thread_cancels(self):
        for _ in range(50):
            token, told, together = CancellationToken(), [], threading.Barrier(2)
            thread = threading.Thread(target=lambda t=token, b=together: (b.wait(), t.cancel()))
            thread.start()
            together.wait()
            for number in range(20):
                token.on_cancel(lambda told=told, number=number: told.append(number))
            thread.join()

            assert sorted(told) == list(range(20))

    def test_what_was_told_is_let_go(self):
        class Listener:
            def __call__(self):
                """Hear it."""

        token, listener = CancellationToken(), Listener()
        found = weakref.ref(listener)
        token.on_cancel(listener)

        token.cancel()
        del listener

        assert found() is None


class TestChild:
    """Cancelled with its parent, and by itself without it."""

    def test_is_cancelled_with_its_parent(self):
        parent = CancellationToken()
        child = parent.child()

        parent.cancel("enough")

        assert (child.is_cancelled, child.reason) == (True, "enough")

    def test_leaves_its_parent_alone(self):
        parent = CancellationToken()
        child, sibling = parent.child(), parent.child()

        child.cancel()

        assert [token.is_cancelled for token in (parent, child, sibling)] == [False, True, False]

    def test_of_one_that_is_cancelled_is_so_at_once(self):
        assert cancelled().child().reason == "enough"

    def test_keeps_a_reason_of_its_own(self):
        parent = CancellationToken()
        child = parent.child()

        child.cancel("mine")
        parent.cancel("theirs")

        assert child.reason == "mine"

    def test_tells_those_who_asked_it(self):
        parent, told = CancellationToken(), []
        child = parent.child()
        child.on_cancel(lambda: told.append(child.reason))

        parent.cancel("enough")

        assert told == ["enough"]

    def test_is_reached_by_a_grandparent_though_nobody_holds_the_parent(self):
        grandparent = CancellationToken()
        child = grandparent.child().child()
        gc.collect()

        grandparent.cancel()

        assert child.is_cancelled

    def test_that_is_gone_leaves_nothing_with_its_parent(self):
        parent = CancellationToken()

        for _ in range(100):
            parent.child()

        assert parent._callbacks == {}

    def test_that_goes_while_its_parent_is_cancelled_is_passed_over(self):
        parent = CancellationToken()
        child = parent.child()
        (tell,) = parent._callbacks.values()

        del child
        parent.cancel()

        assert tell() is None

    def test_is_not_kept_by_its_parent(self):
        parent = CancellationToken()
        child = parent.child()
        found = weakref.ref(child)

        del child

        assert found() is None


class TestWait:
    """A task that waits for it."""

    async def test_goes_on_when_it_is_cancelled(self):
        token, woken = CancellationToken(), []

        async def waiter():
            await token.wait()
            woken.append(current_clock().now)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiter)
            tasks.start_soon(waiter)
            await anyio.sleep(3)
            token.cancel()

        assert woken == [3, 3]

    async def test_does_not_wait_where_it_has_happened(self):
        await cancelled().wait()

        assert current_clock().now == 0

    async def test_goes_on_when_a_thread_cancels(self):
        token, registry = CancellationToken(), Registry()
        registry.tool(lambda: token.cancel("from a thread"), name="cancel")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(token.wait)
            tasks.start_soon(registry.call, "cancel")

        assert token.reason == "from a thread"

    async def test_leaves_nothing_behind_where_it_is_cancelled_itself(self):
        token = CancellationToken()

        with anyio.move_on_after(1):
            await token.wait()

        assert token._callbacks == {}

    async def test_ends_with_its_parents(self):
        parent = CancellationToken()
        child = parent.child()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child.wait)
            await anyio.sleep(1)
            parent.cancel()

        assert child.is_cancelled


class TestInATool:
    """A tool that looks at the token of its call."""

    def registry(self, tool):
        registry = Registry(context=ExecutionContext(cancellation=cancelled()))
        registry.use(RetryMiddleware(RetryPolicy(retry_on=Exception)))
        registry.add(tool)
        return registry

    async def test_stops_with_no_result_and_no_second_try(self):
        starts = []

        async def work(context: ExecutionContext) -> None:
            starts.append(1)
            context.cancellation.raise_if_cancelled()

        with pytest.raises(RunCancelled, match="enough"):
            await self.registry(work).execute("work")

        assert starts == [1]

    async def test_stops_in_its_thread_too(self):
        def work(context: ExecutionContext) -> None:
            context.cancellation.raise_if_cancelled()

        with pytest.raises(RunCancelled, match="enough"):
            await self.registry(work).execute("work")

    async def test_is_not_held_up_by_code_that_catches_every_error(self):
        async def work(context: ExecutionContext) -> str:
            try:
                context.cancellation.raise_if_cancelled()
            except Exception:
                return "went on"

        with pytest.raises(RunCancelled):
            await self.registry(work).call("work")


def test_shows_whether_it_is_cancelled():
    assert repr(CancellationToken()) == "<CancellationToken: not cancelled>"
    assert repr(cancelled()) == "<CancellationToken: cancelled, 'enough'>"


def test_a_deep_copy_is_the_same_one():
    token = CancellationToken()

    assert copy.deepcopy([token]) == [token]


def test_is_not_sent_to_another_process():
    with pytest.raises(TypeError, match="a CancellationToken is of this process alone"):
        pickle.dumps(CancellationToken())
