"""Values given again: which, for how long, to whom, and what a cache that fails does not do."""

import threading

import anyio
import msgspec
import pytest
from pydantic import BaseModel

from asking import ADA, BOB, at_once, host, told, watched
from toolcase import Call, Registry, ToolFailed, tool
from toolcase.events import MiddlewareFailed
from toolcase.runtime import RetryMiddleware
from toolcase.testing import Fail, Give, Script, current_clock
from toolcase_cache import CacheHit, CacheMiddleware, CacheMissed, CacheStats, Key, MemoryCache, ValueNotKept
from toolcase_cache.cache import REST_SECONDS, STORE_SECONDS


class Answer(BaseModel):
    parts: list[int]


class Reply(msgspec.Struct):
    parts: list[int]


class Failing:
    """A store that raises or hangs, in one of its verbs or all."""

    def __init__(self, *verbs, hangs=False):
        self.verbs, self.hangs, self.asked = verbs, hangs, []
        self.memory = MemoryCache()

    async def _do(self, verb, *facts):
        self.asked.append(verb)
        if verb in self.verbs:
            await anyio.sleep(10**6 if self.hangs else 0)
            raise OSError("no store")
        return await getattr(self.memory, verb)(*facts)

    async def get(self, *facts):
        return await self._do("get", *facts)

    async def put(self, *facts):
        return await self._do("put", *facts)

    async def clear(self, *facts):
        return await self._do("clear", *facts)


@pytest.mark.parametrize("value", [1, None, "text", [1, {"a": 2}], Answer(parts=[1]), Reply([1])], ids=repr)
async def test_gives_the_value_of_the_first_call_again(value):
    script = Script(Give(value))
    registry = host(script, CacheMiddleware(60))

    values = [await registry.call("t", a=1) for _ in range(3)]

    assert values == [value] * 3
    assert len(script.starts) == 1


async def test_other_arguments_are_another_value():
    script = Script(Give(1), Give(2))
    registry = host(script, CacheMiddleware(60))

    assert [await registry.call("t", a=a) for a in (1, 2, 1)] == [1, 2, 1]


@pytest.mark.parametrize(("shared", "runs"), [(False, 2), (True, 1)])
async def test_one_caller_is_not_given_what_was_made_for_another_unless_the_tool_is_shared(shared, runs):
    script = Script(Give(1))
    registry = host(script, CacheMiddleware(60), shared=shared)

    for caller in (ADA, BOB, ADA, BOB):
        await registry.execute("t", context=caller)

    assert len(script.starts) == runs


@pytest.mark.parametrize(("later", "runs"), [(59.9, 1), (60, 2)])
async def test_a_value_is_kept_for_so_long(later, runs):
    script = Script(Give(1, after=5))
    registry = host(script, CacheMiddleware(60))

    await registry.call("t")
    await anyio.sleep(later)
    await registry.call("t")

    assert len(script.starts) == runs


@pytest.mark.parametrize(
    ("declared", "settings", "runs"),
    [
        ({"read_only": True}, {}, 1),
        ({"read_only": None}, {}, 2),
        ({"read_only": False}, {}, 2),
        ({"read_only": None}, {"tools": "t"}, 1),
        ({"read_only": None}, {"tools": ["x", "*"]}, 1),
    ],
)
async def test_only_tools_that_are_known_to_change_nothing_are_cached(declared, settings, runs):
    script = Script(Give(1))
    registry = host(script, CacheMiddleware(60, **settings), **declared)

    for _ in range(2):
        await registry.call("t")

    assert len(script.starts) == runs


async def test_arguments_that_cannot_be_compared_are_not_cached():
    script = Script(Give(1))
    registry = host(script, CacheMiddleware(60))

    for _ in range(2):
        await registry.call("t", a=object())

    assert len(script.starts) == 2


async def test_a_synchronous_tool_is_cached():
    registry, runs = Registry(), []

    @registry.tool(read_only=True, middleware=[CacheMiddleware(60)])
    def add(a: int, b: int) -> int:
        runs.append(threading.get_ident())
        return a + b

    assert [await registry.call("add", a=1, b=2) for _ in range(2)] == [3, 3]
    assert len(runs) == 1


async def test_two_objects_whose_class_has_the_tool_do_not_share():
    class Shop:
        def __init__(self, price):
            self._price = price

        @tool(read_only=True, middleware=[CacheMiddleware(60)])
        async def price(self) -> int:
            return self._price

    registries = [Registry(), Registry()]
    for number, registry in enumerate(registries):
        registry.add(Shop(number).price)

    assert [await registry.call("price") for registry in registries] == [0, 1]


async def test_an_error_is_not_kept():
    script = Script(Fail(ToolFailed("no")), Give(1))
    registry = host(script, CacheMiddleware(60))

    assert [(await registry.execute("t")).ok for _ in range(3)] == [False, True, True]
    assert len(script.starts) == 2


async def test_a_value_that_does_not_fit_what_the_tool_declares_is_not_kept():
    registry, values = Registry(), iter(["none", 1])
    registry.use(CacheMiddleware(60))

    @registry.tool(read_only=True, validate_result=True)
    async def number() -> int:
        return next(values)

    assert [(await registry.execute("number")).value for _ in range(3)] == [None, 1, 1]


@pytest.mark.parametrize(
    "make", [lambda parts: Answer(parts=parts), Reply, lambda parts: [0, {"a": (parts,)}]]
)
async def test_what_a_caller_does_to_its_value_nobody_else_sees(make):
    registry = host(Script(Give(make([1]))), CacheMiddleware(60))

    for _ in range(3):
        value = await registry.call("t")
        assert value == make([1])
        (value[1]["a"][0] if isinstance(value, list) else value.parts).append(2)


