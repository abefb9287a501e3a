"""Chunks: what they say, how they are counted, and what they are together."""

import math

import pytest

from toolcase import InvalidResult, StreamChunk
from toolcase.chunk import Collected, Kept, joined, numbered


@pytest.mark.parametrize(
    ("content", "said"),
    [("text", "text"), ({"a": 1}, '{"a":1}'), (b"abc", "<application/octet-stream, 3 bytes>"), (3, "3")],
)
def test_says_its_content_as_text(content, said):
    assert str(StreamChunk(content)) == said


def test_two_chunks_share_no_metadata():
    first, second = StreamChunk(1), StreamChunk(1)

    first.metadata["a"] = 1

    assert second.metadata == {}


def test_a_chunk_does_not_change():
    chunk = StreamChunk("a")

    with pytest.raises(AttributeError):
        chunk.index = 1


def test_keeps_the_object_whose_number_is_right():
    chunk = StreamChunk("a", 3, {"k": 1})

    assert numbered(chunk, 3) is chunk
    assert numbered(chunk, 4) == StreamChunk("a", 4, {"k": 1})


@pytest.mark.parametrize(
    ("contents", "value"),
    [
        ([], []),
        (["a", "", "b"], "ab"),
        ([b"a", b"b"], b"ab"),
        (["a", b"b"], ["a", b"b"]),
        ([1, "a"], [1, "a"]),
    ],
)
def test_joins_what_is_of_one_kind(contents, value):
    assert joined(contents) == value


class Shy:
    @property
    def __class__(self):
        raise RuntimeError("nobody may ask")


def test_joins_nothing_where_a_content_does_not_say_what_it_is():
    contents = [Shy()]

    assert joined(contents) is contents


async def test_collects_up_to_a_limit():
    whole, bounded = Collected("t", math.inf), Collected("t", 10)
    for collected in (whole, bounded):
        await collected.add(StreamChunk("12345"))
        await collected.add(StreamChunk("67890"))

    await whole.add(StreamChunk("x"))
    with pytest.raises(InvalidResult, match="the result of 't' is at least 11 bytes, more than max_result_"):
        await bounded.add(StreamChunk("x"))

    assert whole.value == "1234567890x"
    assert bounded.value == []


def test_keeps_all_or_nothing():
    kept = Kept(3)
    kept.add("ab")
    assert kept.value == "ab"

    for content in ("cd", "e"):
        kept.add(content)

        assert kept.value is None
