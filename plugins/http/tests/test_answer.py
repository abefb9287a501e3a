"""What a model reads of an answer."""

import pytest

from toolcase import Audio, Binary, Image, Json, Secrets, Text
from toolcase_http.answer import OCTETS, body_of, json_of

SECRETS = Secrets()


@pytest.mark.parametrize(
    ("content_type", "data", "text"),
    [
        ("text/html; charset=utf-8", "é".encode(), "é"),
        ("TEXT/HTML;Charset=ISO-8859-1", b"\xe9", "é"),
        ('text/plain; charset="windows-1252"', b"\x80", "€"),
        ("text/plain; charset=shift_jis", "日本".encode("shift_jis"), "日本"),
        ("text/plain; charset=utf-16", "é".encode("utf-16"), "é"),
        ("text/plain", b"\xef\xbb\xbfmark", "mark"),
        ("text/plain", b"\xff", "\ufffd"),
        ("text/plain; charset=made-up", "é".encode(), "é"),
        ("text/plain; charset=rot13", b"abc", "abc"),
        ("text/plain; charset=unicode_escape", b"\\x41", "\\x41"),
        ("text/plain; charset=zlib", b"abc", "abc"),
        ("application/json", b'{"a": 1}', '{"a": 1}'),
        ("application/ld+json", b"{}", "{}"),
        ("image/svg+xml", b"<svg/>", "<svg/>"),
        ("application/x-www-form-urlencoded", b"a=b", "a=b"),
        ("", b"\xef\xbb\xbfplain", "plain"),
        ("", b"", ""),
    ],
)
def test_reads_text_in_its_charset(content_type, data, text):
    assert body_of(data, content_type, SECRETS) == Text(text)


@pytest.mark.parametrize(
    ("content_type", "data", "part"),
    [
        ("image/png", b"\x89PNG", Image(b"\x89PNG", "image/png")),
        ("Audio/MPEG; q=1", b"ID3", Audio(b"ID3", "audio/mpeg")),
        ("application/pdf", b"%PDF", Binary(b"%PDF", "application/pdf")),
        ("", b"\xff\xfe", Binary(b"\xff\xfe", OCTETS)),
        ("", b"a\0b", Binary(b"a\0b", OCTETS)),
        ("nonsense", b"a", Binary(b"a", OCTETS)),
        ("image/<script>", b"a", Binary(b"a", OCTETS)),
        (f"video/{'x' * 99}", b"a", Binary(b"a", OCTETS)),
    ],
)
def test_keeps_bytes_that_are_no_text(content_type, data, part):
    assert body_of(data, content_type, SECRETS) == part


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b'{"a": [1, null]}', Json({"a": [1, None]})),
        (b"\xef\xbb\xbf1", Json(1)),
        (b"null", Json(None)),
        (b"", None),
        (b"<html>", None),
        (b"NaN", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_reads_json_or_nothing(data, part):
    assert json_of(data, SECRETS) == part


def test_json_too_deep_to_be_masked_is_none():
    secrets = Secrets()
    secrets.add("s3cret-key")

    assert json_of(b"[" * 990 + b"]" * 990, secrets) is None
