"""One record when a stream starts, one when it ends, and no contents."""

import logging

import anyio
import pytest
import structlog

from toolcase import Denied, Registry
from toolcase.runtime import StreamLoggingMiddleware
from toolcase.testing import Give, Script


def logged(*chunks, error=None, enabled=logging.NOTSET, **settings):
    """A registry with a tool `s` that gives a chunk each second, and what is logged of it."""
    records = []

    def keep(_, method, event):
        records.append({"level": method, **event})
        raise structlog.DropEvent

    wrapper = structlog.make_filtering_bound_logger(enabled)
    logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[keep], wrapper_class=wrapper)
    registry = Registry()
    registry.use(StreamLoggingMiddleware(logger, **settings))

    @registry.tool
    async def s():
        for chunk in chunks:
            await anyio.sleep(1)
            yield chunk
        if error is not None:
            raise error

    registry.add(Script(Give("plain")).tool("p"))
    return registry, records


async def test_says_when_a_stream_starts_and_what_came_of_it():
    registry, records = logged("ab", "ä", b"12", {"n": 1})

    await registry.stream("s").collect()

    assert records == [
        {"level": "info", "event": "stream.started", "tool": "s"},
        {
            "level": "info",
            "event": "stream.ended",
            "tool": "s",
            "chunks": 4,
            "bytes": 2 + 2 + 2 + 7,
            "first_chunk": pytest.approx(1),
            "attempts": 1,
            "duration": pytest.approx(4),
        },
    ]


async def test_a_stream_without_a_chunk_has_no_first_one():
    registry, records = logged()

    await registry.stream("s").collect()

    assert (records[1]["chunks"], records[1]["bytes"], records[1]["first_chunk"]) == (0, 0, None)


async def test_says_to_a_microsecond_when_the_first_chunk_came():
    registry, records = logged()

    @registry.tool
    async def late():
        await anyio.sleep(1.23456789)
        yield "a"

    await registry.stream("late").collect()

    assert records[1]["first_chunk"] == 1.234568


def test_keeps_no_chunks():
    assert StreamLoggingMiddleware().most_accumulated == 0


async def test_says_how_a_stream_failed():
    error = OSError("disk full")
    registry, records = logged("a", error=error)
    stream = registry.stream("s")

    with pytest.raises(OSError, match="disk full"):
        await stream.collect()

    failed = records[1]
    assert (failed["level"], failed["event"], failed["chunks"]) == ("warning", "stream.failed", 1)
    assert (failed["error"], failed["message"], failed["code"]) == ("OSError", "disk full", "TOOL_FAILED")
    assert (failed["exc_info"], failed["correlation_id"]) == (error, stream.result.error.correlation_id)


async def test_a_reader_who_leaves_is_no_failure():
    registry, records = logged("a", "b", "c", error=Denied())

    async with registry.stream("s") as stream:
        await anext(stream)

    assert [(record["level"], record["event"]) for record in records] == [
        ("info", "stream.started"),
        ("info", "stream.cancelled"),
    ]
    assert records[1]["chunks"] == 1


@pytest.mark.parametrize("error", [None, OSError()])
async def test_what_is_not_read_as_a_stream_is_left_to_others(error):
    registry, records = logged("a", error=error)

    await registry.execute("s")
    await registry.execute("p")
    await registry.stream("p").collect()
    await registry.execute("nobody")
    with anyio.move_on_after(0.5):
        await registry.execute("s")

    assert records == []


@pytest.mark.parametrize(("error", "said"), [(None, []), (Denied("no"), [("warning", "stream.failed")])])
async def test_only_failures_are_above_the_level_that_it_is_told(error, said):
    registry, records = logged("a", error=error, enabled=logging.INFO, level=logging.DEBUG)

    await registry.stream("s").stream_to(lambda chunk: None)

    assert [(record["level"], record["event"]) for record in records] == said


async def test_secrets_are_masked_and_nothing_breaks_a_line():
    registry, records = logged(error=ValueError("hunter22\n\x1b[31m"))
    registry.secrets.add("hunter22")

    with pytest.raises(ValueError, match="hunter22"):
        await registry.stream("s").collect()

    assert records[1]["message"] == "[redacted]\\n\\x1b[31m"


async def test_no_contents_are_logged():
    registry, records = logged("confidential")

    await registry.stream("s").collect()

    assert "confidential" not in str(records)


async def test_where_the_host_has_not_set_up_structlog_no_traceback_shows_locals(capsys):
    async def failing():
        confidential = "confidential"
        yield confidential
        raise OSError("gone")

    registry = Registry()
    registry.use(StreamLoggingMiddleware())
    registry.tool(failing)

    with pytest.raises(OSError, match="gone"):
        await registry.stream("failing").collect()

    out = capsys.readouterr().out
    assert "stream.failed" in out
    assert "Traceback" in out
    assert "confidential = " not in out
    assert "'confidential'" not in out


async def test_an_error_that_may_be_shown_has_no_traceback(capsys):
    async def failing():
        raise ValueError("not this")
        yield

    registry = Registry()
    registry.use(StreamLoggingMiddleware())
    registry.tool(failing)

    with pytest.raises(ValueError, match="not this"):
        await registry.stream("failing").collect()

    out = capsys.readouterr().out
    assert "not this" in out
    assert "Traceback" not in out
