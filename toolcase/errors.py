"""What goes wrong, by type: the error tree, and the record that says what is known of one failure.

ToolError
├── UnknownTool        UNKNOWN_TOOL       no tool of that name
├── ToolDisabled       DISABLED           switched off by the host
├── InvalidArguments   INVALID_ARGUMENTS  the arguments do not fit the schema
├── InvalidResult      INVALID_RESULT     the value does not fit what the tool declares
├── ToolFailed         TOOL_FAILED        the tool says that it could not do it
├── ToolTimeout        TIMEOUT            a limit of time ran out
├── RateLimited        RATE_LIMITED       too many calls for now
├── CircuitOpen        CIRCUIT_OPEN       the tool failed too often and rests
├── Overloaded         OVERLOADED         no room left to run it
├── Denied             DENIED             a guard said no
├── ApprovalRequired   APPROVAL_REQUIRED  a person must say yes first
├── BudgetExceeded     BUDGET_EXCEEDED    the call would cost more than is left
└── Unavailable        UNAVAILABLE        what the tool needs is not there
"""

from __future__ import annotations

import math
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar

import msgspec


class ErrorCode(StrEnum):
    """The closed set of reasons that toolcase and its plugins give for a failed call."""

    UNKNOWN_TOOL = "UNKNOWN_TOOL"
    INVALID_ARGUMENTS = "INVALID_ARGUMENTS"
    INVALID_RESULT = "INVALID_RESULT"
    TOOL_FAILED = "TOOL_FAILED"
    TIMEOUT = "TIMEOUT"
    RATE_LIMITED = "RATE_LIMITED"
    CIRCUIT_OPEN = "CIRCUIT_OPEN"
    OVERLOADED = "OVERLOADED"
    DENIED = "DENIED"
    APPROVAL_REQUIRED = "APPROVAL_REQUIRED"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    UNAVAILABLE = "UNAVAILABLE"
    DISABLED = "DISABLED"


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What toolcase knows of one failure.

    `message` is safe to show to a model or a remote caller; the exception itself, with its traceback,
    is in `cause` and stays in the host: `to_dict` leaves it out.
    """

    code: ErrorCode
    message: str
    tool: str = ""
    type: str = ""
    """Class name of the exception."""
    attempts: int = 0
    """How often the tool was started for this call."""
    elapsed: float = 0.0
    """Seconds from the start of the call to its failure."""
    retryable: bool = False
    retry_after: float | None = None
    """Seconds after which trying again may help, where somebody said so."""
    outcome_unknown: bool = False
    """True where the tool may have had its effect although the call failed."""
    correlation_id: str = ""
    """Stands in the message and in the log record when the exception itself is not shown."""
    earlier: tuple[ErrorInfo, ...] = ()
    """Failures of earlier attempts or branches, oldest first, at most the last 10."""
    cause: BaseException | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON data, without `cause`."""
        data = {name: getattr(self, name) for name in self.__struct_fields__ if name != "cause"}
        data["code"] = self.code.value
        data["earlier"] = [info.to_dict() for info in self.earlier]
        return data


