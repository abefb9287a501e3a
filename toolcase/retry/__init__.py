"""When to try again, and how long to wait before."""

from toolcase.retry.backoff import Backoff as Backoff
from toolcase.retry.backoff import ConstantBackoff as ConstantBackoff
from toolcase.retry.backoff import DecorrelatedJitterBackoff as DecorrelatedJitterBackoff
from toolcase.retry.backoff import ExponentialBackoff as ExponentialBackoff
from toolcase.retry.backoff import LinearBackoff as LinearBackoff
from toolcase.retry.budget import RetryBudget as RetryBudget
from toolcase.retry.policy import RetryPolicy as RetryPolicy
from toolcase.retry.policy import retry_after as retry_after
