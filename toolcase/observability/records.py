"""What log records say of a call: its tool, what it took, and how it failed, with secrets masked."""

from __future__ import annotations

from typing import Any

from toolcase.call import Call
from toolcase.errors import InvalidArguments, ToolError, code_of, message_of
from toolcase.events import traceback_of
from toolcase.plain import given_data, printable


def tool_name(call: Call) -> str:
    """The name that was called, which may be a caller's invention, on one line."""
    return printable(call.host.secrets.redact(call.name))


def spent(call: Call) -> dict[str, Any]:
    """How often its tool was started, and how many seconds it took so far."""
    return {"attempts": call.info.attempts, "duration": round(call.elapsed, 6)}


def failed(error: Exception, call: Call, *, shows_arguments: bool = False) -> dict[str, Any]:
    """Class, message and code of an error; of one that models are not shown, also where it came from."""
    secrets, message = call.host.secrets, message_of(error)
    if isinstance(error, InvalidArguments):
        given = given_data(call.given) if shows_arguments else None
        if not shows_arguments or secrets.redact_data(given) != given:
            message = error.without_values
    facts: dict[str, Any] = {"error": type(error).__name__, "message": printable(secrets.redact(message))}
    facts["code"] = code_of(error).value
    if isinstance(error, ToolError) or (call.tool is not None and call.tool.exposes(error)):
        return facts
    facts["correlation_id"] = call.info.correlation_id
    if secrets:  # structlog would write it out as it is
        return {**facts, "exception": traceback_of(error, secrets)}
    return {**facts, "exc_info": error}


def without_locals(facts: dict[str, Any], call: Call) -> dict[str, Any]:
    """The same with the traceback as text: without a host's word structlog may show the locals of frames."""
    if "exc_info" not in facts:
        return facts
    facts["exception"] = traceback_of(facts.pop("exc_info"), call.host.secrets)
    return facts
