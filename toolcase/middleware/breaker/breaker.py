"""A circuit breaker."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from toolcase.call import Call, Inner, Stage
from toolcase.clock import count
from toolcase.errors import CircuitOpen, ToolError, lone
from toolcase.events import CallRejected, CircuitChanged, MiddlewareFailed, log_fault
from toolcase.keyed import MOST_KEYS, Key
from toolcase.middleware.breaker.circuit import Circuit, CircuitRules, CircuitState, Ticket
from toolcase.middleware.breaker.circuits import Circuits, Listener
from toolcase.middleware.breaker.failures import of_the_tool, stopped
from toolcase.middleware.breaker.sharing import Sharing
from toolcase.ports import CircuitStore
from toolcase.secrets import Secrets
from toolcase.selection import Selection, selecting


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CircuitBreakerMiddleware(CircuitRules):
    """Leave a tool alone that fails: refuse its calls with `CircuitOpen`, until a few on trial succeed.

    It opens at `failure_ratio` of at least `min_calls` calls in `window_seconds`, after `failure_threshold`
    failures in a row, or at either where both are given. Each tool has a circuit of its own, or one for each
    `key`. State belongs to this object, which belongs to the registries of one event loop; `isolate`,
    `reset` and `state` may be used from other threads.
    """

    counts: Selection = of_the_tool
    key: Key | None = None
    max_keys: int = MOST_KEYS
    on_change: Listener | None = None
    shared: CircuitStore | None = None
    refresh_seconds: float = 1.0
    stage: ClassVar[Stage] = Stage.ACT
    inside_retry: ClassVar[bool] = True
    _counted: Callable[[Exception], bool] = field(init=False, repr=False)
    _circuits: Circuits = field(init=False, repr=False)
    """All that changes; guarded by its own lock."""
    _sharing: Sharing | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        CircuitRules.__post_init__(self)  # not by super(): a class with slots is made twice
        for setting in ("key", "on_change"):
            function = getattr(self, setting)
            if function is not None and (not callable(function) or inspect.iscoroutinefunction(function)):
                raise TypeError(f"{setting} takes a plain function, got {function!r}")
        most = count(self.max_keys, "max_keys")
        circuits, sharing = Circuits(self, most, self.on_change), None
        if self.shared is not None:
            sharing = Sharing(self.shared, circuits, self.refresh_seconds, self.max_keys)
        object.__setattr__(self, "_counted", selecting(self.counts, "counts"))
        object.__setattr__(self, "_circuits", circuits)
        object.__setattr__(self, "_sharing", sharing)

    def __str__(self) -> str:
        opens = []
        if self.failure_ratio is not None:
            opens.append(f"{100 * self.failure_ratio:g} % of {self.min_calls} calls")
        if self.failure_threshold is not None:
            opens.append(f"{self.failure_threshold} in a row")
        return f"CircuitBreakerMiddleware({' or '.join(opens)}, then {self.recovery_time:g} s)"

    async def __call__(self, call: Call, inner: Inner) -> Any:
        circuits, host, change = self._circuits, call.host, None
        key = call.name if self.key is None else (call.name, self.key(call))
        if self._sharing is not None:
            await self._refresh(call, key, self._sharing)
        circuit = circuits.find(key)
        ticket = None if circuit is None else circuit.ticket
        if circuit is None or ticket is None:
            circuit, ticket, change = self._admitted(call, key)
        before = call.info.attempts
        began = math.inf if self.slow_seconds == math.inf else host.clock.monotonic()
        try:
            if change is not None:
                self._tell(call, change)
            value = await inner(call)
        except BaseException as error:
            self._failed(call, key, circuit, ticket, error, started=call.info.attempts > before)
            raise
        now = host.clock.monotonic()
        started, slow = call.info.attempts > before, _answered(call, now) - began >= self.slow_seconds
        if not (started and not slow and ticket.tally is not None and ticket.tally.add_quietly(now)):
            self._ended_well(call, key, circuit, ticket, now, started=started, slow=slow)
        return value

    def isolate(self, tool: str, key: Hashable = None, *, reason: str = "") -> None:
        """Let no call of this tool pass until `reset`; `reason` is told to whoever calls it."""
        self._turn(tool, key, lambda circuit: circuit.isolate(reason))

    def reset(self, tool: str, key: Hashable = None) -> None:
        """Let calls of this tool pass, and forget what was counted; what runs now is not counted either."""
        self._turn(tool, key, lambda circuit: circuit.reset())

    def state(self, tool: str, key: Hashable = None) -> CircuitState:
        """What calls of this tool find. An open circuit stays so until a call comes after its time."""
        circuit = self._circuits.find(self._key(tool, key))
        return CircuitState.CLOSED if circuit is None else circuit.state

    def _admitted(self, call: Call, key: Hashable) -> tuple[Circuit, Ticket, CircuitChanged | None]:
        """What lets a call pass where it is not closed, and what that has changed; or the refusal raised."""
        own = call.tool.timeout if call.tool is not None else None
        now, change = call.host.clock.monotonic(), None
        error: ToolError
        with self._circuits.lock:
            circuit = self._circuits.get(key)
            if circuit is None:
                error = self._circuits.full(key)
            else:
                before = circuit.state
                ticket = circuit.admit(now, math.inf if own is None else own)
                if circuit.state is not before:
                    change = self._circuits.changed(key, circuit, before)
                if ticket is not None:
                    return circuit, ticket, change
                error = _refusal(call.name, circuit, now)
        if change is not None:
            self._tell(call, change)
        if call.observed:
            call.notify(CallRejected(tool=call.name, middleware=self, error=error))
        raise error

    def _ended_well(
        self,
        call: Call,
        key: Hashable,
        circuit: Circuit,
        ticket: Ticket,
        now: float,
        *,
        started: bool,
        slow: bool,
    ) -> None:
        was = None
        with self._circuits.lock:
            if started:
                was = circuit.succeed(ticket, now, slow=slow)
            else:  # the value came from elsewhere, a cache perhaps, and says nothing of the tool
                circuit.leave(ticket)
            change = self._circuits.changed(key, circuit, was)
        if change is not None:
            self._tell(call, change)

    def _failed(
        self,
        call: Call,
        key: Hashable,
        circuit: Circuit,
        ticket: Ticket,
        error: BaseException,
        *,
        started: bool,
    ) -> None:
        """Count what inner raised, if it counts; the place of a trial call is given back in any case."""
        only, change = lone(error), None
        counts = False
        try:
            counts = isinstance(only, Exception) and self._counts_as_failure(call, only, started=started)
        finally:
            now = call.host.clock.monotonic()
            with self._circuits.lock:
                if counts:
                    was = circuit.fail(ticket, now, type(only).__name__)
                    change = self._circuits.changed(key, circuit, was, error)
                else:
                    circuit.leave(ticket)
        if change is not None:
            self._tell(call, change)

    def _counts_as_failure(self, call: Call, error: Exception, *, started: bool) -> bool:
        if not started and isinstance(error, ToolError):
            return False  # refused further in, or its time was over while it waited for its turn there
        if call.cancelled or stopped():
            return False
        try:
            return self._counted(error)
        except Exception as fault:  # noqa: BLE001  foreign code
            self._report(call, fault)
            return of_the_tool(error)

    async def _refresh(self, call: Call, key: Hashable, sharing: Sharing) -> None:
        change = await sharing.refresh(key, call.host.clock, partial(self._report, call))
        if change is not None:
            self._tell(call, change)

    def _turn(self, tool: str, key: Hashable, turn: Callable[[Circuit], CircuitState | None]) -> None:
        """Change a circuit by hand."""
        whole = self._key(tool, key)
        with self._circuits.lock:
            circuit = self._circuits.get(whole)
            if circuit is None:
                raise self._circuits.full(whole)
            self._circuits.changed(whole, circuit, turn(circuit))
        self._circuits.tell(_log)

    def _key(self, tool: str, key: Hashable) -> Hashable:
        if self.key is not None:
            return tool, key
        if key is not None:
            raise ValueError(f"this breaker has one circuit for each tool, got the key {key!r}; leave it out")
        return tool

    def _tell(self, call: Call, change: CircuitChanged) -> None:
        if call.observed:
            call.notify(change)
        self._circuits.tell(partial(self._report, call))

    def _report(self, call: Call, fault: Exception) -> None:
        call.host.report(MiddlewareFailed(tool=call.name, middleware=self, error=fault))


def _answered(call: Call, now: float) -> float:
    """When the tool had answered: with the first chunk of a stream, whose rest waits for its reader too."""
    first = call.info.first_chunk
    return now if first is None or call.emit is None else first


def _refusal(name: str, circuit: Circuit, now: float) -> CircuitOpen:
    """Why a call may not pass. The failure's class alone: its message was meant for somebody else."""
    if circuit.state is CircuitState.ISOLATED:
        return CircuitOpen(f"{name!r} is out of use{circuit.cause and ': '}{circuit.cause}; do without it")
    if circuit.state is CircuitState.HALF_OPEN:
        return CircuitOpen(
            f"{name!r} failed too often ({circuit.cause}), and another call is trying it; wait for its end"
        )
    rest = circuit.until - now
    shown = f"for another {math.ceil(10 * rest) / 10:g} s" if rest < math.inf else "until somebody resets it"
    return CircuitOpen(
        f"{name!r} failed too often ({circuit.cause}) and is left alone {shown}; do without it until then",
        retry_after=rest,
    )


def _log(fault: Exception) -> None:
    log_fault("a listener to CircuitChanged failed", fault, Secrets())
