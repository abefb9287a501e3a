"""One invocation of one tool, and the shape of what stands around it."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, ContextVar
from decimal import Decimal
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Protocol
from uuid import uuid4

import msgspec

from toolcase.chunk import Emit, Pace, StreamChunk
from toolcase.clock import Clock
from toolcase.context import ExecutionContext, Usage
from toolcase.errors import InvalidArguments
from toolcase.events import Event, GuardFailed, MiddlewareFailed, ProgressReported, UsageReported
from toolcase.schema import Arguments, own_containers
from toolcase.secrets import Secrets
from toolcase.task import BackgroundTask
from toolcase.threads import Latest, Leash, Threads, leash, told
from toolcase.tool import Tool

EARLIER_KEPT = 10


class Stage(Enum):
    """Where a middleware stands, which settles its order, its scope and what its own failure means."""

    OBSERVE = "observe"
    """Outermost, around every call, and cannot change it."""
    GUARD = "guard"
    """After validation, around every call; a failure of its own refuses the call."""
    ACT = "act"
    """Innermost, around leaf tools; what it raises is the call's error."""


class Host(Protocol):
    """What a call needs of the registry that runs it."""

    clock: Clock
    threads: Threads
    calls: set[Call]
    """Those that run now."""
    secrets: Secrets
    loop: Any
    """Where they run, as `current_loop` gave it; None where the host does not know."""
    lock: threading.Lock
    """Guards what a call's threads change in it; held for no longer than that takes."""

    def report(self, event: Event) -> None:
        """Tell whoever watches this registry; never raises."""

    def spawn(
        self,
        function: Callable[[], Awaitable[None]],
        *,
        context: Context | None = None,
        ended: Callable[[BackgroundTask], None] | None = None,
    ) -> BackgroundTask:
        """Run what no single call owns; see `Registry.spawn`."""


Meter = Callable[[UsageReported], object]
"""Told what a tool uses."""


class CallInfo(msgspec.Struct, eq=False):
    """What is known of a call so far, shared by all its copies."""

    attempts: int = 0
    """How often the tool was started."""
    outcome_unknown: bool = False
    """True once an effect may have happened that nobody can tell."""
    earlier: list[BaseException] | None = None
    """What earlier attempts or branches failed with, oldest first, at most the last 10."""
    started: float = 0.0
    """When the call began, on the host's monotonic clock."""
    retry_after: float | None = None
    """Seconds after which trying again may help, where the last failure said so."""
    usage: Usage = Usage()
    """What its tool has said so far that it used, those of child calls not included."""
    chunks: int = 0
    """How many chunks the tool has given to a stream so far, those of all attempts together."""
    first_chunk: float | None = None
    """When it gave the first of them, on the host's monotonic clock."""
    cursor: StreamChunk | None = None
    """The last of them that was handed over whole, where the tool could resume after it."""
    # How many bytes the chunks of a streaming tool may have together where one value is made of them.
    _most_bytes: float = math.inf
    # Told each report of the tool; see `Call.metered_by`.
    _meters: tuple[Meter, ...] = ()
    # Seconds for which anybody wants the outcome, where that is not only who made the call: see detached.py.
    _patience: Callable[[], float] | None = None
    # Who waits for it, where that is not only the call around: see waiting.py.
    _waiters: Any = None
    _correlation_id: str = ""
    _context: ExecutionContext | None = None
    # Holds the child calls that foreign threads make: see blocking.py.
    _leash: Leash | None = None
    # On its way to the loop: see `Call.progress`.
    _progress: Latest | None = None
    # Where it runs, and what cuts it off: see stop.py.
    _home: Any = None
    _stop: Any = None
    # The last boundary between two guards that was passed on the way out, and what passed it: see chain.py.
    _passed: int = -1
    _entered: bool = False
    _ended: bool = False
    _value: Any = None
    _error: BaseException | None = None

    @property
    def correlation_id(self) -> str:
        """Stands for an exception that must not be shown; made when first asked for."""
        if not self._correlation_id:
            self._correlation_id = uuid4().hex[:12]
        return self._correlation_id

    def failed_before(self, error: BaseException) -> None:
        """Remember the failure of an attempt or branch that is not the last one."""
        self.earlier = [*(self.earlier or ())[-EARLIER_KEPT + 1 :], error]


