"""So many calls at once, a bounded queue, and a clear word for whoever is refused."""

import math
from functools import partial

import anyio
import pytest

from toolcase import ErrorCode, ExecutionContext, Overloaded, Registry, Stage
from toolcase.events import CallAdmitted, CallRejected, CallWaiting
from toolcase.runtime import BulkheadMiddleware, by_principal, by_scope, by_tool, together
from toolcase.testing import Fail, Give, Hang, Recorder, Script, cancel_at_every_await, current_clock


def registry_of(*used, **scripts):
    """A registry with these middleware, and a tool for each script."""
    registry = Registry()
    registry.use(*used)
    registry.add(*(script.tool(name) for name, script in scripts.items()))
    return registry


async def at_once(registry, *calls):
    """The results of `execute`, called so often, one call after the other without waiting for any."""
    results = {}

    async def one(number, name, arguments, settings):
        results[number] = await registry.execute(name, arguments, **settings)

    async with anyio.create_task_group() as tasks:
        for number, (name, settings) in enumerate(calls):
            tasks.start_soon(one, number, name, {"number": number}, settings)
            await anyio.wait_all_tasks_blocked()
    return [results[number] for number in range(len(calls))]


def times(count):
    """That many calls of the tool `t`."""
    return [("t", {})] * count


def codes(results):
    return [result.error.code.value if result.error else result.value for result in results]


class TestRoom:
    async def test_no_more_run_at_once_than_the_limit_says(self):
        script = Script(Give(1, after=5))
        registry = registry_of(BulkheadMiddleware(2), t=script)

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(registry.call, "t")
            await anyio.wait_all_tasks_blocked()
            assert script.running == 2

        assert len(script.starts) == 4
        assert current_clock().now == pytest.approx(10)

    async def test_who_comes_first_goes_first(self):
        script = Script(Give(1, after=5))

        await at_once(registry_of(BulkheadMiddleware(1, queue=3), t=script), *times(4))

        assert [start["number"] for start in script.starts] == [0, 1, 2, 3]

    async def test_the_queue_is_as_long_as_the_limit_unless_given(self):
        registry = registry_of(BulkheadMiddleware(2), t=Script(Give(1, after=5)))

        assert codes(await at_once(registry, *times(5))) == [1, 1, 1, 1, "OVERLOADED"]

    @pytest.mark.parametrize("queue", [0, 1, 3])
    async def test_no_more_wait_than_the_queue_holds(self, queue):
        registry = registry_of(BulkheadMiddleware(1, queue=queue), t=Script(Give(1, after=5)))

        results = await at_once(registry, *times(5))

        assert codes(results) == [1] * (1 + queue) + ["OVERLOADED"] * (4 - queue)

    async def test_a_refusal_comes_at_once_and_says_how_full_it_is(self):
        registry = registry_of(BulkheadMiddleware(2, queue=1), t=Script(Give(1, after=5)))

        *_, refused = await at_once(registry, *times(4))

        assert refused.error.message == (
            "'t' has no room: 2 of 2 calls run and 1 of 1 wait; try again later "
            "(the host can raise the limit of BulkheadMiddleware(2 at once))"
        )
        assert (refused.error.retryable, refused.attempts, refused.duration) == (True, 0, 0)

    async def test_infinity_is_no_limit(self):
        bulkhead, script = BulkheadMiddleware(math.inf), Script(Give(1, after=5))

        await at_once(registry_of(bulkhead, t=script), *times(30))

        assert current_clock().now == pytest.approx(5)

    @pytest.mark.parametrize("step", [Give(1), Fail(OSError()), Fail(KeyboardInterrupt())])
    async def test_a_permit_comes_back_however_the_call_ends(self, step):
        bulkhead = BulkheadMiddleware(1)

        with pytest.raises((KeyError, OSError, KeyboardInterrupt)):
            await registry_of(bulkhead, t=Script(step)).call("t")
            raise KeyError

        assert bulkhead.running("t") == 0

    async def test_resilience4j_332_a_permit_comes_back_when_the_call_is_cancelled(self):
        bulkhead = BulkheadMiddleware(1)
        registry = registry_of(bulkhead, t=Script(Hang(cleanup=2)))

        with anyio.move_on_after(3):
            await registry.call("t")

        assert bulkhead.running("t") == 0


