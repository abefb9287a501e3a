"""What stands around tools, one file each."""

from toolcase.middleware.breaker import CircuitBreakerMiddleware as CircuitBreakerMiddleware
from toolcase.middleware.breaker import CircuitState as CircuitState
from toolcase.middleware.budget import BudgetMiddleware as BudgetMiddleware
from toolcase.middleware.budget import RunUsage as RunUsage
from toolcase.middleware.bulkhead import BulkheadMiddleware as BulkheadMiddleware
from toolcase.middleware.logging import LoggingMiddleware as LoggingMiddleware
from toolcase.middleware.metrics import MetricsMiddleware as MetricsMiddleware
from toolcase.middleware.retry import RetryMiddleware as RetryMiddleware
from toolcase.middleware.stream_logging import StreamLoggingMiddleware as StreamLoggingMiddleware
from toolcase.middleware.stream_metrics import StreamMetricsMiddleware as StreamMetricsMiddleware
from toolcase.middleware.timeout import TimeoutMiddleware as TimeoutMiddleware
from toolcase.middleware.tracing import TracingMiddleware as TracingMiddleware