async def test_what_a_tool_does_to_an_argument_is_no_part_of_the_key():
    registry, runs = Registry(), []
    registry.use(CacheMiddleware(60))

    @registry.tool(read_only=True)
    async def drain(words: list[str]) -> int:
        runs.append(len(words))
        words.clear()
        return runs[-1]

    assert [await registry.call("drain", words=["a", "b"]) for _ in range(2)] == [2, 2]
    assert runs == [2]


@pytest.mark.parametrize(
    "value", [threading.Lock(), (number for number in (1, 2))], ids=lambda value: type(value).__name__
)
async def test_what_cannot_be_copied_is_not_kept_and_observers_are_told(value):
    script = Script(Give(value))
    registry, recorder = watched(script, CacheMiddleware(60))

    assert [await registry.call("t") for _ in range(2)] == [value, value]

    assert len(script.starts) == 2
    missed, unkept = recorder.records[1].events
    assert (type(missed), type(unkept), type(unkept.error)) == (CacheMissed, ValueNotKept, TypeError)


async def test_observers_are_told_of_hits_and_misses():
    registry, recorder = watched(Script(Give(1)), CacheMiddleware(60))

    for _ in range(2):
        await registry.call("t")

    assert told(recorder) == [[CacheMissed.__name__], [CacheHit.__name__]]


async def test_a_hit_is_no_attempt():
    registry = host(Script(Give(1)), CacheMiddleware(60))

    assert [(await registry.execute("t")).attempts for _ in range(2)] == [1, 0]


async def test_counts_hits_misses_and_failures():
    cache = CacheMiddleware(60, store=Failing("put"))
    registry = host(Script(Give(1)), cache)

    await registry.call("t")
    await anyio.sleep(REST_SECONDS)
    cache.store.verbs = ()
    for _ in range(3):
        await registry.call("t")

    assert cache.stats() == CacheStats(hits=2, misses=2, failures=1)


class TestClear:
    """Forgets."""

    @pytest.mark.parametrize(("tool", "runs"), [(None, 2), ("t", 2), ("other", 1)])
    async def test_all_or_one_tool(self, tool, runs):
        script, cache = Script(Give(1)), CacheMiddleware(60)
        registry = host(script, cache)

        await registry.call("t")
        await cache.clear(tool)
        await registry.call("t")

        assert len(script.starts) == runs

    async def test_what_was_begun_before_is_not_kept_either(self):
        script, cache = Script(Give("old", after=5), Give("new")), CacheMiddleware(60)
        registry = host(script, cache)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(registry.execute, "t")
            await anyio.sleep(1)
            await cache.clear()

        assert await registry.call("t") == "new"

    async def test_raises_what_the_store_raises(self):
        with pytest.raises(OSError, match="no store"):
            await CacheMiddleware(60, store=Failing("clear")).clear()


class TestStore:
    """One that fails is as if it were not there."""

    @pytest.mark.parametrize("verb", ["get", "put"])
    @pytest.mark.parametrize(("hangs", "late"), [(False, 0), (True, STORE_SECONDS)])
    async def test_the_call_goes_on_after_a_second_at_most(self, verb, hangs, late):
        registry = host(Script(Give(1)), CacheMiddleware(60, store=Failing(verb, hangs=hangs)))

        assert await registry.call("t") == 1
        assert current_clock().now == late

    async def test_that_is_reported_and_the_store_is_left_alone_for_a_while(self):
        store, told = Failing("get", "put"), []
        cache = CacheMiddleware(60, store=store)
        registry = host(Script(Give(1)), cache)
        registry.on_event(told.append)

        for _ in range(3):
            await registry.call("t")
        await anyio.sleep(REST_SECONDS)
        await registry.call("t")

        assert store.asked == ["get", "get"]
        assert [(type(event), event.tool, event.middleware, str(event.error)) for event in told] == [
            (MiddlewareFailed, "t", cache, "no store")
        ] * 2

    async def test_with_a_clock_that_went_back_it_is_asked_again(self):
        store, now = Failing("get"), iter([100.0, 100.0, 5.0, 5.0])

        class Clock:
            def monotonic(self):
                return next(now)

        call = Call("t", tool(anyio.sleep, read_only=True), {}, None, Registry(clock=Clock()))
        cache = CacheMiddleware(60, store=store)

        for _ in range(2):
            await cache._found(call, Key(call.tool, ""))

        assert store.asked == ["get", "get"]

    async def test_a_value_of_it_that_cannot_be_copied_is_none(self):
        class Careless(MemoryCache):
            async def put(self, key, value, ttl_seconds, clock):
                await super().put(key, threading.Lock(), ttl_seconds, clock)

        script = Script(Give(1))
        registry = host(script, CacheMiddleware(60, store=Careless()))

        assert [await registry.call("t") for _ in range(2)] == [1, 1]
        assert len(script.starts) == 2

    async def test_is_given_a_copy_and_gives_copies_of_what_it_has(self):
        store = MemoryCache()
        registry = host(Script(Give([1])), CacheMiddleware(60, store=store))

        values = [await registry.call("t") for _ in range(3)]

        (entry,) = store._entries.values()
        assert len({id(value) for value in [*values, entry.value]}) == 4


async def test_inside_a_retry_it_is_warned_of():
    registry = host(Script(Give(1)), RetryMiddleware(), CacheMiddleware(60))

    with pytest.warns(UserWarning, match=r"CacheMiddleware\(60 s\) is inside RetryMiddleware"):
        await registry.call("t")


async def test_calls_at_the_same_time_each_run():
    script = Script(Give(1, after=1))
    registry = host(script, CacheMiddleware(60))

    await at_once(lambda: registry.call("t"), 3)

    assert len(script.starts) == 3
