"""The middleware's own settings; what a limit does is in test_timer.py."""

import math

import anyio
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


@pytest.mark.parametrize("setting", ["first_chunk", "idle"])
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_refuses_limits_between_chunks_that_are_none(setting, value):
    with pytest.raises(ValueError, match=f"{setting} must be above 0 seconds, got"):
        TimeoutMiddleware(**{setting: value})


def test_its_limits_between_chunks_are_given_by_name():
    with pytest.raises(TypeError, match="positional"):
        TimeoutMiddleware(1, 2)


def test_another_limit_leaves_those_between_chunks_as_they_are():
    limit = TimeoutMiddleware(9, first_chunk=2, idle=3)

    assert limit.with_limit(seconds=4) == TimeoutMiddleware(4, first_chunk=2, idle=3)


def test_shows_each_limit_that_is_one():
    assert (
        str(TimeoutMiddleware(9, first_chunk=2.5, idle=3))
        == "TimeoutMiddleware(9 s, first chunk 2.5 s, idle 3 s)"
    )
    assert str(TimeoutMiddleware(idle=3)) == "TimeoutMiddleware(idle 3 s)"
    assert str(TimeoutMiddleware()) == "TimeoutMiddleware(no limit)"


async def test_a_tools_own_seconds_replace_those_of_all_of_it_alone():
    registry = Registry()
    registry.use(TimeoutMiddleware(99, idle=3))

    @registry.tool(timeout=10)
    async def tail():
        for wait in (2, 2, 4):
            yield await anyio.sleep(wait)

    with pytest.raises(ToolTimeout, match="no chunk for 3 s"):
        await registry.call("tail")

    assert current_clock().now == pytest.approx(7)


class TestAStream:
    """Ends with the error of its limit, after the chunks that were given before."""

    async def chunks(self, stream):
        got = []
        with pytest.raises(ToolTimeout) as caught:
            async with stream:
                async for chunk in stream:
                    got.append(chunk.content)
        return got, str(caught.value), caught.value.kind

    def registry(self, **options):
        registry = Registry()

        @registry.tool(**options)
        async def tail():
            for number in range(1_000):
                yield number
                await anyio.sleep(2)

        return registry

    async def test_of_its_tool(self):
        registry = self.registry(timeout=5)

        assert await self.chunks(registry.stream("tail")) == (
            [0, 1, 2],
            "'tail' took longer than 5 s",
            "attempt",
        )

    async def test_of_its_caller(self):
        registry = self.registry()

        assert await self.chunks(registry.stream_execute("tail", timeout=5)) == (
            [0, 1, 2],
            "'tail' took longer than 5 s, waits and retries included",
            "total",
        )

    async def test_of_its_view(self):
        view = self.registry().view(timeout=5)

        assert await self.chunks(view.stream("tail")) == (
            [0, 1, 2],
            "'tail' took longer than 5 s, waits and retries included",
            "total",
        )
