"""A stream as events: that it begins, each chunk and each report of progress, and how it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Self, TypeAlias

import msgspec

from toolcase.call import Call
from toolcase.chunk import StreamChunk
from toolcase.events import Event, ProgressReported
from toolcase.pipe import Pipe
from toolcase.result import ToolResult


class StreamStarted(msgspec.Struct, frozen=True, tag="started"):
    """A stream begins; the first of its events."""

    tool: str


class StreamEnded(msgspec.Struct, frozen=True, tag="ended"):
    """A stream has ended, well or not; the last of its events."""

    result: ToolResult


StreamEvent: TypeAlias = StreamStarted | StreamChunk | ProgressReported | StreamEnded


class Follower:
    """Listens to a call for its progress, and puts that between the chunks."""

    pipe: Pipe | None = None

    def on_event(self, call: Call, event: Event) -> None:
        """Part of what listeners to a call have."""
        if self.pipe is not None and type(event) is ProgressReported:
            self.pipe.tell(event)

    def end(self) -> None:
        """Whoever reads on wants chunks alone."""
        if self.pipe is not None:
            self.pipe.forget(ProgressReported)
        self.pipe = None


class StreamEvents:
    """The events of one stream; made by `ToolStream.events`, which owns what runs.

    No async generator: one that is left early would have to be closed, which `async for` does not do.
    """

    def __init__(
        self,
        tool: str,
        items: AsyncIterator[Any],
        follower: Follower,
        outcome: Callable[[], ToolResult | None],
    ) -> None:
        """`outcome` gives how the stream has ended, None where it was ended elsewhere."""
        self._tool, self._items, self._follower, self._outcome = tool, items, follower, outcome
        self._begun = self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        if self._over:
            raise StopAsyncIteration
        if not self._begun:
            self._begun = True
            aiter(self._items)  # it has one reader
            return StreamStarted(self._tool)
        try:
            event: StreamEvent = await anext(self._items)
        except StopAsyncIteration:
            await self.aclose()
            result = self._outcome()
            if result is None:
                raise RuntimeError(f"the stream of {self._tool!r} ended before, with no result") from None
            return StreamEnded(result)
        except Exception:
            await self.aclose()
            result = self._outcome()
            if result is None:  # no error of the tool: it was read, closed or ended elsewhere
                raise
            return StreamEnded(result)
        return event

    async def aclose(self) -> None:
        """End the events. The stream goes on, for whoever reads the rest of its chunks."""
        self._over = True
        self._follower.end()
