"""Limits of time between chunks: they run for the tool and not for its reader, and leave nothing behind."""

import asyncio

import anyio
import pytest

from toolcase import Call, Registry, ToolTimeout, shielded
from toolcase.events import CancelOverrun
from toolcase.runtime import TimeoutMiddleware
from toolcase.testing import Give, Script, current_clock
from toolcase.timer import limits_of


def limited(*limits):
    registry = Registry()
    registry.use(*limits)
    return registry


def tailing(*limits, waits, cleanup=0.0, read_only=None):
    """A registry with these limits around `tail`, which waits so before each chunk, and before its end."""
    registry, ends = limited(*limits), []

    @registry.tool(read_only=read_only)
    async def tail():
        try:
            for number, seconds in enumerate(waits):
                await anyio.sleep(seconds)
                if number < len(waits) - 1:
                    yield number
        finally:
            with shielded(1_000):
                await anyio.sleep(cleanup)
            ends.append(current_clock().now)

    return registry, ends


async def read(registry, name="tail", *, wait=0.0, got=None):
    """What comes of it, read by one who takes his time over each chunk."""
    got = [] if got is None else got
    async with registry.stream(name) as stream:
        async for chunk in stream:
            got.append(chunk.content)
            await anyio.sleep(wait)
    return got


async def nothing_is_left():
    """Whether the task goes on undisturbed."""
    await anyio.sleep(0)
    await anyio.sleep(1_000)
    return True


async def test_a_tool_that_gives_chunks_in_time_does_not_notice():
    registry, _ = tailing(TimeoutMiddleware(first_chunk=3, idle=2), waits=[2.9, 1.9, 1.9, 1.9])

    assert await read(registry) == [0, 1, 2]


async def test_a_first_chunk_that_does_not_come_ends_it():
    registry, ends = tailing(TimeoutMiddleware(first_chunk=2), waits=[9, 0])

    with pytest.raises(ToolTimeout, match=r"^'tail' gave no first chunk within 2 s$") as caught:
        await read(registry)

    assert caught.value.kind == "first_chunk"
    assert ends == [pytest.approx(2)]
    assert await nothing_is_left()


async def test_a_limit_of_the_first_chunk_is_none_of_the_further_ones():
    registry, _ = tailing(TimeoutMiddleware(first_chunk=2), waits=[1, 99, 99])

    assert await read(registry) == [0, 1]


async def test_a_further_chunk_that_does_not_come_ends_it_after_those_that_did():
    registry, ends = tailing(TimeoutMiddleware(idle=5), waits=[60, 4, 4, 9, 0])
    got = []

    with pytest.raises(ToolTimeout, match=r"^'tail' gave no chunk for 5 s$") as caught:
        await read(registry, got=got)

    assert (got, caught.value.kind) == ([0, 1, 2], "idle")
    assert ends == [pytest.approx(68 + 5)]
    assert await nothing_is_left()


async def test_it_ends_at_the_time_that_its_last_chunk_has_left_it():
    registry, ends = tailing(TimeoutMiddleware(idle=5), waits=[1, 2, 99])

    with pytest.raises(ToolTimeout):
        await read(registry)

    assert ends == [pytest.approx(3 + 5)]


async def test_an_end_that_does_not_come_is_a_chunk_that_does_not_come():
    registry, _ = tailing(TimeoutMiddleware(idle=5), waits=[0, 9])

    with pytest.raises(ToolTimeout, match="no chunk for 5 s"):
        await read(registry)


@pytest.mark.parametrize("how", ["call", "collect", "stream_to"])
async def test_they_hold_however_the_chunks_are_read(how):
    registry, ends = tailing(TimeoutMiddleware(first_chunk=9, idle=5), waits=[8, 4, 99])

    with pytest.raises(ToolTimeout, match="no chunk for 5 s"):
        if how == "call":
            await registry.call("tail")
        elif how == "collect":
            await registry.stream("tail").collect()
        else:
            (await registry.stream("tail").stream_to(lambda chunk: None)).unwrap()

    assert ends == [pytest.approx(12 + 5)]
    assert await nothing_is_left()


