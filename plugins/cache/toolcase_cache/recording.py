"""A stream that is kept chunk by chunk while it passes, to be given again as it was."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from toolcase import Call, StreamChunk
from toolcase_cache.events import ValueNotKept
from toolcase_cache.store import weight


class KeptStream(msgspec.Struct, frozen=True):
    """A stream that came to its end: what a store is given in the place of a value."""

    chunks: tuple[StreamChunk, ...]
    value: Any = None
    """What the call gave besides; mostly nothing."""


class Recording:
    """Copies the chunks of one call on their way to its reader, as long as they take at most `most` bytes."""

    def __init__(self, call: Call, most: float) -> None:
        self._call, self._most, self._size = call, most, 0
        self._chunks: list[StreamChunk] | None = []

    @property
    def kept(self) -> tuple[StreamChunk, ...] | None:
        """All chunks; None where one of them could not be kept, or did not reach the reader."""
        return None if self._chunks is None else tuple(self._chunks)

    async def emit(self, chunk: StreamChunk) -> None:
        """Note this chunk, and hand it on."""
        if self._chunks is not None:
            self._note(self._chunks, chunk)  # before its reader may change it
        try:
            await self._call.emit(chunk)  # type: ignore[misc]  # a stream is asked for
        except BaseException:
            self._chunks = None  # whatever is made of this further in, it is no whole stream
            raise

    def _note(self, chunks: list[StreamChunk], chunk: StreamChunk) -> None:
        try:
            own = StreamChunk(copy.deepcopy(chunk.content), chunk.index, copy.deepcopy(chunk.metadata))
            self._size += weight(own, self._most - self._size)
            if self._size > self._most:
                raise ValueError(
                    f"the stream of {self._call.name!r} takes more memory than max_stream_bytes="
                    f"{self._most}; the host can raise that"
                )
        except Exception as error:  # noqa: BLE001  of a copy: what any class may raise
            self._chunks = None
            self._call.notify(ValueNotKept(tool=self._call.name, error=error))
        else:
            chunks.append(own)