class TestWaiting:
    async def test_the_wait_has_a_limit_of_its_own_with_a_kind_of_its_own(self):
        script = Script(Give(1, after=60))
        registry = registry_of(BulkheadMiddleware(1, queue_seconds=3), t=script)

        held, late = await at_once(registry, *times(2))

        assert held.ok
        assert (late.error.cause.kind, late.error.attempts, late.error.elapsed) == ("queue", 0, 3)
        assert late.error.message == "'t' waited longer than 3 s for its turn"
        assert not late.error.outcome_unknown

    async def test_a_deadline_around_it_ends_the_wait_with_its_own_error(self):
        bulkhead = BulkheadMiddleware(1, queue_seconds=5)
        registry = registry_of(bulkhead, t=Script(Give(1, after=60)))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(registry.call, "t")
            await anyio.wait_all_tasks_blocked()

            result = await registry.execute("t", timeout=2)

            assert result.error.cause.kind == "total"
            assert (bulkhead.running("t"), bulkhead.waiting("t")) == (1, 0)

    async def test_a_cancellation_leaves_the_queue_at_once(self):
        bulkhead = BulkheadMiddleware(1)
        registry = registry_of(bulkhead, t=Script(Give(1, after=60)))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(registry.call, "t")
            await anyio.wait_all_tasks_blocked()

            with anyio.move_on_after(1):
                await registry.call("t")

            assert bulkhead.waiting("t") == 0

    @pytest.mark.backends("asyncio")  # on trio a deadline that has passed strikes at every await
    async def test_after_its_deadline_a_call_does_not_wait(self):
        async def absorbs(call, inner):
            try:
                await anyio.sleep(60)
            except anyio.get_cancelled_exc_class():
                return await inner(call)

        absorbs.stage = Stage.ACT
        registry = registry_of(t=Script(Give(1, after=60)), late=Script(Give(2)))
        registry.use(absorbs, only="late")
        registry.use(BulkheadMiddleware(1, key=together))

        _, late = await at_once(registry, ("t", {}), ("late", {"timeout": 5}))

        said = "'late' has no room: it would have to wait, and its time is over; give it more"
        assert (late.error.message, late.duration) == (said, 5)

    async def test_a_call_waits_also_when_little_of_its_time_is_left(self):
        registry = registry_of(BulkheadMiddleware(1), t=Script(Give(1, after=0.25), Give(2)))

        assert codes(await at_once(registry, ("t", {}), ("t", {"timeout": 0.5}))) == [1, 2]

    async def test_the_lowest_priority_goes_first(self):
        script = Script(Give(1, after=5))
        bulkhead = BulkheadMiddleware(1, queue=3, priority=lambda call: -call.arguments["number"])

        await at_once(registry_of(bulkhead, t=script), *times(4))

        assert [start["number"] for start in script.starts] == [0, 3, 2, 1]

    async def test_who_finds_room_is_not_asked_for_its_priority(self):
        registry = registry_of(BulkheadMiddleware(1, priority=lambda call: 1 / 0), t=Script(Give(1)))

        assert await registry.call("t") == 1

    async def test_a_priority_that_is_no_number_is_the_error_of_its_own_call(self):
        bulkhead = BulkheadMiddleware(1, priority=lambda call: "high")
        registry = registry_of(bulkhead, t=Script(Give(1, after=5)))

        held, wrong = await at_once(registry, *times(2))

        assert held.ok
        with pytest.raises(TypeError, match="must give a whole number, and gave 'high'"):
            raise wrong.error.cause


ADA, BOB = (ExecutionContext(scope_id="s", principal_id=name) for name in ("ada", "bob"))
ELSEWHERE = ExecutionContext(scope_id="other", principal_id="ada")