@pytest.mark.parametrize("how", ["block", "stream_to"])
async def test_a_reader_who_takes_his_time_is_no_matter_of_theirs(how):
    registry, _ = tailing(TimeoutMiddleware(first_chunk=1, idle=1), waits=[0.5] * 40)
    got = []

    async def slow(chunk):
        await anyio.sleep(50)
        got.append(chunk.content)

    if how == "block":
        await read(registry, wait=50, got=got)
    else:
        (await registry.stream("tail").stream_to(slow)).unwrap()

    assert got == list(range(39))


async def test_after_a_slow_reader_the_tool_has_its_whole_time_again():
    registry, ends = tailing(TimeoutMiddleware(idle=5), waits=[0, 0, 9, 0])

    async def slow(chunk):
        await anyio.sleep(50)

    result = await registry.stream("tail").stream_to(slow)

    assert result.error.code == "TIMEOUT"
    assert ends == [pytest.approx(2 * 50 + 5)]


async def test_the_seconds_bound_all_of_it_the_waits_for_its_reader_included():
    registry, _ = tailing(TimeoutMiddleware(20, idle=5), waits=[0] * 9)

    async def slow(chunk):
        await anyio.sleep(8)

    result = await registry.stream("tail").stream_to(slow)

    assert result.error.message == "'tail' took longer than 20 s"
    assert current_clock().now == pytest.approx(20)


@pytest.mark.parametrize("reverse", [False, True])
async def test_a_chunk_is_told_to_each_limit_around_its_tool(reverse):
    limits = [TimeoutMiddleware(idle=5), TimeoutMiddleware(idle=7)]
    registry, ends = tailing(*(limits[::-1] if reverse else limits), waits=[4, 4, 4, 99])

    with pytest.raises(ToolTimeout, match="no chunk for 5 s"):
        await read(registry, wait=20)

    assert ends == [pytest.approx(12 + 5)]


async def test_of_an_idle_limit_and_one_of_all_the_earlier_has_the_error():
    registry, _ = tailing(TimeoutMiddleware(10), TimeoutMiddleware(idle=5), waits=[3, 3, 99])

    with pytest.raises(ToolTimeout, match="longer than 10 s"):
        await read(registry)


@pytest.mark.parametrize(("read_only", "unknown"), [(None, True), (True, False)])
async def test_after_it_the_effect_of_a_tool_that_has_any_is_unknown(read_only, unknown):
    registry, _ = tailing(TimeoutMiddleware(first_chunk=2), waits=[9], read_only=read_only)

    result = await registry.execute("tail")

    assert result.error.outcome_unknown is unknown


async def test_the_tool_is_waited_for_until_it_has_stopped():
    registry, ends = tailing(TimeoutMiddleware(idle=2), waits=[0, 99], cleanup=3)

    with pytest.raises(ToolTimeout):
        await read(registry)

    assert ends == [pytest.approx(5)]


@pytest.mark.parametrize(("cleanup", "reported"), [(4, 0), (5, 1), (6, 1)])
async def test_one_that_does_not_stop_in_time_is_reported(cleanup, reported):
    registry, _ = tailing(TimeoutMiddleware(first_chunk=2), waits=[99], cleanup=cleanup)
    events = []
    registry.on_event(events.append)

    await registry.execute("tail")

    assert events == [CancelOverrun(tool="tail", grace=5.0)] * reported


async def test_clean_up_that_is_shielded_is_not_cut():
    registry, ends = tailing(TimeoutMiddleware(idle=2), waits=[0, 0], cleanup=30)

    assert await read(registry) == [0]
    assert ends == [pytest.approx(30)]


