"""Typed parts of a result: what a tool gives besides plain values, and what a reader is shown of them."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, ClassVar

import msgspec

from toolcase.plain import as_json, encodable, plain, size_of

OCTETS = "application/octet-stream"

_KINDS = MappingProxyType({"text": str, "uri": str, "name": str, "media_type": str, "data": bytes})


class Part(msgspec.Struct, frozen=True, tag_field="type"):
    """One part of a result: `Text`, `Json`, `Binary`, `Image`, `Audio` or `Resource`."""

    optional: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value, kind = getattr(self, name), _KINDS.get(name, object)
            if not isinstance(value, kind) and not (value is None and name in self.optional):
                raise TypeError(
                    f"{name} of {type(self).__name__} must be {kind.__name__}, got {type(value).__name__}"
                )


class Text(Part, frozen=True, tag="text"):
    """Text for a reader."""

    text: str


class Json(Part, frozen=True, tag="json"):
    """Data that JSON can say."""

    value: Any


class Binary(Part, frozen=True, tag="binary"):
    """Bytes of any kind."""

    data: bytes
    media_type: str = OCTETS


class Image(Part, frozen=True, tag="image"):
    """A picture, encoded as its media type says."""

    data: bytes
    media_type: str = "image/png"


class Audio(Part, frozen=True, tag="audio"):
    """A sound, encoded as its media type says."""

    data: bytes
    media_type: str = "audio/wav"


class Resource(Part, frozen=True, kw_only=True, tag="resource"):
    """Something that has an address: embedded as text or data, or a link where it has neither."""

    uri: str
    name: str = ""
    text: str | None = None
    data: bytes | None = None
    media_type: str | None = None
    optional: ClassVar[frozenset[str]] = frozenset({"text", "data", "media_type"})

    def __post_init__(self) -> None:
        Part.__post_init__(self)
        if self.text is not None and self.data is not None:
            raise ValueError(f"resource {self.uri!r} has both text and data; give one of them")


def parts_of(value: Any) -> tuple[Part, ...]:
    """A tool's value as parts; a list or tuple is taken apart if a part is in it, else it is JSON data."""
    kinds = set(map(type, value)) if issubclass(type(value), list | tuple) else ()
    return tuple(map(_part, value if any(issubclass(kind, Part) for kind in kinds) else [value]))


def as_text(value: Any) -> str:
    """A value for a reader of text: strings as they are, bytes by their size, the rest as JSON."""
    return "\n".join(map(_text_of, parts_of(value)))


def bytes_of(value: Any, most: float) -> int:
    """The size of a value as it goes out; where it is more than `most`, at least so much."""
    kind = type(value)
    if kind is str:  # nearly all chunks of streams
        return len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
    if kind is bytes:
        return len(value)
    return sum(_bytes_of(part, most) for part in parts_of(value))


def rewritten(part: Part, text: Callable[[str], str], data: Callable[[Any], Any]) -> Part:
    """The part with its texts and its JSON data changed; data of other kinds stays as it is."""
    changes: dict[str, Any] = {}
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if isinstance(part, Json):
            changes[name] = data(plain(value))
        elif isinstance(value, str):
            changes[name] = text(encodable(value))
    return msgspec.structs.replace(part, **changes)


def _part(value: Any) -> Part:
    kind = type(value)  # an object may lie about its class, or fail to say it
    if issubclass(kind, Part):
        return value  # type: ignore[no-any-return]
    if issubclass(kind, str):
        return Text(str.__str__(value))  # of an enum its text, not its name
    if issubclass(kind, bytes | bytearray | memoryview):
        return Binary(bytes(value))
    return Json(value)


def _bytes_of(part: Part, most: float) -> int:
    if isinstance(part, Json):
        return size_of(part.value, most)
    texts = [value for name in ("text", "uri", "name") if (value := getattr(part, name, None))]
    data = getattr(part, "data", None) or b""
    return len(data) + sum(len(text.encode("utf-8", "replace")) for text in texts)


def _text_of(part: Part) -> str:
    if isinstance(part, Text):
        return part.text
    if isinstance(part, Json):
        return as_json(part.value)
    if isinstance(part, Binary | Image | Audio):
        return f"<{part.media_type}, {len(part.data):,} bytes>"
    return _resource(part) if isinstance(part, Resource) else as_json(part)


def _resource(part: Resource) -> str:
    size = None if part.data is None else f"{len(part.data):,} bytes"
    facts = [fact for fact in (part.name, part.uri, part.media_type, size) if fact]
    return f"<{', '.join(facts)}>" + ("" if part.text is None else f"\n{part.text}")
