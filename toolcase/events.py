"""Typed records of what happened: for the observers of a call, or for the listeners of a registry."""

from __future__ import annotations

import asyncio
import logging
import traceback
from decimal import Decimal
from typing import Any

import msgspec

from toolcase.clock import number
from toolcase.plain import printable
from toolcase.secrets import Secrets


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened; `tool` is the name under which the tool was called."""

    tool: str


class AttemptStarted(Event, frozen=True, kw_only=True):
    """Attempt `number` (from 1) of a call is about to start."""

    number: int


class RetryScheduled(Event, frozen=True, kw_only=True):
    """Attempt `number` failed with `error`; the next one starts after `wait` seconds.

    `error` is None where it gave a value that the policy asks to try again for.
    """

    number: int
    error: BaseException | None
    wait: float


class RetriesExhausted(Event, frozen=True, kw_only=True):
    """Attempt `number` failed with `error`, and there is no further one: `reason` says why.

    `error` is None where it gave a value that the policy asks to try again for, and which is returned.
    """

    number: int
    error: BaseException | None
    reason: str


class CallWaiting(Event, frozen=True, kw_only=True):
    """A call begins to wait for its turn at `middleware`, a bulkhead or a rate limit."""

    middleware: Any


class CallAdmitted(Event, frozen=True, kw_only=True):
    """Its turn has come at `middleware`, `waited` seconds after it began to wait.

    Told of every call that is let in, with 0 for one that found room at once: what is measured of the time in
    queues is measured over all calls.
    """

    middleware: Any
    waited: float


class CallRejected(Event, frozen=True, kw_only=True):
    """`middleware` refused to let the call through; `error` is what it raised for that."""

    middleware: Any
    error: BaseException


class CircuitChanged(Event, frozen=True, kw_only=True):
    """A circuit breaker went from one state to another: "closed", "open", "half_open" or "isolated"."""

    key: Any
    """Whose circuit: the tool's name, with what the breaker's own `key` says of the call."""
    before: str
    after: str
    error: BaseException | None = None
    """The failure that opened it."""


class UsageReported(Event, frozen=True, kw_only=True):
    """A tool said what it has used, with `call.report_usage`."""

    tokens: int = 0
    cost: Decimal = Decimal(0)
    turns: int = 0
    model: str | None = None


class ProgressReported(Event, frozen=True, kw_only=True):
    """A tool said how far it is, with `call.progress`: `done` of `total`, which is None where nobody knows.

    Both are as the tool estimates them: `done` may pass `total`.
    """

    done: float
    total: float | None = None
    message: str = ""

    def __post_init__(self) -> None:
        number(self.done, "done")
        if self.total is not None:
            number(self.total, "total")
        if not isinstance(self.message, str):
            raise TypeError(f"message must be text, got {self.message!r}; give str(...) of it")


class MiddlewareFailed(Event, frozen=True, kw_only=True):
    """An observer, a hook or a predicate failed itself; the call went on without it."""

    middleware: Any
    error: BaseException


class GuardFailed(Event, frozen=True, kw_only=True):
    """A guard failed after the tool had ended; the tool's own outcome stands."""

    middleware: Any
    error: BaseException


class CancelOverrun(Event, frozen=True, kw_only=True):
    """A tool whose time ran out has not stopped `grace` seconds after it was told to; we go on waiting.

    On trio this is reported when it has stopped, because nothing there can watch from outside.
    """

    grace: float


class LateCompletion(Event, frozen=True, kw_only=True):
    """A thread ended after its caller had gone, `elapsed` seconds after the call began.

    `error` is what it raised, None where it gave a value.
    """

    error: BaseException | None
    elapsed: float


class CallStopped(Event, frozen=True, kw_only=True):
    """A call was cut off, `elapsed` seconds after it began, because its registry was left."""

    elapsed: float


class LoopStalled(Event, frozen=True, kw_only=True):
    """The event loop has not turned for `seconds`, because this tool blocks it; told in a thread of ours.

    Write such a tool as a plain `def`, which runs in a thread, or let it await. `tool` is empty where it
    is no tool that blocks, and `place` is the line at which it was seen.
    """

    seconds: float
    place: str


class OutboxDisabled(Event, frozen=True, kw_only=True):
    """A consumer of an `Outbox` failed again and again, last with `error`, and gets nothing any more."""

    consumer: Any
    error: BaseException


class ToolsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Tools have come, or gone, or were switched on or off, by name."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def report_to_log(event: Event, secrets: Secrets) -> None:
    """Say it through the standard library's logger `toolcase`, where a host finds it without asking."""
    said = f"{type(event).__name__} in {event.tool!r}"
    middleware, error = getattr(event, "middleware", None), getattr(event, "error", None)
    if middleware is not None:
        said += f": {middleware!r}"
    if isinstance(error, asyncio.CancelledError):
        error = None  # a thread that stopped as it was asked to; where, interests nobody
    log_fault(said, error, secrets)


def log_fault(said: str, error: BaseException | None, secrets: Secrets) -> None:
    """One warning, with the traceback; as text where there are secrets to be kept out of it."""
    said = printable(secrets.redact(said))
    if secrets and error is not None:
        said, error = f"{said}\n{traceback_of(error, secrets)}", None
    logging.getLogger("toolcase").warning("%s", said, exc_info=error)


def traceback_of(error: BaseException, secrets: Secrets) -> str:
    """The traceback as a log may show it, with causes and notes."""
    return printable(secrets.redact("".join(traceback.format_exception(error))), keep="\n").rstrip("\n")
