"""Combinators of streams, cancelled at every await: no task is left, and every source has been closed."""

from functools import partial

import anyio
import pytest

from concurrency.sources import After, Gone, Source, listed
from toolcase.concurrency import batch, buffer, map_concurrent, merge, throttle, timeout, zip_streams
from toolcase.testing import Way, cancel_at_every_await


class Work:
    """A function to map, whose calls take their time, and their leave."""

    running = 0

    async def __call__(self, item):
        self.running += 1
        try:
            await anyio.sleep(1)
            return item
        finally:
            self.running -= 1


def one(combine, sources, work):
    return combine(sources[0])


def both(combine, sources, work):
    return combine(*sources)


def mapped(ordered, sources, work):
    return map_concurrent(sources[0], work, limit=2, ordered=ordered)


MAKERS = {
    "merge": partial(both, partial(merge, buffer=9)),  # where two wait for room, either may be first
    "zip_streams": partial(both, zip_streams),
    "buffer": partial(one, partial(buffer, size=2)),
    "batch": partial(one, partial(batch, size=2, within_seconds=0.5)),
    "timeout": partial(one, partial(timeout, seconds=9)),
    "throttle": partial(one, partial(throttle, per_second=2)),
    "map_concurrent": partial(mapped, True),
    "map_concurrent, not ordered": partial(mapped, False),
}


async def whole(stream):
    """The reader takes it all."""
    async with stream:
        await listed(stream)


async def breaks(stream):
    """The reader leaves after the first item."""
    async with stream:
        async for _ in stream:
            break


async def fails(stream):
    """The reader raises after the first item."""
    try:
        async with stream:
            async for _ in stream:
                raise Gone
    except Gone:
        pass


async def is_slow(stream):
    """The reader takes its time."""
    async with stream:
        async for _ in stream:
            await anyio.sleep(3)


READERS = {reader.__name__: reader for reader in (whole, breaks, fails, is_slow)}


def at_rest(made):
    sources, work = made[-1]
    assert work.running == 0
    for source in sources:
        assert source.running == 0
        assert source.ended_in == source.begun_in


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", MAKERS)
def test_cancelled_at_every_await(name, reader, failing, backend):
    made = []

    async def scenario():
        first = Source(1, After(1, Gone() if failing else 2), 3, cleanup=1)
        sources, work = [first, Source(1, 2, 3, every=0.7, cleanup=0.5)], Work()
        made.append((sources if name in ("merge", "zip_streams") else sources[:1], work))
        try:
            await READERS[reader](MAKERS[name](sources, work))
        except Gone:
            assert failing

    report = cancel_at_every_await(scenario, backend=backend, check=lambda: at_rest(made))

    assert len(report.cancelled) == report.suspensions * (len(Way) if backend == "asyncio" else 1) > 0
