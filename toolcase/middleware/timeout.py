"""A limit of time."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from toolcase.call import Call, Inner, Stage
from toolcase.clock import seconds
from toolcase.timer import limited


@dataclass(frozen=True, slots=True)
class TimeoutMiddleware:
    """Cancel the rest of the way after `seconds`, wait for it to stop, and raise `ToolTimeout`.

    Inside a retry it bounds each attempt (and the error's `kind` is "attempt"), outside it bounds them all
    ("total"). `math.inf` is no limit. A synchronous tool runs on in its thread, which keeps its slot: Python
    cannot stop a thread. A tool's own `@tool(timeout=)` replaces the seconds of the innermost one inside all
    retries.
    """

    seconds: float
    kind: str = field(default="attempt", kw_only=True, repr=False)
    stage: ClassVar[Stage] = Stage.ACT

    def __post_init__(self) -> None:
        seconds(self.seconds, "seconds")

    def __str__(self) -> str:
        return f"TimeoutMiddleware({self.seconds:g} s)"

    def __call__(self, call: Call, inner: Inner) -> Awaitable[Any]:
        # The hard part, and the back ends, are in timer.py.
        return limited(inner, call, self.seconds, self.kind)

    def with_limit(self, *, seconds: float | None = None, kind: str = "attempt") -> Self:
        """Another one, as its place in the chain and its tool ask for; called when the chain is compiled."""
        return replace(self, seconds=self.seconds if seconds is None else seconds, kind=kind)
