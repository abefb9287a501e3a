"""Plugins started and stopped with the registry in which they are installed."""

import asyncio

import anyio
import pytest

from installable.workers import Started, crashes_after, tool_named
from toolcase import PluginError, Registry
from toolcase.testing import cancel_at_every_await


@pytest.fixture
def started():
    return Started()


async def test_started_before_the_first_call_and_stopped_after_the_last(started):
    async def work():
        started.log.append("call")

    started.add("a", tools=[work])
    registry = Registry()
    started.plugins.install(registry)

    async with registry:
        await registry.call("work")

    assert started.log == ["+a", "call", "-a"]


async def test_started_again_when_it_is_entered_again(started):
    started.add("a")
    registry = Registry()
    started.plugins.install(registry)

    for _ in range(2):
        async with registry:
            assert started.log[-1] == "+a"

    assert started.log == ["+a", "-a"] * 2


async def test_one_that_is_required_and_fails_keeps_it_from_being_entered():
    started, registry = Started(required=True), Registry()
    started.add("a")
    started.add("b", start=ConnectionError("refused"))
    started.plugins.install(registry)

    for _ in range(2):  # to try again is no way to do without it
        with pytest.raises(PluginError, match="ConnectionError: refused"):
            await registry.__aenter__()

    assert started.log == ["+a", "-a"]


async def test_one_that_fails_to_start_has_its_tools_switched_off(started):
    started.add("a", start=ConnectionError("refused"), tools=[tool_named("x")])
    started.add("b", needs=["a"], tools=[tool_named("y")])
    started.add("c", tools=[tool_named("z")])
    registry = Registry()
    started.plugins.install(registry)

    async with registry:
        assert registry.names() == ["z"]
        assert (await registry.execute("x")).error.message == (
            "tool 'x' is switched off: its plugin is out of order"
        )


async def test_one_that_fails_while_it_runs_has_its_tools_switched_off_and_the_host_goes_on(started):
    started.plugins.register(crashes_after(3), required=True)
    started.add("b", needs=["crashes"], tools=[tool_named("y")])
    started.add("c", tools=[tool_named("z")])
    registry = Registry()
    started.plugins.install(registry)

    async with registry:
        assert sorted(registry.names()) == ["x", "y", "z"]
        await anyio.sleep(4)
        assert registry.names() == ["z"]
        await registry.call("z")

    assert started.faults() == [
        ("crashes", "run", "ConnectionError: lost"),
        ("b", "hooks", "it depends on plugin 'crashes', which is not there"),
    ]
    assert set(started.plugins.loaded) == {"c"}
    assert sorted(started.log) == ["+b", "+c", "-b", "-c"]


@pytest.mark.parametrize("required", ["crashes", "b", "none of them"])
async def test_all_that_need_one_that_fails_while_it_runs_are_switched_off_whoever_is_required(required):
    started, registry = Started(), Registry()
    started.plugins.register(crashes_after(3), required=required == "crashes")
    for name, need in {"b": "crashes", "c": "b", "d": "crashes"}.items():
        started.required = required == name
        started.add(name, needs=[need], tools=[tool_named(name)])
    started.plugins.install(registry)

    async with registry:
        await anyio.sleep(4)

        assert registry.names() == []


@pytest.mark.parametrize("times", [1, 2])
def test_one_loop_after_the_other(times, started):
    started.add("a")
    registry = Registry()
    started.plugins.install(registry)

    async def main():
        async with registry:
            started.log.append("in")

    for _ in range(times):
        asyncio.run(main())

    assert started.log == ["+a", "in", "-a"] * times


def test_a_loop_that_has_gone_without_leaving_leaves_nothing_behind(started):
    started.add("a")
    registry = Registry()
    started.plugins.install(registry)

    async def goes():
        await registry.__aenter__()

    async def main():
        async with registry:
            started.log.append("in")

    gone = asyncio.new_event_loop()
    gone.run_until_complete(goes())
    for task in asyncio.all_tasks(gone):
        task.cancel()
    gone.run_until_complete(asyncio.sleep(0))
    gone.close()
    asyncio.run(main())

    assert started.log == ["+a", "-a", "+a", "in", "-a"]
    assert started.faults() == []


def test_a_registry_cancelled_anywhere_leaves_nothing_and_stops_what_had_started(backend):
    logs = []

    async def scenario():
        started, registry = Started(), Registry(grace=1)
        logs.append(started.log)
        started.add("a", start=1, stop=1, tools=[tool_named("t")])
        started.add("b", needs=["a"], start=1, stop=1)
        started.plugins.install(registry)
        async with registry:
            await registry.call("t")

    def check():
        up, down = ([each[1:] for each in logs[-1] if each[0] == sign] for sign in "+-")
        assert down == up[::-1]

    report = cancel_at_every_await(scenario, backend=backend, check=check)

    assert report.suspensions > 4
