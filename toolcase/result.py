"""How a call ended, as a value: for callers that want no exception, and for language models."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec

from toolcase.call import Call
from toolcase.errors import ErrorCode, ErrorInfo, ToolError, message_of

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
        """Whether there is a value and no error."""
        return self.error is None

    def unwrap(self) -> Any:
        """The value, or the exception itself raised."""
        if self.error is None:
            return self.value
        cause = self.error.cause
        raise ToolError(self.error.message) if cause is None else cause

    def for_model(self, max_chars: int = MODEL_CHARACTERS) -> str:
        """A short text for a language model: the value, or what went wrong in words meant for it.

        Longer texts are cut, visibly. Never a traceback, and never the message of an exception that the
        tool does not expose.
        """
        if self.error is not None:
            text = f"Error {self.error.code.value}: {self.error.message}".removesuffix(": ")
            if self.error.retry_after is not None:
                text += f" (try again after {self.error.retry_after:g} s)"
        else:
            text = as_text(self.value)
        if len(text) > max_chars:
            room = max(0, max_chars)
            note = f"... [cut: {len(text)} characters in all]"
            text = text[: max(0, room - len(note))] + note[:room]
        return _encodable(text)

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


def complete(error: ToolError, call: Call) -> None:
    """Tell an error of ours what is known of the call that it ended, unless a child call has told it."""
    now = call.host.clock.monotonic()
    if error.told_at < call.info.started:  # never, or of an earlier call that raised this very object
        error.info = describe(error, call, now - call.info.started)
        error.told_at = now


def describe(error: BaseException, call: Call, elapsed: float) -> ErrorInfo:
    """What is known of a call that failed with `error`; its message may be shown to a model."""
    info, tool = call.info, call.tool
    code, message, correlation_id = ErrorCode.TOOL_FAILED, message_of(error), ""
    retryable, retry_after = False, info.retry_after
    if isinstance(error, ToolError):
        code, retryable = error.code, error.retryable
        said = error.retry_after
        if isinstance(said, int | float) and 0 <= said < math.inf:
            retry_after = said
    elif tool is not None and tool.exposes(error):
        message = f"{type(error).__name__}: {message}".removesuffix(": ")
    else:
        correlation_id = info.correlation_id
        message = f"{type(error).__name__}: details are not shown (reference {correlation_id})"
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
    alone = Call(call.name, call.tool, call.given, None, call.host)
    alone.info.attempts, alone.info._correlation_id = 1, call.info.correlation_id
    return describe(error, alone, 0.0)


def as_text(value: Any) -> str:
    """A value for a reader of text: strings as they are, bytes by their size, the rest as JSON."""
    if isinstance(value, str):
        return str.__str__(value)  # of an enum its text, not its name
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{memoryview(value).nbytes} bytes>"
    return _as_json(value)


def plain(value: Any) -> Any:
    """A value as JSON data; what JSON cannot say stands there as text."""
    try:
        return json.loads(_as_json(value), parse_constant=str)
    except (ValueError, RecursionError):  # an integer with more digits than Python reads, or too deep
        return _unsayable(value)


def _as_json(value: Any) -> str:
    """The value as JSON; where it is odd in some part, as much of it as can be said."""
    from pydantic_core import to_json

    if isinstance(value, Iterator):
        return json.dumps(_unsayable(value))  # it may have no end, and can be read only once
    with contextlib.suppress(Exception):  # it may be any object, with any fault
        return to_json(value, fallback=_fallback, inf_nan_mode="strings", bytes_mode="base64").decode()
    try:
        # Slower, and takes half a surrogate pair, as it comes out of foreign JSON.
        return _encodable(json.dumps(value, default=_fallback, ensure_ascii=False))
    except Exception:  # noqa: BLE001  as above
        return json.dumps(_unsayable(value))


def _encodable(text: str) -> str:
    """The same text, without the half surrogate pairs that no encoding can carry."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unsayable(value: Any) -> str:
    return f"<{type(value).__name__}>"  # not its repr: that may hold an address or a secret


def _fallback(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        tag = {config.tag_field: config.tag} if config.tag_field else {}
        values = (getattr(value, name) for name in value.__struct_fields__)
        return tag | dict(zip(value.__struct_encode_fields__, values, strict=True))
    return _unsayable(value)
