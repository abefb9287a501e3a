"""When to try again, and how long to wait before."""

from toolcase.retry.backoff import Backoff as Backoff
from toolcase.retry.backoff import ExponentialBackoff as ExponentialBackoff
from toolcase.retry.policy import RetryPolicy as RetryPolicy
from toolcase.retry.policy import retry_after as retry_after
