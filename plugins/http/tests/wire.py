"""A network in memory, on which virtual time is virtual."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

import anyio
import httpcore2

from loopback import Names, answer
from toolcase import Registry
from toolcase.testing import current_clock
from toolcase_http import HttpSettings
from toolcase_http.fetch import Fetcher
from toolcase_http.tools import HttpTools

PUBLIC = "93.184.215.14"

Step = bytes | float | Exception
"""Bytes to be read, seconds to wait, or an error."""


@dataclass
class Wire(httpcore2.AsyncNetworkBackend):
    """Each connection plays the next script, the last one for ever; an address may refuse, or say nothing."""

    scripts: list[list[Step]]
    refuses: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    speaks_tls: bool = True
    dialled: list[tuple[str, int]] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        """As a real one does."""
        self.dialled.append((host, port))
        if host in self.refuses:
            raise httpcore2.ConnectError("refused")
        if host in self.silent:
            await _limited(anyio.sleep(9_999), timeout, httpcore2.ConnectTimeout)
        await anyio.lowlevel.checkpoint()
        script = self.scripts[min(len(self.streams), len(self.scripts) - 1)]
        self.streams.append(Stream(list(script), self.speaks_tls))
        return self.streams[-1]


@dataclass
class Stream(httpcore2.AsyncNetworkStream):
    """One connection."""

    steps: list[Step]
    speaks_tls: bool
    sent: bytes = b""
    closed: bool = False
    name: str | None = None

    async def read(self, max_bytes, timeout=None):
        """The next bytes of the script; none at its end."""
        await anyio.lowlevel.checkpoint()
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, Exception):
                raise step
            if isinstance(step, bytes):
                return step
            await _limited(anyio.sleep(step), timeout, httpcore2.ReadTimeout)
        return b""

    async def write(self, buffer, timeout=None):
        """Keep what is sent."""
        await anyio.lowlevel.checkpoint()
        self.sent += buffer

    async def start_tls(self, ssl_context: ssl.SSLContext, server_hostname=None, timeout=None):
        """Keep the name that is asked for."""
        if not self.speaks_tls:
            await self.aclose()
            raise httpcore2.ConnectError(ssl.SSLError("wrong version number"))
        self.name = server_hostname
        return self

    async def aclose(self):
        """Keep that it was closed."""
        self.closed = True

    def get_extra_info(self, info):
        """Whether the other end has gone: never while it is kept."""
        return self.closed if info == "is_readable" else None


async def _limited(waiting, timeout, error):
    try:
        with anyio.fail_after(timeout):
            await waiting
    except TimeoutError:
        raise error from None


def tools_of(resolver=None, network=None, **settings) -> HttpTools:
    """The tools with these settings."""
    return HttpTools(Fetcher(HttpSettings(**settings), resolver, network))


def registry_of(resolver=None, network=None, *around, **settings) -> Registry:
    """A registry with the tools, and middleware around them."""
    registry = Registry(clock=current_clock())
    registry.use(*around)
    registry.add(*tools_of(resolver, network, **settings).all())
    return registry


def wired(*answers, **settings):
    """Tools on a network in memory, on which each connection gives the next of these answers."""
    wire = Wire([[each] if isinstance(each, bytes) else list(each) for each in answers])
    names = Names({name: [PUBLIC] for name in ("a.example", "b.example", "api.example")})
    return tools_of(names, wire, **settings), wire


def moved(status, location):
    """A redirect."""
    return answer(status, location=location)
