"""What happens on a call's way, as an event of its span: a name, and attributes that may leave the host."""

from __future__ import annotations

from collections.abc import Mapping

from toolcase.events import (
    AttemptStarted,
    CallAdmitted,
    CallRejected,
    CallWaiting,
    CircuitChanged,
    Event,
    RetriesExhausted,
    RetryScheduled,
    UsageReported,
)
from toolcase.observability import names
from toolcase.plain import printable
from toolcase.secrets import Secrets

Happening = tuple[str, Mapping[str, str | int | float]]


def happening(event: Event, secrets: Secrets) -> Happening | None:
    """The event's name and attributes; None for one of which spans say nothing.

    Errors by type alone. Not the key of a circuit or a limit, which may be a principal.
    """
    found = _of_retries(event) or _of_limits(event)
    if found is None:
        return None
    name, facts = found
    return name, {
        key: printable(secrets.redact(value)) if isinstance(value, str) else value
        for key, value in facts.items()
    }


def _of_retries(event: Event) -> Happening | None:
    match event:
        case AttemptStarted(number=number) if number > 1:  # the first begins with the span
            return names.ATTEMPT_STARTED, {names.ATTEMPT: number}
        case RetryScheduled(number=number, error=error, wait=wait):
            return names.RETRY_SCHEDULED, {names.ATTEMPT: number, names.WAIT: wait, **_type_of(error)}
        case RetriesExhausted(number=number, error=error, reason=reason):
            return names.RETRIES_EXHAUSTED, {
                names.ATTEMPT: number,
                names.REASON: reason,
                **_type_of(error),
            }
    return None


def _of_limits(event: Event) -> Happening | None:
    match event:
        case CallWaiting(middleware=middleware):
            return names.CALL_WAITING, {names.MIDDLEWARE: type(middleware).__name__}
        case CallAdmitted(middleware=middleware, waited=waited):
            return names.CALL_ADMITTED, {names.MIDDLEWARE: type(middleware).__name__, names.WAIT: waited}
        case CallRejected(middleware=middleware, error=error):
            return names.CALL_REJECTED, {names.MIDDLEWARE: type(middleware).__name__, **_type_of(error)}
        case CircuitChanged(before=before, after=after, error=error):
            return names.CIRCUIT_CHANGED, {
                names.CIRCUIT_BEFORE: before,
                names.CIRCUIT_STATE: after,
                **_type_of(error),
            }
        case UsageReported():
            return names.USAGE_REPORTED, _usage(event)
    return None


def _type_of(error: BaseException | None) -> dict[str, str]:
    return {} if error is None else {names.ERROR_TYPE: names.error_type(error)}


def _usage(event: UsageReported) -> dict[str, str | int | float]:
    facts: dict[str, str | int | float] = {}
    if event.tokens:
        facts[names.USED_TOKENS] = event.tokens
    if event.turns:
        facts[names.USED_TURNS] = event.turns
    if event.cost:
        facts[names.USED_COST] = str(event.cost)  # a float would not be the amount
    if event.model is not None:
        facts[names.USED_MODEL] = event.model
    return facts
