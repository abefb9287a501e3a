"""What is tried again, how often, and what a server says about when."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from toolcase.clock import count
from toolcase.errors import ToolError
from toolcase.retry.backoff import Backoff, ExponentialBackoff

RetryOn = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]


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

    `retry_on` is an exception type, several of them, or a predicate of the exception. Where the tool, or
    the server behind it, says when to come back (`Retry-After`), we wait at least that long; if that is
    more than `max_retry_after` seconds, or more than the call has left, we give up at once.
    """

    max_attempts: int = 3
    backoff: Backoff = field(default_factory=ExponentialBackoff)
    retry_on: RetryOn = transient
    max_retry_after: float = 60.0

    def __post_init__(self) -> None:
        count(self.max_attempts, "max_attempts")
        limit: Any = self.max_retry_after
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise TypeError(f"max_retry_after must be a number of seconds, got {limit!r}")
        if not limit >= 0:
            raise ValueError(f"max_retry_after must be 0 seconds or more, got {limit!r}")
        if isinstance(self.backoff, type) or not callable(getattr(self.backoff, "wait", None)):
            raise TypeError(f"backoff must have wait(attempt, random), got {self.backoff!r}")
        self._check_retry_on()

    def _check_retry_on(self) -> None:
        several = self.retry_on if isinstance(self.retry_on, tuple) else None
        for entry in (self.retry_on,) if several is None else several:
            if isinstance(entry, type):
                fits = issubclass(entry, Exception)
            else:
                fits = several is None and callable(entry)
            if not fits:
                raise TypeError(f"retry_on takes exception types or one predicate, got {entry!r}")
            if inspect.iscoroutinefunction(entry):
                raise TypeError(f"retry_on takes a predicate that is not async, got {entry!r}")

    def accepts(self, error: Exception) -> bool:
        """Whether this error is worth another try."""
        if isinstance(self.retry_on, type | tuple):
            return isinstance(error, self.retry_on)
        return self.retry_on(error) is True


def retry_after(error: BaseException, now: datetime) -> float | None:
    """Seconds from `now` until the error says that trying again may help; None where it says nothing of use.

    Read from `error.retry_after`, or from the `Retry-After` header (seconds or an HTTP date, RFC 9110
    section 10.2.3) of `error.response.headers` or `error.headers`, where HTTP clients keep them.
    """
    try:
        said = _said(error)
    except Exception:  # noqa: BLE001  foreign code, and the error at hand must not be lost to it
        return None
    wait = _seconds(said, now)
    return wait if wait is not None and 0 < wait < math.inf else None


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


def _seconds(said: Any, now: datetime) -> float | None:
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return None
    try:
        return float(said)
    except OverflowError:
        return None
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(str(said))
    except ValueError:
        return None
    return (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