class Call(msgspec.Struct, eq=False):
    """One invocation of one tool.

    Nobody assigns to it: a middleware that wants another one hands on a copy, and whoever runs inner in
    another task, or more than once at a time, gives each run a copy of its own. A tool that declares a
    parameter of this type is given its call.
    """

    name: str
    """The name that the caller said."""
    tool: Tool[..., Any] | None
    """None where the host has no tool of that name."""
    given: Arguments
    """The arguments as the caller gave them, not validated."""
    _context: ExecutionContext | None
    host: Host
    parent: Call | None = None
    """The call in whose body this one was made."""
    info: CallInfo = msgspec.field(default_factory=CallInfo)
    limit: float | None = None
    """Seconds that the caller allows for all of it."""
    depth: int = 0
    """How many calls this one stands in."""
    emit: Emit | None = None
    """Where the chunks of a streaming tool go; None where the caller wants one value of them."""
    _validated: dict[str, Any] | None = None
    _state: dict[Any, Any] | None = None
    _listeners: tuple[Any, ...] = ()
    # Of the innermost limit between chunks, and it tells those around it.
    _pace: Pace | None = None
    # The earliest deadline that is armed around the running step, and the task in which it is; set and
    # put back by timer.py alone.
    _deadline: float = math.inf
    _deadline_task: Any = None
    # The bulkheads around the running step in which it has a permit; set and put back by bulkhead.py alone.
    _within: tuple[Any, ...] = ()

    @property
    def context(self) -> ExecutionContext:
        """Who asks. A child call has its parent's, with a span of its own."""
        info = self.info
        if info._context is None:  # made when first asked for: most calls are not asked
            given = self._context
            if given is None:
                given = self.parent.context.child() if self.parent else ExecutionContext()
            # Without a trace of its own a call could not be its children's parent.
            info._context = given if given.trace_id else given.child()
        return info._context

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The validated arguments, read-only; before validation what was given, if that was a mapping."""
        if self._validated is not None:
            return MappingProxyType(self._validated)
        return self.given if isinstance(self.given, Mapping) else MappingProxyType({})

    @property
    def state(self) -> dict[Any, Any]:
        """For middleware to keep what belongs to this call; keys are best the middleware's own objects."""
        if self._state is None:
            self._state = {}
        return self._state

    def copy(self) -> Call:
        """Another run of the same call: it shares `state` and `info` with this one."""
        self.state  # noqa: B018  made now, or the copies would each make their own
        return copy.copy(self)

    def streaming_to(self, emit: Emit) -> Call:
        """A copy whose chunks go there: for a middleware that stands between a tool and its reader."""
        copy = self.copy()
        copy.emit = emit
        return copy

    def with_own_arguments(self) -> Call:
        """A copy whose containers nobody else holds, or itself; InvalidArguments if nested too deeply."""
        if self._validated is None or _CONTAINERS.isdisjoint(map(type, self._validated.values())):
            return self
        copy = self.copy()
        try:
            copy._validated = own_containers(self._validated)
        except RecursionError:
            raise InvalidArguments(f"arguments of {self.name!r} are nested too deeply") from None
        return copy

    @property
    def cancelled(self) -> bool:
        """Whether this may stop: its run was called off, or nobody waits for its thread any more."""
        held, token = leash.get(), self.context.cancellation
        return (held is not None and held.ended) or (token is not None and token.is_cancelled)

    @property
    def elapsed(self) -> float:
        """Seconds since the call began."""
        return self.host.clock.monotonic() - self.info.started

    @property
    def observed(self) -> bool:
        """Whether anybody listens to `notify`, so that an event is worth making."""
        return bool(self._listeners)

    def notify(self, event: Event) -> None:
        """Tell the observers of this call that have `on_event(call, event)`; never raises."""
        for listener in self._listeners:
            try:
                listener.on_event(self, event)
            except Exception as error:  # noqa: BLE001  an observer's fault is reported, never the call's
                self.host.report(MiddlewareFailed(tool=self.name, middleware=listener, error=error))

    def report_usage(
        self, *, tokens: int = 0, cost: Decimal | float | str = 0, turns: int = 0, model: str | None = None
    ) -> None:
        """Say what the tool has used since it last said so: it adds up. Any thread may say it, late too.

        ValueError for what is no amount of at least 0. Nothing else is raised: what is wrong with those who
        are told is reported, because what has been paid for must not be lost with its result.
        """
        used = Usage(tokens=tokens, cost=cost, turns=turns)  # type: ignore[arg-type]  # converted there
        with self.host.lock:
            self.info.usage = self.info.usage.plus(used)
        said = UsageReported(tool=self.name, tokens=tokens, cost=used.cost, turns=turns, model=model)
        for meter in self.info._meters:
            try:
                meter(said)
            except Exception as error:  # noqa: BLE001  a guard's own fault
                self.host.report(GuardFailed(tool=self.name, middleware=meter, error=error))
        if self.observed:
            told(lambda: self.notify(said), self.host.loop)

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Say how far the tool is: `done` of `total`, in any unit. Any thread may say it; it never waits.

        Reports that come faster than the loop takes them are one, the latest. TypeError or ValueError for
        what is no number of at least 0.
        """
        said = ProgressReported(tool=self.name, done=done, total=total, message=message)
        if self._listeners or self._pace is not None:
            self.info._progress = self.info._progress or Latest()
            self.info._progress.say(partial(self._progressed, said), self.host.loop)

    def _progressed(self, said: ProgressReported) -> None:
        if not self.info._ended:
            if self._pace is not None:
                self._pace.wanted()
            self.notify(said)

    def metered_by(self, meter: Meter) -> None:
        """For a guard: have `meter` told each report of usage at once, in the thread in which it is made."""
        if meter not in self.info._meters:
            self.info._meters += (meter,)

    # Not in the Struct's fields: any type with a static `__from_call__` can be a tool's parameter.
    __from_call__: ClassVar[Callable[[Any], Any]] = staticmethod(lambda call: call)


_CONTAINERS = frozenset({dict, list, set, tuple})


Inner = Callable[[Call], Awaitable[Any]]
"""What a middleware wraps: the rest of the way to the function."""

Middleware = Callable[[Call, Inner], Awaitable[Any]]
"""`async (call, inner) -> value`. With an attribute `stage`, or in GUARD."""

running: ContextVar[Call | None] = ContextVar("running", default=None)
"""The call in whose body we are."""
