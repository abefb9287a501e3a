"""Laws 7, 8, 56, 58 and 59, of hooks on chunks."""

import itertools

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.observing import end_of, outcome
from toolcase import InvalidResult, Registry, Stage, StreamChunk
from toolcase.testing.strategies import scripts, stacks, twins

pytestmark = pytest.mark.filterwarnings("ignore:.*the attempts of .* multiply:UserWarning")

TERMINAL = {"complete", "error", "cancel"}


class Notes:
    """Hooks that change nothing, some of them asynchronous, and note what they hear."""

    def __init__(self, stage, waits=False, fails_at=None):
        self.stage, self.waits, self.fails_at, self.told, self.seen = stage, waits, fails_at, [], 0

    async def on_start(self, tool, params, ctx):
        self.told.append("start")

    def on_chunk(self, chunk, ctx):
        self.told.append("chunk")
        self.seen += 1
        if self.seen == self.fails_at:
            raise InvalidResult("no")
        return self.later(chunk) if self.waits else chunk

    async def later(self, chunk):
        await anyio.sleep(0.1)
        return chunk

    async def on_complete(self, accumulated, ctx):
        self.told.append("complete")

    def on_error(self, error, ctx):
        self.told.append("error")

    async def on_cancel(self, ctx):
        self.told.append("cancel")


noting = st.builds(Notes, st.sampled_from([Stage.GUARD, Stage.OBSERVE]), st.booleans())
texts = st.lists(st.text(max_size=4), max_size=8)
contents = st.lists(
    st.text(max_size=3) | st.binary(max_size=3) | st.integers() | st.lists(st.integers(), max_size=2),
    max_size=8,
)


def streaming(chunks, *used, error=None, wait=0.0, buffer=1):
    """A registry with a tool that gives these chunks, and then the error if there is one."""
    registry = Registry()
    registry.use(*used)

    @registry.tool(buffer=buffer)
    async def s():
        for chunk in chunks:
            if wait:
                await anyio.sleep(wait)
            yield chunk
        if error is not None:
            raise error

    return registry


@given(given=contents, hooked=st.lists(noting, max_size=3))
async def test_law_56_what_passes_untouched_is_the_same(given, hooked):
    whole = [StreamChunk(content, index, {"n": index}) for index, content in enumerate(given)]

    read = [chunk async for chunk in streaming(whole, *hooked).stream("s")]

    assert len(read) == len(whole)
    assert all(one is other for one, other in zip(read, whole, strict=True))


@given(
    chunks=texts,
    stage=st.sampled_from([Stage.GUARD, Stage.OBSERVE]),
    waits=st.booleans(),
    fails_at=st.none() | st.integers(1, 8),
    error=st.none() | st.just(OSError("gone")),
    reads=st.none() | st.integers(1, 8),
    seconds=st.none() | st.sampled_from([0.05, 0.25, 0.55]),
)
async def test_law_58_one_start_then_chunks_then_one_end(
    chunks, stage, waits, fails_at, error, reads, seconds
):
    fails_at = fails_at if stage is Stage.GUARD else None  # an observer that failed hears no more
    heard = Notes(stage, waits, fails_at)
    registry = streaming(chunks, heard, error=error, wait=0.1)
    read, ended = 0, "complete"

    with anyio.move_on_after(seconds if seconds is not None else 1_000):
        async with registry.stream("s") as stream:
            try:
                async for _ in stream:
                    read += 1
                    if read == reads:
                        ended = "left"
                        break
            except (OSError, InvalidResult):
                ended = "error"

    assert heard.told[0] == "start"
    assert heard.told[1:-1] == ["chunk"] * (len(heard.told) - 2)
    assert heard.told[-1] in TERMINAL
    assert heard.told.count("chunk") >= read
    if ended == "error":
        assert heard.told[-1] == "error"
    elif ended == "complete" and seconds is None:
        assert (heard.told[-1], read) == ("complete", len(chunks))


@given(text=st.text(max_size=30), cuts=st.sets(st.integers(0, 30)), drop=st.booleans(), binary=st.booleans())
async def test_law_59_all_that_goes_out_is_all_that_came_in(text, cuts, drop, binary):
    whole = text.encode() if binary else text
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    chunks = [whole[start:end] for start, end in itertools.pairwise(places)]

    class Recuts:
        """Gives the same in other pieces."""

        def on_chunk(self, chunk, ctx):
            half = len(chunk.content) // 2
            pieces = [chunk.content[:half], chunk.content[half:]]
            return [piece for piece in pieces if piece or not drop]

        def on_complete(self, accumulated, ctx):
            said.append(accumulated)

    said = []
    read = [chunk async for chunk in streaming(chunks, Recuts(), Recuts()).stream("s")]

    assert whole[:0].join(chunk.content for chunk in read) == whole
    assert [chunk.index for chunk in read] == list(range(len(read)))
    assert all(one == whole for one in said if one != [])


@given(pair=twins(), used=stacks(), hooked=st.lists(noting, max_size=2))
async def test_law_07_a_stream_of_one_chunk_ends_as_a_call_does(pair, used, hooked):
    ends = []

    for made in (pair.stream, pair.asynchronous):
        registry = Registry()
        registry.use(*used, *hooked)
        registry.add(made)
        result = await registry.execute(made.name)
        ends.append((end_of(result), result.attempts, [each.told for each in hooked]))
        for each in hooked:
            each.told = []

    assert ends[0] == ends[1]


@given(script=scripts(), used=stacks(max_size=2), waits=st.tuples(st.booleans(), st.booleans()))
async def test_law_08_observers_with_hooks_commute(script, used, waits):
    ends = []

    for turned in (False, True):
        a, b = (Notes(Stage.OBSERVE, wait) for wait in waits)
        end = await outcome(script, *([b, a] if turned else [a, b]), *used)
        ends.append((end, a.told, b.told))

    assert ends[0] == ends[1]
