"""What came back, as parts that a model reads well: the head first, then the body."""

from __future__ import annotations

import codecs
import contextlib
import re
from typing import NamedTuple

import httpx2
import msgspec

from toolcase import Audio, Binary, Image, Json, Secrets, Text

OCTETS = "application/octet-stream"
SHOWN_HEADERS = (
    "allow", "content-language", "content-length", "content-range", "content-type", "etag", "last-modified",
    "link", "location", "retry-after", "www-authenticate",
)  # fmt: skip
"""The headers that help to decide what to do next. A server sends many more."""
HEADER_CHARACTERS = 1_000

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")
_TEXT = re.compile(
    r"text/.*|.*\+(json|xml|yaml)|application/(json|xml|yaml|toml|javascript|ecmascript|sql|graphql"
    r"|x-ndjson|ndjson|x-sh|x-yaml|x-www-form-urlencoded)"
)
# Only what turns bytes into text one for one; Python has codecs that unpack, or take forever.
_CHARSETS = re.compile(
    r"ascii|utf-(8|16|32)(-[bl]e)?|iso8859-\d+|cp125\d|cp(437|850|866|874|932|949|950)|koi8-[rtu]|mac-\w+"
    r"|gb2312|gbk|gb18030|big5|big5hkscs|euc_(jp|kr)|shift_jis|iso2022_jp"
)


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says of its answer."""

    status: int
    """The HTTP status: 200 to 299 is success, 400 and above is not."""
    url: str
    """Where the answer came from in the end, after redirects."""
    headers: dict[str, str]
    """Those of `SHOWN_HEADERS` that were sent, in lower case."""

    @property
    def ok(self) -> bool:
        """Whether the status says that it worked."""
        return 200 <= self.status < 300


class Fetched(NamedTuple):
    """An answer: its head, and its body as text, data, a picture, a sound, or bytes of another kind."""

    head: Head
    body: Text | Json | Image | Audio | Binary


def head_of(answer: httpx2.Response, secrets: Secrets) -> Head:
    """The head, with our own secrets masked: a server may say what it was sent."""
    headers = {name: answer.headers[name] for name in SHOWN_HEADERS if name in answer.headers}
    return Head(
        status=answer.status_code,
        url=secrets.redact(str(answer.url)),
        headers={name: _cut(secrets.redact(value)) for name, value in headers.items()},
    )


def body_of(data: bytes, content_type: str, secrets: Secrets) -> Text | Image | Audio | Binary:
    """The body as its content type says; text where nothing is said and it is UTF-8."""
    media_type, _, _ = content_type.partition(";")
    media_type = media_type.strip().lower()
    if _TEXT.fullmatch(media_type):
        return Text(secrets.redact(data.decode(_charset(content_type), "replace")))
    if not media_type and b"\0" not in data:
        with contextlib.suppress(UnicodeDecodeError):
            return Text(secrets.redact(data.decode("utf-8-sig")))
    if not _MEDIA_TYPE.fullmatch(media_type):
        media_type = OCTETS
    if media_type.startswith("image/"):
        return Image(data, media_type)
    return Audio(data, media_type) if media_type.startswith("audio/") else Binary(data, media_type)


def json_of(data: bytes, secrets: Secrets) -> Json | None:
    """The body as JSON data; None where it is none, or too deep."""
    try:
        return Json(secrets.redact_values(msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8))))
    except (msgspec.DecodeError, RecursionError):
        return None


def _charset(content_type: str) -> str:
    """The name of a codec; of UTF-8 that which drops a byte order mark."""
    named = re.search(r"charset\s*=\s*\"?([\w.:-]{1,40})", content_type, re.IGNORECASE)
    with contextlib.suppress(LookupError):
        name = codecs.lookup(named[1] if named else "utf-8").name
        if name != "utf-8" and _CHARSETS.fullmatch(name):
            return name
    return "utf-8-sig"


def _cut(value: str) -> str:
    return value if len(value) <= HEADER_CHARACTERS else f"{value[:HEADER_CHARACTERS]}..."
