"""What the exit codes of the program mean, and which one a failed call ends with."""

from __future__ import annotations

from enum import IntEnum
from types import MappingProxyType

from toolcase.errors import ErrorCode, ErrorInfo


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    TOOL_ERROR = 1
    USAGE = 2
    DENIED = 3
    APPROVAL = 4
    INTERRUPTED = 130


_OF_CODE = MappingProxyType({ErrorCode.DENIED: Exit.DENIED, ErrorCode.APPROVAL_REQUIRED: Exit.APPROVAL})
_OF_CALLER = frozenset({ErrorCode.UNKNOWN_TOOL, ErrorCode.INVALID_ARGUMENTS})


def exit_of(error: ErrorInfo | None) -> Exit:
    """The exit code for how a call ended."""
    if error is None:
        return Exit.OK
    # After a start it is the tool's own doing: it called another one wrongly.
    if error.code in _OF_CALLER and error.attempts == 0:
        return Exit.USAGE
    return _OF_CODE.get(error.code, Exit.TOOL_ERROR)
