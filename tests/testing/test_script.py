"""Scripted tools do what they are told, and remember."""

import anyio
import pytest

from toolcase import Registry
from toolcase.testing import Fail, Give, Hang, Script, current_clock


async def test_does_step_after_step_and_then_the_last_one_again():
    tool = Script(Give(1), Give(2)).tool("t")

    assert [await tool() for _ in range(4)] == [1, 2, 2, 2]


async def test_takes_its_time():
    script = Script(Give(1, after=3), Fail(OSError("x"), after=2))
    tool = script.tool("t")

    await tool()
    with pytest.raises(OSError, match="x"):
        await tool()

    assert current_clock().now == pytest.approx(5)


async def test_a_hanging_step_ends_when_it_is_cancelled_after_its_clean_up():
    script = Script(Hang(cleanup=2))

    with anyio.move_on_after(5):
        await script.tool("t")()

    assert current_clock().now == pytest.approx(7)
    assert (script.cancelled, script.running) == (1, 0)


async def test_remembers_the_arguments_of_each_run():
    script, registry = Script(Give()), Registry()
    registry.add(script.tool("t"))

    await registry.call("t", a=1)
    await registry.call("t", b=[2])

    assert script.starts == [{"a": 1}, {"b": [2]}]


async def test_knows_what_runs_now():
    script = Script(Give(after=1))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(script.tool("t"))
        await anyio.sleep(0.5)
        assert script.running == 3

    assert (script.running, script.cancelled) == (0, 0)


def test_options_are_those_of_the_tool():
    tool = Script(Give()).tool("t", idempotent=True, timeout=3)

    assert (tool.name, tool.idempotent, tool.timeout) == ("t", True, 3)


def test_a_script_without_steps_is_refused():
    with pytest.raises(ValueError, match="at least one step"):
        Script()
