"""Going on with a stream where it broke off: the function that does, and whether it can."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from functools import partial
from types import MethodType
from typing import Any

from toolcase.chunk import StreamChunk
from toolcase.schema import underlying

Resume = Callable[..., AsyncIterator[Any]]
"""`async def resume(cursor, ...)`: yields what comes after the chunk `cursor`, takes what its tool takes."""


def check_resume(resume: Resume | None, function: Callable[..., Any], tool: str) -> None:
    """TypeError if this cannot go on with what the function of this tool has begun."""
    if resume is None:
        return
    if not inspect.isasyncgenfunction(underlying(function)):
        raise TypeError(f"tool {tool!r} gives one value; resume is for an `async def` with `yield`")
    made: Any = resume  # whatever a host wrote there
    if not callable(made) or not inspect.isasyncgenfunction(underlying(made)):
        raise TypeError(
            f"resume of tool {tool!r} must be a function that gives chunks too, `async def` with `yield`, "
            f"got {resume!r}"
        )
    taken = [one for one in _parameters(function) if one.kind is not one.VAR_POSITIONAL]
    own = [one.name for one in taken[:1] if one.name in _OF_METHODS]
    positional = [one.name for one in taken[len(own) :] if one.kind is one.POSITIONAL_ONLY]
    named = [one.name for one in taken if one.name not in {*own, *positional}]
    try:
        inspect.signature(resume).bind(*own, "cursor", *positional, **dict.fromkeys(named))
    except TypeError as error:
        wanted = ", ".join([*own, "cursor", *positional, *named])
        raise TypeError(
            f"resume of tool {tool!r} takes a cursor and then what the tool takes, ({wanted}): {error}"
        ) from None


def bound_resume(resume: Resume, function: Callable[..., Any]) -> Resume:
    """The same, bound to the object to which the function is, if it is a method."""
    if inspect.ismethod(resume) or not inspect.ismethod(function):
        return resume
    return MethodType(getattr(resume, "__func__", resume), function.__self__)


def resumed(begin: partial[Any], resume: Resume, cursor: StreamChunk) -> partial[Any]:
    """What goes on after the cursor, with the arguments of what would begin anew."""
    return partial(resume, cursor, *begin.args, **begin.keywords)


_OF_METHODS = frozenset({"self", "cls"})


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    while isinstance(function, partial):  # what it has settled is given to both
        function = function.func
    return list(inspect.signature(function).parameters.values())
