"""Looks names up: the port through which a host, or a test, says how."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Protocol

import anyio


class Resolver(Protocol):
    """Gives the addresses of a name. Asked once for each connection; what it says is what is dialled."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """The addresses as text, best first; OSError, or none, where the name has none."""
        ...


class SystemResolver:
    """The system's own look-up, as `getaddrinfo` has it.

    It runs in a thread, and where a call is cut short that thread ends only when the system gives up.
    """

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """As the system's configuration says, `/etc/hosts` included."""
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))
