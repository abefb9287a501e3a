"""What is tried again, how often, and what a server says about when."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from toolcase.clock import count, number
from toolcase.errors import ErrorCode, InvalidResult, ToolError, lone
from toolcase.retry.backoff import Backoff, ExponentialBackoff
from toolcase.retry.budget import RetryBudget
from toolcase.selection import Selection, check_predicate, is_error, selecting, several


def transient(error: Exception) -> bool:
    """What is worth another try where nobody said otherwise.

    Our own errors that say so of themselves, and those of the standard library that mean a connection or
    a limit of time. Nothing else: an error that we do not know may come after an effect.
    """
    if isinstance(error, ToolError):
        return error.retryable
    return isinstance(error, ConnectionError | TimeoutError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """At most `max_attempts` starts of the tool, the first included, with waits in between.

    `retry_on` says after which errors: a type, a code, several of both, or a predicate of the exception.
    `retry_if_result` says after which values: a predicate that gives True for one that is worth another
    try; the value of the last attempt is returned, whatever it says of it. Where the tool, or the server
    behind it, says when to come back (`Retry-After`), we wait at least that long; if that is more than
    `max_retry_after` seconds, or more than the call has left, we give up at once. `budget` bounds the
    retries of all calls together. `not_dispatched` are the errors that say that nothing was done yet, after
    which even a tool that is not idempotent may be started again.

    An exception group round a single error is judged as that error; one of several is only accepted where
    `retry_on` says so of the group.
    """

    max_attempts: int = 3
    backoff: Backoff = field(default_factory=ExponentialBackoff)
    retry_on: Selection = transient
    retry_if_result: Callable[[Any], bool] | None = None
    max_retry_after: float = 60.0
    budget: RetryBudget | None = None
    not_dispatched: tuple[type[Exception], ...] = (ConnectionRefusedError,)
    _accepted: Callable[[Exception], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        count(self.max_attempts, "max_attempts")
        number(self.max_retry_after, "max_retry_after")
        if isinstance(self.backoff, type) or not callable(getattr(self.backoff, "wait", None)):
            raise TypeError(f"backoff must have wait(attempt, random, previous), got {self.backoff!r}")
        if self.budget is not None and not isinstance(self.budget, RetryBudget):
            raise TypeError(f"budget must be a RetryBudget, got {self.budget!r}")
        nothing_done: Any = self.not_dispatched
        if not isinstance(nothing_done, tuple) or not all(map(is_error, nothing_done)):
            raise TypeError(f"not_dispatched must be a tuple of exception types, got {nothing_done!r}")
        if self.retry_if_result is not None:
            check_predicate(self.retry_if_result, "retry_if_result takes a predicate of the value")
        object.__setattr__(self, "_accepted", selecting(self.retry_on, "retry_on"))
        for entry in several(self.retry_on):
            if entry is ErrorCode.INVALID_RESULT or entry is InvalidResult:
                raise ValueError(
                    f"retry_on cannot take {entry!r}: the tool has had its effect and would have it again; "
                    "for a value that is worth another try there is retry_if_result"
                )

    def accepts(self, error: Exception) -> bool:
        """Whether this error is worth another try. What a predicate raises comes through."""
        # Not what came after the effect: a second one would mend nothing.
        return not isinstance(lone(error), InvalidResult) and self._accepted(error)

    def rejects(self, value: Any) -> bool:
        """Whether this value is worth another try. What the predicate raises comes through."""
        return self.retry_if_result is not None and self.retry_if_result(value) is True


def retry_after(error: BaseException, now: datetime) -> float | None:
    """Seconds from `now` until the error says that trying again may help; None where it says nothing of use.

    Read from `error.retry_after`, or from the `Retry-After` header (seconds or an HTTP date, RFC 9110
    section 10.2.3) of `error.response.headers` or `error.headers`, where HTTP clients keep them.
    """
    try:
        said = _said(error)
        if isinstance(said, bool) or not isinstance(said, int | float | str):
            return None
        try:
            wait = float(said)
        except ValueError:
            date = parsedate_to_datetime(str(said))
            wait = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    except Exception:  # noqa: BLE001  foreign code and text, and the error at hand must not be lost to it
        return None
    return wait if 0 < wait < math.inf else None


def _said(error: BaseException) -> Any:
    said: Any = getattr(error, "retry_after", None)
    if said is not None:
        return said
    for holder in (getattr(error, "response", None), error):
        headers: Any = getattr(holder, "headers", None)
        # Not `headers.get`: header mappings of HTTP clients ignore case, a plain dict does not.
        for name, value in headers.items() if hasattr(headers, "items") else ():
            if str(name).lower() == "retry-after":
                return value
    return None
