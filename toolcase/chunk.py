"""One piece of a stream, where such pieces go, and how they are put together again."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from toolcase.content import as_text, bytes_of
from toolcase.errors import InvalidResult


class StreamChunk(msgspec.Struct, frozen=True):
    """One piece of a stream: text, bytes or any value that JSON can say. `str(chunk)` is its content as text.

    A tool may yield one itself, to give it `metadata`; anything else that it yields is the content of one.
    """

    content: Any
    index: int = 0
    """Its place in the stream, from 0. Whoever reads the stream finds no gaps, whatever hooks left out."""
    metadata: dict[str, Any] = {}

    def __str__(self) -> str:
        return as_text(self.content)


Emit = Callable[[StreamChunk], Awaitable[None]]
"""Where chunks go, one after another; it returns once there is room: a slow reader slows the tool."""


class Pace(Protocol):
    """Watches how long a tool lets wait for its next chunk; in the loop's own thread."""

    def given(self) -> None:
        """A chunk has come: until `taken` it is the reader who is waited for."""

    def taken(self) -> None:
        """The reader has it: the tool is waited for, from now on."""

    def wanted(self) -> None:
        """The tool says that it goes on: it is waited for, from now on, unless a reader is."""


class StreamStopped(BaseException):
    """Nobody wants further chunks of a tool that has given some: what it was emitting to has failed.

    No `Exception`: it is no failure of the tool, which is neither run again nor held to account for it. It
    never leaves the chain; whoever raised it knows what to make of it.
    """


class Collected:
    """The chunks of a stream put together: text and bytes joined, else a list."""

    def __init__(self, tool: str, most: float = math.inf) -> None:
        """`most` bytes, as text, as data or as JSON, are allowed together."""
        self._tool, self._most, self._size = tool, most, 0
        self._contents: list[Any] = []

    async def add(self, chunk: StreamChunk) -> None:
        """Take the next one; InvalidResult once they have too many bytes, which no longer are kept then."""
        if self._most != math.inf:
            self._size += size_of(chunk, self._most)
            if self._size > self._most:
                self._contents.clear()
                raise too_large(self._tool, self._size, self._most)
        self._contents.append(chunk.content)

    @property
    def value(self) -> Any:
        """All of them in one value; an empty list where there was none."""
        return joined(self._contents)


def too_large(tool: str, size: int, most: float) -> InvalidResult:
    """The error for a result of at least `size` bytes."""
    return InvalidResult(
        f"the result of {tool!r} is at least {size:,} bytes, "
        f"more than max_result_bytes={most}; return less, or raise the limit"
    )


def size_of(chunk: StreamChunk, most: float = math.inf) -> int:
    """How many bytes its content has, as text, as data or as JSON; where it is more than `most`, so many."""
    content = chunk.content
    kind = type(content)
    if kind is bytes or (kind is str and content.isascii()):  # by far the most, and there may be many
        return len(content)
    return bytes_of(content, most)


def joined(contents: list[Any]) -> Any:
    """The contents of chunks in one value: all text or all bytes joined, else the list itself."""
    for kind in (str, bytes):
        # An object may lie about its class, or fail to say it.
        if contents and all(issubclass(type(content), kind) for content in contents):
            return kind().join(contents)
    return contents


def numbered(chunk: StreamChunk, index: int) -> StreamChunk:
    """The chunk at this place of a stream: itself where it says so already."""
    if chunk.index == index:
        return chunk
    return StreamChunk(chunk.content, index, chunk.metadata)


class Kept:
    """The contents of chunks for who wants them all at the end, up to `most` bytes; beyond that, none."""

    def __init__(self, most: float) -> None:
        self._most, self._size = most, 0
        self._contents: list[Any] | None = []

    def add(self, content: Any) -> None:
        """One more."""
        if self._contents is not None:
            self._size += bytes_of(content, self._most)
            self._contents.append(content)
            if self._size > self._most:
                self._contents = None

    @property
    def value(self) -> Any:
        """All of them in one value, as `joined` has it; None where they were too many."""
        return None if self._contents is None else joined(self._contents)


class _Starts(Protocol):
    def on_start(self, tool: Any, params: Any, ctx: Any, /) -> Any: ...


class _Changes(Protocol):
    def on_chunk(self, chunk: Any, ctx: Any, /) -> Any: ...


class _Completes(Protocol):
    def on_complete(self, accumulated: Any, ctx: Any, /) -> Any: ...


class _Fails(Protocol):
    def on_error(self, error: Any, ctx: Any, /) -> Any: ...


class _Cancels(Protocol):
    def on_cancel(self, ctx: Any, /) -> Any: ...


Hooks = _Starts | _Changes | _Completes | _Fails | _Cancels
"""An object with at least one of the hooks that `StreamMiddleware` describes."""
