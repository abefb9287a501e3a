"""Leaving a tool alone that fails."""

from toolcase.middleware.breaker.breaker import CircuitBreakerMiddleware as CircuitBreakerMiddleware
from toolcase.middleware.breaker.circuit import CircuitState as CircuitState
