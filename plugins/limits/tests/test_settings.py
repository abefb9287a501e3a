"""What a rate limit is made of, and settings that are none."""

import math

import anyio
import pytest

from toolcase import Stage
from toolcase_limits import RateLimitMiddleware


def test_acts():
    assert RateLimitMiddleware.stage is Stage.ACT


def test_two_are_two():
    assert RateLimitMiddleware(1) != RateLimitMiddleware(1)


def test_shows_its_rate():
    assert str(RateLimitMiddleware(100, per=60.0)) == "RateLimitMiddleware(100 in 60 s)"


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"rate": 0}, ValueError, "rate must be above 0, got 0; leave the middleware out, or use math.inf"),
        ({"rate": -1}, ValueError, "rate must be above 0, got -1"),
        ({"rate": math.nan}, ValueError, "rate must be above 0, got nan"),
        ({"rate": True}, TypeError, "rate must be a number, got True"),
        ({"rate": "5"}, TypeError, "rate must be a number, got '5'"),
        ({"rate": 10**400}, ValueError, "rate must be at most 1.79.*, or math.inf, got one above that"),
        ({"per": 10**400}, ValueError, "per must be at most"),
        ({"wait": 10**400}, ValueError, "wait must be at most"),
        ({"per": 0}, ValueError, "per must be above 0, got 0; it is the seconds in which"),
        ({"per": math.inf}, ValueError, "per must be finite, got inf; it is the seconds in which"),
        ({"burst": 0}, ValueError, "burst must be at least 1, got 0"),
        ({"burst": 1.5}, TypeError, "burst must be a whole number, got 1.5"),
        ({"wait": 0}, ValueError, "wait must be above 0, got 0; use False to refuse at once"),
        ({"wait": None}, TypeError, "wait must be a number, got None"),
        ({"key": "tool"}, TypeError, "key must be a function of a call, got 'tool'"),
        ({"cost": 3}, TypeError, "cost must be a function of a call, got 3"),
        ({"key": anyio.sleep}, TypeError, "key must be a plain `def`, got <function sleep"),
        ({"cost": anyio.sleep}, TypeError, "cost must be a plain `def`, got <function sleep"),
        ({"max_keys": 0}, ValueError, "max_keys must be at least 1, got 0"),
        ({"max_waiting": -1}, ValueError, "max_waiting must be at least 0, got -1"),
    ],
)
def test_refuses_settings_that_are_none(settings, error, said):
    with pytest.raises(error, match=said):
        RateLimitMiddleware(**{"rate": 1, **settings})
