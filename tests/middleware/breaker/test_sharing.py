"""Breakers in several processes that share what they know, and what that costs a call."""

import anyio
import pytest

from toolcase import Registry
from toolcase.events import MiddlewareFailed
from toolcase.runtime import CircuitBreakerMiddleware, CircuitRecord, by_scope
from toolcase.testing import Fail, Give, MemoryCircuits, Recorder, Script, current_clock

DOWN = Fail(ConnectionError("down"))


class Counting(MemoryCircuits):
    """Notes what it is asked, takes `seconds` for it, and fails with `error` if there is one."""

    def __init__(self):
        super().__init__(current_clock())
        self.asked, self.saved, self.seconds, self.error = [], [], 0.0, None

    async def load(self, key):
        await self.note("load", key)
        return await super().load(key)

    async def save(self, key, record, expected):
        await self.note("save", key)
        self.saved.append((record.state, record.remaining))
        return await super().save(key, record, expected)

    async def note(self, verb, key):
        self.asked.append((verb, key))
        await anyio.sleep(self.seconds)
        if self.error is not None:
            raise self.error


class Instance:
    """One process with a tool of that name, as far as the others can tell."""

    def __init__(self, store, *steps, **settings):
        self.told, self.faults, self.recorder = [], [], Recorder()
        settings = {"failure_threshold": 1, "recovery_time": 30, "on_change": self.told.append, **settings}
        self.breaker = CircuitBreakerMiddleware(shared=store, **settings)
        self.registry = Registry(clock=current_clock())
        self.registry.use(self.recorder, self.breaker)
        self.registry.on_event(self.faults.append)
        self.script = Script(*steps)
        self.registry.add(self.script.tool("t"))

    async def run(self, after=0.0):
        """A call, some seconds later; the code that it ends with."""
        await anyio.sleep(after)
        result = await self.registry.execute("t")
        return result.error.code.value if result.error else "ok"

    @property
    def state(self):
        return self.breaker.state("t").value


async def test_what_opens_here_opens_there():
    store = Counting()
    here, there = Instance(store, DOWN), Instance(store, Give())
    assert await there.run() == "ok"
    await here.run()
    await here.run()

    assert await there.run(after=1) == "CIRCUIT_OPEN"
    assert [(change.before, change.after) for change in there.told] == [("closed", "open")]
    assert there.recorder.records[-1].events[0] is there.told[0]


async def test_it_may_be_tried_there_when_it_may_be_tried_here():
    store = Counting()
    here, there = Instance(store, DOWN), Instance(store, Give())
    await here.run()
    await here.run(after=10)  # when it is told that 20 seconds remain

    assert await there.run(after=5) == "CIRCUIT_OPEN"
    assert await there.run(after=14.9) == "CIRCUIT_OPEN"
    assert await there.run(after=0.1) == "ok"


@pytest.mark.parametrize(("later", "remaining"), [(29.5, 0.5), (30, 0), (40, 0)])
async def test_it_tells_what_remains_of_the_time_and_never_less_than_nothing(later, remaining):
    store = Counting()
    here = Instance(store, DOWN)
    await here.run()

    await here.run(after=later)

    assert store.saved == [("open", remaining)]


@pytest.mark.parametrize(("turn", "state"), [("isolate", "isolated"), ("reset", "closed")])
async def test_of_what_is_not_open_no_time_remains(turn, state):
    store = Counting()
    here = Instance(store, Give())
    getattr(here.breaker, turn)("t")

    await here.run()

    assert store.saved == [(state, 0.0)]


async def test_a_process_that_starts_later_finds_it_open():
    store = Counting()
    here = Instance(store, DOWN)
    await here.run()
    await here.run()

    assert await Instance(store, Give()).run() == "CIRCUIT_OPEN"


async def test_what_closes_here_closes_there():
    store = Counting()
    here, there = Instance(store, DOWN, Give()), Instance(store, Give(), recovery_time=10_000)
    await here.run()
    await here.run()
    await there.run()
    assert (await here.run(after=30), await here.run()) == ("ok", "ok")

    assert await there.run(after=1) == "ok"
    assert there.state == "closed"


async def test_isolated_here_it_is_isolated_there_until_it_is_reset_anywhere():
    store = Counting()
    here, there = Instance(store, Give()), Instance(store, Give())
    await there.run()
    here.breaker.isolate("t", reason="maintenance")
    await here.run()
    assert await there.run(after=1) == "CIRCUIT_OPEN"
    assert "maintenance" in str(there.recorder.records[-1].error)

    there.breaker.reset("t")
    assert (await there.run(), await here.run(after=1)) == ("ok", "ok")


async def test_isolated_there_it_is_isolated_here_though_it_has_opened_since():
    store = Counting()
    here, there = Instance(store, DOWN), Instance(store, Give())
    await here.run()
    there.breaker.isolate("t")
    await there.run()

    assert await here.run() == "CIRCUIT_OPEN"
    assert (here.state, await there.run(after=1), there.state) == ("isolated", "CIRCUIT_OPEN", "isolated")


async def test_isolated_here_it_stays_so_whatever_was_saved_there():
    store = Counting()
    here, there = Instance(store, Give()), Instance(store, DOWN)
    await here.run()
    await there.run()
    await there.run()
    here.breaker.isolate("t")

    await here.run()

    assert here.state == "isolated"
    await there.run(after=1)
    assert there.state == "isolated"


