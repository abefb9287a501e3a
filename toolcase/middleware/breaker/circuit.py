"""One circuit: an automaton that is told what happens, and when, and says which calls may pass.

    closed ──── too many failures ────> open ──── a call, once the time is over ────> half_open
       ^                                 ^ └────────────── a trial call fails ────────────┘ │
       └───────────────────────────── enough trial calls succeed ───────────────────────────┘

From anywhere to isolated, and from anywhere to closed, where somebody says so.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from toolcase.clock import count, number, seconds
from toolcase.retry.backoff import Random

BUCKETS = 10
FAILURE_RATIO = 0.5


class CircuitState(StrEnum):
    """Which calls pass."""

    CLOSED = "closed"
    """All of them."""
    OPEN = "open"
    """None, for some time."""
    HALF_OPEN = "half_open"
    """A few, on trial."""
    ISOLATED = "isolated"
    """None, until somebody resets it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CircuitRules:
    """When a circuit opens, how long it stays so, and what closes it again."""

    failure_ratio: float | None = None
    failure_threshold: int | None = None
    window_seconds: float = 30.0
    min_calls: int = 10
    slow_seconds: float = math.inf
    slow_ratio: float = 1.0
    recovery_time: float = 30.0
    recovery_cap: float = 300.0
    success_threshold: int = 1
    half_open_permits: int = 1
    random: Random = random.random

    def __post_init__(self) -> None:
        if self.failure_threshold is not None:
            count(self.failure_threshold, "failure_threshold")
        elif self.failure_ratio is None:
            object.__setattr__(self, "failure_ratio", FAILURE_RATIO)
        for setting in ("min_calls", "success_threshold", "half_open_permits"):
            count(getattr(self, setting), setting)
        for setting in ("window_seconds", "slow_seconds", "recovery_time", "recovery_cap"):
            seconds(getattr(self, setting), setting)
        if self.failure_ratio is not None:
            _share(self.failure_ratio, "failure_ratio")
        _share(self.slow_ratio, "slow_ratio")


def _share(value: float, setting: str) -> None:
    if not 0 < number(value, setting) <= 1:
        raise ValueError(f"{setting} must be above 0 and at most 1, got {value!r}")


class Ticket:
    """Lets a call pass, in one generation of its circuit; while that is closed, all have the same one."""

    __slots__ = ("generation", "tally")

    def __init__(self, generation: int, tally: Tally | None = None) -> None:
        self.generation = generation
        self.tally = tally
        """Where the call is counted; None for one on trial."""


