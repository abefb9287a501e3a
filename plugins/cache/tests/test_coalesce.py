"""One run for all who ask at the same time: which, who gets what, and what is known of it."""

import threading

import anyio
import pytest

from asking import ADA, BOB, at_once, host, in_order
from toolcase import Call, Registry, RunCancelled, ToolFailed
from toolcase.runtime import ExponentialBackoff, RetryMiddleware, RetryPolicy
from toolcase.testing import Fail, Give, Script, current_clock
from toolcase_cache import CacheMiddleware, CoalesceMiddleware

STEADY = RetryMiddleware(RetryPolicy(backoff=ExponentialBackoff(base=1, jitter=False)))


async def test_a_thousand_who_ask_at_once_are_one_run():
    script, flights = Script(Give(7, after=1)), CoalesceMiddleware()
    registry = host(script, flights)

    assert await at_once(lambda: registry.call("t", a=1), 1_000) == [7] * 1_000
    assert (len(script.starts), flights.flights) == (1, 0)


async def test_who_comes_while_it_runs_waits_for_it():
    script = Script(Give(7, after=5))
    registry = host(script, CoalesceMiddleware())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(registry.call, "t")
        await anyio.sleep(4)
        assert await registry.call("t") == 7

    assert (len(script.starts), current_clock().now) == (1, 5)


async def test_who_comes_after_it_begins_another():
    script = Script(Give(1), Give(2))
    registry = host(script, CoalesceMiddleware())

    assert [await registry.call("t") for _ in range(2)] == [1, 2]


async def test_a_synchronous_tool_runs_once():
    registry, runs = Registry(), []
    registry.use(CoalesceMiddleware())

    @registry.tool(read_only=True)
    def plain() -> int:
        runs.append(threading.get_ident())
        return 7

    assert await at_once(lambda: registry.call("plain"), 5) == [7] * 5
    assert len(runs) == 1


@pytest.mark.parametrize(
    ("settings", "declared", "arguments", "runs"),
    [
        ({}, {"read_only": True}, {}, 1),
        ({}, {"read_only": None}, {}, 3),
        ({}, {"read_only": False}, {}, 3),
        ({"tools": "t"}, {"read_only": None}, {}, 1),
        ({}, {"read_only": True}, {"a": object()}, 3),
    ],
)
async def test_only_calls_that_may_share_do(settings, declared, arguments, runs):
    script = Script(Give(1, after=1))
    registry = host(script, CoalesceMiddleware(**settings), **declared)

    await at_once(lambda: registry.call("t", **arguments), 3)

    assert len(script.starts) == runs


async def test_callers_do_not_share_with_one_another():
    script = Script(Give(1, after=1))
    registry = host(script, CoalesceMiddleware())

    async with anyio.create_task_group() as tasks:
        for context in (ADA, BOB, ADA):
            tasks.start_soon(lambda context=context: registry.execute("t", context=context))

    assert len(script.starts) == 2


async def test_with_so_many_under_way_others_run_alone():
    script, flights = Script(Give(1, after=1)), CoalesceMiddleware(max_flights=1)
    registry = host(script, flights)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: registry.call("t", a=1))
        await anyio.sleep(0.5)
        for a in (2, 2, 1):
            tasks.start_soon(lambda a=a: registry.call("t", a=a))

    assert [start["a"] for start in script.starts] == [1, 2, 2]


class TestValue:
    """Is for all, and belongs to each."""

    async def test_the_first_gets_it_itself_and_the_others_copies(self):
        value = [[1]]
        registry = host(Script(Give(value, after=1)), CoalesceMiddleware())

        first, *others = await in_order(registry, 3)

        assert first is value
        assert others == [value] * 2
        assert len({id(each[0]) for each in (first, *others)}) == 3

    @pytest.mark.parametrize("number", [2, 5])
    async def test_what_one_does_to_it_the_others_do_not_see(self, number):
        registry = host(Script(Give([1], after=1)), CoalesceMiddleware())

        async def ask():
            value = await registry.call("t")
            seen = list(value)
            value.append(2)
            return seen

        assert await at_once(ask, number) == [[1]] * number

    @pytest.mark.parametrize("ends", [Give, Fail])
    async def test_is_not_copied_for_one_who_asks_alone(self, ends):
        copied = []

        class Costly(Exception):
            def __copy__(self):
                copied.append(self)

            def __deepcopy__(self, memo):
                copied.append(self)

        await host(Script(ends(Costly(), after=1)), CoalesceMiddleware()).execute("t")

        assert copied == []

    async def test_that_cannot_be_copied_is_the_firsts_and_the_others_run_alone(self):
        registry, locks = Registry(), []
        registry.use(CoalesceMiddleware())

        @registry.tool(read_only=True)
        async def lock() -> object:
            await anyio.sleep(1)
            locks.append(threading.Lock())
            return locks[-1]

        given = await at_once(lambda: registry.call("lock"), 3)

        assert {id(each) for each in given} == {id(each) for each in locks}
        assert len(locks) == 3


