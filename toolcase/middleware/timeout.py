"""A limit of time."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Self

from toolcase.call import Call, Inner, Stage
from toolcase.clock import seconds
from toolcase.pace import paced
from toolcase.timer import limited


@dataclass(frozen=True, slots=True)
class TimeoutMiddleware:
    """Cancel the rest of the way when its time is over, wait for it to stop, and raise `ToolTimeout`.

    `seconds` bound all of it. `first_chunk` is how long a tool that streams may take for its first chunk, and
    `idle` how long it may give none after that; these two run while the tool is waited for, and never while
    its reader is.

    Inside a retry it bounds each attempt (and the error's `kind` is "attempt"), outside it bounds them all
    ("total"); of the other two it is "first_chunk" and "idle". `math.inf` is no limit. A synchronous tool
    runs on in its thread, which keeps its slot: Python cannot stop a thread. A tool's own `@tool(timeout=)`
    replaces the seconds of the innermost one inside all retries.
    """

    seconds: float = math.inf
    kind: str = field(default="attempt", kw_only=True, repr=False)
    first_chunk: float = field(default=math.inf, kw_only=True)
    idle: float = field(default=math.inf, kw_only=True)
    stage: ClassVar[Stage] = Stage.ACT

    def __post_init__(self) -> None:
        for setting in ("seconds", "first_chunk", "idle"):
            seconds(getattr(self, setting), setting)

    def __str__(self) -> str:
        limits = [f"{self.seconds:g} s"] if self.seconds < math.inf else []
        limits += [f"first chunk {self.first_chunk:g} s"] if self.first_chunk < math.inf else []
        limits += [f"idle {self.idle:g} s"] if self.idle < math.inf else []
        return f"TimeoutMiddleware({', '.join(limits) or 'no limit'})"

    def __call__(self, call: Call, inner: Inner) -> Awaitable[Any]:
        # The hard part, and the back ends, are in timer.py and pace.py.
        if not self.first_chunk == self.idle == math.inf:
            inner = partial(paced, inner, first_chunk=self.first_chunk, idle=self.idle)
        return limited(inner, call, self.seconds, self.kind)

    def with_limit(self, *, seconds: float | None = None, kind: str = "attempt") -> Self:
        """Another one, as its place in the chain and its tool ask for; called when the chain is compiled."""
        return replace(self, seconds=self.seconds if seconds is None else seconds, kind=kind)
