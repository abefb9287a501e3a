"""Streams and calls with hooks, cancelled at every await: one terminal hook each, and nothing is left."""

import contextlib

import anyio
import pytest

from toolcase import Denied, Registry, Stage, StreamChunk
from toolcase.testing import Give, Script, Way, cancel_at_every_await


class Waits:
    """Hooks that wait at every turn."""

    def __init__(self, told, stage=Stage.GUARD, fails_at=None):
        self.told, self.stage, self.fails_at = told, stage, fails_at

    async def on_start(self, tool, params, ctx):
        self.told.append((self, "start"))
        await anyio.sleep(0.1)

    async def on_chunk(self, chunk, ctx):
        await anyio.sleep(0.1)
        if chunk.content == self.fails_at:
            raise OSError("rules")
        return StreamChunk(chunk.content, chunk.index)

    async def on_complete(self, accumulated, ctx):
        self.told.append((self, "complete"))
        await anyio.sleep(0.1)

    async def on_error(self, error, ctx):
        self.told.append((self, "error"))
        await anyio.sleep(0.1)

    async def on_cancel(self, ctx):
        await anyio.sleep(0.1)
        self.told.append((self, "cancel"))


def everywhere(scenario, backend, told):
    """Cancel it in every way at every await; each that heard a start has heard exactly one end."""

    def check():
        started = [each for each, name in told if name == "start"]
        ended = [each for each, name in told if name != "start"]
        assert sorted(map(id, started)) == sorted(map(id, ended))
        told.clear()

    report = cancel_at_every_await(scenario, backend=backend, check=check)
    assert len(report.cancelled) == report.suspensions * (len(Way) if backend == "asyncio" else 1) > 0


def hosting(told, **settings):
    registry = Registry()
    registry.use(Waits(told, Stage.OBSERVE), Waits(told), Waits(told, **settings))

    @registry.tool
    async def s():
        for chunk in "ab":
            await anyio.sleep(0.1)
            yield chunk

    registry.add(Script(Give("plain", after=0.1)).tool("p"))
    return registry


@pytest.mark.parametrize("fails_at", [None, "plain"])
def test_a_plain_call(backend, fails_at):
    told = []

    async def scenario():
        with contextlib.suppress(Denied):
            await hosting(told, fails_at=fails_at).call("p")

    everywhere(scenario, backend, told)


@pytest.mark.parametrize("fails_at", [None, "b"])
def test_a_stream_that_is_read_to_its_end(backend, fails_at):
    told = []

    async def scenario():
        with contextlib.suppress(Denied):
            async with hosting(told, fails_at=fails_at).stream("s") as stream:
                async for _ in stream:
                    pass

    everywhere(scenario, backend, told)


@pytest.mark.parametrize("fails_at", [None, "b"])
def test_a_stream_that_is_handed_to_a_sink(backend, fails_at):
    told = []

    async def scenario():
        await hosting(told, fails_at=fails_at).stream("s").stream_to(lambda chunk: None)

    everywhere(scenario, backend, told)


def test_a_stream_whose_reader_leaves(backend):
    told = []

    async def scenario():
        async with hosting(told).stream("s") as stream:
            await anext(stream)

    everywhere(scenario, backend, told)