class TestError:
    """Goes to all who wait, and is forgotten."""

    async def test_all_get_it_and_the_next_tries_again(self):
        script = Script(Fail(ToolFailed("no"), after=1), Give(1))
        registry = host(script, CoalesceMiddleware())

        results = await at_once(lambda: registry.execute("t"), 3)

        assert [result.error.message for result in results] == ["no"] * 3
        assert (len(script.starts), await registry.call("t")) == (1, 1)

    async def test_the_first_gets_it_itself_and_the_others_ones_that_say_the_same(self):
        error = ValueError("no")
        registry = host(Script(Fail(error, after=1)), CoalesceMiddleware())

        results = await in_order(registry, 3, verb="execute")

        causes = [result.error.cause for result in results]
        assert causes[0] is error
        assert len({id(cause) for cause in causes}) == 3
        assert {(type(cause), str(cause)) for cause in causes} == {(ValueError, "no")}

    async def test_each_shows_the_way_from_its_caller_to_the_tool_once(self):
        registry = host(Script(Fail(ValueError("no"), after=1)), CoalesceMiddleware())

        for result in await in_order(registry, 3, verb="execute"):
            names, step = [], result.error.cause.__traceback__
            while step is not None:
                names.append(step.tb_frame.f_code.co_name)
                step = step.tb_next
            assert names[-1] == "play"
            assert (names.count("outcome_of"), names.count("_fly"), names.count("scripted")) == (1, 1, 1)

    async def test_that_cannot_be_copied_is_given_to_all(self):
        class Needy(Exception):
            def __init__(self, *, why):
                super().__init__(why)

        error = Needy(why="out of tea")
        registry = host(Script(Fail(error, after=1)), CoalesceMiddleware())

        results = await in_order(registry, 3, verb="execute")

        assert all(result.error.cause is error for result in results)

    async def test_that_cannot_be_copied_shows_each_the_way_to_the_tool_once(self):
        class Needy(Exception):
            def __init__(self, *, why):
                super().__init__(why)

        registry = host(Script(Fail(Needy(why="out of tea"), after=1)), CoalesceMiddleware())

        async def ask():
            with pytest.raises(Needy) as caught:
                await registry.call("t")
            return [step.name for step in caught.traceback]

        for names in await at_once(ask, 5):
            assert (names.count("ask"), names.count("_fly"), names.count("outcome")) == (1, 1, 1)

    async def test_is_not_held_when_all_have_it(self):
        used = CoalesceMiddleware()
        registry = host(Script(Fail(ValueError("no"), after=1)), used)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(registry.execute, "t")
            await anyio.sleep(0.5)
            (flight,) = used._flights.values()

        assert (flight._error, flight._traceback) == (None, None)

    async def test_what_is_noted_on_one_is_not_on_the_others(self):
        registry = host(Script(Fail(ValueError("no"), after=1)), CoalesceMiddleware())

        async def ask():
            with pytest.raises(ValueError) as caught:
                await registry.call("t")
            caught.value.add_note("while I was loading")
            return caught.value.__notes__

        assert await at_once(ask, 3) == [["while I was loading"]] * 3

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), RunCancelled()], ids=repr)
    async def test_that_is_no_failure_is_for_the_first_alone_and_the_others_begin_again(self, error):
        script = Script(Fail(error, after=1), Give(7))
        registry = host(script, CoalesceMiddleware())

        async def ask():
            try:
                return await registry.call("t")
            except BaseException as raised:
                return raised

        given = await at_once(ask, 3)

        assert [each for each in given if each is error] == [error]
        assert (given.count(7), len(script.starts)) == (2, 2)


