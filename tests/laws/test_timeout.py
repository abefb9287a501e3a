"""Laws 19 to 22 and 24: limits of time."""

import math
import threading
import time

import anyio
from hypothesis import given
from hypothesis import strategies as st

from laws.strategies import law, outcome, scripts
from toolcase import Registry, ToolTimeout
from toolcase.runtime import TimeoutMiddleware
from toolcase.testing import Give, Hang, Script, current_clock
from toolcase.threads import Worker

limits = st.sampled_from([0.4, 1.0, 2.0, 3.0, 5.0])


@law
@given(script=scripts)
async def test_law_19_an_infinite_limit_is_the_identity(script):
    assert await outcome(script, TimeoutMiddleware(math.inf)) == await outcome(script)


@law
@given(script=scripts, a=limits, b=limits)
async def test_law_20_two_limits_are_the_smaller_one(script, a, b):
    both = await outcome(script, TimeoutMiddleware(a), TimeoutMiddleware(b))

    assert both == await outcome(script, TimeoutMiddleware(min(a, b)))


@law
@given(script=scripts, limit=limits)
async def test_law_21_what_is_quicker_than_its_limit_does_not_notice_it(script, limit):
    end, starts, elapsed = await outcome(script)

    limited = await outcome(script, TimeoutMiddleware(limit))

    if elapsed < limit:
        assert limited == (end, starts, elapsed)
    elif elapsed > limit:
        assert limited[0] == ("TIMEOUT", "ToolTimeout")


@law
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


async def test_law_24_slots_held_are_threads_that_run():
    registry, gates = Registry(), [threading.Event() for _ in range(8)]

    @registry.tool(timeout=5)
    def wait(n: int) -> None:
        gates[n].wait(5)

    async def call(n):
        await registry.execute("wait", {"n": n})

    def running():
        return sum(worker.pending for worker in threading.enumerate() if isinstance(worker, Worker))

    before = running()
    async with anyio.create_task_group() as group:
        for n in range(8):
            group.start_soon(call, n)
        await settle(lambda: registry.threads.busy == 8)
        current_clock().jump(5)
    assert registry.threads.busy == 8
    for n, gate in enumerate(gates):
        gate.set()
        await settle(lambda n=n: running() - before == 7 - n)
        assert registry.threads.busy == 7 - n


async def settle(condition):
    """Wait, in real time, for what threads do."""
    limit = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < limit
        await anyio.sleep(0)
