"""The verbs of a registry for code that has no event loop of its own: scripts, threads, synchronous tools."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol, Self, TypedDict, Unpack

from toolcase.blocking_stream import BlockingStream
from toolcase.context import ExecutionContext
from toolcase.errand import Errand, Portal, Verb, refuse_in_a_loop
from toolcase.result import ToolResult
from toolcase.schema import Arguments
from toolcase.threads import leash
from toolcase.tool import Tool
from toolcase.tool_stream import ToolStream


class Verbs(Protocol):
    """What a registry and its views have in common."""

    def call(self, name: str, /, **arguments: Any) -> Awaitable[Any]: ...
    def execute(self, *arguments: Any, **settings: Any) -> Awaitable[ToolResult]: ...
    def stream_execute(self, *arguments: Any, **settings: Any) -> ToolStream: ...
    def view(self, *arguments: Any, **settings: Any) -> Verbs: ...
    def get(self, name: str) -> Tool[..., Any]: ...
    def tools(self, *, tag: str | None = None, matching: str = "*") -> list[Tool[..., Any]]: ...


class Settings(TypedDict, total=False):
    """Those of `Registry.execute`; a view takes no context and is never detached."""

    context: ExecutionContext | None
    timeout: float | None
    idempotency_key: str | None
    detached: bool


class StreamSettings(Settings, total=False):
    """Those of `Registry.stream_execute`."""

    buffer: int | None


class Blocking:
    """A registry's verbs without `await`; made by `Registry.blocking` and `View.blocking`.

    A call runs in the event loop in which the registry is in use, from whatever thread it comes. Where there
    is none, a call gets a loop in a thread that ends with it, and calls that are made meanwhile share it;
    `with` gives one loop to all calls of the block, and enters the registry there.

    In a synchronous tool a call made here is a child call: it has the context and the deadline of the call
    around it, and is cancelled when nobody waits for the tool any more. RuntimeError in a thread whose event
    loop runs: `await` the registry's own verbs there.
    """

    def __init__(self, verbs: Verbs, *, portal: Portal, backend: str = "asyncio") -> None:
        self._verbs, self._portal, self._backend = verbs, portal, backend
        # Several where blocks nest, or threads share this.
        self._open: list[AbstractContextManager[None]] = []

    def __enter__(self) -> Self:
        refuse_in_a_loop()
        entered = self._portal.entered(self._backend)
        entered.__enter__()
        self._open.append(entered)
        return self

    def __exit__(self, *raised: object) -> bool | None:
        return self._open.pop().__exit__(*raised)  # type: ignore[arg-type]

    def call(self, name: str, /, **arguments: Any) -> Any:
        """As `Registry.call`."""
        return self._run(partial(self._verbs.call, name, **arguments))

    def execute(
        self, name: str, arguments: Arguments | None = None, **settings: Unpack[Settings]
    ) -> ToolResult:
        """As `Registry.execute`, or that of the view."""
        result: ToolResult = self._run(partial(self._verbs.execute, name, arguments, **settings))
        return result

    def stream(self, name: str, /, **arguments: Any) -> BlockingStream:
        """As `Registry.stream`, for a plain `for`."""
        return self.stream_execute(name, arguments)

    def stream_execute(
        self, name: str, arguments: Arguments | None = None, **settings: Unpack[StreamSettings]
    ) -> BlockingStream:
        """As `Registry.stream_execute`, or that of the view, for a plain `for`."""
        stream = self._verbs.stream_execute(name, arguments, **settings)
        return BlockingStream(stream, portal=self._portal, backend=self._backend)

    def view(self, **settings: Any) -> Blocking:
        """As `Registry.view`."""
        return self.of(self._verbs.view(**settings))

    def of(self, verbs: Verbs) -> Blocking:
        """The verbs of another view, in the same loop."""
        return Blocking(verbs, portal=self._portal, backend=self._backend)

    def get(self, name: str) -> Tool[..., Any]:
        """As `Registry.get`."""
        return self._verbs.get(name)

    def tools(self, *, tag: str | None = None, matching: str = "*") -> list[Tool[..., Any]]:
        """As `Registry.tools`."""
        return self._verbs.tools(tag=tag, matching=matching)

    def names(self, *, tag: str | None = None, matching: str = "*") -> list[str]:
        """As `Registry.names`."""
        return [tool.name for tool in self.tools(tag=tag, matching=matching)]

    def _run(self, verb: Verb) -> Any:
        refuse_in_a_loop()
        held = leash.get()
        with self._portal.open(self._backend, otherwise=held and held.loop) as loop:
            return Errand(verb, loop).run().result()  # in no variable, or an error would hold itself
