"""Leaving a tool alone that fails."""

from toolcase.middleware.breaker.breaker import CircuitBreakerMiddleware as CircuitBreakerMiddleware
from toolcase.middleware.breaker.circuit import CircuitState as CircuitState
from toolcase.middleware.breaker.failures import of_the_tool as of_the_tool