async def test_a_chunk_in_time_after_a_shield_that_took_long_counts():
    registry = limited(TimeoutMiddleware(first_chunk=2, idle=2))

    @registry.tool
    async def careful(call: Call):
        yield 0
        with shielded(99):
            await anyio.sleep(1)
            call._pace.wanted()
            await anyio.sleep(1.5)
        yield 1

    assert await read(registry, "careful") == [0, 1]


@pytest.mark.backends("asyncio")
async def test_what_was_due_in_a_shield_is_not_due_any_more_after_a_chunk():
    registry = limited(TimeoutMiddleware(idle=2))

    @registry.tool
    async def careful():
        yield 0
        with shielded(99):
            await anyio.sleep(5)
        yield 1
        await anyio.sleep(1)
        yield 2

    assert await read(registry, "careful", wait=3) == [0, 1, 2]


async def test_what_was_due_in_a_shield_strikes_after_it():
    registry, now = limited(TimeoutMiddleware(idle=2)), []

    @registry.tool
    async def careful():
        yield 0
        with shielded(99):
            await anyio.sleep(5)
        try:
            await anyio.sleep(99)
        finally:
            now.append(current_clock().now)

    with pytest.raises(ToolTimeout):
        await read(registry, "careful")

    assert now == [pytest.approx(5)]


@pytest.mark.backends("asyncio")
async def test_a_tool_that_swallows_the_cancellation_goes_on():
    registry = limited(TimeoutMiddleware(first_chunk=2, idle=2))

    @registry.tool
    async def stubborn():
        try:
            await anyio.sleep(99)
        except asyncio.CancelledError:
            yield 1

    assert await registry.call("stubborn") == [1]
    assert asyncio.current_task().cancelling() == 0
    assert await nothing_is_left()


async def test_a_scope_around_it_that_ends_first_is_no_timeout_of_ours():
    registry, _ = tailing(TimeoutMiddleware(idle=5), waits=[0, 99])

    with anyio.move_on_after(2) as scope:
        await registry.call("tail")

    assert scope.cancelled_caught
    assert await nothing_is_left()


@pytest.mark.backends("asyncio")
async def test_a_scope_that_is_cancelled_while_the_tool_stops_sees_its_own_cancellation():
    registry = limited(TimeoutMiddleware(first_chunk=1))

    @registry.tool
    async def grouped():
        async def slow_to_stop():
            try:
                await anyio.sleep(99)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.5)

        async with anyio.create_task_group() as group:
            group.start_soon(slow_to_stop)
            await anyio.sleep(99)
        yield 1

    with anyio.move_on_after(1.2) as scope:
        await registry.call("grouped")

    assert scope.cancelled_caught
    assert await nothing_is_left()


@pytest.mark.backends("asyncio")
async def test_a_native_cancellation_in_the_same_tick_is_one_cancellation():
    registry, _ = tailing(TimeoutMiddleware(first_chunk=5), waits=[99])
    task = asyncio.create_task(registry.call("tail"))
    await asyncio.sleep(0)

    asyncio.get_running_loop().call_at(5, task.cancel)

    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.backends("asyncio")
async def test_one_timer_serves_all_chunks():
    registry = limited(TimeoutMiddleware(first_chunk=5, idle=5))
    seen = []

    @registry.tool
    async def many():
        for number in range(100):
            handle = limits_of(asyncio.current_task()).armed[-1]._handle
            if handle not in seen:
                seen.append(handle)
            yield number
            await asyncio.sleep(0)

    await registry.call("many")

    assert len(seen) == 1
    assert not [each for each in asyncio.get_running_loop()._scheduled if not each.cancelled()]


@pytest.mark.backends("asyncio")
async def test_no_timer_is_armed_while_the_reader_takes_longer_than_the_limit():
    registry, timers, armed = limited(TimeoutMiddleware(idle=5)), [], []

    @registry.tool
    async def twice():
        yield 0
        timers.extend(limits_of(asyncio.current_task()).armed)
        yield 1

    async def slow(chunk):
        await anyio.sleep(9)
        armed.extend(timer._handle for timer in timers)

    assert (await registry.stream("twice").stream_to(slow)).ok
    assert armed == [None]