class TestKeys:
    """Who shares."""

    @pytest.mark.parametrize(
        ("key", "refused"),
        [
            (by_tool, {1, 3}),
            (by_principal, {2}),
            (by_scope, {1, 2}),
            (together, {1, 2, 3}),
            (lambda call: call.arguments["number"] % 2, {2, 3}),
        ],
    )
    async def test_calls_of_one_key_share(self, key, refused):
        hangs = Script(Give(1, after=5))
        registry = registry_of(BulkheadMiddleware(1, queue=0, key=key), t=hangs, u=hangs)

        results = await at_once(
            registry,
            ("t", {"context": ADA}),
            ("t", {"context": BOB}),
            ("u", {"context": ADA}),
            ("t", {"context": ELSEWHERE}),
        )

        assert {number for number, result in enumerate(results) if not result.ok} == refused

    async def test_a_key_too_many_is_refused_while_calls_of_the_others_run(self):
        bulkhead = BulkheadMiddleware(1, max_keys=1)
        registry = registry_of(bulkhead, t=Script(Give(1, after=5)), u=Script(Give(2)))

        _, refused = await at_once(registry, ("t", {}), ("u", {}))

        assert refused.error.code is ErrorCode.OVERLOADED
        assert "calls of too many keys run" in refused.error.message
        assert "raise max_keys of BulkheadMiddleware(1 at once)" in refused.error.message
        assert await registry.call("u") == 2  # the other key is idle now, and forgotten

    async def test_how_many_run_and_wait_can_be_asked_for(self):
        bulkhead = BulkheadMiddleware(2)
        registry = registry_of(bulkhead, t=Script(Give(1, after=5)))
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(registry.call, "t")
            await anyio.wait_all_tasks_blocked()

            assert (bulkhead.running("t"), bulkhead.waiting("t")) == (2, 1)
            assert (bulkhead.running("u"), bulkhead.waiting("u")) == (0, 0)


class TestInside:
    """A call made inside one that holds a permit can wait for no other call to end."""

    @pytest.mark.parametrize("wide", [1, 3])
    async def test_it_ends_whatever_the_limit(self, wide):
        tool = Recursive(BulkheadMiddleware(1, queue=20))

        assert await tool.call(deep=3, wide=wide) == sum(wide**level for level in range(4))

    @pytest.mark.parametrize("limit", [1, 2, 3])
    async def test_no_more_work_at_once_than_the_limit_says(self, limit):
        tool = Recursive(BulkheadMiddleware(limit, queue=20))

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(partial(tool.call, deep=2, wide=2))

        assert tool.most == limit

    async def test_calls_of_each_other_tools_under_one_key_share_too(self):
        registry = registry_of(BulkheadMiddleware(1, key=together), t=Script(Give(1, after=5)))

        @registry.tool
        async def agent() -> int:
            return await registry.call("t") + await registry.call("t")

        assert await registry.call("agent") == 2

    async def test_a_synchronous_tool_calls_itself_from_its_thread(self):
        bulkhead = BulkheadMiddleware(1)
        registry = registry_of(bulkhead)

        @registry.tool
        def t(deep: int) -> int:
            return 1 + (registry.blocking().call("t", deep=deep - 1) if deep else 0)

        assert await registry.call("t", deep=3) == 4
        assert bulkhead.running("t") == 0

    async def test_the_calls_inside_have_places_in_the_queue_like_all_others(self):
        tool = Recursive(BulkheadMiddleware(1, queue=0))

        with pytest.raises(ExceptionGroup) as caught:
            await tool.call(deep=1, wide=2)

        assert [type(error) for error in caught.value.exceptions] == [Overloaded]

    async def test_used_twice_around_a_tool_it_counts_once(self):
        bulkhead = BulkheadMiddleware(1)
        registry = registry_of(bulkhead, bulkhead, t=Script(Give(1)))

        assert await registry.call("t") == 1
        assert bulkhead.running("t") == 0

    async def test_used_twice_it_counts_once_though_another_hands_on_a_copy_in_between(self):
        bulkhead = BulkheadMiddleware(1)

        async def copies(call, inner):
            return await inner(call.copy())

        copies.stage = Stage.ACT
        registry = registry_of(bulkhead, copies, bulkhead, t=Script(Give(1)))

        assert await registry.call("t") == 1
        assert bulkhead.running("t") == 0

    async def test_used_twice_each_run_of_a_call_counts(self):
        bulkhead = BulkheadMiddleware(1)

        async def twice(call, inner):
            async with anyio.create_task_group() as tasks:
                for _ in range(2):
                    tasks.start_soon(inner, call.copy())

        twice.stage = Stage.ACT
        registry = registry_of(twice, bulkhead, bulkhead, t=Script(Give(1, after=3)))

        await registry.call("t")

        assert current_clock().now == pytest.approx(6)


