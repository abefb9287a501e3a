"""Settings that cannot be meant are refused where they are given, with the value and the mend."""

import math
from dataclasses import FrozenInstanceError
from functools import partial

import pytest

from toolcase_cache import CacheMiddleware, CoalesceMiddleware, MemoryCache


@pytest.mark.parametrize("seconds", [0, -1, math.nan, 10**400])
def test_a_time_to_live_is_above_zero(seconds):
    with pytest.raises(ValueError, match=r"ttl_seconds must be above 0 seconds, got .*; use math.inf"):
        CacheMiddleware(seconds)


@pytest.mark.parametrize("seconds", [True, "60", None])
def test_a_time_to_live_is_a_number(seconds):
    with pytest.raises(TypeError, match=f"ttl_seconds must be a number of seconds, got {seconds!r}"):
        CacheMiddleware(seconds)


COUNTS = [
    (MemoryCache, "max_entries"),
    (MemoryCache, "max_bytes"),
    (partial(CacheMiddleware, 60), "max_stream_bytes"),
    (CoalesceMiddleware, "max_flights"),
]


@pytest.mark.parametrize(("kind", "setting"), COUNTS)
def test_a_count_is_at_least_one(kind, setting):
    with pytest.raises(ValueError, match=f"{setting} must be at least 1, got 0"):
        kind(**{setting: 0})


@pytest.mark.parametrize(("kind", "setting"), COUNTS)
@pytest.mark.parametrize("number", [1.5, True, "1"])
def test_a_count_is_a_whole_number(kind, setting, number):
    with pytest.raises(TypeError, match=f"{setting} must be a whole number, got {number!r}"):
        kind(**{setting: number})


@pytest.mark.parametrize("make", [CoalesceMiddleware, lambda **said: CacheMiddleware(60, **said)])
@pytest.mark.parametrize("tools", [5, [5], None])
def test_tools_are_named(make, tools):
    with pytest.raises(TypeError, match=r"tools must be names of tools, or patterns such as 'get_\*', got"):
        make(tools=tools)


@pytest.mark.parametrize("used", [CoalesceMiddleware(), CacheMiddleware(60)], ids=str)
def test_settings_neither_change_nor_are_misspelt(used):
    with pytest.raises(FrozenInstanceError):
        used.tools = "t"
    assert not hasattr(used, "__dict__")


def test_settings_are_given_by_name():
    for make in (CoalesceMiddleware, lambda tools: CacheMiddleware(60, tools)):
        with pytest.raises(TypeError, match="positional"):
            make("t")


def test_flights_and_kept_values_are_no_settings():
    assert repr(CoalesceMiddleware()) == "CoalesceMiddleware(tools=(), max_flights=10000)"
    assert repr(CacheMiddleware(60)) == "CacheMiddleware(ttl_seconds=60, tools=(), max_stream_bytes=1048576)"
    for own in ("_flights", "_loop"):
        with pytest.raises(TypeError, match=own):
            CoalesceMiddleware(**{own: None})


@pytest.mark.parametrize("make", [CoalesceMiddleware, lambda: CacheMiddleware(60, store=None)])
def test_two_of_the_same_settings_are_two(make):
    assert len({make(), make()}) == 2


def test_what_they_are_called():
    assert (str(CacheMiddleware(math.inf)), str(CoalesceMiddleware())) == (
        "CacheMiddleware(inf s)",
        "CoalesceMiddleware",
    )
