"""What a rate limit is made of, and settings that are none."""

import math
from dataclasses import FrozenInstanceError, dataclass

import anyio
import pytest

from toolcase import Stage
from toolcase_limits import RateLimitMiddleware


def test_acts():
    assert RateLimitMiddleware.stage is Stage.ACT


@pytest.mark.parametrize("rate", [1, math.inf])
def test_two_are_two_whatever_their_key_is(rate):
    @dataclass  # and so without a hash
    class ByNumber:
        number: int

        def __call__(self, call):
            return call.arguments["number"] % self.number

    assert len({RateLimitMiddleware(rate, key=ByNumber(5)) for _ in range(2)}) == 2


def test_takes_only_the_rate_without_its_name():
    with pytest.raises(TypeError, match="positional"):
        RateLimitMiddleware(1, 60.0)


@pytest.mark.parametrize("own", ["_buckets", "_loop"])
def test_what_it_keeps_is_no_setting(own):
    with pytest.raises(TypeError, match=own):
        RateLimitMiddleware(1, **{own: None})


def test_does_not_change_and_takes_no_misspelt_setting():
    with pytest.raises(FrozenInstanceError):
        RateLimitMiddleware(1).rate = 2
    assert not hasattr(RateLimitMiddleware(1), "__dict__")


def test_shows_its_settings_and_what_they_are_where_nobody_says():
    assert repr(RateLimitMiddleware(5, key=len)) == (
        "RateLimitMiddleware(rate=5, per=1.0, burst=None, wait=False, "
        "key=<built-in function len>, cost=None, max_keys=10000, max_waiting=1000)"
    )


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
