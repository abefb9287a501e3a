"""The demo's tools that talk HTTP: two asynchronous ones on bare sockets, and one that blocks a thread."""

from __future__ import annotations

import http.client
import io
import json
from dataclasses import dataclass
from typing import Any
from urllib.request import ProxyHandler, build_opener

import anyio

from toolcase.errors import ToolFailed, Unavailable


@dataclass(frozen=True, slots=True)
class Client:
    """Tools over the catalogue's server. None has a limit of time of its own: that is middleware's work."""

    port: int

    async def fetch_package(self, name: str) -> Any:
        """Ask the server about one package."""
        return await self.get(f"/packages/{name}")

    async def add_note(self, package: str, text: str) -> Any:
        """Have the server keep a note on a package."""
        return await self._send("POST", "/notes", json.dumps({"package": package, "text": text}).encode())

    def download_package(self, name: str) -> Any:
        """Ask the same with urllib, which blocks its thread until the server is done."""
        opener = build_opener(ProxyHandler({}))  # loopback needs no proxy, whatever the environment says
        with opener.open(f"http://127.0.0.1:{self.port}/packages/{name}") as answer:
            return json.load(answer)

    async def get(self, path: str) -> Any:
        """What the server says at this path; no tool, but what tools are made of."""
        return await self._send("GET", path, b"")

    async def _send(self, method: str, path: str, body: bytes) -> Any:
        head = f"{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        received = io.BytesIO()
        async with await anyio.connect_tcp("127.0.0.1", self.port) as stream:
            try:
                await stream.send(head.encode() + body)
                async for chunk in stream:
                    received.write(chunk)
            except anyio.BrokenResourceError:
                raise ConnectionResetError("the server reset the connection") from None
        received.seek(0)
        return read(received)


def read(answer: io.BytesIO) -> Any:
    """The JSON of an answer with status 200; an error that says when to come back for 503."""
    status_line = answer.readline().split()
    if not status_line:
        raise ConnectionResetError("the server closed the connection without an answer")
    status = int(status_line[1])
    headers = http.client.parse_headers(answer)
    if status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        raise Unavailable("the server answered 503", retry_after=float(headers["Retry-After"]))
    if status != http.HTTPStatus.OK:
        raise ToolFailed(f"the server answered {status}")
    return json.load(answer)
