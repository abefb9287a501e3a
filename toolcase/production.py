"""The one documented default: what should stand around the tools of a host that means it."""

from __future__ import annotations

from toolcase.compose import Stack, compose
from toolcase.middleware import LoggingMiddleware, RetryMiddleware, TimeoutMiddleware
from toolcase.retry import RetryBudget, RetryPolicy


def production(*, attempts: int = 3, attempt_seconds: float = 30.0, total_seconds: float = 120.0) -> Stack:
    """Middleware for `registry.use(*production())`; a new one each time, because registries share nothing.

    Calls are logged, bounded by `total_seconds` with all waits, and tried up to `attempts` times, each
    bounded by `attempt_seconds`; a budget keeps the retries of a tool that is down to a fifth of its calls.
    `math.inf` seconds are no limit, one attempt is no retry.
    """
    return compose(
        LoggingMiddleware(),
        TimeoutMiddleware(total_seconds),
        RetryMiddleware(RetryPolicy(max_attempts=attempts, budget=RetryBudget())),
        TimeoutMiddleware(attempt_seconds),
    )
