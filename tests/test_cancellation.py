"""A token: said once and for good, told to everybody, from any thread."""

import copy
import gc
import logging
import pickle
import threading
import weakref

import anyio
import pytest

from toolcase import Call, CancellationToken, ExecutionContext, Registry, RunCancelled
from toolcase.runtime import RetryMiddleware, RetryPolicy
from toolcase.testing import Give, Hang, Script, current_clock


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


class TestInACall:
    """A call that is made with a token."""

    def registry(self, *tools):
        registry = Registry()
        registry.use(RetryMiddleware(RetryPolicy(retry_on=Exception)))
        registry.add(*tools)
        return registry

    async def test_is_not_begun_once_the_token_is_cancelled(self):
        script = Script(Give(1))

        with pytest.raises(RunCancelled, match="enough"):
            await self.registry(script.tool("t")).execute("t", context=asking(cancelled()))

        assert script.starts == []

    async def test_is_interrupted_and_waited_for(self):
        script, token = Script(Hang(cleanup=2)), CancellationToken()
        registry = self.registry(script.tool("t"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_after, token, 3)
            with pytest.raises(RunCancelled, match="^the user left$"):
                await registry.execute("t", context=asking(token))

        assert (script.cancelled, script.running) == (1, 0)
        assert current_clock().now == pytest.approx(5)

    async def test_is_interrupted_in_a_view_too(self):
        token = CancellationToken()
        view = self.registry(Script(Hang()).tool("t")).view(context=asking(token))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_after, token, 3)
            with pytest.raises(RunCancelled):
                await view.call("t")

    async def test_ends_its_child_calls_with_it(self):
        child, token = Script(Hang()), CancellationToken()
        registry = self.registry(child.tool("child"))

        @registry.tool
        async def parent() -> None:
            await registry.call("child")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_after, token, 3)
            with pytest.raises(RunCancelled):
                await registry.execute("parent", context=asking(token))

        assert (child.cancelled, child.running) == (1, 0)

    async def test_tells_the_thread_of_a_synchronous_tool(self):
        token, told = CancellationToken(), threading.Event()

        def work(call: Call) -> None:
            token.cancel()
            while not call.cancelled:
                told.wait(0.001)
            told.set()

        with pytest.raises(RunCancelled):
            await self.registry(work).execute("work", context=asking(token))

        assert told.wait(20)

    async def test_stops_where_its_tool_looks(self):
        token, starts = CancellationToken(), []

        async def work(context: ExecutionContext) -> None:
            starts.append(1)
            token.cancel("enough")
            try:
                context.cancellation.raise_if_cancelled()
            except Exception:
                starts.append("held up")

        with pytest.raises(RunCancelled, match="enough"):
            await self.registry(work).execute("work", context=asking(token))

        assert starts == [1]

    async def test_is_not_tried_again_once_the_token_is_cancelled(self):
        token, starts = CancellationToken(), []

        async def fails() -> None:
            starts.append(1)
            token.cancel()
            raise ConnectionError("lost")

        registry = self.registry(fails)

        result = await registry.execute("fails", context=asking(token))

        assert (result.error.type, starts) == ("ConnectionError", [1])

    async def test_knows_that_it_was_called_off(self):
        token, seen = CancellationToken(), []

        async def look(call: Call) -> None:
            seen.append(call.cancelled)
            token.cancel()
            seen.append(call.cancelled)

        await self.registry(look).execute("look", context=asking(token))

        assert seen == [False, True]

    async def test_leaves_nothing_with_the_token(self):
        token = CancellationToken()

        await self.registry(Script(Give(1)).tool("t")).execute("t", context=asking(token))

        assert not token._callbacks

    async def test_an_outer_cancellation_stays_one(self):
        token = CancellationToken()
        registry = self.registry(Script(Hang()).tool("t"))

        with anyio.move_on_after(3) as scope:
            await registry.execute("t", context=asking(token))

        assert scope.cancelled_caught

    def test_a_registrys_own_context_has_none(self):
        with pytest.raises(TypeError, match="a registry's own context cannot have a cancellation token"):
            Registry(context=asking(CancellationToken()))


def asking(token):
    return ExecutionContext(cancellation=token)


async def cancel_after(token, seconds):
    await anyio.sleep(seconds)
    token.cancel("the user left")


def test_shows_whether_it_is_cancelled():
    assert repr(CancellationToken()) == "<CancellationToken: not cancelled>"
    assert repr(cancelled()) == "<CancellationToken: cancelled, 'enough'>"


def test_a_deep_copy_is_the_same_one():
    token = CancellationToken()

    assert copy.deepcopy([token]) == [token]


def test_is_not_sent_to_another_process():
    with pytest.raises(TypeError, match="a CancellationToken is of this process alone"):
        pickle.dumps(CancellationToken())