class TestStreamsInsideCalls:
    """A tool that reads streams while it holds a permit waits for nobody who waits for it."""

    @pytest.fixture
    def bulkhead(self):
        return BulkheadMiddleware(1, key=by_principal)

    @pytest.fixture
    def registry(self, bulkhead):
        registry = registry_of(bulkhead, one=Script(Give(1)))

        @registry.tool(buffer=1)
        async def count(until: int = 3):
            for number in range(until):
                yield number

        @registry.tool(buffer=1)
        async def handed_on():
            async with registry.stream("count") as stream:
                async for chunk in stream:
                    yield chunk.content

        return registry

    @pytest.mark.parametrize("name", ["count", "handed_on"])
    async def test_it_calls_for_each_chunk_of_streams_in_streams(self, registry, bulkhead, name):
        @registry.tool
        async def outer() -> int:
            calls = 0
            async for _ in registry.stream(name):
                async for _ in registry.stream(name):
                    async for _ in registry.stream("count"):
                        calls += await registry.call("one")
            return calls

        assert await registry.call("outer") == 27
        assert bulkhead.running((None, None)) == 0


class Recursive:
    """A tool that works a second, calls itself `wide` times at once, and tells how many calls that made."""

    def __init__(self, bulkhead):
        self.registry = registry_of(bulkhead)
        self.registry.tool(self.t)
        self.call = partial(self.registry.call, "t")
        self.working = self.most = 0

    async def t(self, deep: int, wide: int) -> int:
        self.working += 1
        self.most = max(self.most, self.working)
        await anyio.sleep(1)
        self.working -= 1
        made = [1]
        if deep:
            async with anyio.create_task_group() as tasks:
                for _ in range(wide):
                    tasks.start_soon(self.inside, made, deep - 1, wide)
        return sum(made)

    async def inside(self, made, deep, wide):
        made.append(await self.call(deep=deep, wide=wide))


class TestEvents:
    async def told(self, bulkhead, count):
        recorder = Recorder()
        registry = registry_of(recorder, bulkhead, t=Script(Give(1, after=5)))
        await anyio.sleep(60)  # or a moment would be as good as a duration
        results = await at_once(registry, *times(count))
        return [record.events for record in recorder.records], results

    async def test_who_finds_room_is_told_as_admitted_without_a_wait(self):
        bulkhead = BulkheadMiddleware(1)

        events, _ = await self.told(bulkhead, 1)

        assert events == [[CallAdmitted(tool="t", middleware=bulkhead, waited=0)]]

    async def test_who_waits_is_told_as_waiting_and_then_how_long(self):
        bulkhead = BulkheadMiddleware(1)

        events, _ = await self.told(bulkhead, 2)

        waiting, admitted = events[1]
        assert waiting == CallWaiting(tool="t", middleware=bulkhead)
        assert (admitted.middleware, admitted.waited) == (bulkhead, pytest.approx(5))

    async def test_who_is_refused_is_told_with_the_error(self):
        bulkhead = BulkheadMiddleware(1, queue=0)

        events, (_, refused) = await self.told(bulkhead, 2)

        assert events[1] == [CallRejected(tool="t", middleware=bulkhead, error=refused.error.cause)]

    async def test_who_waits_too_long_is_told_with_the_error(self):
        events, (_, late) = await self.told(BulkheadMiddleware(1, queue_seconds=2), 2)

        assert [type(event) for event in events[1]] == [CallWaiting, CallRejected]
        assert events[1][1].error is late.error.cause

    async def test_infinity_tells_nothing(self):
        assert (await self.told(BulkheadMiddleware(math.inf), 1))[0] == [[]]


@pytest.mark.parametrize("calls", [2, 3])
def test_nothing_is_lost_wherever_it_is_cancelled(backend, calls):
    bulkheads = []

    async def scenario():
        bulkheads.append(BulkheadMiddleware(1, queue=3, queue_seconds=4))
        registry = registry_of(bulkheads[-1], t=Script(Give(1, after=1)))
        async with anyio.create_task_group() as tasks:
            for _ in range(calls):
                tasks.start_soon(registry.call, "t")
            await registry.call("t")

    def check():
        assert (bulkheads[-1].running("t"), bulkheads[-1].waiting("t")) == (0, 0)

    assert cancel_at_every_await(scenario, backend=backend, check=check).suspensions > calls


