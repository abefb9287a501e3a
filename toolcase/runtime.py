"""The door to everything that runs tools: middleware and retry policies."""

from toolcase.compose import Stack as Stack
from toolcase.compose import compose as compose
from toolcase.keyed import Keyed as Keyed
from toolcase.keyed import by_principal as by_principal
from toolcase.keyed import by_scope as by_scope
from toolcase.keyed import by_tool as by_tool
from toolcase.keyed import together as together
from toolcase.middleware import CircuitBreakerMiddleware as CircuitBreakerMiddleware
from toolcase.middleware import CircuitState as CircuitState
from toolcase.middleware import LoggingMiddleware as LoggingMiddleware
from toolcase.middleware import RetryMiddleware as RetryMiddleware
from toolcase.middleware import TimeoutMiddleware as TimeoutMiddleware
from toolcase.ports import CircuitRecord as CircuitRecord
from toolcase.ports import CircuitStore as CircuitStore
from toolcase.production import production as production
from toolcase.retry import Backoff as Backoff
from toolcase.retry import ConstantBackoff as ConstantBackoff
from toolcase.retry import DecorrelatedJitterBackoff as DecorrelatedJitterBackoff
from toolcase.retry import ExponentialBackoff as ExponentialBackoff
from toolcase.retry import LinearBackoff as LinearBackoff
from toolcase.retry import RetryBudget as RetryBudget
from toolcase.retry import RetryPolicy as RetryPolicy
