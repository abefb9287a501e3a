"""One record when a stream starts, one when it ends."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import structlog

from toolcase.call import Stage
from toolcase.chunk import StreamChunk
from toolcase.chunk_hooks import HookContext
from toolcase.content import bytes_of
from toolcase.observability.records import failed, spent, tool_name, without_locals
from toolcase.tool import Tool


@dataclass(slots=True)
class StreamLoggingMiddleware:
    """Log each stream through structlog: `stream.started`, then `stream.ended`, `.failed` or `.cancelled`.

    Records carry the tool, and at the end chunks, bytes, seconds to the first chunk (None where none came),
    attempts and duration; a failure also its code, class and message, as `LoggingMiddleware` has them.
    Failures are logged at WARNING, the rest at `level`. No contents, no arguments. Calls that are not read as
    a stream are left to `LoggingMiddleware`.
    """

    logger: Any = None
    """A structlog logger; `structlog.get_logger("toolcase")` where none is given."""
    level: int = logging.INFO
    stage: ClassVar[Stage] = Stage.OBSERVE
    most_accumulated: ClassVar[int] = 0
    # Bound at the first stream, when the host has configured structlog.
    _bound: Any = field(default=None, init=False, repr=False)

    def on_start(self, tool: Tool[..., Any], params: Mapping[str, Any], ctx: HookContext) -> None:
        """Log that it starts."""
        if ctx.call.emit is not None:
            ctx.update(chunks=0, bytes=0, first=None)
            self._log(self.level, "stream.started", {"tool": tool_name(ctx.call)})

    def on_chunk(self, chunk: StreamChunk, ctx: HookContext) -> None:
        """Count it."""
        if "chunks" in ctx:
            if ctx["first"] is None:
                ctx["first"] = round(ctx.call.elapsed, 6)
            ctx["chunks"] += 1
            ctx["bytes"] += bytes_of(chunk.content, math.inf)

    def on_complete(self, accumulated: Any, ctx: HookContext) -> None:
        """Log that it ended well."""
        self._ended(self.level, "stream.ended", ctx)

    def on_error(self, error: Exception, ctx: HookContext) -> None:
        """Log what it failed with."""
        if "chunks" in ctx:
            facts = failed(error, ctx.call)
            if self.logger is None and not structlog.is_configured():
                facts = without_locals(facts, ctx.call)
            self._ended(logging.WARNING, "stream.failed", ctx, facts)

    def on_cancel(self, ctx: HookContext) -> None:
        """Log that its reader has left."""
        self._ended(self.level, "stream.cancelled", ctx)

    def _ended(
        self, level: int, event: str, ctx: HookContext, facts: Mapping[str, Any] | None = None
    ) -> None:
        if "chunks" not in ctx:
            return
        counted = {"chunks": ctx["chunks"], "bytes": ctx["bytes"], "first_chunk": ctx["first"]}
        self._log(level, event, {"tool": tool_name(ctx.call), **counted, **spent(ctx.call), **(facts or {})})

    def _log(self, level: int, event: str, facts: Mapping[str, Any]) -> None:
        log = self._bound
        if log is None:
            log = self._bound = (self.logger or structlog.get_logger("toolcase")).bind()
        if log.is_enabled_for(level):
            log.log(level, event, **facts)
