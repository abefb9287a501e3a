"""A part of a stream: what is given of it, and what is read."""

import anyio
import pytest

from concurrency.sources import After, Source, listed, numbers
from toolcase.concurrency import skip, take


@pytest.mark.parametrize(("n", "given"), [(0, []), (2, [0, 1]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])])
async def test_take_gives_the_first_and_reads_no_further(n, given):
    source = numbers(4)

    assert await listed(take(source, n)) == (given, None)
    assert source.produced == len(given)
    assert source.times_closed == 1


async def test_take_waits_for_nothing_after_the_last():
    source = Source(0, After(10_000, 1))

    async with take(source, 1) as stream:
        await anext(stream)
        await anyio.sleep(1)

        assert source.closed


@pytest.mark.parametrize(("n", "given"), [(0, [0, 1, 2]), (2, [2]), (9, [])])
async def test_skip_leaves_out_the_first(n, given):
    source = numbers(3)

    assert await listed(skip(source, n)) == (given, None)
    assert source.closed


@pytest.mark.parametrize("portion", [take, skip])
def test_the_number_must_be_one(portion):
    with pytest.raises(ValueError, match="n must be at least 0, got -1"):
        portion(numbers(1), -1)
    with pytest.raises(TypeError, match="n must be a whole number, got 1.5"):
        portion(numbers(1), 1.5)