class ToolError(Exception):
    """What toolcase itself, a middleware or a tool refuses or reports; its message is meant for a model.

    `retryable` and `retry_after` (seconds) may be given per error; the class says the rest.
    After a call has failed, `info` says what is known of the failure.
    """

    code: ClassVar[ErrorCode] = ErrorCode.TOOL_FAILED
    retryable: bool = False
    retry_after: float | None = None
    told_at: float = -math.inf
    """When `info` was completed, on the monotonic clock of the host; -inf before."""
    _info: ErrorInfo | None = None

    def __init__(
        self, message: str = "", *, retryable: bool | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        if retryable is not None:
            self.retryable = retryable
        # What is no duration says nothing, as with a header; an error that is under way raises no other one.
        if retry_after is not None and 0 <= retry_after < math.inf:
            self.retry_after = retry_after

    @property
    def info(self) -> ErrorInfo:
        """What is known of the failure: all of it once the call has ended, its own facts before."""
        if self._info is not None:
            return msgspec.structs.replace(self._info, cause=self)
        return ErrorInfo(
            code=self.code,
            message=message_of(self),
            type=type(self).__name__,
            retryable=self.retryable,
            retry_after=self.retry_after,
            cause=self,
        )

    @info.setter
    def info(self, info: ErrorInfo) -> None:
        # Kept without its cause, which is this error: a circle would keep every frame of the call alive.
        self._info = msgspec.structs.replace(info, cause=None)

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call the class with `args` alone and lose what was given by keyword.
        kept = {k: v for k, v in vars(self).items() if k not in {"_info", "told_at"}}
        return _rebuilt, (type(self), self.args, kept)


def message_of(error: BaseException) -> str:
    """What the error says; of one that fails to say it, why."""
    try:
        return str(error)
    except Exception as fault:  # noqa: BLE001  foreign code
        return f"<no message: it raised {type(fault).__name__}>"


def code_of(error: BaseException) -> ErrorCode:
    """The code of an error of ours; TOOL_FAILED for any other."""
    return error.code if isinstance(error, ToolError) else ErrorCode.TOOL_FAILED


def lone(error: Any) -> Any:
    """The one error in an exception group that has but one, or the error itself."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _rebuilt(kind: type[ToolError], args: tuple[Any, ...], state: dict[str, Any]) -> ToolError:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(state)
    return error


class UnknownTool(ToolError):
    """No tool of that name is to be had here."""

    code = ErrorCode.UNKNOWN_TOOL


class ToolDisabled(ToolError):
    """The host has switched the tool off."""

    code = ErrorCode.DISABLED


class InvalidArguments(ToolError):
    """The arguments do not fit the tool's schema; the tool was not started.

    The message shows to the caller what it gave. `without_values` says the same for a log.
    """

    code = ErrorCode.INVALID_ARGUMENTS

    def __init__(self, message: str = "", *, without_values: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.without_values = message if without_values is None else without_values


class InvalidResult(ToolError):
    """The tool gave a value that does not fit what it declares. Never retried: the effect has happened."""

    code = ErrorCode.INVALID_RESULT


class ToolFailed(ToolError):
    """A tool says, in words meant for its caller, that it could not do what it was asked."""

    code = ErrorCode.TOOL_FAILED


class ToolTimeout(ToolError, TimeoutError):
    """A limit of time ran out. `kind` names the limit: "attempt", "total", "queue", ..."""

    code = ErrorCode.TIMEOUT
    retryable = True

    def __init__(self, message: str = "", *, kind: str = "attempt", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.kind = kind


class RateLimited(ToolError):
    """Too many calls for now; `retry_after` says when there is room again."""

    code = ErrorCode.RATE_LIMITED
    retryable = True


class CircuitOpen(ToolError):
    """The tool failed too often and is left alone for a while."""

    code = ErrorCode.CIRCUIT_OPEN


class Overloaded(ToolError):
    """There is no room left to run the tool: no thread, no permit, no place in a queue."""

    code = ErrorCode.OVERLOADED
    retryable = True


class Denied(ToolError):
    """A guard refused the call; the tool was not started."""

    code = ErrorCode.DENIED


class ApprovalRequired(ToolError):
    """A person must approve the call first. `action_id` is what the decision refers to."""

    code = ErrorCode.APPROVAL_REQUIRED

    def __init__(self, message: str = "", *, action_id: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.action_id = action_id


class BudgetExceeded(ToolError):
    """The call would cost more than its budget has left."""

    code = ErrorCode.BUDGET_EXCEEDED


class Unavailable(ToolError):
    """Something that the tool needs is not there at the moment."""

    code = ErrorCode.UNAVAILABLE
    retryable = True


_CLASSES = MappingProxyType({kind.code: kind for kind in ToolError.__subclasses__()})


def error_of(info: ErrorInfo) -> ToolError:
    """An error of the class that belongs to the code, for a failure whose exception is elsewhere."""
    error = _CLASSES[info.code](info.message, retryable=info.retryable, retry_after=info.retry_after)
    error.info = info
    return error
