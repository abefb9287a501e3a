"""How a call ended, as a value: for callers that want no exception, and for language models."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from toolcase.call import Call
from toolcase.chunk import too_large
from toolcase.clock import count
from toolcase.content import Part, Text, as_text, bytes_of, parts_of, rewritten
from toolcase.errors import ErrorCode, ErrorInfo, ToolError, error_of, message_of
from toolcase.plain import cut, encodable, plain
from toolcase.secrets import Secrets

MODEL_CHARACTERS = 16_000
MOST_BYTES = 8 * 1024 * 1024
SHOWN_FAILURES = 5

_SMALL = frozenset({type(None), bool, int, float})


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one call: a value, or what went wrong.

    `value` is what the tool gave. In all that is made of it for others, the secrets that are registered
    then are masked.
    """

    tool: str
    value: Any = None
    error: ErrorInfo | None = None
    attempts: int = 0
    """How often the tool was started."""
    duration: float = 0.0
    """Seconds, waits and retries included."""
    _secrets: Secrets = msgspec.field(default_factory=Secrets)

    @property
    def ok(self) -> bool:
        """Whether there is a value and no error."""
        return self.error is None

    def unwrap(self) -> Any:
        """The value, or the exception itself raised; where that is elsewhere, one of ours with its code."""
        if self.error is None:
            return self.value
        cause = self.error.cause
        raise error_of(self.error) if cause is None else cause

    @property
    def content(self) -> tuple[Part, ...]:
        """The value as typed parts for a reader; of a failure the text for models."""
        if self.error is not None:
            return (Text(self.for_model()),)
        secrets = self._secrets
        return tuple(rewritten(part, secrets.redact, secrets.redact_values) for part in parts_of(self.value))

    def for_model(self, max_chars: int = MODEL_CHARACTERS) -> str:
        """A short text for a language model: the value, or what went wrong in words meant for it.

        Longer texts are cut, visibly. Never a traceback, and never the message of an exception that the
        tool does not expose.
        """
        count(max_chars, "max_chars", least=0)
        if self.error is not None:
            text = f"Error {self.error.code.value}: {self.error.message}".removesuffix(": ")
            if self.error.retry_after is not None:
                text += f" (try again after {self.error.retry_after:g} s)"
        else:
            text = as_text(self.value)
        text = self._secrets.redact(encodable(text))  # before it is cut: half a secret is not known as one
        return cut(text, max_chars)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; a value that JSON cannot say stands there as text."""
        secrets = self._secrets
        return {
            "tool": secrets.redact(self.tool),
            "ok": self.ok,
            "value": secrets.redact_values(plain(self.value)),
            "error": self.error.to_dict() if self.error else None,
            "attempts": self.attempts,
            "duration": self.duration,
        }

    # What it keeps out of sight is no part of the outcome.

    def __repr__(self) -> str:
        return f"ToolResult({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name != "_secrets"]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ToolResult):
            return NotImplemented
        return self.__rich_repr__() == other.__rich_repr__()

    def __hash__(self) -> int:
        return hash(tuple(self.__rich_repr__()))


def byte_limit(most: float) -> float:
    """`most` if it can be `max_result_bytes`: a whole number, or infinity."""
    return most if most == math.inf else count(most, "max_result_bytes")  # type: ignore[arg-type]


def bounded(value: Any, call: Call, most: float) -> Any:
    """The value; InvalidResult if it has more bytes than that, as text, as data or as JSON."""
    kind = type(value)
    if kind in _SMALL or most == math.inf:
        return value
    if kind is str and 4 * len(value) <= most:
        return value
    size = bytes_of(value, most)
    if size > most:
        del value  # the traceback would keep it
        raise too_large(call.name, size, most)
    return value


def complete(error: ToolError, call: Call) -> None:
    """Tell an error of ours what is known of the call that it ended, unless a child call has told it."""
    now = call.host.clock.monotonic()
    if error.told_at < call.info.started:  # never, or of an earlier call that raised this very object
        error.info = describe(error, call, now - call.info.started)
        error.told_at = now


def describe(error: BaseException, call: Call, elapsed: float) -> ErrorInfo:
    """What is known of a call that failed with `error`; its message may be shown to a model."""
    info = call.info
    code, retryable, retry_after = ErrorCode.TOOL_FAILED, False, info.retry_after
    if isinstance(error, ToolError):
        code, retryable = error.code, error.retryable
        said = error.retry_after
        if isinstance(said, int | float) and 0 <= said < math.inf:
            retry_after = said
    message, hidden = _said(error, call)
    return ErrorInfo(
        code=code,
        message=call.host.secrets.redact(encodable(message)),
        tool=call.host.secrets.redact(call.name),
        type=type(error).__name__,
        attempts=info.attempts,
        elapsed=elapsed,
        retryable=retryable,
        retry_after=retry_after,
        outcome_unknown=info.outcome_unknown,
        correlation_id=info.correlation_id if hidden else "",
        earlier=tuple(_earlier(failed, call) for failed in info.earlier or ()),
        cause=error,
    )


def _said(error: BaseException, call: Call, levels: int = 3) -> tuple[str, bool]:
    """What a model may be shown of an error, and whether something of it is hidden."""
    name = type(error).__name__
    if isinstance(error, ToolError):
        return message_of(error), False
    if call.tool is not None and call.tool.exposes(error):
        return f"{name}: {message_of(error)}".removesuffix(": "), False
    if isinstance(error, BaseExceptionGroup) and levels:  # of several branches: each by its own right
        found = [_said(part, call, levels - 1) for part in error.exceptions[:SHOWN_FAILURES]]
        left = len(error.exceptions) - len(found)
        more = [f"and {left} more"] if left else []
        return f"{name}: {'; '.join([text for text, _ in found] + more)}", any(hidden for _, hidden in found)
    return f"{name}: details are not shown (reference {call.info.correlation_id})", True


def _earlier(error: BaseException, call: Call) -> ErrorInfo:
    alone = Call(call.name, call.tool, call.given, None, call.host)
    alone.info.attempts, alone.info._correlation_id = 1, call.info.correlation_id
    return describe(error, alone, 0.0)
