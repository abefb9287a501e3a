"""Leaving a run: the others do not notice, the last one ends it, and nothing is left."""

import asyncio
import math
from itertools import combinations

import anyio
import pytest

from asking import host
from toolcase import Call, Registry, remaining, shielded
from toolcase.events import CancelOverrun
from toolcase.runtime import ExponentialBackoff, RetryMiddleware, RetryPolicy
from toolcase.testing import Fail, Give, Hang, Script, Way, cancel_at_every_await, current_clock
from toolcase_cache import CacheMiddleware, CoalesceMiddleware, FlightFailed

STEADY = RetryMiddleware(RetryPolicy(backoff=ExponentialBackoff(base=1, jitter=False)))
WAITERS = 3
SUBSETS = [leaving for size in range(WAITERS) for leaving in combinations(range(WAITERS), size)]
MOMENTS = [0, 1, 2.5, 4]
"""Before the run has begun, in it, and in the tick in which it ends."""


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("leaving", SUBSETS, ids=str)
async def test_whoever_leaves_the_others_get_the_value_of_the_one_run(leaving, moment):
    script = Script(Give([7], after=4))
    registry, given, scopes = host(script, CoalesceMiddleware()), {}, {}

    async def ask(place):
        with anyio.CancelScope() as scopes[place]:
            given[place] = await registry.call("t")

    async with anyio.create_task_group() as tasks:
        for place in range(WAITERS):
            tasks.start_soon(ask, place)
            await anyio.lowlevel.checkpoint()
        await anyio.sleep(moment)
        for place in leaving:
            scopes[place].cancel()

    assert {place: given.get(place) for place in range(WAITERS) if place not in leaving} == {
        place: [7] for place in range(WAITERS) if place not in leaving
    }
    assert (len(script.starts), script.cancelled, current_clock().now) == (1, 0, 4)


@pytest.mark.backends("asyncio")
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("leaving", SUBSETS, ids=str)
async def test_natively_too(leaving, moment):
    script, flights = Script(Give([7], after=4)), CoalesceMiddleware()
    registry = host(script, flights)
    tasks = [asyncio.create_task(registry.call("t")) for _ in range(WAITERS)]

    await asyncio.sleep(moment)
    for place in leaving:
        tasks[place].cancel()
    given = await asyncio.gather(*tasks, return_exceptions=True)

    for place, value in enumerate(given):
        assert value == [7] or (place in leaving and isinstance(value, asyncio.CancelledError))
    assert (len(script.starts), script.cancelled, flights.flights) == (1, 0, 0)


async def test_with_the_last_one_the_run_is_cancelled_and_awaited():
    script, flights = Script(Hang(cleanup=3)), CoalesceMiddleware()
    registry = host(script, flights)

    async def ask(seconds):
        result = await registry.execute("t", timeout=seconds)
        return result.error.code, current_clock().now, script.running

    given = []
    async with anyio.create_task_group() as tasks:
        for seconds in (1, 2):
            tasks.start_soon(lambda seconds=seconds: _append(given, ask(seconds)))

    assert given == [("TIMEOUT", 1, 1), ("TIMEOUT", 5, 0)]
    assert flights.flights == 0


async def test_who_comes_while_it_is_being_stopped_begins_another():
    script = Script(Hang(cleanup=3), Give(7))
    registry = host(script, CoalesceMiddleware())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: registry.execute("t", timeout=1))
        await anyio.sleep(2)
        assert await registry.call("t") == 7
        assert current_clock().now == 2


async def test_a_run_that_takes_long_to_stop_is_reported_by_the_limit_and_awaited():
    script, told = Script(Hang(cleanup=20)), []
    registry = host(script, CoalesceMiddleware())
    registry.on_event(told.append)

    await registry.execute("t", timeout=1)

    assert told == [CancelOverrun(tool="t", grace=5)]
    assert (script.running, current_clock().now) == (0, 21)


@pytest.mark.backends("asyncio")
async def test_who_is_cancelled_again_meanwhile_still_waits_for_its_end():
    script = Script(Hang(cleanup=3))
    registry = host(script, CoalesceMiddleware())
    task = asyncio.create_task(registry.call("t"))

    for _ in range(3):
        await asyncio.sleep(1)
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert (script.running, current_clock().now) == (0, 4)


