"""A stream over any producer: it begins when it is read, and what it began has ended with it."""

import anyio
import pytest

from toolcase.cancellation import RunCancelled
from toolcase.stream import Stream, apart


def counting(until=1_000_000, seen=None):
    async def produce(put):
        try:
            for number in range(until):
                await put(number)
        finally:
            if seen is not None:
                seen.append("ended")

    return produce


async def test_gives_what_its_producer_gives():
    assert [item async for item in Stream(counting(5))] == [0, 1, 2, 3, 4]


async def test_begins_when_it_is_read():
    seen = []
    async with Stream(counting(seen=seen)):
        await anyio.sleep(1)

    assert seen == []


async def test_its_task_has_ended_when_it_has():
    stream = Stream(counting(3))
    assert [item async for item in stream] == [0, 1, 2]

    assert stream.work.ended


async def test_gives_all_that_is_there_at_once():
    async with Stream(counting(5), buffer=8) as stream:
        assert await anext(stream) == 0
        await anyio.sleep(1)

        assert await stream.some() == [1, 2, 3, 4]
        assert await stream.some() == []


@pytest.mark.parametrize("how", ["block", "close", "drop"])
async def test_its_producer_ends_with_it(how):
    seen = []
    stream = Stream(counting(seen=seen), buffer=2)
    if how == "block":
        async with stream:
            assert await anext(stream) == 0
    else:
        assert await anext(stream) == 0
        if how == "close":
            await stream.aclose()
        del stream
        await anyio.sleep(0.01)

    assert seen == ["ended"]


async def test_an_error_is_raised_as_it_is_after_the_last_item():
    fault, got = LookupError(), []

    async def produce(put):
        await put(1)
        raise fault

    with pytest.raises(LookupError) as raised:
        async for item in Stream(produce):
            got.append(item)

    assert raised.value is fault
    assert got == [1]


async def test_a_producer_that_was_cancelled_by_itself_is_no_end():
    async def produce(put):
        await put(1)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.sleep(1)
        raise RunCancelled("called off")

    stream = Stream(produce)
    assert await anext(stream) == 1
    with pytest.raises(RunCancelled, match="called off"):
        await anext(stream)


@pytest.mark.parametrize("buffer", [0, 2.5, True])
def test_refuses_what_is_no_number_of_items(buffer):
    with pytest.raises((TypeError, ValueError), match="buffer must be"):
        Stream(counting(), buffer=buffer)


def test_is_told_by_name_how_many_items_may_wait():
    with pytest.raises(TypeError):
        Stream(counting(), 2)


async def test_tells_cancellations_from_errors():
    cancelled, fault = None, ValueError()
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.sleep(1)
        except BaseException as error:
            cancelled = error
            raise

    assert apart(cancelled) == (cancelled, None)
    assert apart(fault) == (None, fault)
    both = apart(BaseExceptionGroup("both", [cancelled, fault]))
    assert [part.exceptions for part in both] == [(cancelled,), (fault,)]
