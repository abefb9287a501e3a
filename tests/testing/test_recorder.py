"""An observer that keeps what it saw."""

import pytest

from toolcase import Registry
from toolcase.runtime import RetryMiddleware
from toolcase.testing import Fail, Give, Recorder, Script


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def registry(recorder):
    registry = Registry()
    registry.use(recorder, RetryMiddleware())
    registry.add(
        Script(Give(1)).tool("fine"),
        Script(Fail(OSError("x"))).tool("broken"),
        Script(Fail(ConnectionError()), Give(2)).tool("flaky"),
    )
    return registry


async def test_keeps_values_and_errors(registry, recorder):
    await registry.call("fine")
    result = await registry.execute("broken")

    fine, broken = recorder.records
    assert (fine.value, fine.error, fine.ended) == (1, None, True)
    assert (broken.value, broken.error, broken.ended) == (None, result.error.cause, True)


async def test_keeps_the_order_of_calls(registry, recorder):
    await registry.call("fine")
    await registry.call("flaky")

    assert recorder.tools == ["fine", "flaky"]


async def test_keeps_events_with_their_call(registry, recorder):
    await registry.call("flaky")
    await registry.call("fine")

    assert [len(record.events) for record in recorder.records] == [3, 1]


async def test_keeps_no_more_than_its_limit(registry, recorder):
    recorder.limit = 2

    for name in ("broken", "fine", "flaky"):
        await registry.execute(name)

    assert recorder.tools == ["fine", "flaky"]
