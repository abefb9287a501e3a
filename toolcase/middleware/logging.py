"""One record when a call starts, one when it ends."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, ClassVar

import structlog

from toolcase.call import Call, Inner, Stage
from toolcase.errors import ErrorCode, InvalidArguments, ToolError, message_of
from toolcase.events import traceback_of
from toolcase.plain import given_data, printable, printable_data


@dataclass(slots=True)
class LoggingMiddleware:
    """Log each call through structlog: `call.started`, then `call.ended`, `call.failed` or `call.cancelled`.

    Records carry tool, attempts and duration (seconds); a failure also its code, its class, its message, and,
    where that message is not shown to models, the correlation id that they were shown, and the traceback.
    Failures are logged at WARNING, the rest at `level`. Arguments are left out unless `arguments=True`. The
    registry's secrets are masked, and what callers gave is written on one line.
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
            facts = {"tool": _name(call)}
            if self.arguments:
                facts["arguments"] = printable_data(call.host.secrets.redact_data(given_data(call.given)))
            log.log(self.level, "call.started", **facts)
        try:
            value = await inner(call)
        except Exception as error:
            facts = {"tool": _name(call), **facts, **_failure(error, call, self.arguments)}
            if "exc_info" in facts and self.logger is None and not structlog.is_configured():
                # Without a host's word structlog may show the locals of each frame, arguments and all.
                facts["exception"] = traceback_of(facts.pop("exc_info"), call.host.secrets)
            log.log(logging.WARNING, "call.failed", **facts)
            raise
        except BaseException:
            if loud:
                log.log(self.level, "call.cancelled", **facts, **_spent(call))
            raise
        if loud:
            log.log(self.level, "call.ended", **facts, **_spent(call))
        return value


def _name(call: Call) -> str:
    return printable(call.host.secrets.redact(call.name))


def _spent(call: Call) -> dict[str, Any]:
    return {"attempts": call.info.attempts, "duration": round(call.elapsed, 6)}


def _failure(error: Exception, call: Call, shows_arguments: bool) -> dict[str, Any]:
    secrets, message = call.host.secrets, message_of(error)
    if isinstance(error, InvalidArguments):
        given = given_data(call.given) if shows_arguments else None
        if not shows_arguments or secrets.redact_data(given) != given:
            message = error.without_values
    facts = {**_spent(call), "error": type(error).__name__, "message": printable(secrets.redact(message))}
    facts["code"] = (error.code if isinstance(error, ToolError) else ErrorCode.TOOL_FAILED).value
    if isinstance(error, ToolError) or (call.tool is not None and call.tool.exposes(error)):
        return facts
    facts["correlation_id"] = call.info.correlation_id
    if secrets:  # structlog would write it out as it is
        return {**facts, "exception": traceback_of(error, secrets)}
    return {**facts, "exc_info": error}
