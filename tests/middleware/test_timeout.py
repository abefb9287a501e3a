"""The middleware's own settings; what a limit does is in test_timer.py."""

import math

import pytest

from toolcase import Registry, Stage, ToolTimeout
from toolcase.runtime import TimeoutMiddleware
from toolcase.testing import Give, Hang, Script, current_clock


async def test_limits_by_its_seconds():
    registry = Registry()
    registry.use(TimeoutMiddleware(1.5))
    registry.add(Script(Hang()).tool("t"))

    with pytest.raises(ToolTimeout, match=r"1\.5 s"):
        await registry.call("t")


async def test_infinity_is_no_limit():
    registry = Registry()
    registry.use(TimeoutMiddleware(math.inf))
    registry.add(Script(Give(1, after=1e6)).tool("t"))

    assert await registry.call("t") == 1


async def test_can_be_called_by_another_middleware():
    limit = TimeoutMiddleware(2)

    async def only_on_fridays(call, inner):
        return await limit(call, inner)

    only_on_fridays.stage = Stage.ACT
    registry = Registry()
    registry.use(only_on_fridays)
    registry.add(Script(Hang()).tool("t"))

    with pytest.raises(ToolTimeout):
        await registry.call("t")

    assert current_clock().now == pytest.approx(2)


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_refuses_seconds_that_are_none(seconds):
    with pytest.raises(ValueError, match="seconds must be above 0 seconds, got"):
        TimeoutMiddleware(seconds)


@pytest.mark.parametrize("seconds", [True, "5", None])
def test_refuses_what_is_no_number(seconds):
    with pytest.raises(TypeError, match="seconds must be a number of seconds, got"):
        TimeoutMiddleware(seconds)


def test_with_another_limit_is_another_one():
    limit = TimeoutMiddleware(2)

    assert limit.with_limit(seconds=3) == TimeoutMiddleware(3)
    assert limit.with_limit(kind="total") == TimeoutMiddleware(2, kind="total")
    assert limit == TimeoutMiddleware(2)


def test_its_kind_is_given_by_name():
    with pytest.raises(TypeError, match="positional"):
        TimeoutMiddleware(2, "total")


def test_another_limit_is_given_by_name():
    with pytest.raises(TypeError, match="positional"):
        TimeoutMiddleware(2).with_limit(3)


def test_shows_its_seconds():
    assert str(TimeoutMiddleware(2.5)) == "TimeoutMiddleware(2.5 s)"


def test_its_repr_is_how_it_was_made():
    assert repr(TimeoutMiddleware(5)) == "TimeoutMiddleware(seconds=5, first_chunk=inf, idle=inf)"
