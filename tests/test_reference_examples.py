"""The examples with which streaming was asked for, each run as its text stands."""

import ast
import inspect
import re
import time
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType

import anyio
import pytest
import structlog

from house.pages import PYTHON, blocks
from toolcase import Registry, StreamChunk

PAGE = Path(__file__).with_name("reference_streaming.md").read_text("utf-8")
USES, HOOKS = (block.code for block in blocks(PAGE) if block.info == PYTHON)
IMPORTED = {"time": time, "dataclass": dataclass, "StreamChunk": StreamChunk}
"""What the texts do not import themselves."""


async def run(text, **names):
    """Run it as a program whose `await` may stand anywhere; gives all its names."""
    space = IMPORTED | names | {"__name__": __name__}
    code = compile(text, "reference_streaming.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    done = FunctionType(code, space)()
    if inspect.isawaitable(done):
        await done
    return space


@pytest.fixture
def registry():
    registry = Registry()

    @registry.tool
    async def llm_tool(prompt: str, fails: bool = False):
        for word in (prompt, ", ", "world"):
            await anyio.sleep(1)
            yield word
        if fails:
            raise ConnectionError("no more words")

    return registry


def test_there_are_two():
    assert "stream_execute" in USES
    assert "class ChunkTransformMiddleware" in HOOKS


async def test_streams_are_used_and_read_so(registry, capsys):
    with structlog.testing.capture_logs() as logs:
        await run(USES, registry=registry)

    assert capsys.readouterr().out == "Hello, world"
    assert [record["event"] for record in logs] == ["stream.started", "stream.ended"]
    assert (logs[1]["chunks"], logs[1]["bytes"], logs[1]["duration"]) == (3, 12, 3)
    assert "StreamMetricsMiddleware" in str(registry)


async def test_hooks_are_written_so(registry, capsys):
    registry.use((await run(HOOKS))["ChunkTransformMiddleware"]())

    with structlog.testing.capture_logs():
        await run(USES, registry=registry)

    # The tool has ended when its reader gets the last chunk.
    said = re.sub(r"\d+\.\d+", "N", capsys.readouterr().out)  # it takes the time from a real clock
    assert said == "HELLO, Completed in Ns\nWORLD"


async def test_hooks_are_told_of_an_error_so(registry, capsys):
    registry.use((await run(HOOKS))["ChunkTransformMiddleware"]())

    with pytest.raises(ConnectionError):
        await registry.stream("llm_tool", prompt="Hello", fails=True).collect()

    assert capsys.readouterr().out == "Stream failed: no more words\n"


@pytest.mark.parametrize(
    "line",
    [
        "from toolcase.runtime import RetryMiddleware, TimeoutMiddleware, CircuitBreakerMiddleware",
        "from toolcase.runtime import StreamLoggingMiddleware, StreamMetricsMiddleware, compose_streaming",
        "from toolcase.runtime import configure_tracing, TracingMiddleware",
    ],
)
async def test_what_there_is_so_far_is_imported_so(line):
    await run(line)
