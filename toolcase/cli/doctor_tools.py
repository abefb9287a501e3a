"""What `toolcase doctor` says of the tools of an app, and of what stands around them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import StrEnum
from itertools import combinations
from typing import Any

import msgspec

from toolcase.call import Middleware, Stage
from toolcase.chain import label, order_faults
from toolcase.middleware import RetryMiddleware
from toolcase.registry import Registry
from toolcase.timer import ToolsOwnTimeout
from toolcase.tool import Tool


class Mark(StrEnum):
    """How bad it is; only an error is the end of a healthy doctor's visit."""

    OK = "ok"
    WARN = "warn"
    ERROR = "error"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    mark: Mark
    about: str
    said: str = ""
    mend: str = ""


def look_at(registry: Registry) -> Iterator[Check]:
    """How many tools there are, and each thing to be said of some of them, with their names."""
    found: dict[Check, list[str]] = {}
    for tool in registry.tools():
        for check in _looked_at(tool, registry):
            found.setdefault(check, []).append(tool.name)
    yield Check(mark=Mark.OK, about="tools", said=str(len(registry.tools())))
    for check, names in found.items():
        yield msgspec.structs.replace(check, about=", ".join(names))


def _looked_at(tool: Tool[..., Any], registry: Registry) -> Iterator[Check]:
    """`about` is empty: several tools may share it."""
    try:
        _ = tool.schema
    except TypeError as error:
        yield Check(mark=Mark.ERROR, about="", said=f"it cannot be called: {error}")
    if tool.children:
        return  # they are what runs, each with middleware of its own
    acting = registry.around(tool.name).get(Stage.ACT, [])
    retries = [place for place, each in enumerate(acting) if _repeats(each)]
    limits = [place for place, each in enumerate(acting) if _seconds(each) < math.inf]
    if retries and tool.idempotent is None:
        yield _warn(
            "it is tried again, and nobody said whether it may be",
            "@tool(idempotent=True), or False where a second run would do harm",
        )
    if not limits:
        yield _warn("nothing ends it when it hangs", "use a TimeoutMiddleware, or @tool(timeout=)")
    for said, mend in order_faults([each for each in acting if _repeats(each) or not _is_retry(each)]):
        yield _warn(said, mend)
    if retries and limits and limits[-1] < retries[0]:
        yield _warn(
            "its limit of time is for all attempts together, so that one that hangs is not tried again",
            "use a TimeoutMiddleware after the RetryMiddleware as well, or @tool(timeout=)",
        )
    for outer, inner in combinations([acting[place] for place in limits], 2):
        if _seconds(inner) >= _seconds(outer):
            yield _warn(
                f"{label(inner)} inside {label(outer)} never has an effect", "give the inner one less time"
            )


def _warn(said: str, mend: str) -> Check:
    return Check(mark=Mark.WARN, about="", said=said, mend=mend)


def _is_retry(middleware: Middleware) -> bool:
    return bool(getattr(middleware, "repeats", False))


def _repeats(middleware: Middleware) -> bool:
    if isinstance(middleware, RetryMiddleware):
        return middleware.policy.max_attempts > 1
    return _is_retry(middleware)


def _seconds(middleware: Middleware) -> float:
    """The limit of time that it sets, inf where it sets none."""
    if not hasattr(middleware, "with_limit") and not isinstance(middleware, ToolsOwnTimeout):
        return math.inf
    seconds: float = getattr(middleware, "seconds", math.inf)
    return seconds