class TestAToolThatDoesNotStream:
    """It has no chunks; once it has said how far it is, it must go on saying so."""

    async def test_is_not_limited_before_it_says_how_far_it_is(self):
        registry = limited(TimeoutMiddleware(first_chunk=1, idle=1))
        registry.add(Script(Give(1, after=50)).tool("t"))

        assert await registry.call("t") == 1

    async def test_is_not_limited_by_a_first_chunk(self):
        registry = limited(TimeoutMiddleware(first_chunk=1))
        registry.add(Script(Give(1, after=50)).tool("t"))

        assert await registry.call("t") == 1

    async def test_must_not_fall_silent_after_that(self):
        registry = limited(TimeoutMiddleware(idle=5))

        @registry.tool
        async def work(call: Call) -> None:
            for _ in range(3):
                await anyio.sleep(4)
                call._pace.wanted()
            await anyio.sleep(99)

        with pytest.raises(ToolTimeout, match=r"^'work' gave no sign of progress for 5 s$") as caught:
            await registry.call("work")

        assert caught.value.kind == "idle"
        assert current_clock().now == pytest.approx(12 + 5)


class TestProgress:
    """What a tool says between chunks."""

    async def test_counts_as_a_sign_for_each_limit_around_it_and_not_as_a_chunk(self):
        registry = limited(TimeoutMiddleware(idle=5), TimeoutMiddleware(first_chunk=10, idle=5))

        @registry.tool
        async def work(call: Call):
            for _ in range(5):
                call._pace.wanted()
                await anyio.sleep(4)
            yield 1

        with pytest.raises(ToolTimeout, match="no first chunk within 10 s"):
            await registry.call("work")

    async def test_counts_after_a_chunk_too(self):
        registry = limited(TimeoutMiddleware(idle=5))

        @registry.tool
        async def work(call: Call):
            yield 0
            for _ in range(3):
                await anyio.sleep(4)
                call._pace.wanted()
            yield 1

        assert await registry.call("work") == [0, 1]

    @pytest.mark.backends("asyncio")
    async def test_of_clean_up_starts_no_time_anew(self):
        registry, ends = limited(TimeoutMiddleware(idle=5)), []

        @registry.tool
        async def work(call: Call) -> None:
            call._pace.wanted()
            try:
                await anyio.sleep(99)
            finally:
                call._pace.wanted()
                await asyncio.sleep(8)
                ends.append(current_clock().now)

        with pytest.raises(ToolTimeout):
            await registry.call("work")

        assert ends == [pytest.approx(5 + 8)]

    async def test_of_two_limits_for_the_same_moment_that_of_the_first_chunk_has_the_error(self):
        registry = limited(TimeoutMiddleware(first_chunk=5, idle=4))

        @registry.tool
        async def work(call: Call):
            await anyio.sleep(1)
            call._pace.wanted()
            await anyio.sleep(99)
            yield 1

        with pytest.raises(ToolTimeout, match="no first chunk within 5 s"):
            await registry.call("work")

    async def test_does_not_start_the_time_while_the_reader_is_waited_for(self):
        registry, calls = limited(TimeoutMiddleware(idle=5)), []

        @registry.tool
        async def work(call: Call):
            calls.append(call)
            yield 1

        async def slow(chunk):
            calls[0]._pace.wanted()  # a task of the tool's own goes on meanwhile
            await anyio.sleep(9)

        assert (await registry.stream("work").stream_to(slow)).ok

    async def test_says_nothing_after_the_end(self):
        registry, calls = limited(TimeoutMiddleware(idle=5)), []

        @registry.tool
        async def work(call: Call) -> None:
            calls.append(call)

        await registry.call("work")
        calls[0]._pace.wanted()

        assert await nothing_is_left()
