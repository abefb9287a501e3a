"""What a tool gives chunk by chunk, as an iterator, as events, as one value, or handed to a sink."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from toolcase.call import Call, Inner
from toolcase.chunk import Collected, StreamChunk, StreamStopped, numbered
from toolcase.clock import asyncio_task, current_loop
from toolcase.errors import ToolError, Unavailable
from toolcase.outcome import outcome_of
from toolcase.pipe import MOST_CHUNKS, Pipe
from toolcase.result import ToolResult, complete
from toolcase.stream import Put, Stream, apart, running, stopped
from toolcase.stream_events import Follower, StreamEvents
from toolcase.task import BackgroundTask
from toolcase.threads import Leash
from toolcase.timer import GRACE_SECONDS, Timer, limits_of, overrun, patience

Sink = Callable[[StreamChunk], Awaitable[None] | None]
"""Takes one chunk; the next one comes when it has returned."""


class ToolStream(Stream[StreamChunk]):
    """What a tool gives, chunk by chunk, through the same middleware as any call; made by a registry.

    Read it once: as an iterator, by `events`, by `collect` or by `stream_to`. A tool that does not stream
    gives its value as the one chunk. An error comes after all chunks that were given before it.
    """

    def __init__(
        self,
        name: str,
        begin: Callable[[], tuple[Call, Inner]],
        *,
        most_bytes: float,
        buffer: int | None = None,
    ) -> None:
        """`begin` makes the call and its compiled way, in the task and the context that read first.

        `most_bytes` bounds what is collected, and the value of a tool that does not stream.
        """
        super().__init__(_no_chunks, buffer=MOST_CHUNKS if buffer is None else buffer)
        self._name, self._begin, self._most_bytes = name, begin, most_bytes
        self._fixed = buffer is not None
        self._run: _Run | None = None
        self._follower: Follower | None = None

    @property
    def result(self) -> ToolResult:
        """How it ended: value (of a tool that does not stream), error, attempts and duration.

        RuntimeError before its end, and where it was closed before that.
        """
        result = self._outcome
        if result is None:
            raise RuntimeError(f"the stream of {self._name!r} has not come to its end, and has no result")
        return result

    @property
    def _outcome(self) -> ToolResult | None:
        return self._run.result if self._run is not None and self._ended else None

    async def collect(self) -> Any:
        """Read all of it, and give one value: text and bytes joined, else a list; or raise its error.

        The value of a tool that does not stream is given as it is. InvalidResult above the registry's
        `max_result_bytes`.
        """
        collected = Collected(self._name, self._most_bytes)
        run = self._claim()
        value = (await self._whole(run, collected.add)).unwrap()
        return collected.value if run.streams else value

    async def stream_to(self, sink: Sink) -> ToolResult:
        """Hand each chunk to `sink`, and give the result; never raises for what a tool or a middleware did.

        All of it runs in this task: no chunk waits in between, and the tool waits while the sink does. An
        error of the sink ends the call, which counts as left by its reader, and is raised.
        """

        async def put(chunk: StreamChunk) -> None:
            taken = sink(chunk)
            if inspect.isawaitable(taken):
                await taken

        return await self._whole(self._claim(), put)

    def events(self) -> StreamEvents:
        """A `StreamStarted`, each chunk, and one `StreamEnded`; never raises for what a tool did.

        And what the tool reports of its progress, in its place; of reports with no chunk in between, the
        latest that was not read yet stands for those before it.
        """
        self._follower = Follower()
        return StreamEvents(self._name, self, self._follower, lambda: self._outcome)

    async def _start(self) -> Pipe:
        run = self._claim()
        tool = run.call.tool
        if not (run.streams or self._entered or self._follower):
            # One value, and a read that is cancelled ends it.
            pipe = Pipe()
            await self._here(run, pipe.put, pipe)
            pipe.end(run.error)
            return pipe
        own = None if self._fixed or tool is None else tool.buffer
        pipe = self._through(Pipe(own or self._buffer, numbers=True))
        run.passed = lambda: pipe.passed
        if self._follower is not None:
            self._follower.pipe = pipe
            run.call._listeners = (self._follower,)
        self._work = _CallTask(run.call, running(run.to_reader, pipe), pipe)
        return pipe

    def _claim(self) -> _Run:
        """Begin the call; RuntimeError if that has been done."""
        self._check_open()
        if self._run is not None:
            raise RuntimeError(f"the stream of {self._name!r} is being read already; it is read once")
        run = self._run = _Run(*self._begin(), self._most_bytes)
        return run

    async def _whole(self, run: _Run, put: Put) -> ToolResult:
        await self._here(run, put, Pipe())
        self._ended = True
        return self.result

    async def _here(self, run: _Run, put: Put, pipe: Pipe) -> None:
        """Run it in this task, with each chunk given to `put`, whose own error is raised."""
        work, passed = _Here(run.call), 0
        pipe.maker = anyio.get_current_task().id
        self._through(pipe)
        self._work = work
        run.passed = lambda: passed
        fault: Exception | None = None

        async def emit(chunk: StreamChunk) -> None:
            nonlocal fault, passed
            chunk, passed = numbered(chunk, passed), passed + 1
            try:
                await put(chunk)
            except Exception as error:
                fault = error
                raise StreamStopped from error

        try:
            with work.scope:
                await run.to(emit)
        except BaseException as raised:
            self._closed = True
            if fault is None or apart(raised)[0] is not None:  # a cancellation counts for more
                raise
        finally:
            work.end()
        if fault is not None:
            if isinstance(fault, ToolError):
                complete(fault, run.call)
            try:
                raise fault
            finally:
                self._closed = True
                del fault
        self._check_open()


class _Run:
    """One call, and what it came to."""

    def __init__(self, call: Call, chain: Inner, most_bytes: float) -> None:
        self.call = call
        self.streams = call.tool is not None and call.tool.streams
        self.result: ToolResult | None = None
        self.passed: Callable[[], int] = int
        """How many chunks have gone to the reader."""
        self._chain, self._most_bytes = chain, most_bytes

    async def to(self, put: Put) -> None:
        """Run it, with its chunks given to `put`; a value that no chunk has said is one."""
        if self.streams:
            self.call.emit = put
        result = await outcome_of(self.call, self._chain, self._most_bytes)
        if result.ok and (not self.streams or (result.value is not None and not self.passed())):
            await put(StreamChunk(result.value))
        self.result = result

    async def to_reader(self, put: Put) -> None:
        """The same, and raise its error."""
        await self.to(put)
        if (error := self.error) is not None:
            try:
                raise error
            finally:
                del error

    @property
    def error(self) -> BaseException | None:
        """What it failed with, as it was raised."""
        found = None if self.result is None else self.result.error
        return None if found is None else found.cause


class _CallTask:
    """The task of a call that streams: `Work` that is cut off as a call is, natively on asyncio.

    What its tool awaits while it cleans up is not cut again. A child call's task ends with the call around.
    """

    def __init__(self, call: Call, run: Callable[[], Awaitable[None]], pipe: Pipe) -> None:
        self._call, self._run, self._pipe = call, run, pipe
        self._timer: Timer | None = None
        self._told: float | None = None
        self._begun = False
        self._leash: Leash | None = None
        around = call.parent
        if around is not None and around.host.loop is current_loop():  # nothing of another loop is touched
            self._leash = around.info._leash = around.info._leash or Leash(current_loop())
            call.info._patience = patience(around)
            self._leash.take(self)
        self._task = call.host.spawn(self._work, ended=self._over)

    def cancel(self) -> None:
        """Cut it off, once."""
        if self._told is not None:
            return
        self._told = self._call.elapsed
        if self._timer is None:
            self._task.cancel()
        else:
            self._timer.now()

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self._task.ended

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._task.wait()

    async def _work(self) -> None:
        self._begun, task = True, asyncio_task()
        if task is not None:
            self._timer = Timer(self._call, task, limits_of(task), shields=0)
        try:
            await self._run()
        finally:
            if self._timer is None:
                _report_late(self._call, self._told)
            else:
                self._timer.disarm()
            self._told = self._call.elapsed  # whoever had been about to tell it finds nothing to cut off

    def _over(self, task: BackgroundTask) -> None:
        around = self._call.parent
        if self._leash is not None:
            self._leash.give_back(self)
        if around is not None and around.info._ended:
            said = f"this stream ended with the call of {around.name!r}, in which it was begun"
            self._pipe.end(anyio.ClosedResourceError(said))
        if not self._begun:  # nobody saw a call that could have been waited for, or cut off
            said = f"{self._call.name!r} was stopped before it began: its registry was left, or its loop ends"
            self._pipe.end(Unavailable(said))
        stopped(self._pipe)


class _Here:
    """A call that runs in its reader's own task: `Work` that any other task may cut off."""

    def __init__(self, call: Call) -> None:
        self.scope, self._over, self._call = anyio.CancelScope(), anyio.Event(), call
        self._told: float | None = None

    def cancel(self) -> None:
        """Cut it off."""
        self._told = self._call.elapsed if self._told is None else self._told
        self.scope.cancel()

    def end(self) -> None:
        """It has ended."""
        self._over.set()
        _report_late(self._call, self._told)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._over.is_set()

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._over.wait()


def _report_late(call: Call, told: float | None) -> None:
    """Report one that has ended long after it was told to stop, if it was."""
    if told is not None and call.elapsed >= told + GRACE_SECONDS:
        overrun(call)


async def _no_chunks(put: Put) -> None:
    """What a tool gives is made by its call."""
