"""Typed parts of a result."""

import enum
import math

import msgspec
import pytest

from toolcase import Audio, Binary, Image, Json, Part, Resource, Text
from toolcase.content import as_text, bytes_of, parts_of, rewritten

PARTS = [
    Text("a"),
    Json({"a": 1}),
    Binary(b"ab", "application/pdf"),
    Image(b"ab"),
    Audio(b"ab"),
    Resource(uri="file:///a", name="a", text="b", media_type="text/plain"),
    Resource(uri="file:///a", data=b"ab"),
]


class Level(str, enum.Enum):  # noqa: UP042  as older programs write it
    LOW = "low"


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_one_part_of_a_value(part):
    assert isinstance(part, Part)
    assert parts_of(part) == (part,)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_travels_as_json(part):
    kinds = Text | Json | Binary | Image | Audio | Resource

    assert msgspec.json.decode(msgspec.json.encode(part), type=kinds) == part


def test_a_part_says_its_type():
    tags = [msgspec.to_builtins(part)["type"] for part in PARTS]

    assert tags == ["text", "json", "binary", "image", "audio", "resource", "resource"]


def test_media_types_that_nobody_named():
    assert Binary(b"").media_type == "application/octet-stream"
    assert Image(b"").media_type == "image/png"
    assert Audio(b"").media_type == "audio/wav"


def test_a_resource_is_text_or_data():
    with pytest.raises(ValueError, match="'file:///a' has both text and data; give one of them"):
        Resource(uri="file:///a", text="a", data=b"a")


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: Text(5), "text of Text must be str, got int"),
        (lambda: Text(None), "text of Text must be str, got NoneType"),
        (lambda: Image("path.png"), "data of Image must be bytes, got str"),
        (lambda: Binary(b"", None), "media_type of Binary must be str, got NoneType"),
        (lambda: Resource(uri=None), "uri of Resource must be str, got NoneType"),
        (lambda: Resource(uri="a", data="b"), "data of Resource must be bytes, got str"),
    ],
)
def test_a_part_is_made_of_what_it_says(make, fault):
    with pytest.raises(TypeError, match=fault):
        make()


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("a", (Text("a"),)),
        (Level.LOW, (Text("low"),)),
        (b"ab", (Binary(b"ab"),)),
        (bytearray(b"ab"), (Binary(b"ab"),)),
        (memoryview(b"ab"), (Binary(b"ab"),)),
        (None, (Json(None),)),
        (["a", 1], (Json(["a", 1]),)),
        ((), (Json(()),)),
        ({"a": Text("a")}, (Json({"a": Text("a")}),)),
        (["a", Image(b"ab"), {"b": 1}], (Text("a"), Image(b"ab"), Json({"b": 1}))),
        ((1, Text("a"), b"ab"), (Json(1), Text("a"), Binary(b"ab"))),
    ],
    ids=repr,
)
def test_a_value_becomes_parts(value, parts):
    assert parts_of(value) == parts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (b"abc", "<application/octet-stream, 3 bytes>"),
        (memoryview(bytes(8)).cast("I"), "<application/octet-stream, 8 bytes>"),
        (Image(bytes(12_345)), "<image/png, 12,345 bytes>"),
        (Audio(b"ab", "audio/ogg"), "<audio/ogg, 2 bytes>"),
        (None, "null"),
        ({"a": [1, 2.5, True]}, '{"a":[1,2.5,true]}'),
        (Resource(uri="file:///a"), "<file:///a>"),
        (
            Resource(uri="file:///a", name="A", media_type="text/plain", text="b"),
            "<A, file:///a, text/plain>\nb",
        ),
        (Resource(uri="file:///a", data=b"ab"), "<file:///a, 2 bytes>"),
        (Resource(uri="file:///a", text=""), "<file:///a>\n"),
        (["a", Image(b"ab"), {"b": 1}], 'a\n<image/png, 2 bytes>\n{"b":1}'),
        (Part(), '{"type":"Part"}'),
    ],
)  # fmt: skip
def test_a_reader_of_text_is_shown_texts_and_the_names_of_the_rest(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "most", "size"),
    [
        ("x" * 10, 5, 10),
        ("ü" * 10, 100, 20),
        ("ü" * 10, 15, 20),
        ("ü" * 10, 39, 20),
        ("ü" * 10, 40, 20),
        ("\ud800" * 10, 5, 10),
        (memoryview(bytes(8)).cast("I"), 5, 8),
        (Image(b"ab"), 1, 2),
        (Resource(uri="file:///a", text="b" * 10), 5, 19),
        (["x" * 10, Binary(b"ab", "a/b")], 5, 12),
        (["x" * 10], 5, 12),
        (["x" * 10, Json("x" * 10)], 5, 21),
    ],
)
def test_the_size_of_a_value(value, most, size):
    assert bytes_of(value, most) == size


@pytest.mark.parametrize(
    ("content", "size"), [("abc", 3), ("äö", 4), (b"abc", 3), ({"a": 1}, 7), (None, 4), (b"", 0)]
)
def test_the_size_of_what_a_chunk_holds(content, size):
    assert bytes_of(content, math.inf) == size


def test_texts_of_a_part_are_rewritten_and_its_bytes_are_not():
    part = Resource(uri="file:///a", name="b", data=b"c", media_type="text/plain")

    changed = rewritten(part, str.upper, lambda data: data)

    assert changed == Resource(uri="FILE:///A", name="B", data=b"c", media_type="TEXT/PLAIN")


def test_data_of_a_part_is_made_plain_and_rewritten():
    assert rewritten(Json((1, {2})), str.upper, lambda data: [data]) == Json([[1, [2]]])
