"""The one documented default: what should stand around the tools of a host that means it."""

from __future__ import annotations

from toolcase.compose import Stack, compose
from toolcase.errors import ToolFailed
from toolcase.middleware import (
    BudgetMiddleware,
    CircuitBreakerMiddleware,
    LoggingMiddleware,
    MetricsMiddleware,
    RetryMiddleware,
    TimeoutMiddleware,
    TracingMiddleware,
)
from toolcase.middleware.breaker import of_the_tool
from toolcase.retry import RetryBudget, RetryPolicy


def production(
    *,
    attempts: int = 3,
    attempt_seconds: float = 30.0,
    total_seconds: float = 120.0,
    metrics: MetricsMiddleware | None = None,
) -> Stack:
    """Middleware for `registry.use(*production())`; a new one each time, because registries share nothing.

    Calls are traced where OpenTelemetry is set up, counted (give `metrics` to read them), and logged; kept to
    the budget of their context; bounded by `total_seconds` with all waits, and tried up to `attempts` times,
    each bounded by `attempt_seconds`. A retry budget keeps the retries of a tool that is down to a fifth of
    its calls, and a circuit breaker leaves one alone that keeps failing; `ValueError`, `LookupError` and
    `ToolFailed` are no failures to it, but what a healthy tool answers. `math.inf` seconds are no limit, one
    attempt is no retry.
    """
    return compose(
        TracingMiddleware(),  # first, so that the others find the ids of its spans in the context
        metrics or MetricsMiddleware(),
        LoggingMiddleware(),
        BudgetMiddleware(),
        TimeoutMiddleware(total_seconds),
        RetryMiddleware(RetryPolicy(max_attempts=attempts, budget=RetryBudget())),
        CircuitBreakerMiddleware(counts=_is_down),
        TimeoutMiddleware(attempt_seconds),
    )


def _is_down(error: Exception) -> bool:
    """Whether a tool that raises this is not well, and not only asked for what is not there."""
    return of_the_tool(error) and not isinstance(error, ValueError | LookupError | ToolFailed)
