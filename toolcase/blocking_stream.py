"""What a tool gives, chunk by chunk, for code that has no event loop of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any, Self

import anyio

from toolcase.chunk import StreamChunk
from toolcase.clock import turns
from toolcase.errand import Errand, Portal, refuse_in_a_loop
from toolcase.errors import Unavailable
from toolcase.result import ToolResult
from toolcase.threads import Leash, leash
from toolcase.tool_stream import ToolStream


class BlockingStream:
    """A `ToolStream` for a plain `for`; made by `Blocking.stream` and `stream_execute`.

    `with` guarantees that the tool has ended when the block ends. Without it the tool has ended when the loop
    ran to its end; after a `break`, or an error in the loop's body, it is cancelled soon, and not waited for.
    The thread waits while it reads, and takes all chunks that are there at once. It is read once, by one
    thread at a time. Where no event loop runs, one lasts from the first read to the end of the stream.
    """

    def __init__(self, stream: ToolStream, *, portal: Portal, backend: str) -> None:
        self._stream, self._portal, self._backend = stream, portal, backend
        self._chunks: deque[StreamChunk] = deque()
        self._loop: Any = None
        self._ours = self._over = self._closed = False
        self._reads = threading.Lock()
        # The lock guards `_over`, and that `_loop` and `_ours` are set before it.
        self._ends = threading.Lock()

    def __enter__(self) -> Self:
        refuse_in_a_loop()
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamChunk:
        """The next chunk; the tool's own error, or a `ToolError`, after the last one."""
        if not self._chunks:
            self._check_open()
            self._chunks.extend(() if self._over else self._read(self._stream.some))
        with suppress(IndexError):
            return self._chunks.popleft()
        self._check_open()  # another thread may have closed it meanwhile
        self._end()
        raise StopIteration

    @property
    def result(self) -> ToolResult:
        """As `ToolStream.result`."""
        return self._stream.result

    def collect(self) -> Any:
        """As `ToolStream.collect`."""
        self._check_open()
        if self._over:
            raise RuntimeError("this stream has been read; it is read once")
        value = self._read(self._stream.collect)
        self._end()
        return value

    def close(self) -> None:
        """Cancel the tool, if it still runs, and wait until it has ended. Any thread may, often."""
        self._closed = self._closed or not self._over
        self._chunks.clear()
        try:
            if not self._over and self._loop is not None and turns(self._loop):
                self._run(self._stream.aclose)
        finally:
            self._end()

    def __del__(self) -> None:
        if self._ours and not self._over:  # a loop cannot be ended wherever garbage is collected
            with suppress(RuntimeError):  # the program ends
                threading.Thread(target=self._portal.give_back, daemon=True).start()

    def _check_open(self) -> None:
        if self._closed:
            raise anyio.ClosedResourceError("this stream was closed before its end")

    def _read(self, verb: Callable[[], Awaitable[Any]]) -> Any:
        """What it gives; its error is the end of the stream."""
        refuse_in_a_loop()
        if not self._reads.acquire(blocking=False):
            raise RuntimeError("another thread waits for this stream's next chunk; it has one reader")
        try:
            if self._loop is None:
                self._begin()
            return self._run(verb)
        except BaseException as error:
            self._end()
            if isinstance(error, Unavailable):  # another thread closed it, and its loop has gone with that
                self._check_open()
            raise
        finally:
            self._reads.release()

    def _begin(self) -> None:
        """Have a loop from here to the end, unless another thread has closed the stream meanwhile."""
        held = leash.get()
        loop, ours = self._portal.take(self._backend, held and held.loop)
        with self._ends:
            if not self._over:
                self._loop, self._ours = loop, ours
                return
        if ours:
            self._portal.give_back()
        self._check_open()

    def _run(self, verb: Callable[[], Awaitable[Any]]) -> Any:
        refuse_in_a_loop()
        # Another thread may end the stream meanwhile, and not our loop with it.
        with self._portal.open(self._backend) if self._ours else nullcontext():
            return Errand(partial(self._tied, verb, leash.get()), self._loop).run().result()

    async def _tied(self, verb: Callable[[], Awaitable[Any]], held: Leash | None) -> Any:
        """In the loop: what the stream has running there ends when nobody waits for our thread any more."""
        value = await verb()
        if held is not None and held.loop is self._loop and self._stream.work is not None:
            held.hold(self._stream.work)
        return value

    def _end(self) -> None:
        with self._ends:
            ours, self._over = self._ours and not self._over, True
        if ours:
            self._portal.give_back()
