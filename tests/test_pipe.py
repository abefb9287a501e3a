"""A bounded queue to one reader: order, room, and who is woken when."""

import asyncio
from typing import NamedTuple

import anyio
import pytest

from toolcase.chunk import StreamChunk, StreamStopped
from toolcase.pipe import MOST_BYTES, Pipe


async def fill(pipe, items):
    for item in items:
        await pipe.put(item)
    pipe.end()


async def drain(pipe, *, wait=None):
    got = []
    while await pipe.filled():
        got.append(pipe.take())
        if wait is not None:
            await anyio.sleep(wait)
    return got


@pytest.mark.parametrize("size", [1, 2, 16])
@pytest.mark.parametrize("wait", [None, 1])
async def test_gives_items_in_order(size, wait):
    pipe = Pipe(size)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fill, pipe, range(50))

        assert await drain(pipe, wait=wait) == list(range(50))


@pytest.mark.parametrize(("size", "item", "most"), [(3, 1, 3), (16, "x" * (MOST_BYTES // 2), 2)])
async def test_whoever_adds_to_a_full_one_waits(size, item, most):
    pipe = Pipe(size)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fill, pipe, [item] * 10)
        await anyio.sleep(1)

        assert len(pipe.items) == most
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("items", "most"),
    [(range(20), 16), (["x" * 1_048_575, 7, "a", "b"], 3), ([b"", StreamChunk(bytes(1_048_576)), 1], 2)],
)
async def test_one_of_the_usual_size_holds_sixteen_items_or_one_mebibyte(items, most):
    pipe = Pipe()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fill, pipe, items)
        await anyio.sleep(1)

        assert len(pipe.items) == most
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(("size", "item"), [(4, 1), (16, "x" * 262_144)])
async def test_whoever_waits_for_room_is_woken_when_half_is_free(size, item):
    pipe, lengths = Pipe(size), []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fill, pipe, [item] * 20)
        await anyio.sleep(1)
        for _ in range(4):
            pipe.take()
            await anyio.sleep(1)
            lengths.append(len(pipe.items))
        tasks.cancel_scope.cancel()

    assert lengths == [3, 4, 3, 4]


async def test_several_may_wait_for_room():
    pipe = Pipe(1)
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(pipe.put, number)
        await anyio.sleep(1)
        got = []
        for _ in range(5):
            assert await pipe.filled()
            got.append(pipe.take())

    assert sorted(got) == [0, 1, 2, 3, 4]


async def test_of_many_not_all_are_woken_for_each_room(monkeypatch):
    pipe, waits = Pipe(4), []
    kind = type(pipe._room)
    wait = kind.wait

    async def counted(wake):
        waits.append(wake)
        await wait(wake)

    monkeypatch.setattr(kind, "wait", counted)
    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(pipe.put, number)
        await anyio.sleep(1)
        for _ in range(200):
            assert await pipe.filled()
            pipe.take()

    assert waits.count(pipe._room) < 3 * 200


async def test_one_that_was_cancelled_when_it_had_room_leaves_it_to_another():
    pipe = Pipe(1)
    await pipe.put(0)
    async with anyio.create_task_group() as tasks:
        scope = anyio.CancelScope()

        async def first():
            with scope:
                await pipe.put(1)

        tasks.start_soon(first)
        await anyio.sleep(1)
        tasks.start_soon(pipe.put, 2)
        await anyio.sleep(1)
        pipe.take()
        scope.cancel()
        with anyio.move_on_after(1):
            assert await pipe.filled()
            if pipe.take() == 1:  # on trio a task that was woken is not cancelled any more
                assert await pipe.filled()
                pipe.take()

    assert not pipe._room.waits
    assert pipe.passed == (2 if scope.cancelled_caught else 3)


async def test_a_reader_that_is_cancelled_again_and_again_misses_nothing():
    pipe = Pipe()
    for _ in range(100):
        with anyio.move_on_after(1):
            await pipe.filled()

    assert len(pipe._filled.waits) <= 1
    await pipe.put(1)
    assert await drain_one(pipe) == 1


async def drain_one(pipe):
    assert await pipe.filled()
    return pipe.take()


async def test_one_that_was_cancelled_while_it_waited_for_room_has_added_nothing():
    pipe = Pipe(1)
    await pipe.put(1)
    with anyio.move_on_after(1):
        await pipe.put(2)

    pipe.end()

    assert await drain(pipe) == [1]


async def test_whoever_waits_for_room_is_woken_when_news_that_took_it_are_forgotten():
    pipe = Pipe(1)
    pipe.tell(1.5)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fill, pipe, [1])
        await anyio.sleep(1)
        pipe.forget(float)

        with anyio.fail_after(5):
            assert await drain(pipe) == [1]
        tasks.cancel_scope.cancel()


@pytest.mark.backends("asyncio")
async def test_room_goes_to_the_next_where_the_one_it_was_meant_for_is_cancelled_in_the_same_tick():
    pipe, order = Pipe(1), []
    await pipe.put("first")

    async def adds(name):
        await pipe.put(name)
        order.append(name)

    waiting = [asyncio.ensure_future(adds(name)) for name in "abcd"]
    await anyio.sleep(1)
    pipe.take()
    waiting[0].cancel()  # natively: it has been woken already
    for _ in range(3):
        await anyio.sleep(1)
        pipe.take()

    await anyio.sleep(1)
    assert order == ["b", "c", "d"]


async def test_says_whether_it_is_over():
    pipe = Pipe()
    assert pipe.over is False

    pipe.end()

    assert pipe.over is True


async def test_an_end_comes_after_what_is_there_and_the_first_one_stands():
    pipe, fault = Pipe(), ValueError()
    await pipe.put(1)

    pipe.end(fault)
    pipe.end()

    assert await drain(pipe) == [1]
    assert pipe.error is fault


async def test_one_that_is_closed_takes_nothing_and_frees_whoever_waits():
    pipe, stopped = Pipe(1), []
    await pipe.put(1)

    async def adds():
        with pytest.raises(StreamStopped):
            await pipe.put(2)
        stopped.append(1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(adds)
        await anyio.sleep(1)
        pipe.close()

    assert stopped == [1]
    assert not pipe.items


async def test_numbers_chunks_if_it_is_asked_to():
    chunk = StreamChunk("b", 1)
    for numbers in (True, False):
        pipe = Pipe(numbers=numbers)
        await fill(pipe, [StreamChunk("a", 5, {"k": 1}), chunk])
        first, second = await drain(pipe)

        assert first == StreamChunk("a", 0 if numbers else 5, {"k": 1})
        assert second is chunk


class News(NamedTuple):
    said: int


async def test_the_latest_news_since_an_item_stand_for_all_of_their_kind():
    pipe = Pipe()
    pipe.tell(News(1))
    for item in ("a", "b"):
        await pipe.put(item)
    for said in (2, 3):
        pipe.tell(News(said))
    pipe.end()

    assert await drain(pipe) == [News(1), "a", "b", News(3)]


async def test_news_wake_a_reader():
    pipe = Pipe()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pipe.filled)
        with anyio.fail_after(1):
            await anyio.wait_all_tasks_blocked()
            pipe.tell(News(1))


@pytest.mark.parametrize("how", [Pipe.end, Pipe.close])
async def test_there_are_no_news_after_the_end(how):
    pipe = Pipe()
    how(pipe)

    pipe.tell(News(1))

    assert not pipe.items


async def test_forgets_the_news_of_a_kind_and_nothing_else():
    pipe = Pipe()
    await pipe.put("a")
    pipe.tell(News(1))

    pipe.forget(News)
    pipe.end()

    assert await drain(pipe) == ["a"]
