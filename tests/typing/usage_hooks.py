"""How users write hooks on chunks: mypy reads this in its strict mode, and nothing ever runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from toolcase import HookContext, Registry, Stage, StreamChunk, StreamMiddleware, Tool, ToolStream, tool
from toolcase.runtime import StreamLoggingMiddleware, StreamMetricsMiddleware, compose, compose_streaming


class Redacts:
    """One hook, and nothing inherited."""

    def on_chunk(self, chunk: StreamChunk, ctx: HookContext) -> StreamChunk | None:
        return chunk if ctx.call.name else None


class Ends(StreamMiddleware):
    """Inherits those that it does not have."""

    stage: ClassVar[Stage] = Stage.OBSERVE

    async def on_start(self, tool: Tool[..., Any], params: Mapping[str, Any], ctx: HookContext) -> None:
        ctx["name"] = tool.name

    async def on_chunk(self, chunk: StreamChunk, ctx: HookContext) -> list[StreamChunk]:
        return [chunk]

    async def on_complete(self, accumulated: Any, ctx: dict[str, Any]) -> None: ...

    def on_error(self, error: Exception, ctx: dict[str, Any]) -> None: ...


class Nothing:
    """No hook at all."""


@tool(middleware=[Redacts(), StreamLoggingMiddleware()])
async def say(prompt: str) -> str:
    return prompt


registry = Registry()
registry.use(Redacts(), compose(Ends()), [StreamMetricsMiddleware()], only="s*")
registry.use(Nothing())  # type: ignore[arg-type]
stream: ToolStream = compose_streaming(Redacts(), Ends())(say)(prompt="x")
compose_streaming(Redacts())(say)(other="x")  # type: ignore[call-arg]
