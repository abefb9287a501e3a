"""The demo's observer: it tells what happens to each call as it happens, and keeps it as data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import click
import msgspec

from toolcase.call import Call, Inner, Stage
from toolcase.content import as_text
from toolcase.errors import ToolTimeout, code_of
from toolcase.events import (
    AttemptStarted,
    CallAdmitted,
    CircuitChanged,
    Event,
    LateCompletion,
    MiddlewareFailed,
    RetriesExhausted,
    RetryScheduled,
)

SHOWN_CHARACTERS = 80
LEFT = "left"
"""What became of a call that nobody waited for any more."""


class Failure(msgspec.Struct, kw_only=True):
    """One attempt that failed; `wait` is what the next one waited, None where there was none."""

    error: str
    timed_out: bool
    seconds: float
    wait: float | None = None


class Row(msgspec.Struct, kw_only=True):
    """What happened to one call. `started` is in seconds after the first call, the others after its own."""

    number: int
    tool: str
    arguments: dict[str, Any]
    started: float
    outcome: str = ""
    attempts: int = 0
    duration: float = 0.0
    failures: list[Failure] = []
    outcome_unknown: bool = False
    waited: float = 0.0
    """In the queue of a bulkhead."""
    circuit: list[str] = []
    """What its circuit breaker went to, in order."""
    thread_ended: float | None = None
    """When the thread ended that the caller had left behind."""


class Watcher:
    """Says through `say` what it sees; `rows` are all calls in the order of their starts."""

    stage: ClassVar[Stage] = Stage.OBSERVE

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.rows: list[Row] = []
        self.faults = 0
        """How often something beside a tool failed, and no caller saw it."""
        self._first: float | None = None
        self._attempts: dict[int, float] = {}  # by the number of a row, when its latest attempt began

    async def __call__(self, call: Call, inner: Inner) -> Any:
        row = self._begun(call)
        said = ", ".join(f"{name}={value!r}" for name, value in row.arguments.items())
        self._tell(row, click.style(f"{row.tool}({said})", bold=True))
        try:
            value = await inner(call)
        except Exception as error:
            row.failures.append(self._failure(call, row, error))
            self._ended(call, row, code_of(error).value, "red", _described(error))
            raise
        except BaseException:
            self._ended(call, row, LEFT, "yellow", _chunks(call))
            raise
        self._ended(call, row, "ok", "green", _cut(as_text(value)) if call.emit is None else _chunks(call))
        return value

    def on_event(self, call: Call, event: Event) -> None:
        """Hear what retries do."""
        row: Row = call.state[self]
        if isinstance(event, AttemptStarted):
            self._attempts[row.number] = self._now(call)
            if event.number > 1:
                self._tell(row, f"  attempt {event.number}")
        elif isinstance(event, RetryScheduled) and event.error is not None:
            failure = self._failure(call, row, event.error)
            failure.wait = event.wait
            row.failures.append(failure)
            self._tell(row, f"  {_cut(failure.error)}, waits {event.wait:.2f} s", "yellow")
        elif isinstance(event, RetriesExhausted):
            self._tell(row, f"  no further attempt: {event.reason}", "yellow")
        elif isinstance(event, CircuitChanged):
            row.circuit.append(event.after)
            self._tell(row, f"  its circuit was {event.before} and is {event.after}", "yellow")
        elif isinstance(event, CallAdmitted) and event.waited:
            row.waited += event.waited
            self._tell(row, f"  waited {event.waited:.2f} s for its turn", "yellow")

    def title(self, text: str) -> None:
        """Say what comes next."""
        self.say("\n" + click.style(text, fg="cyan"))

    def on_host_event(self, event: Event, now: float) -> None:
        """Hear what happens beside the calls; `now` is on the clock of the calls."""
        if isinstance(event, LateCompletion):
            row = next(row for row in self.rows if row.tool == event.tool and _left_a_thread(row))
            row.thread_ended = now - (self._first or 0.0) - row.started
            self._tell(
                row, f"  its thread ended only now, {row.thread_ended:.2f} s after the call began", "yellow"
            )
        elif isinstance(event, MiddlewareFailed):
            self.faults += 1
            row = next(row for row in reversed(self.rows) if row.tool == event.tool)
            fault = f"{type(event.middleware).__name__} failed with {_described(event.error)}"
            self._tell(row, f"  {fault}; the call goes on", "yellow")

    def _begun(self, call: Call) -> Row:
        if self._first is None:
            self._first = call.info.started
        row = Row(
            number=len(self.rows) + 1,
            tool=call.name,
            arguments=dict(call.arguments),
            started=call.info.started - self._first,
        )
        self._attempts[row.number] = row.started
        self.rows.append(row)
        call.state[self] = row
        return row

    def _ended(self, call: Call, row: Row, outcome: str, colour: str, text: str) -> None:
        row.outcome, row.attempts = outcome, call.info.attempts
        row.outcome_unknown = call.info.outcome_unknown
        row.duration = self._now(call) - row.started
        spent = f"{row.duration:.2f} s" + (f", {row.attempts} attempts" if row.attempts > 1 else "")
        self._tell(row, f"  {click.style(outcome, fg=colour)} ({spent}) {text}")

    def _failure(self, call: Call, row: Row, error: BaseException) -> Failure:
        took = self._now(call) - self._attempts[row.number]
        return Failure(error=_described(error), timed_out=isinstance(error, ToolTimeout), seconds=took)

    def _now(self, call: Call) -> float:
        return call.host.clock.monotonic() - (self._first or 0.0)

    def _tell(self, row: Row, text: str, colour: str | None = None) -> None:
        self.say(f"{row.number:3} {click.style(text, fg=colour) if colour else text}")


def _left_a_thread(row: Row) -> bool:
    return row.thread_ended is None and any(failure.timed_out for failure in row.failures)


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _chunks(call: Call) -> str:
    return f"{call.info.chunks} chunks"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."
