"""Real servers on loopback that answer as a test says, and a name server that does."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import ByteStream, ConnectedUDPSocket, SocketListener, UDPSocket
from anyio.streams.tls import TLSListener

ADDRESS = "127.0.0.1"
HERE = "127.0.0.0/8"
"""The network to allow where a test is to get through."""


def answer(status=200, body=b"", **headers) -> bytes:
    """An answer as bytes; `content_type="text/html"` is a header, and so is any other word."""
    said = {"content_length": len(body), "content_type": "text/plain", **headers}
    lines = [f"HTTP/1.1 {status} Whatever"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in said.items() if value is not None]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass
class Request:
    """What a server was sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    stream: ByteStream = field(repr=False)


Says = bytes | Callable[[Request], Any]


@dataclass
class Server:
    """Answers each path as it is told; a function may write to the stream itself, and then gives None."""

    pages: dict[str, Says]
    port: int = 0
    connections: int = 0
    requests: list[Request] = field(default_factory=list)
    scheme: str = "http"

    def url(self, path="/", host=ADDRESS) -> str:
        """Where a page is."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def serve(self, stream: ByteStream) -> None:
        """One connection, for as long as the client wants it."""
        self.connections += 1
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            async with stream:
                while True:
                    request = await _read(stream)
                    self.requests.append(request)
                    says = self.pages[request.path]
                    said = says(request) if callable(says) else says
                    said = await said if isinstance(said, Awaitable) else said
                    if said is None:
                        return
                    await stream.send(said)


async def _read(stream: ByteStream) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += await stream.receive()
    method, path, _ = first.split(" ")
    return Request(method, path, headers, body, stream)


@contextlib.asynccontextmanager
async def serving(
    pages: dict[str, Says], *, host=ADDRESS, port=0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """A server of these pages, by path."""
    bound = _bound(socket.SOCK_STREAM, host, port)
    bound.listen()
    listener: Any = await SocketListener.from_socket(bound)
    server = Server(pages, bound.getsockname()[1])
    if tls is not None:
        server.scheme = "https"
        listener = TLSListener(listener, tls, standard_compatible=False)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, server.serve)
        yield server
        tasks.cancel_scope.cancel()


@dataclass
class NameServer:
    """Answers each question for IPv4 addresses with the next of its answers, and the last for ever."""

    answers: list[Sequence[str]]
    port: int = 0
    asked: list[str] = field(default_factory=list)

    def reply(self, packet: bytes) -> bytes:
        """The answer to one question, as RFC 1035 has it."""
        name, end = _name(packet, 12)
        self.asked.append(name)
        found = self.answers[min(len(self.asked), len(self.answers)) - 1]
        records = [struct.pack(">HHHIH4s", 0xC00C, 1, 1, 0, 4, socket.inet_aton(each)) for each in found]
        return (
            packet[:2]
            + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0)
            + packet[12:end]
            + b"".join(records)
        )


@contextlib.asynccontextmanager
async def answering(*answers: Sequence[str]) -> AsyncIterator[NameServer]:
    """A name server that gives these addresses, one list for each question."""
    bound = _bound(socket.SOCK_DGRAM)
    server = NameServer(list(answers), bound.getsockname()[1])
    async with await UDPSocket.from_socket(bound) as udp:

        async def serve() -> None:
            async for packet, sender in udp:
                await udp.sendto(server.reply(packet), *sender)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            yield server
            tasks.cancel_scope.cancel()


@dataclass(frozen=True)
class StubResolver:
    """Asks a name server on loopback, over UDP, for IPv4 addresses."""

    server: NameServer

    async def resolve(self, host: str, port: int) -> list[str]:
        """One question, one answer."""
        question = b"".join(bytes([len(part)]) + part.encode() for part in host.split(".")) + b"\0"
        packet = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question + struct.pack(">HH", 1, 1)
        asks = _bound(socket.SOCK_DGRAM)
        asks.connect((ADDRESS, self.server.port))
        async with await ConnectedUDPSocket.from_socket(asks) as udp:
            await udp.send(packet)
            reply = await udp.receive()
        count, _ = struct.unpack(">HH", reply[6:10])
        rest = reply[len(packet) :]
        return [socket.inet_ntoa(rest[16 * each + 12 : 16 * each + 16]) for each in range(count)]


@dataclass(frozen=True)
class Names:
    """A resolver that knows some names by heart."""

    known: dict[str, Sequence[str]]

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Fails as the system does for a name that it does not know."""
        if host not in self.known:
            raise socket.gaierror(f"no {host}")
        return self.known[host]


def _bound(kind: socket.SocketKind, host=ADDRESS, port=0) -> socket.socket:
    # By hand, because anyio looks even an address up in a thread, which virtual time cannot see.
    made = socket.socket(socket.AF_INET, kind)
    made.setblocking(False)
    made.bind((host, port))
    return made


def _name(packet: bytes, start: int) -> tuple[str, int]:
    labels, place = [], start
    while length := packet[place]:
        labels.append(packet[place + 1 : place + 1 + length].decode())
        place += 1 + length
    return ".".join(labels), place + 5
