"""Streams within limits between chunks and a retry, cancelled at every await: nothing is left."""

import contextlib

import anyio
import pytest

from cancel.test_ten_scenarios import STEADY, closed, everywhere
from toolcase import Registry, ToolTimeout, shielded
from toolcase.runtime import CircuitBreakerMiddleware, TimeoutMiddleware


class Effects:
    """What was begun and has not ended, and the breaker around it."""

    def __init__(self):
        self.open = 0
        self.breaker = CircuitBreakerMiddleware(half_open_permits=1)


def registry_of(effects):
    """A tool that lets wait too long for its first chunk, then for its third, and then goes on."""
    registry, runs = Registry(), []
    between = TimeoutMiddleware(50, first_chunk=2, idle=2)
    registry.use(TimeoutMiddleware(100), STEADY, effects.breaker, between)

    async def run(wait, begin):
        runs.append(begin)
        effects.open += 1
        try:
            for number in range(begin, 4):
                late = (len(runs), number) in {(1, 0), (2, 2)}
                await anyio.sleep(9 if late else wait)
                yield number
        finally:
            try:
                with shielded():
                    await anyio.sleep(1)
            finally:  # a host's own task.cancel() in the reader's task gets through every shield
                effects.open -= 1

    async def rest(cursor, wait):
        async with contextlib.aclosing(run(wait, cursor.content + 1)) as source:
            async for number in source:
                yield number

    @registry.tool(resume=rest)
    async def count(wait: float):
        async with contextlib.aclosing(run(wait, 0)) as source:
            async for number in source:
                yield number

    return registry


def at_rest(effects):
    closed(effects)
    circuit = effects.breaker._circuits.find("count")
    assert circuit is None or not circuit._trials


HOW = ["block", "sink", "call"]


@pytest.mark.parametrize("how", HOW)
# The reader goes on when the tool does not: where both do in one tick, trio draws lots for who is first.
@pytest.mark.parametrize("slow", [0.25, 3.625])
def test_within_limits_and_a_retry(backend, how, slow):
    effects = []

    async def scenario():
        effects.append(Effects())
        registry = registry_of(effects[-1])
        with contextlib.suppress(ToolTimeout):
            if how == "call":
                await registry.call("count", wait=1)
            elif how == "sink":
                await registry.stream("count", wait=1).stream_to(lambda chunk: anyio.sleep(slow))
            else:
                async with registry.stream("count", wait=1) as stream:
                    async for _ in stream:
                        await anyio.sleep(slow)
        assert registry.inflight() == []

    everywhere(scenario, backend, check=lambda: at_rest(effects[-1]))
