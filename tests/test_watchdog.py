"""A loop that does not turn is reported, with the tool that blocks it; in real time, as it happens."""

import asyncio
import math
import threading

import anyio
import pytest

from toolcase import Registry
from toolcase.events import LoopStalled

pytestmark = pytest.mark.real_time

LONG = 20.0
"""More real seconds than anything here takes."""


def watched(seconds=0.02):
    """A registry, and what it heard; `heard.first` is set by the first report."""
    registry, heard = Registry(stall_seconds=seconds), []
    reported = threading.Event()

    def listen(event):
        heard.append(event)
        reported.set()

    registry.on_event(listen)

    @registry.tool
    async def blocks() -> bool:
        return reported.wait(LONG)  # as bad code does: it is the loop's thread that waits

    return registry, heard


async def test_the_tool_that_blocks_the_loop_is_named_and_its_line():
    registry, heard = watched()

    async with registry:
        assert await registry.call("blocks")

    (event,) = heard
    assert isinstance(event, LoopStalled)
    assert (event.tool, event.seconds) == ("blocks", 0.02)
    assert "threading.py" in event.place


async def test_the_innermost_tool_is_named():
    registry, heard = watched()

    @registry.tool
    async def parent() -> None:
        await registry.call("blocks")

    async with registry:
        await registry.call("parent")

    assert [event.tool for event in heard] == ["blocks"]


async def test_each_stall_is_reported_once():
    registry, heard = watched()
    done = threading.Event()

    @registry.tool
    async def blocks_for_long() -> None:
        done.wait(0.3)

    async with registry:
        await registry.call("blocks_for_long")

    assert len(heard) == 1


async def test_a_stall_outside_any_tool_names_none():
    registry, heard = watched()
    reported = threading.Event()
    registry.on_event(lambda event: reported.set())

    async with registry:
        assert reported.wait(LONG)

    assert [event.tool for event in heard] == [""]


async def test_a_loop_that_turns_is_left_alone():
    registry, heard = watched(seconds=0.5)

    async with registry:
        await anyio.sleep(0.8)  # the watchdog asks several times meanwhile

    assert heard == []


async def test_it_ends_when_the_registry_is_left():
    registry, _ = watched()

    async with registry:
        await anyio.sleep(0)
    watching = [thread for thread in threading.enumerate() if thread.name == "toolcase-watchdog"]
    for thread in watching:
        thread.join(LONG)

    assert not any(thread.is_alive() for thread in watching)


async def test_endless_patience_watches_nobody():
    async with Registry(stall_seconds=math.inf):
        names = [thread.name for thread in threading.enumerate() if thread.is_alive()]

    assert "toolcase-watchdog" not in names


def test_a_patience_that_is_none_is_refused():
    with pytest.raises(ValueError, match="^stall_seconds must be above 0 seconds, got 0"):
        Registry(stall_seconds=0)


async def test_a_registry_that_is_left_while_the_loop_stalls_is_watched_no_longer():
    registry, heard = watched()

    async with registry:
        await registry.call("blocks")
        registry._life._watchdog.stop()
        done = threading.Event()
        done.wait(0.1)

    assert len(heard) == 1


def test_a_loop_that_ends_without_leaving_the_registry_is_watched_no_longer():
    registry, _ = watched()

    asyncio.run(registry.__aenter__())
    watching = [thread for thread in threading.enumerate() if thread.name == "toolcase-watchdog"]
    for thread in watching:
        thread.join(LONG)

    assert not any(thread.is_alive() for thread in watching)
