"""What stands around tools, one file each."""

from toolcase.middleware.breaker import CircuitBreakerMiddleware as CircuitBreakerMiddleware
from toolcase.middleware.breaker import CircuitState as CircuitState
from toolcase.middleware.logging import LoggingMiddleware as LoggingMiddleware
from toolcase.middleware.retry import RetryMiddleware as RetryMiddleware
from toolcase.middleware.timeout import TimeoutMiddleware as TimeoutMiddleware
