"""The default stack: what it holds, in which order, and that its settings count."""

import pytest

from toolcase import Registry, Stage, Unavailable
from toolcase.runtime import production
from toolcase.testing import Fail, Hang, Script, current_clock


def hosting(script, **settings):
    registry = Registry()
    registry.use(*production(**settings))
    registry.add(script.tool("t"))
    return registry


def test_stands_in_its_sensible_order():
    around = hosting(Script(Hang())).around("t")

    assert [str(entry).split("(")[0] for entry in around[Stage.OBSERVE]] == ["LoggingMiddleware"]
    assert [str(entry) for entry in around[Stage.ACT]] == [
        "TimeoutMiddleware(120 s)",
        "RetryMiddleware(3 attempts)",
        "TimeoutMiddleware(30 s)",
    ]


async def test_an_attempt_has_thirty_seconds_and_all_of_them_two_minutes():
    script = Script(Hang())

    result = await hosting(script).execute("t")

    assert (result.error.code, len(script.starts)) == ("TIMEOUT", 3)
    assert 90 <= current_clock().now <= 120


@pytest.mark.parametrize(
    ("settings", "starts", "ends"),
    [
        ({"attempts": 1}, 1, 30),
        ({"attempts": 1, "attempt_seconds": 5}, 1, 5),
        ({"attempts": 1, "total_seconds": 20}, 1, 20),
    ],
)
async def test_its_settings_count(settings, starts, ends):
    script = Script(Hang())

    await hosting(script, **settings).execute("t")

    assert len(script.starts) == starts
    assert current_clock().now == pytest.approx(ends)


async def test_a_tool_that_is_down_is_not_asked_three_times_for_ever():
    script = Script(Fail(Unavailable("down")))
    registry = hosting(script)

    for _ in range(100):
        await registry.execute("t")

    assert len(script.starts) <= 100 + 10 + 20


async def test_two_registries_share_no_budget():
    scripts = [Script(Fail(Unavailable("down"))) for _ in range(2)]
    for script in scripts:
        registry = hosting(script)
        for _ in range(20):
            await registry.execute("t")

    assert len(scripts[0].starts) == len(scripts[1].starts)