class TestCost:
    async def test_one_question_in_an_interval(self):
        store = Counting()
        here = Instance(store, Give(), refresh_seconds=5)

        for _ in range(10):
            await here.run(after=1)

        assert store.asked == [("load", "t")] * 2

    async def test_one_call_waits_and_the_others_go_on(self):
        store = Counting()
        store.seconds = 0.5
        here, ends = Instance(store, Give(), refresh_seconds=5), []

        async def one():
            await here.run()
            ends.append(current_clock().now)

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(one)

        assert ends == [0, 0, 0, 0, 0.5]

    async def test_a_change_is_told_with_the_next_call(self):
        store = Counting()
        here = Instance(store, DOWN, refresh_seconds=1_000)

        for _ in range(3):
            await here.run()

        assert store.asked == [("load", "t"), ("load", "t"), ("save", "t")]

    async def test_what_was_learnt_is_not_asked_for_again(self):
        store = Counting()
        await store.save("t", CircuitRecord(state="open", remaining=100), 0)
        here = Instance(store, Give(), refresh_seconds=5)
        store.asked.clear()

        for _ in range(3):
            await here.run()

        assert store.asked == [("load", "t")]

    async def test_what_was_said_here_is_no_news_here(self):
        store = Counting()
        here = Instance(store, DOWN)
        await here.run()
        await here.run()
        before = here.breaker._circuits.find("t").generation

        await here.run(after=5)

        assert here.breaker._circuits.find("t").generation == before

    async def test_a_trial_is_told_to_nobody(self):
        store = Counting()
        here = Instance(store, DOWN, Give(after=10), refresh_seconds=1)
        await here.run()
        await here.run()
        store.asked.clear()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.run, 30)
            await here.run(after=32)
            assert here.state == "half_open"
            assert ("save", "t") not in store.asked

    async def test_a_key_is_part_of_the_name(self):
        store = Counting()
        here = Instance(store, Give(), key=by_scope)

        await here.run()

        assert store.asked == [("load", "('t', None)")]

    async def test_a_key_for_which_another_is_forgotten_is_asked_for_too(self):
        store, keys = Counting(), iter("ab")
        here = Instance(store, Give(), key=lambda call: next(keys), max_keys=1)

        for _ in range(2):
            await here.run()

        assert store.asked == [("load", "('t', 'a')"), ("load", "('t', 'b')")]


class TestStoreThatFails:
    async def test_leaves_the_circuit_that_is_known_here(self):
        store = Counting()
        store.error = ConnectionError("store")
        here = Instance(store, DOWN)

        assert (await here.run(), await here.run(after=2)) == ("TOOL_FAILED", "CIRCUIT_OPEN")

    async def test_is_reported_once_until_it_works_again(self):
        store, error = Counting(), ConnectionError("store")
        here = Instance(store, Give())

        for store.error in (error, error, None, error):
            await here.run(after=2)

        assert [(type(fault), fault.error) for fault in here.faults] == [(MiddlewareFailed, error)] * 2

    async def test_is_waited_for_a_second(self):
        store = Counting()
        store.seconds = 60
        here = Instance(store, Give())

        assert await here.run() == "ok"
        assert current_clock().now == pytest.approx(1)
        assert [type(fault.error) for fault in here.faults] == [TimeoutError]

    async def test_is_asked_no_more_often_than_one_that_works(self):
        store = Counting()
        store.error = ConnectionError("store")
        here = Instance(store, DOWN, refresh_seconds=100)

        for _ in range(10):
            await here.run(after=1)

        assert store.asked == [("load", "t")] * 2  # and again because the circuit had changed

    @pytest.mark.parametrize("state", ["half_open", "broken", ""])
    async def test_with_a_state_that_there_is_not(self, state):
        store = Counting()
        await store.save("t", CircuitRecord(state=state), 0)
        here = Instance(store, Give())

        assert (await here.run(), here.state) == ("ok", "closed")
        assert [type(fault.error) for fault in here.faults] == [ValueError]

    @pytest.mark.parametrize("remaining", [float("nan"), -5.0])
    async def test_with_a_time_that_is_none(self, remaining):
        class Wrong(Counting):
            async def load(self, key):
                return CircuitRecord(state="open", remaining=remaining, version=1)

        here = Instance(Wrong(), Give())

        assert (await here.run(), here.state) == ("ok", "closed")
        assert here.breaker._circuits.find("t").until == 0.0

    async def test_and_begins_anew_is_believed(self):
        store = Counting()
        here, there = Instance(store, DOWN, Give(), recovery_time=1), Instance(store, Give())
        for after in (0, 0, 1, 0):
            await here.run(after)
        store._records.clear()
        there.breaker.isolate("t")
        await there.run()

        assert (await store.load("t")).version == 1
        assert await here.run(after=1) == "CIRCUIT_OPEN"

    async def test_and_forgets_is_told_again(self):
        store = Counting()
        here = Instance(store, DOWN, recovery_time=1)
        await here.run()
        await here.run()
        store._records.clear()

        await here.run(after=1)
        await here.run()

        assert (await store.load("t")).state == "open"


async def test_who_loses_a_race_to_save_asks_again():
    store = Counting()
    here, there = Instance(store, DOWN, recovery_time=100), Instance(store, DOWN, recovery_time=100)
    for instance in (here, there):
        await instance.run()

    async with anyio.create_task_group() as tasks:
        store.seconds = 0.1
        tasks.start_soon(here.run)
        tasks.start_soon(there.run)
    await there.run(after=1)
    await here.run(after=1)

    assert (await store.load("t")).version == 2


@pytest.mark.parametrize("value", [0, -1, True, "1"])
def test_the_interval_is_seconds(value):
    with pytest.raises((TypeError, ValueError), match="refresh_seconds must be"):
        CircuitBreakerMiddleware(shared=MemoryCircuits(), refresh_seconds=value)


async def test_where_there_is_no_room_the_call_is_refused_as_ever():
    store = Counting()
    here = Instance(store, Give(), max_keys=1)
    here.breaker.isolate("other")

    assert await here.run() == "OVERLOADED"
    assert store.asked == []
