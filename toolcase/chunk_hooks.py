"""The hooks of a middleware that is told of chunks: what they are, and which of them an object has."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from toolcase.call import Call, Stage
from toolcase.chunk import StreamChunk
from toolcase.clock import number
from toolcase.tool import Tool

HOOKS = ("on_start", "on_chunk", "on_complete", "on_error", "on_cancel")
MOST_ACCUMULATED = 1024 * 1024

Given = StreamChunk | list[Any] | None


class HookContext(dict[str, Any]):
    """A dict that one middleware has to itself during one call; `call` is that call."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call = call


class StreamMiddleware:
    """The hooks that a middleware may have, to read or to inherit from: any object with one of them is one.

    Each may be a plain `def` or an `async def`, and one that is not there, or inherited from here, costs
    nothing. Of each call it hears `on_start`, then `on_chunk` for each chunk, then exactly one of the other
    three. A call that is not read as a stream has one chunk: its value. In stage GUARD, where it stands
    unless it says otherwise, what `on_chunk` gives goes on instead of the chunk, and no chunk passes that it
    could not check. In OBSERVE it changes nothing, and each hook is given 1 s.
    """

    def on_start(self, tool: Tool[..., Any], params: Mapping[str, Any], ctx: HookContext, /) -> Any:
        """The call begins. `params` are read-only, and validated unless this observes."""

    def on_chunk(self, chunk: StreamChunk, ctx: HookContext, /) -> Given | Awaitable[Given]:
        """One chunk: gives what goes on instead. None drops it, a list is several, or none if it is empty."""
        return chunk

    def on_complete(self, accumulated: Any, ctx: HookContext, /) -> Given | Awaitable[Given]:
        """The call gave its value, or the stream its last chunk. A `ToolError` from here is the call's error.

        `accumulated` is all that `on_chunk` let pass: text or bytes joined, else a list; None where that is
        more than `most_accumulated` bytes, an attribute of the middleware, 1 MiB unless given. A guard that
        has held something back gives it here, as `on_chunk` would: it goes out last.
        """
        return None

    def on_error(self, error: Exception, ctx: HookContext, /) -> Any:
        """The call failed. A `ToolError` from here takes the error's place."""

    def on_cancel(self, ctx: HookContext, /) -> Any:
        """Nobody wants the outcome any more; it has 1 s to clean up, and cannot be interrupted meanwhile."""


def has_hooks(middleware: Any) -> bool:
    """Whether it has any of them."""
    return any(_hook(middleware, name) is not None for name in HOOKS)


def check_hooks(middleware: Any, name: str, stage: Stage) -> None:
    """TypeError or ValueError, with the mend, where an object with hooks cannot be a middleware."""
    if not has_hooks(middleware):
        return
    if callable(middleware):
        raise TypeError(
            f"{name} has hooks such as on_chunk and is callable as well; keep one of the two forms"
        )
    if stage is Stage.ACT:
        raise TypeError(
            f"{name} has hooks, which stand around all attempts of a call; set its stage to GUARD or OBSERVE"
        )
    for hook in HOOKS:
        own = _hook(middleware, hook)
        if inspect.isgeneratorfunction(own) or inspect.isasyncgenfunction(own):  # nothing would run it
            raise TypeError(f"{name}.{hook} has a `yield`; a hook gives what it has to give with `return`")
    number(_most_accumulated(middleware), f"{name}.most_accumulated")


def _most_accumulated(middleware: Any) -> float:
    return getattr(middleware, "most_accumulated", MOST_ACCUMULATED)


def _hook(middleware: Any, name: str) -> Callable[..., Any] | None:
    """Its own method of that name."""
    hook = getattr(middleware, name, None)
    inherited = getattr(hook, "__func__", None) is getattr(StreamMiddleware, name)
    return hook if callable(hook) and not inherited else None


def several(given: Any, chunk: StreamChunk) -> list[StreamChunk]:
    """The chunks that stand for this one; TypeError where that is not what `on_chunk` gave."""
    if given is None:
        return []
    if isinstance(given, StreamChunk):
        return [given]
    if isinstance(given, list):
        return [each if isinstance(each, StreamChunk) else StreamChunk(each, chunk.index) for each in given]
    raise TypeError(
        "on_chunk gives a StreamChunk, a list of them, or None to drop the chunk, and on_complete what is "
        f"to go out last; this one gave {type(given).__name__}"
    )


class OwnHooks:
    """What a middleware has, found out once for each chain."""

    __slots__ = ("asynchronous", "middleware", "most", "sees_chunks", *HOOKS)

    def __init__(self, middleware: Any) -> None:
        self.middleware = middleware
        self.on_start = _hook(middleware, "on_start")
        self.on_chunk = _hook(middleware, "on_chunk")
        self.on_complete = _hook(middleware, "on_complete")
        self.on_error = _hook(middleware, "on_error")
        self.on_cancel = _hook(middleware, "on_cancel")
        self.asynchronous = inspect.iscoroutinefunction(self.on_chunk)
        self.most = 0 if self.on_complete is None else _most_accumulated(middleware)
        self.sees_chunks = self.on_chunk is not None or self.most > 0
