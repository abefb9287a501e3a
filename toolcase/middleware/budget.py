"""Keeping a run within its budget."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

from toolcase.call import Call, Inner, Stage
from toolcase.clock import Clock, SystemClock, count, seconds
from toolcase.context import BudgetSpec, Usage
from toolcase.errors import BudgetExceeded, Overloaded, ToolError, ToolTimeout
from toolcase.events import CallRejected, UsageReported
from toolcase.keyed import MOST_KEYS, Keyed
from toolcase.timer import limited


class RunUsage(Usage, frozen=True, kw_only=True):
    """What a run has used so far."""

    tool_calls: int = 0
    """Calls of leaf tools that were started, or are on their way there."""
    seconds: float = 0.0
    """Since the run's first call."""


@dataclass(frozen=True, slots=True, eq=False)
class BudgetMiddleware:
    """Refuse the calls of a run that has used up its budget, with `BudgetExceeded`.

    A call's budget is that of its context, within `limits`; a call without either passes. Calls with the same
    `run_id` in the same scope are one run; without a `run_id`, a call and those that it makes are one. Only
    leaf tools count as tool calls; tokens, cost and turns are what tools say with `call.report_usage`.

    At most `max_runs` runs are kept, in this process alone, for the registries of one event loop. A run ends
    with `end`, or when it made no call for `idle_seconds`. Where there is no room, a new run is refused with
    `Overloaded`, and none that has not ended is forgotten.
    """

    limits: BudgetSpec | None = None
    max_runs: int = field(default=MOST_KEYS, kw_only=True)
    idle_seconds: float = field(default=math.inf, kw_only=True)
    stage: ClassVar[Stage] = Stage.GUARD
    # Guards _runs and all that is in a run: tools report from their threads.
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _runs: Keyed[_Run] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.limits, BudgetSpec | None):
            raise TypeError(f"limits must be a BudgetSpec, got {self.limits!r}")
        count(self.max_runs, "max_runs")
        seconds(self.idle_seconds, "idle_seconds")
        make = partial(_Run, self._lock, self.idle_seconds)
        object.__setattr__(self, "_runs", Keyed(make, idle=_Run.has_ended, most=self.max_runs))

    async def __call__(self, call: Call, inner: Inner) -> Any:
        spec = self._spec(call)
        if spec is None:
            return await inner(call)
        try:
            run, left = self._admit(call, spec)
        except ToolError as error:
            if call.observed:
                call.notify(CallRejected(tool=call.name, middleware=self, error=error))
            raise
        kind = _RunTime("run")
        try:
            call.metered_by(run.record)
            return await limited(inner, call, left, kind)
        except ToolTimeout as error:
            if error.kind is not kind:
                raise
            raise _used_up(call, "stopped", "max_runtime_seconds", spec, run.seconds) from error
        finally:
            self._leave(call, run)

    def usage(self, run_id: str, scope_id: str | None = None) -> RunUsage | None:
        """What a run has used; None where it made no call yet, or has ended."""
        with self._lock:
            run = self._runs.find((scope_id, run_id, None))
            return None if run is None or run.has_ended() else run.usage()

    def end(self, run_id: str, scope_id: str | None = None) -> RunUsage | None:
        """Forget a run, after its last call if some are in flight; gives its usage, as `usage` does."""
        with self._lock:
            run = self._found((scope_id, run_id, None))
            if run is None:
                return None
            run.ending = True
            self._found(run.key)
            return run.usage()

    def _spec(self, call: Call) -> BudgetSpec | None:
        """How much the run of this call may use, if anybody says so."""
        asked = _asked(call)
        return self.limits if asked is None else asked.within(self.limits)

    def _admit(self, call: Call, spec: BudgetSpec) -> tuple[_Run, float]:
        """Its run, and how many seconds that has left."""
        context = call.context
        key = (context.scope_id, context.run_id, context.trace_id if context.run_id is None else None)
        with self._lock:
            run = self._found(key) or self._runs.get(key)
            if run is None:
                raise Overloaded(
                    f"{call.name!r} was refused: there is no room for a further run (max_runs={self.max_runs}"
                    "), and none has ended; try again later (the host can end runs with `end`, or raise that)"
                )
            if not run.key:
                run.begin(key, call.host.clock, ending=context.run_id is None)
            try:
                return run, run.enter(call, spec)
            finally:
                self._found(key)  # it is kept only if a call was ever let in

    def _leave(self, call: Call, run: _Run) -> None:
        with self._lock:
            run.leave(call)
            self._found(run.key)

    def _found(self, key: tuple[str | None, ...]) -> _Run | None:
        """The run of this key, unless it has ended: then it is forgotten."""
        run = self._runs.find(key)
        if run is not None and run.has_ended():
            self._runs.drop(key)
            return None
        return run


