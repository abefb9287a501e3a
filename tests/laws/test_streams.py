"""Laws 57, 60 and 61: what a stream makes ahead, what closing it means, and where its error comes."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolcase import Registry, shielded
from toolcase.runtime import BulkheadMiddleware, LoggingMiddleware, RetryMiddleware, TimeoutMiddleware

waits = st.sampled_from([0.0, 0.5, 2.0])
buffers = st.integers(1, 20)
stacks = st.lists(
    st.sampled_from(
        [
            BulkheadMiddleware(3),
            LoggingMiddleware(),
            RetryMiddleware(),
            TimeoutMiddleware(1_000),
        ]
    ),
    max_size=3,
    unique_by=type,
)


class Count:
    """A tool that counts, and how it stands."""

    def __init__(self, used):
        self.made = self.open = 0
        self.registry = Registry()
        self.registry.use(*used)
        self.registry.add(self.count)

    async def count(self, until: int, wait: float, fails: bool = False):
        self.open += 1
        try:
            for number in range(until):
                await anyio.sleep(wait)
                self.made += 1
                yield number
            if fails:
                raise LookupError
        finally:
            with shielded():
                await anyio.sleep(wait)
            self.open -= 1


@given(
    used=stacks,
    until=st.integers(0, 60),
    taken=st.integers(0, 40),
    buffer=buffers,
    make=waits,
    read=waits,
)
async def test_law_57_a_tool_is_never_further_ahead_than_its_buffer(used, until, taken, buffer, make, read):
    source, got = Count(used), 0
    stream = source.registry.stream_execute("count", {"until": until, "wait": make}, buffer=buffer)

    async with stream:
        while got < taken and await anext(stream, None) is not None:
            got += 1
            await anyio.sleep(read)
            assert source.made <= got + buffer + 1
        await anyio.sleep(100)
        assert source.made <= got + buffer + 1


@given(used=stacks, until=st.integers(0, 30), taken=st.integers(0, 30), wait=waits, entered=st.booleans())
async def test_law_60_a_closed_stream_has_ended_its_tool(used, until, taken, wait, entered):
    source = Count(used)
    stream = source.registry.stream_execute("count", {"until": until, "wait": wait})
    if entered:
        await stream.__aenter__()
    for _ in range(taken):
        await anext(stream, None)

    for _ in range(3):
        await stream.aclose()

        assert source.open == 0
        assert source.registry.inflight() == []
    made = source.made
    await anyio.sleep(10)
    assert source.made == made


@given(used=stacks, until=st.integers(1, 60), buffer=buffers, make=waits, read=waits)
async def test_law_61_an_error_comes_after_what_was_given_before_it(used, until, buffer, make, read):
    source, got = Count(used), []
    given = {"until": until, "wait": make, "fails": True}

    with pytest.raises(LookupError):
        async for chunk in source.registry.stream_execute("count", given, buffer=buffer):
            got.append(chunk.content)
            await anyio.sleep(read)

    assert got == list(range(until))
    assert source.open == 0
