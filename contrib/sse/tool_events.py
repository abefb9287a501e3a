"""Tools over HTTP as server-sent events: a recipe to copy into your host.

`python contrib/sse/tool_events.py --port 8000` serves two tools until it is stopped, with an event for
each chunk as it is made.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from toolcase import Registry, StreamChunk, ToolStream

HEARTBEAT_SECONDS = 15.0
"""How often a comment is sent, so that nobody on the way takes a silent tool for a dead connection."""

registry = Registry()


@registry.tool
async def count(until: int, seconds: float = 0.1) -> AsyncIterator[int]:
    """Count from 0, a number every so many seconds."""
    for number in range(until):
        await anyio.sleep(seconds)
        yield number


@registry.tool
async def running() -> int:
    """How many calls run now."""
    return len(registry.inflight())


class ToolEvents(Response):
    """What a tool gives, as events `chunk`, and at the end one `end` or `error`.

    `stream_to` runs the tool in the request's own task and waits while the client is slow: no task or queue
    of ours stand between the tool and the socket. A client that goes away ends the tool.
    """

    def __init__(self, stream: ToolStream) -> None:
        self.stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; part of the ASGI protocol."""
        lock = anyio.Lock()  # a heartbeat must not come between the parts of an event

        async def say(data: bytes, *, more: bool = True) -> None:
            async with lock:
                await send({"type": "http.response.body", "body": data, "more_body": more})

        async def beat() -> None:
            while True:
                await anyio.sleep(HEARTBEAT_SECONDS)
                await say(b":\n\n")

        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beat)
            tasks.start_soon(listen)
            result = await self.stream.stream_to(lambda chunk: say(chunk_event(chunk)))
            if result.error is None:
                last = event("end", {"attempts": result.attempts, "duration": result.duration})
            else:  # words that are meant for strangers: no traceback, and no secret
                last = event("error", {"code": result.error.code.value, "message": result.error.message})
            await say(last, more=False)
            tasks.cancel_scope.cancel()


def chunk_event(chunk: StreamChunk) -> bytes:
    """One chunk, with its place in the stream as the event's id; bytes go out in base64."""
    content = registry.secrets.redact_values(chunk.content)
    return b"id: %d\n%b" % (chunk.index, event("chunk", content))


def event(name: str, data: Any) -> bytes:
    """One event; JSON has no line break in it that would end it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


async def call(request: Request) -> Response:
    """`POST /tools/NAME` with the arguments as a JSON object."""
    return ToolEvents(registry.stream_execute(request.path_params["name"], await request.body()))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Run the registry while the server runs."""
    async with registry:
        yield


app = Starlette(routes=[Route("/tools/{name}", call, methods=["POST"])], lifespan=lifespan)


def main(words: Sequence[str] | None = None) -> None:
    """Serve until it is stopped."""
    parser = argparse.ArgumentParser(prog="python contrib/sse/tool_events.py", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 is for any that is free")
    options = parser.parse_args(words)
    with socket.create_server(("127.0.0.1", options.port)) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main()