def test_nothing_is_lost_wherever_a_call_inside_is_cancelled(backend):
    bulkheads = []

    async def scenario():
        bulkheads.append(BulkheadMiddleware(1, queue=9))
        tool = Recursive(bulkheads[-1])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(tool.call, deep=1, wide=2))
            await tool.call(deep=2, wide=1)

    def check():
        permits = bulkheads[-1]._permits.find("t")
        assert (permits.running, permits.waiting, permits._held) == (0, 0, {})

    assert cancel_at_every_await(scenario, backend=backend, check=check).suspensions > 10


class TestSettings:
    @pytest.mark.parametrize("limit", [0, -1])
    def test_refuses_a_limit_below_one(self, limit):
        with pytest.raises(ValueError, match=f"limit must be at least 1, got {limit}"):
            BulkheadMiddleware(limit)

    @pytest.mark.parametrize("limit", [True, 2.5, math.nan, "5", None])
    def test_refuses_a_limit_that_is_no_whole_number(self, limit):
        with pytest.raises(TypeError, match="limit must be a whole number, got"):
            BulkheadMiddleware(limit)

    def test_refuses_a_queue_below_none(self):
        with pytest.raises(ValueError, match="queue must be at least 0, got -1"):
            BulkheadMiddleware(1, queue=-1)

    @pytest.mark.parametrize("queue", [math.inf, False, "5"])
    def test_refuses_a_queue_without_an_end(self, queue):
        with pytest.raises(TypeError, match="queue must be a whole number, got"):
            BulkheadMiddleware(1, queue=queue)

    @pytest.mark.parametrize("seconds", [0, -1, math.nan])
    def test_refuses_queue_seconds_that_are_none(self, seconds):
        with pytest.raises(ValueError, match="queue_seconds must be above 0 seconds, got"):
            BulkheadMiddleware(1, queue_seconds=seconds)

    def test_refuses_max_keys_below_one(self):
        with pytest.raises(ValueError, match="max_keys must be at least 1, got 0"):
            BulkheadMiddleware(1, max_keys=0)

    def test_refuses_a_key_that_is_no_function(self):
        with pytest.raises(TypeError, match="key must be a function of a call, such as by_tool, got 'tool'"):
            BulkheadMiddleware(1, key="tool")

    def test_refuses_a_priority_that_is_no_function(self):
        with pytest.raises(TypeError, match="priority must be a function from a call to a number, got 5"):
            BulkheadMiddleware(1, priority=5)

    @pytest.mark.parametrize("setting", ["key", "priority"])
    def test_refuses_an_async_function_whose_every_answer_would_be_another_key(self, setting):
        async def asks(call):
            return 1

        with pytest.raises(TypeError, match=f"{setting} must be a plain `def`, got <function .*asks"):
            BulkheadMiddleware(1, **{setting: asks})

    def test_shows_its_limit(self):
        assert str(BulkheadMiddleware(2)) == "BulkheadMiddleware(2 at once)"
        assert repr(BulkheadMiddleware(2, queue=0)).startswith("BulkheadMiddleware(limit=2, queue=0, ")
        assert repr(BulkheadMiddleware(2)).endswith(", max_keys=10000)")

    def test_takes_only_the_limit_without_its_name(self):
        with pytest.raises(TypeError, match="positional"):
            BulkheadMiddleware(2, 5)

    def test_two_of_the_same_settings_are_two(self):
        bulkhead = BulkheadMiddleware(2)

        assert bulkhead != BulkheadMiddleware(2)
        assert bulkhead != bulkhead.with_max_concurrent(2)

    def test_with_the_limit_of_a_tool_it_is_another_one_of_the_same_settings(self):
        bulkhead = BulkheadMiddleware(2, queue=5, queue_seconds=3)

        other = bulkhead.with_max_concurrent(7)

        assert (other.limit, other.queue, other.queue_seconds) == (7, 5, 3)
        assert bulkhead.limit == 2

    def test_one_that_does_not_count_by_tool_takes_no_limit_of_a_tool(self):
        assert BulkheadMiddleware(2, key=together).with_max_concurrent(7) is None