class TestItself:
    """A run does not wait for itself."""

    async def test_a_tool_that_calls_itself_with_the_same_arguments_does_so_alone(self):
        registry, depths = Registry(), []
        registry.use(CoalesceMiddleware())

        @registry.tool(read_only=True)
        async def deeper(call: Call) -> int:
            depths.append(call.depth)
            return await registry.call("deeper") if call.depth < 3 else 7

        assert (await registry.call("deeper"), depths) == (7, [0, 1, 2, 3])

    @pytest.mark.parametrize("detached", [False, True])
    async def test_nor_through_another_tool(self, detached):
        registry, rounds = Registry(), []
        registry.use(CoalesceMiddleware())

        @registry.tool(read_only=True)
        async def a() -> int:
            rounds.append("a")
            return 7 if len(rounds) > 3 else (await registry.execute("b", detached=detached)).value

        @registry.tool(read_only=True)
        async def b() -> int:
            return (await registry.execute("a", detached=detached)).value

        with anyio.fail_after(5):
            assert await at_once(lambda: registry.call("a"), 2) == [7, 7]

    async def test_nor_for_one_that_waits_for_it(self):
        registry, rounds = Registry(), []
        registry.use(CoalesceMiddleware())

        async def turn(other: str) -> int:
            rounds.append(other)
            await anyio.sleep(1)
            return 7 if len(rounds) > 4 else await registry.call(other)

        @registry.tool(read_only=True)
        async def left() -> int:
            return await turn("right")

        @registry.tool(read_only=True)
        async def right() -> int:
            return await turn("left")

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for name in ("left", "right"):
                    tasks.start_soon(registry.call, name)

    async def test_used_twice_it_runs_once(self):
        flights = CoalesceMiddleware()
        script = Script(Give(1, after=1))
        registry = host(script, flights, flights)

        assert await at_once(lambda: registry.call("t"), 3) == [1, 1, 1]
        assert len(script.starts) == 1


async def test_the_cache_keeps_the_value_of_a_run_once():
    class Counting:
        def __init__(self):
            self.puts = 0

        async def get(self, key, clock):
            return None

        async def put(self, key, value, ttl_seconds, clock):
            self.puts += 1

    store, script = Counting(), Script(Give(1, after=1))
    registry = host(script, CacheMiddleware(60, store=store), CoalesceMiddleware())

    await at_once(lambda: registry.call("t"), 10)

    assert (store.puts, len(script.starts)) == (1, 1)


async def left_by_the_first(registry, meanwhile=anyio.lowlevel.checkpoint) -> None:
    """One call that leaves after half a second, and one that follows it to the end."""
    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(0.5):
            tasks.start_soon(lambda: follow(registry, meanwhile))
            await registry.call("t")


async def follow(registry, meanwhile) -> None:
    await anyio.sleep(0.25)
    await meanwhile()
    assert await registry.call("t") == "first"


async def test_the_cache_keeps_the_value_of_a_run_that_the_first_call_has_left():
    script = Script(Give("first", after=1), Give("second"))
    registry = host(script, CacheMiddleware(60), CoalesceMiddleware())

    await left_by_the_first(registry)

    assert (await registry.call("t"), len(script.starts)) == ("first", 1)


async def test_the_cache_keeps_no_value_of_a_run_from_before_a_clearing():
    script, cache = Script(Give("first", after=1), Give("second")), CacheMiddleware(60)
    registry = host(script, cache, CoalesceMiddleware())

    await left_by_the_first(registry, cache.clear)

    assert (await registry.call("t"), len(script.starts)) == ("second", 2)


async def test_what_a_follower_ran_alone_the_cache_keeps():
    script = Script(Give(threading.Lock(), after=1), Give(7))
    registry = host(script, CacheMiddleware(60), CoalesceMiddleware())

    await at_once(lambda: registry.call("t"), 2)

    assert (await registry.call("t"), len(script.starts)) == (7, 2)


async def test_inside_a_retry_it_is_warned_of():
    registry = host(Script(Give(1)), STEADY, CoalesceMiddleware())

    with pytest.warns(UserWarning, match="CoalesceMiddleware is inside RetryMiddleware"):
        await registry.call("t")