class Circuit:
    """One circuit. Not safe among threads; nothing here waits, and time is an argument.

    The generation grows with each change of state. What a call of an earlier generation ends with changes
    nothing, save that a trial call gives back its place, however and whenever it ends. `succeed`, `fail`,
    `isolate`, `reset` and `adopt` give the state in which it was if they have changed it, else None.
    """

    __slots__ = (
        "_missing", "_opened_for", "_recovery", "_rest", "_rules", "_trials",
        "cause", "generation", "state", "ticket", "until",
    )  # fmt: skip

    def __init__(self, rules: CircuitRules) -> None:
        self._rules = rules
        self.state = CircuitState.CLOSED
        self.generation = 0
        self.ticket: Ticket | None = Ticket(0, Tally(rules.window_seconds))
        """Lets all calls pass; None unless it is closed."""
        self.until = math.inf
        """When it may be tried, if it is open."""
        self.cause = ""
        """The class of the failure that opened it, or why it was isolated."""
        # The places of trial calls that are taken, and when each may be taken back.
        self._trials: dict[Ticket, float] = {}
        # How many more trial calls must succeed for it to close.
        self._missing = rules.success_threshold
        # How long it stays open, without the jitter, and how long it did.
        self._recovery = self._rest = rules.recovery_time
        self._opened_for = math.inf

    def admit(self, now: float, allowed: float = math.inf) -> Ticket | None:
        """A ticket for one call; None where it may not pass.

        A trial call that takes longer than the circuit was open, and than the `allowed` seconds if they end,
        loses its place to another, but not its say.
        """
        # It is no longer until then, but by a clock that went back: that of another loop.
        self.until = min(self.until, now + self._opened_for)
        if self.state is CircuitState.OPEN and now >= self.until:
            self._enter(CircuitState.HALF_OPEN)
        if self.state is not CircuitState.HALF_OPEN:
            return self.ticket
        for trial in [trial for trial, end in self._trials.items() if now > end]:
            del self._trials[trial]
        if len(self._trials) >= self._rules.half_open_permits:
            return None
        ticket = Ticket(self.generation)
        self._trials[ticket] = now + (max(self._rest, allowed) if allowed < math.inf else self._rest)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """A call has ended with what says nothing of the tool."""
        self._trials.pop(ticket, None)

    def succeed(self, ticket: Ticket, now: float, *, slow: bool = False) -> CircuitState | None:
        """A call has ended well, though perhaps slowly."""
        self.leave(ticket)
        if ticket.generation != self.generation:
            return None
        if ticket.tally is not None:
            ticket.tally.add(now, slow=slow)
            return self._judged(ticket.tally, now, "slow calls")
        if slow:
            return self._open(now, "slow calls")
        self._missing -= 1
        return None if self._missing else self.reset()

    def fail(self, ticket: Ticket, now: float, cause: str) -> CircuitState | None:
        """A call has failed; `cause` says how, in one word."""
        self.leave(ticket)
        if ticket.generation != self.generation:
            return None
        if ticket.tally is None:
            return self._open(now, cause)
        ticket.tally.add(now, failed=True)
        return self._judged(ticket.tally, now, cause)

    def isolate(self, reason: str) -> CircuitState | None:
        """Let nothing pass until `reset`."""
        before = None if self.state is CircuitState.ISOLATED else self._enter(CircuitState.ISOLATED)
        self.cause = reason
        return before

    def reset(self) -> CircuitState | None:
        """Close it, and forget all that was counted; what runs now is not counted either."""
        before = self._enter(CircuitState.CLOSED)
        self.cause = ""
        self._recovery = self._rest = self._rules.recovery_time
        return None if before is CircuitState.CLOSED else before

    def adopt(self, state: CircuitState, now: float, *, remaining: float, cause: str) -> CircuitState | None:
        """Become what another instance says that it is."""
        if state is CircuitState.CLOSED:
            return None if self.state is CircuitState.CLOSED else self.reset()
        if state is CircuitState.ISOLATED:
            return self.isolate(cause)
        before = self._enter(CircuitState.OPEN)
        self._opened_for, self.until, self.cause = remaining, now + remaining, cause
        return None if before is CircuitState.OPEN else before

    def _judged(self, tally: Tally, now: float, cause: str) -> CircuitState | None:
        rules, failing = self._rules, False
        if rules.failure_threshold is not None:
            failing = tally.row >= rules.failure_threshold
        if not failing and tally.calls >= rules.min_calls:
            if rules.failure_ratio is not None:
                failing = tally.failures / tally.calls >= rules.failure_ratio
            if not failing and tally.slow / tally.calls >= rules.slow_ratio:
                failing, cause = True, "slow calls"
        return self._open(now, cause) if failing else None

    def _open(self, now: float, cause: str) -> CircuitState:
        rules = self._rules
        if self.state is CircuitState.HALF_OPEN:
            # Without the jitter, instances that failed together would come back together.
            self._recovery = min(2 * self._recovery, rules.recovery_cap)
            self._rest = max(rules.recovery_time, self._recovery * (1 - rules.random() / 2))
        self._opened_for, self.until, self.cause = self._rest, now + self._rest, cause
        return self._enter(CircuitState.OPEN)

    def _enter(self, state: CircuitState) -> CircuitState:
        before, self.state = self.state, state
        self.generation += 1
        closed = state is CircuitState.CLOSED
        self.ticket = Ticket(self.generation, Tally(self._rules.window_seconds)) if closed else None
        self._missing = self._rules.success_threshold
        return before


class Tally:
    """Counts what calls ended with while a circuit was closed, for the last `seconds` or a bucket less."""

    __slots__ = ("_buckets", "_seconds", "_width", "calls", "failures", "row", "slow")

    def __init__(self, seconds: float) -> None:
        self._seconds, self._width = seconds, seconds / BUCKETS
        self._buckets = deque([Bucket(-math.inf)])
        self.calls = self.failures = self.slow = 0
        self.row = 0
        """How many failures in a row were the last, whenever that was."""

    def add(self, now: float, *, failed: bool = False, slow: bool = False) -> None:
        """Count a call that has ended now."""
        buckets = self._buckets
        if now < buckets[-1].start:  # the clock of another loop: nobody can tell when these were
            buckets.clear()
            self.calls = self.failures = self.slow = 0
        while buckets and now - buckets[0].start >= self._seconds:
            old = buckets.popleft()
            self.calls, self.failures = self.calls - old.calls, self.failures - old.failures
            self.slow -= old.slow
        if not buckets or now - buckets[-1].start >= self._width:
            buckets.append(Bucket(now))
        for counts in (self, buckets[-1]):
            counts.calls += 1
            counts.failures += failed
            counts.slow += slow
        self.row = self.row + 1 if failed else 0

    def add_quietly(self, now: float) -> bool:
        """Count a success, if that can change nothing because all that is counted are successes.

        In this case alone it needs no lock: only calls count, and they are all in one thread.
        """
        newest = self._buckets[-1]
        if self.failures or self.slow or now - newest.start >= self._width:
            return False
        newest.calls += 1
        self.calls += 1
        return True


class Bucket:
    """What was counted from `start` on, until the next one begins."""

    __slots__ = ("calls", "failures", "slow", "start")

    def __init__(self, start: float) -> None:
        self.start = start
        self.calls = self.failures = self.slow = 0
