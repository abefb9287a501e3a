"""Limits on how often tools are called."""

from toolcase_limits.plugin import LimitsPlugin as LimitsPlugin
from toolcase_limits.rate_limit import RateLimitMiddleware as RateLimitMiddleware