class _RunTime(str):
    """Names a limit of time; each call has one of its own, and knows by it that the limit was ours."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class _Run:
    """One run. The middleware's lock guards all of it."""

    lock: threading.Lock
    idle_seconds: float
    key: tuple[str | None, ...] = ()
    clock: Clock = field(default_factory=SystemClock)
    started: float = field(init=False)
    """When its first call came."""
    rested: float | None = None
    """When its last call ended; None before."""
    inside: int = 0
    """How many calls are in flight."""
    ending: bool = field(init=False)
    """Whether it ends with the last of these."""
    tool_calls: int = 0
    used: Usage = field(default_factory=Usage)

    def begin(self, key: tuple[str | None, ...], clock: Clock, *, ending: bool) -> None:
        """Its first call has come."""
        self.key, self.clock, self.started, self.ending = key, clock, clock.monotonic(), ending

    @property
    def seconds(self) -> float:
        """Since its first call."""
        return self.clock.monotonic() - self.started

    def has_ended(self) -> bool:
        """Whether it may be forgotten: also where no call of it was ever let in."""
        if self.inside:
            return False
        return self.rested is None or self.ending or self.clock.monotonic() - self.rested >= self.idle_seconds

    def enter(self, call: Call, spec: BudgetSpec) -> float:
        """Let a call in; gives the seconds that are left. BudgetExceeded where something is used up."""
        # A call counts once, however often a guard around us runs inner; its state keeps how often it is in.
        counted = _is_leaf(call) and self not in call.state
        ran = self._check(call, spec, counted=counted)
        call.state[self] = call.state.get(self, 0) + 1
        self.inside += 1
        self.tool_calls += counted
        return math.inf if spec.max_runtime_seconds is None else spec.max_runtime_seconds - ran

    def leave(self, call: Call) -> None:
        """A call that was let in has ended; it does not count where its tool was not started."""
        self.inside -= 1
        self.rested = self.clock.monotonic()
        call.state[self] -= 1
        if not call.state[self] and not call.info.attempts:
            del call.state[self]
            self.tool_calls -= _is_leaf(call)

    def _check(self, call: Call, spec: BudgetSpec, *, counted: bool) -> float:
        used, ran = self.used, self.seconds
        for limit, amount in (
            ("max_tool_calls", self.tool_calls if counted else -math.inf),
            ("max_tokens", used.tokens),
            ("max_cost", used.cost),
            ("max_turns", used.turns),
            ("max_runtime_seconds", ran),
        ):
            most = getattr(spec, limit)
            if most is not None and amount >= most:
                raise _used_up(call, "refused", limit, spec, amount)
        return ran

    def record(self, said: UsageReported) -> None:
        """A tool has said what it used."""
        with self.lock:
            self.used = self.used.plus(said)

    def usage(self) -> RunUsage:
        """All of it as a record."""
        used = self.used
        return RunUsage(
            tokens=used.tokens,
            cost=used.cost,
            turns=used.turns,
            tool_calls=self.tool_calls,
            seconds=self.seconds,
        )


def _asked(call: Call) -> BudgetSpec | None:
    """The budget in the call's context, without making a context for a call that needs none otherwise."""
    context = call.info._context or call._context
    if context is None:  # a child call has that of the call around it
        return None if call.parent is None else _asked(call.parent)
    return context.budgets


def _is_leaf(call: Call) -> bool:
    """Whether it does the work itself, and so counts; a combinator's children count, each for itself."""
    return call.tool is None or not call.tool.children


def _used_up(call: Call, what: str, limit: str, spec: BudgetSpec, amount: Decimal | float) -> BudgetExceeded:
    used = f"{amount:.6g}" if isinstance(amount, float) else str(amount)
    return BudgetExceeded(
        f"{call.name!r} was {what}: its run has used {used} of {limit}={getattr(spec, limit)}; "
        "finish with what is there, or give the run a larger budget"
    )