async def test_what_fails_while_it_is_stopped_is_reported():
    registry, told = Registry(), []
    registry.use(CoalesceMiddleware())
    registry.on_event(told.append)

    @registry.tool(read_only=True)
    async def stumbles() -> None:
        try:
            await anyio.sleep(9)
        finally:
            raise ValueError("no goodbye")

    result = await registry.execute("stumbles", timeout=1)

    assert result.error.code == "TIMEOUT"
    assert [(type(event), event.tool, str(event.error)) for event in told] == [
        (FlightFailed, "stumbles", "no goodbye")
    ]


async def test_what_ends_the_program_while_it_is_stopped_reaches_the_last():
    registry = Registry()
    registry.use(CoalesceMiddleware())

    @registry.tool(read_only=True)
    async def quits() -> None:
        try:
            await anyio.sleep(9)
        finally:
            raise SystemExit(3)

    with pytest.raises(SystemExit):
        await registry.execute("quits", timeout=1)


async def test_what_ends_the_program_in_the_tick_in_which_the_last_one_leaves_reaches_it():
    registry = Registry()
    registry.use(CoalesceMiddleware())

    @registry.tool(read_only=True)
    async def quits() -> None:
        await anyio.sleep(1)
        scope.cancel()
        raise SystemExit(3)

    with pytest.raises(SystemExit), anyio.CancelScope() as scope:
        await registry.call("quits")


@pytest.mark.backends("asyncio")
async def test_what_ends_the_program_for_the_first_does_not_reach_one_that_leaves_after_it():
    registry = Registry()
    registry.use(CoalesceMiddleware())

    @registry.tool(read_only=True)
    async def quits() -> None:
        await anyio.sleep(1)
        raise SystemExit(3)

    async def first():
        with pytest.raises(SystemExit):
            await registry.call("quits")
        tasks[1].cancel()

    tasks = [asyncio.create_task(ask) for ask in (first(), registry.call("quits"))]

    assert isinstance((await asyncio.gather(*tasks, return_exceptions=True))[1], asyncio.CancelledError)


async def test_what_fails_for_those_who_wait_is_reported_nowhere_else():
    registry, told = host(Script(Fail(ValueError("no"))), CoalesceMiddleware()), []
    registry.on_event(told.append)

    await registry.execute("t")

    assert told == []


@pytest.mark.backends("asyncio")
async def test_a_call_that_is_closed_ends_its_run_without_waiting():
    script = Script(Hang())
    call = host(script, CoalesceMiddleware()).call("t")
    call.send(None)
    await asyncio.sleep(1)

    call.close()
    await asyncio.sleep(1)

    assert (len(script.starts), script.running) == (1, 0)


@pytest.mark.backends("asyncio")
async def test_a_run_whose_call_was_closed_has_no_time_left():
    registry, left = Registry(), []
    registry.use(CoalesceMiddleware())

    @registry.tool(read_only=True)
    async def lingers(call: Call) -> None:
        try:
            await anyio.sleep(9)
        finally:
            left.append(remaining(call))

    call = registry.call("lingers")
    call.send(None)
    await asyncio.sleep(1)
    call.close()
    await asyncio.sleep(1)

    assert left == [-math.inf]


@pytest.mark.backends("asyncio")
async def test_a_run_whose_call_was_closed_is_not_tried_again_for_nobody():
    registry, runs = Registry(), []
    registry.use(CoalesceMiddleware(), STEADY)

    @registry.tool(read_only=True)
    async def stumbles() -> None:
        runs.append(1)
        try:
            await anyio.sleep(9)
        finally:
            raise ConnectionError

    call = registry.call("stumbles")
    call.send(None)
    await asyncio.sleep(1)
    call.close()
    await asyncio.sleep(20)

    assert len(runs) == 1


