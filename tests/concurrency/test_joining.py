"""Several streams as one: how their items meet, and how their ends and errors do."""

import anyio
import pytest

from concurrency.sources import After, Gone, Source, listed, numbers
from toolcase.concurrency import interleave, merge, zip_streams
from toolcase.testing import current_clock

HANGS = After(10_000, "never")


@pytest.fixture(params=[merge, interleave, zip_streams])
def join(request):
    return request.param


async def test_of_nothing_there_is_nothing(join):
    assert await listed(join()) == ([], None)


async def test_all_sources_are_read_at_once(join):
    began = current_clock().now

    await listed(join(numbers(3, every=1), numbers(3, every=1), numbers(3, every=1)))

    assert current_clock().now - began == 3


async def test_an_error_of_one_ends_the_others_at_once(join):
    began, gone = current_clock().now, Gone()
    others = [Source(HANGS, cleanup=2), Source(HANGS)]

    _, error = await listed(join(others[0], Source(After(1, gone)), others[1]))

    assert error is gone
    assert current_clock().now - began == 3
    assert all(source.closed for source in others)


async def test_several_errors_come_together_in_the_order_of_the_sources(join):
    first, second, third = Gone("first"), Gone("second"), Gone("third")
    sources = [Source(HANGS, faulty=first), Source(HANGS, faulty=second), Source(third)]

    _, error = await listed(join(*sources))

    assert isinstance(error, ExceptionGroup)
    assert error.exceptions == (first, second, third)


async def test_several_errors_of_clean_ups_come_together(join):
    first, second = Gone("first"), Gone("second")

    with pytest.raises(ExceptionGroup) as raised:
        async with join(numbers(50, faulty=first), numbers(50, faulty=second)) as stream:
            await anext(stream)
            await anyio.sleep(1)

    assert raised.value.exceptions == (first, second)


async def test_an_error_closes_also_those_that_were_not_begun(join):
    sources = [Source(Gone()), numbers(3), numbers(3)]

    await listed(join(*sources))

    assert [source.times_closed for source in sources] == [1, 1, 1]


async def test_left_early_all_have_ended(join):
    sources = [numbers(50, cleanup=2), numbers(50, every=0.1, cleanup=1), numbers(50)]

    async with join(*sources) as stream:
        await anext(stream)

    assert all(source.closed for source in sources)


async def test_merge_gives_items_as_they_come():
    slow, quick = Source("a", "b", every=3), Source(1, 2, 3, every=2)

    items, _ = await listed(merge(slow, quick))

    assert items[:2] == [1, "a"]
    assert sorted(map(str, items)) == ["1", "2", "3", "a", "b"]


async def test_merge_gives_what_was_given_before_an_error():
    gone = Gone()

    items, error = await listed(merge(Source(1, 2, After(5, 3)), Source(After(1, "a"), After(1, gone))))

    assert (items, error) == ([1, 2, "a"], gone)


@pytest.mark.parametrize("size", [1, 4])
async def test_merge_reads_no_more_ahead_than_its_buffer(size):
    sources = [numbers(50), numbers(50), numbers(50)]

    async with merge(*sources, buffer=size) as stream:
        await anext(stream)
        await anyio.sleep(1)

        assert size < sum(source.produced for source in sources) <= 1 + size + len(sources)


def test_the_buffer_must_be_a_number_of_items():
    with pytest.raises(ValueError, match="buffer must be at least 1, got 0"):
        merge(buffer=0)


async def test_interleave_leaves_out_those_that_have_ended():
    items, _ = await listed(interleave(Source("a"), Source(1, 2, 3), Source(), Source("x", "y")))

    assert items == ["a", 1, "x", 2, "y", 3]


async def test_interleave_waits_for_the_one_whose_turn_it_is():
    items, _ = await listed(interleave(Source("a", "b", every=5), Source(1, 2)))

    assert items == ["a", 1, "b", 2]


async def test_interleave_reads_each_one_item_ahead():
    sources = [numbers(50), numbers(50)]

    async with interleave(*sources) as stream:
        await anext(stream)
        await anyio.sleep(1)

        assert [source.produced for source in sources] == [2, 2]


async def test_zip_streams_ends_with_the_shortest_at_once():
    began, slow = current_clock().now, Source(1, 2, HANGS)

    items, error = await listed(zip_streams(slow, Source("a", "b")))

    assert (items, error) == ([(1, "a"), (2, "b")], None)
    assert current_clock().now == began
    assert slow.closed


async def test_zip_streams_strict_takes_sources_of_one_length():
    assert await listed(zip_streams(numbers(2), numbers(2), strict=True)) == ([(0, 0), (1, 1)], None)


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        ((1, 2), "source 0 ended after 1 items, and source 1"),
        ((2, 1), "source 1 ended after 1 items, and source 0"),
    ],
)
@pytest.mark.parametrize("slow", [0, 1])
async def test_zip_streams_strict_refuses_others(lengths, said, slow):
    sources = [numbers(length, every=float(slow == place)) for place, length in enumerate(lengths)]

    items, error = await listed(zip_streams(*sources, strict=True))

    assert items == [(0, 0)]
    assert isinstance(error, ValueError)
    assert str(error) == f"{said} did not; leave out `strict` to end with the shortest"
    assert all(source.closed for source in sources)


async def test_zip_streams_reads_each_one_row_ahead():
    sources = [numbers(50), numbers(50)]

    async with zip_streams(*sources) as stream:
        await anext(stream)
        await anyio.sleep(1)

        assert max(source.produced for source in sources) <= 1 + 1 + 1
