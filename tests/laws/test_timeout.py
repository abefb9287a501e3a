"""Laws 19 to 24: limits of time, and threads."""

import math
import threading
import time

import anyio
from hypothesis import given
from hypothesis import strategies as st

from laws.observing import end_of, outcome
from toolcase import Registry, ToolTimeout
from toolcase.runtime import TimeoutMiddleware
from toolcase.testing import Give, Hang, Script, current_clock
from toolcase.testing.strategies import scripts
from toolcase.threads import Worker

limits = st.sampled_from([0.375, 1.0, 2.0, 3.0, 5.0])


@given(script=scripts())
async def test_law_19_an_infinite_limit_is_the_identity(script):
    assert await outcome(script, TimeoutMiddleware(math.inf)) == await outcome(script)


@given(script=scripts(), a=limits, b=limits)
async def test_law_20_two_limits_are_the_smaller_one(script, a, b):
    both = await outcome(script, TimeoutMiddleware(a), TimeoutMiddleware(b))

    assert both == await outcome(script, TimeoutMiddleware(min(a, b)))


@given(script=scripts(), limit=limits)
async def test_law_21_what_is_quicker_than_its_limit_does_not_notice_it(script, limit):
    end, starts, elapsed = await outcome(script)

    limited = await outcome(script, TimeoutMiddleware(limit))

    if elapsed < limit:
        assert limited == (end, starts, elapsed)
    elif elapsed > limit:
        assert limited[0] == ("TIMEOUT", "ToolTimeout")


@given(
    limit=limits, moment=limits, step=st.one_of(st.builds(Give, st.just(1), after=limits), st.just(Hang()))
)
async def test_law_22_every_race_of_ends_has_exactly_one_outcome(limit, moment, step):
    registry, ends = Registry(), []
    registry.use(TimeoutMiddleware(limit))
    registry.add(Script(step).tool("t"))

    with anyio.move_on_after(moment) as scope:
        try:
            ends.append(await registry.call("t"))
        except ToolTimeout as error:
            ends.append(error)
    await anyio.sleep(1)  # a cancellation left over would strike here

    assert len(ends) <= 1
    assert ends or scope.cancelled_caught


@given(
    waits=st.lists(st.sampled_from([0.0, 0.5, 1.5, 3.0]), max_size=6),
    delays=st.lists(st.sampled_from([0.0, 1.0, 40.0]), min_size=6, max_size=6),
    idle=st.sampled_from([1.0, 2.0]),
    first=st.sampled_from([1.0, math.inf]),
    how=st.sampled_from(["block", "sink"]),
)
async def test_law_23_no_delay_of_a_reader_is_an_idle_tool(waits, delays, idle, first, how):
    async def read(delays):
        """The chunks, and how it ended, with a reader who waits so long after each of them."""
        registry, got = Registry(), []
        registry.use(TimeoutMiddleware(first_chunk=first, idle=idle))

        @registry.tool
        async def tail():
            for number, wait in enumerate(waits):
                await anyio.sleep(wait)
                yield number

        async def take(chunk):
            got.append(chunk.content)
            await anyio.sleep(delays[chunk.content])

        stream = registry.stream_execute("tail", buffer=1)
        if how == "sink":
            return got, end_of(await stream.stream_to(take))
        async with stream:
            try:
                async for chunk in stream:
                    await take(chunk)
            except ToolTimeout:
                pass
            return got, end_of(stream.result)

    assert await read(delays) == await read([0.0] * 6)


@given(order=st.permutations(range(4)), abandoned=st.booleans())
async def test_law_24_slots_held_are_threads_that_run(order, abandoned):
    registry, gates = Registry(), [threading.Event() for _ in order]

    @registry.tool(timeout=5)
    def wait(n: int) -> None:
        gates[n].wait(5)

    async with anyio.create_task_group() as group:
        for n in order:
            group.start_soon(registry.execute, "wait", {"n": n})
        await settle(lambda: registry.threads.busy == 4)
        if abandoned:
            current_clock().jump(5)
            await anyio.sleep(0)
        for left, n in zip((3, 2, 1, 0), order, strict=True):
            gates[n].set()
            await settle(lambda left=left: threads_at_work(registry) == left)
            assert registry.threads.busy == left


def threads_at_work(registry):
    workers = [thread for thread in threading.enumerate() if isinstance(thread, Worker)]
    return sum(worker.pending for worker in workers if worker.pool is registry.threads)


async def settle(condition):
    """Wait, in real time, for what threads do."""
    limit = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < limit
        await anyio.sleep(0)
