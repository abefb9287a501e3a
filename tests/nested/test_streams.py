"""Streams in stacks: retries around limits between chunks, limits in limits, a breaker among them."""

import anyio
import pytest

from toolcase import ErrorCode, Registry, Stage, tool
from toolcase.runtime import (
    CircuitBreakerMiddleware,
    CircuitState,
    ConstantBackoff,
    RetryMiddleware,
    RetryPolicy,
    TimeoutMiddleware,
    production,
)
from toolcase.testing import current_clock

RETRY = RetryMiddleware(RetryPolicy(backoff=ConstantBackoff(jitter=False)))


class Source:
    """A tool whose runs wait as they are told before each chunk; after the last one its chunk never comes."""

    def __init__(self, *used, runs, resumes=False):
        self.runs, self.starts, self.got = [list(waits) for waits in runs], [], []
        self.registry = Registry(clock=current_clock())
        self.registry.use(*used)
        self.registry.add(tool(self.count, resume=self.rest if resumes else None))

    async def count(self):
        async for number in self.play(0):
            yield number

    async def rest(self, cursor):
        async for number in self.play(cursor.content + 1):
            yield number

    async def play(self, number):
        self.starts.append(current_clock().now)
        for wait in self.runs.pop(0) if self.runs else ():
            await anyio.sleep(wait)
            yield number
            number += 1
        if self.runs:
            await anyio.sleep(1_000)

    async def read(self, wait=0.0):
        async def take(chunk):
            self.got.append(chunk.content)
            await anyio.sleep(wait)

        return await self.registry.stream("count").stream_to(take)


async def test_a_first_chunk_that_does_not_come_is_a_failed_attempt():
    source = Source(RETRY, TimeoutMiddleware(first_chunk=3), runs=[[], [1, 50]])

    result = await source.read()

    assert (result.ok, source.got) == (True, [0, 1])
    assert source.starts == pytest.approx([0, 3 + 1])


async def test_an_idle_tool_is_run_again_only_where_it_can_go_on():
    source = Source(RETRY, TimeoutMiddleware(idle=3), runs=[[0, 2], []])
    result = await source.read()
    assert (result.error.code, source.got, len(source.starts)) == (ErrorCode.TIMEOUT, [0, 1], 1)

    source = Source(RETRY, TimeoutMiddleware(idle=3), runs=[[0, 2], [2, 2]], resumes=True)
    result = await source.read()
    assert (result.ok, source.got, result.attempts) == (True, [0, 1, 2, 3], 2)


async def test_around_a_retry_they_hold_for_all_attempts_together():
    idle = TimeoutMiddleware(idle=5)
    source = Source(idle, RETRY, TimeoutMiddleware(idle=3), runs=[[0], [], []], resumes=True)
    began = current_clock().now

    result = await source.read()

    assert result.error.message == "'count' gave no chunk for 5 s"  # 3 s, a wait of 1 s, and 1 s more
    assert current_clock().now == pytest.approx(began + 5)


async def test_an_idle_limit_within_one_of_all_of_it():
    source = Source(TimeoutMiddleware(20), TimeoutMiddleware(idle=5), runs=[[4] * 9])

    result = await source.read()

    assert (result.error.message, source.got) == ("'count' took longer than 20 s", [0, 1, 2, 3])


async def test_a_breaker_counts_each_attempt_that_falls_silent():
    breaker = CircuitBreakerMiddleware(failure_threshold=2)
    source = Source(RETRY, breaker, TimeoutMiddleware(idle=3), runs=[[0], [0], [0]], resumes=True)

    result = await source.read()

    assert (result.error.code, source.got) == (ErrorCode.CIRCUIT_OPEN, [0, 1])
    assert breaker.state("count") is CircuitState.OPEN


async def test_a_breaker_does_not_see_a_limit_further_out():
    breaker = CircuitBreakerMiddleware(failure_threshold=1)
    source = Source(TimeoutMiddleware(idle=3), breaker, runs=[[0], []])

    await source.read()

    assert breaker.state("count") is CircuitState.CLOSED


async def test_a_guard_that_takes_its_time_over_a_chunk_is_no_idle_tool():
    async def slow(call, inner):
        async def emit(chunk):
            await anyio.sleep(50)
            await call.emit(chunk)

        return await inner(call.streaming_to(emit))

    slow.stage = Stage.GUARD
    source = Source(slow, TimeoutMiddleware(idle=3), runs=[[2, 2, 2]])

    assert (await source.read()).ok


async def test_through_the_default_stack():
    source = Source(production(total_seconds=500), TimeoutMiddleware(idle=3), runs=[[1, 2], []])

    result = await source.read(wait=9)

    assert (result.error.code, source.got) == (ErrorCode.TIMEOUT, [0, 1])
