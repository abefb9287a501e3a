"""One record when a call starts, one when it ends."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import structlog

from toolcase.call import Call, Inner, Stage
from toolcase.errors import ErrorCode, InvalidArguments, ToolError, message_of


@dataclass(slots=True)
class LoggingMiddleware:
    """Log each call through structlog: `call.started`, then `call.ended`, `call.failed` or `call.cancelled`.

    Records carry tool, attempts and duration (seconds); a failure also its code, its class, its message, and,
    where that message is not shown to models, the correlation id that they were shown, and the traceback.
    Failures are logged at WARNING, the rest at `level`. Arguments are left out unless `arguments=True`.
    """

    logger: Any = None
    """A structlog logger; `structlog.get_logger("toolcase")` where none is given."""
    level: int = logging.INFO
    arguments: bool = False
    stage: ClassVar[Stage] = Stage.OBSERVE
    # Bound at the first call, when the host has configured structlog: binding costs 40 times the check below.
    _bound: Any = field(default=None, init=False, repr=False)

    async def __call__(self, call: Call, inner: Inner) -> Any:
        log = self._bound
        if log is None:
            log = self._bound = (self.logger or structlog.get_logger("toolcase")).bind()
        loud = log.is_enabled_for(self.level)
        facts: dict[str, Any] = {}
        if loud:
            facts = {"tool": call.name, **({"arguments": _given(call)} if self.arguments else {})}
            log.log(self.level, "call.started", **facts)
        try:
            value = await inner(call)
        except Exception as error:
            log.log(
                logging.WARNING,
                "call.failed",
                **{"tool": call.name, **facts},
                **_failure(error, call, self.arguments),
            )
            raise
        except BaseException:
            if loud:
                log.log(self.level, "call.cancelled", **facts, **_spent(call))
            raise
        if loud:
            log.log(self.level, "call.ended", **facts, **_spent(call))
        return value


def _given(call: Call) -> Any:
    """The arguments as the caller gave them: a mapping, or JSON as text."""
    given = call.given
    if isinstance(given, bytes):
        return given.decode(errors="replace")
    return dict(given) if isinstance(given, Mapping) else given


def _spent(call: Call) -> dict[str, Any]:
    return {"attempts": call.info.attempts, "duration": round(call.elapsed, 6)}


def _failure(error: Exception, call: Call, shows_arguments: bool) -> dict[str, Any]:
    facts = {**_spent(call), "error": type(error).__name__, "message": message_of(error)}
    if isinstance(error, InvalidArguments) and not shows_arguments:
        facts["message"] = error.without_values
    if isinstance(error, ToolError):
        return {**facts, "code": error.code.value}
    facts["code"] = ErrorCode.TOOL_FAILED.value
    if call.tool is not None and call.tool.exposes(error):
        return facts
    return {**facts, "correlation_id": call.info.correlation_id, "exc_info": error}