@pytest.mark.backends("asyncio")
async def test_a_cancellation_that_the_tool_made_itself_is_for_the_first_alone():
    registry, runs = Registry(), []
    registry.use(CoalesceMiddleware())

    @registry.tool(read_only=True)
    async def odd() -> int:
        runs.append(1)
        await asyncio.sleep(1)
        if len(runs) == 1:
            raise asyncio.CancelledError
        return 7

    tasks = [asyncio.create_task(registry.call("odd")) for _ in range(3)]
    given = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(given[0], asyncio.CancelledError)
    assert (given[1:], len(runs)) == ([7, 7], 2)


class TestRegistry:
    """Runs end with the registry of the call that began them."""

    async def test_that_is_left_cuts_off_calls_and_with_them_the_run(self):
        script, registry = Script(Hang(cleanup=1)), Registry(grace=2)
        registry.use(CoalesceMiddleware())
        registry.add(script.tool("t", read_only=True))
        given = []

        async with anyio.create_task_group() as tasks:
            async with registry:
                for _ in range(2):
                    tasks.start_soon(lambda: _append(given, registry.execute("t")))
                await anyio.sleep(1)

        assert [result.error.code for result in given] == ["UNAVAILABLE"] * 2
        assert (script.running, current_clock().now) == (0, 4)

    async def test_of_another_that_has_gone_the_others_begin_anew(self):
        script, flights = Script(Hang(), Give(7)), CoalesceMiddleware()
        tool, registries = script.tool("t", read_only=True), [Registry(grace=0.5), Registry()]
        for registry in registries:
            registry.use(flights)
            registry.add(tool)
        given = []

        async with anyio.create_task_group() as tasks:
            async with registries[0]:
                tasks.start_soon(lambda: _append(given, registries[0].execute("t")))
                await anyio.sleep(1)
                tasks.start_soon(lambda: _append(given, registries[1].execute("t")))
                await anyio.sleep(1)

        assert [result.value for result in given] == [None, 7]
        assert len(script.starts) == 2


class TestEveryAwait:
    """Cancelled anywhere, nothing is left."""

    def test_of_a_single_call(self, backend):
        everywhere(backend, Give(1, after=1), CoalesceMiddleware)

    def test_of_one_that_takes_its_time_to_stop(self, backend):
        everywhere(backend, Hang(cleanup=1), CoalesceMiddleware, timeout=2)

    def test_of_several(self, backend):
        everywhere(backend, Give([1], after=1), CoalesceMiddleware, number=3)

    def test_of_a_cache(self, backend):
        everywhere(backend, Give([1], after=1), lambda: CacheMiddleware(60), number=2)

    def test_of_a_cache_around_flights_around_retries(self, backend):
        steps = Fail(ConnectionError(), after=1), Give([1], after=1)
        everywhere(backend, *steps, lambda: CacheMiddleware(60), CoalesceMiddleware, lambda: STEADY, number=3)

    def test_of_a_tool_that_cleans_up_behind_a_shield(self, backend):
        opened = []

        async def scenario():
            registry = Registry()
            registry.use(CoalesceMiddleware())

            @registry.tool(read_only=True)
            async def saves() -> None:
                opened.append(1)
                try:
                    await anyio.sleep(1)
                finally:
                    with shielded():
                        await anyio.sleep(1)
                        opened.pop()

            await registry.call("saves")

        report = cancel_at_every_await(scenario, backend=backend, check=lambda: _empty(opened))
        assert report.suspensions > 0


def everywhere(backend, *steps, number=1, timeout=None):
    """So many calls at once of a tool that plays these steps, with these middleware, newly made each time."""
    script = [step for step in steps if isinstance(step, Give | Fail | Hang)]
    makes = [step for step in steps if step not in script]
    seen = []

    async def scenario():
        seen[:] = [Script(*script), *[make() for make in makes]]
        registry = host(*seen)
        async with anyio.create_task_group() as tasks:
            for _ in range(number):
                tasks.start_soon(lambda: registry.execute("t", timeout=timeout))

    def check():
        assert seen[0].running == 0
        assert all(used.flights == 0 for used in seen if isinstance(used, CoalesceMiddleware))

    report = cancel_at_every_await(scenario, backend=backend, check=check)
    assert len(report.cancelled) == report.suspensions * (len(Way) if backend == "asyncio" else 1) > 0


async def _append(given, awaitable):
    given.append(await awaitable)


def _empty(opened):
    assert not opened
