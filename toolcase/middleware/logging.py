"""One record when a call starts, one when it ends."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, ClassVar

import structlog

from toolcase.call import Call, Inner, Stage
from toolcase.observability.records import failed, spent, tool_name, without_locals
from toolcase.plain import given_data, printable_data


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
            facts = {"tool": tool_name(call)}
            if self.arguments:
                facts["arguments"] = printable_data(call.host.secrets.redact_data(given_data(call.given)))
            log.log(self.level, "call.started", **facts)
        try:
            value = await inner(call)
        except Exception as error:
            failure = failed(error, call, shows_arguments=self.arguments)
            if self.logger is None and not structlog.is_configured():
                failure = without_locals(failure, call)
            facts = {"tool": tool_name(call), **facts, **spent(call), **failure}
            log.log(logging.WARNING, "call.failed", **facts)
            raise
        except BaseException:
            if loud:
                log.log(self.level, "call.cancelled", **facts, **spent(call))
            raise
        if loud:
            log.log(self.level, "call.ended", **facts, **spent(call))
        return value
