"""How a call ended, as a value: for callers that want no exception, and for language models."""

from __future__ import annotations

from typing import Any

import msgspec

from toolcase.call import Call
from toolcase.errors import ErrorCode, ErrorInfo, ToolError

MODEL_CHARACTERS = 16_000


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one call: a value, or what went wrong."""

    tool: str
    value: Any = None
    error: ErrorInfo | None = None
    attempts: int = 0
    """How often the tool was started."""
    duration: float = 0.0
    """Seconds, waits and retries included."""

    @property
    def ok(self) -> bool:
        return self.error is None

    def unwrap(self) -> Any:
        """The value, or the exception itself raised."""
        if self.error is None:
            return self.value
        raise self.error.cause or ToolError(self.error.message)

    def for_model(self, max_chars: int = MODEL_CHARACTERS) -> str:
        """A short text for a language model: the value, or what went wrong in words meant for it.

        Longer texts are cut, visibly. Never a traceback, and never the message of an exception that the
        tool does not expose.
        """
        if self.error is not None:
            text = f"Error {self.error.code.value}: {self.error.message}"
            if self.error.retry_after is not None:
                text += f" (try again after {self.error.retry_after:g} s)"
        else:
            text = as_text(self.value)
        if len(text) <= max_chars:
            return text
        note = f"... [cut: {len(text)} characters in all]"
        return text[: max(0, max_chars - len(note))] + note[:max_chars]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; a value that JSON cannot say stands there as text."""
        return {
            "tool": self.tool,
            "ok": self.ok,
            "value": plain(self.value),
            "error": self.error.to_dict() if self.error else None,
            "attempts": self.attempts,
            "duration": self.duration,
        }


def describe(error: BaseException, call: Call, elapsed: float) -> ErrorInfo:
    """What is known of a call that failed with `error`; its message may be shown to a model."""
    info, tool = call.info, call.tool
    code, message, correlation_id = ErrorCode.TOOL_FAILED, str(error), ""
    retryable, retry_after = False, info.retry_after
    if isinstance(error, ToolError):
        code, retryable = error.code, error.retryable
        retry_after = error.retry_after if error.retry_after is not None else retry_after
    elif tool is not None and tool.exposes(error):
        message = f"{type(error).__name__}: {error}"
    else:
        correlation_id = info.correlation_id
        message = f"{type(error).__name__} (details are in the host's log under {correlation_id})"
    return ErrorInfo(
        code=code,
        message=message,
        tool=call.name,
        type=type(error).__name__,
        attempts=info.attempts,
        elapsed=elapsed,
        retryable=retryable,
        retry_after=retry_after,
        outcome_unknown=info.outcome_unknown,
        correlation_id=correlation_id,
        earlier=tuple(_earlier(failed, call) for failed in info.earlier or ()),
        cause=error,
    )


def _earlier(error: BaseException, call: Call) -> ErrorInfo:
    alone = Call(call.name, call.tool, call.given, call.context, call.host)
    alone.info.attempts = 1
    return describe(error, alone, 0.0)


def as_text(value: Any) -> str:
    """A value for a reader of text: strings as they are, bytes by their size, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    from pydantic_core import to_json

    return to_json(value, fallback=_fallback, inf_nan_mode="strings", bytes_mode="base64").decode()


def plain(value: Any) -> Any:
    """A value as JSON data."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, fallback=_fallback, inf_nan_mode="strings", bytes_mode="base64")


def _fallback(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    return f"<{type(value).__name__}>"  # not its repr: that may hold an address or a secret
