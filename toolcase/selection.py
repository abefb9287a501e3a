"""Which errors are meant where a setting names some: types, codes, several of both, or a predicate."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from toolcase.errors import ErrorCode, ToolError, lone

Selected = type[Exception] | ErrorCode
Selection = Selected | tuple[Selected, ...] | Callable[[Exception], bool]


def selecting(given: Selection, setting: str) -> Callable[[Exception], bool]:
    """What says of an error whether it is meant; TypeError, with the setting, where `given` means none.

    An exception group round a single error is judged as that error; one of several is only meant where the
    type of the group is named. A predicate is asked for True, and what it raises comes through.
    """
    wanted = f"{setting} takes exception types, error codes or one predicate"
    if callable(given) and not isinstance(given, type):
        check_predicate(given, wanted)
        return lambda error: given(lone(error)) is True
    named = several(given)
    for entry in named:
        if not isinstance(entry, ErrorCode) and not is_error(entry):
            known = isinstance(entry, str) and entry in ErrorCode.__members__
            raise TypeError(f"{wanted}, got {entry!r}" + (f"; write ErrorCode.{entry}" if known else ""))
    types = tuple(entry for entry in named if isinstance(entry, type))

    def selected(error: Exception) -> bool:
        only = lone(error)
        code = only.code if isinstance(only, ToolError) else ErrorCode.TOOL_FAILED
        return code in named or isinstance(error, types) or isinstance(only, types)

    return selected


def several(given: Any) -> tuple[Any, ...]:
    """What stands alone, as one of several."""
    return given if isinstance(given, tuple) else (given,)


def is_error(entry: Any) -> bool:
    """Whether it is a type of errors."""
    return isinstance(entry, type) and issubclass(entry, Exception)


def check_predicate(given: Any, wanted: str) -> None:
    """TypeError, which begins with what is `wanted`, for what cannot be asked at once."""
    if not callable(given):
        raise TypeError(f"{wanted}, got {given!r}")
    if inspect.iscoroutinefunction(given):
        raise TypeError(f"{wanted}, and that is not async, got {given!r}")
