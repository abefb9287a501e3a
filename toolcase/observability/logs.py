"""Logs that say in which trace they were written, and give no secrets away: `configure_logging`."""

from __future__ import annotations

import json as json_text
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from opentelemetry import trace

from toolcase.call import running
from toolcase.plain import printable, printable_data
from toolcase.secrets import Secrets

Record = MutableMapping[str, Any]

LOGGER = "toolcase"
TRACEBACK = "exception"
KNOWN = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
FIRST = ("timestamp", "level", "event")
"""These stand at the head of a line, without their names."""


def configure_logging(
    level: str | int = "INFO",
    *,
    json: bool = False,
    secrets: Secrets | None = None,
    stream: TextIO | None = None,
) -> None:
    """Set up structlog, and the standard library's logger `toolcase`, for the whole process.

    One line per record, as text or as JSON, to `stream` or standard error; in text, the lines of a traceback
    follow, indented. Records say `trace_id` and `span_id` of the call in which they were written. What stands
    under the name of a secret is masked; so are the values in `secrets`, and those of the registry whose call
    is running. Whatever would break a line or steer a terminal is escaped. Said again, it replaces what it
    said before.
    """
    number = _level(level)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _with_trace,
            _Safe(secrets or Secrets()),
            _as_json if json else _as_text,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_known(number)),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logger = logging.getLogger(LOGGER)
    logger.handlers = [kept for kept in logger.handlers if not isinstance(kept, _ToStructlog)]
    logger.addHandler(_ToStructlog())
    logger.setLevel(number)
    logger.propagate = False  # or the root logger would write it once more, unmasked


class _ToStructlog(logging.Handler):
    """Hands what comes through the standard library to structlog, so that all takes one way."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log = structlog.get_logger(LOGGER)
            log.log(_known(record.levelno), record.getMessage(), exc_info=record.exc_info or None)
        except Exception:  # noqa: BLE001  as every handler of the standard library: logging breaks nothing
            self.handleError(record)


class _Safe:
    """Masks secrets, and escapes what would break a line, in every name and value of a record."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __call__(self, logger: Any, method: str, record: Record) -> Record:
        call = running.get()
        shown = self._secrets.redact_data(record)
        if call is not None and call.host.secrets is not self._secrets:
            shown = call.host.secrets.redact_data(shown)
        traceback = shown.pop(TRACEBACK, None)
        shown = printable_data(shown)
        if isinstance(traceback, str):
            shown[TRACEBACK] = printable(traceback, keep="\n")
        return shown  # type: ignore[no-any-return]


def _level(level: str | int) -> int:
    if isinstance(level, str):
        known = logging.getLevelNamesMapping()
        if level.upper() not in known:
            raise ValueError(f"level must be one of {', '.join(known)}, or a number; got {level!r}")
        return known[level.upper()]
    if isinstance(level, bool) or not isinstance(level, int):
        raise TypeError(f"level must be the name of a level or a number, got {level!r}")
    return level


def _known(level: int) -> int:
    """The next level above of those that structlog knows; for the rest there is the highest."""
    return next((known for known in KNOWN if known >= level), KNOWN[-1])


def _with_trace(logger: Any, method: str, record: Record) -> Record:
    """Which span it was written in: OpenTelemetry's current one, or that which the running call has."""
    span, call = trace.get_current_span().get_span_context(), running.get()
    if span.is_valid:
        record["trace_id"] = trace.format_trace_id(span.trace_id)
        record["span_id"] = trace.format_span_id(span.span_id)
    elif call is not None:
        record["trace_id"], record["span_id"] = call.context.trace_id, call.context.span_id
    return record


def _as_json(logger: Any, method: str, record: Record) -> str:
    return json_text.dumps(record)  # what is not ASCII is escaped


def _as_text(logger: Any, method: str, record: Record) -> str:
    traceback = record.pop(TRACEBACK, None)
    head = [str(record.pop(name, "")) for name in FIRST]
    line = " ".join([head[0], head[1].ljust(8), head[2], *(f"{k}={_word(v)}" for k, v in record.items())])
    if traceback is None:
        return line
    # Indented, so that no line of a message can be taken for a record.
    return "\n    ".join([line, *str(traceback).split("\n")])


def _word(value: Any) -> str:
    """As it is where that is one word, else quoted, so that it cannot look like another field."""
    if isinstance(value, str) and value and not set(value) & set(" =\"'"):
        return value
    return json_text.dumps(value, ensure_ascii=False)
