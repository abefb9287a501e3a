"""Connects to addresses that were looked up once and checked, and speaks HTTP over them."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

import anyio
import httpcore2
import httpx2

from toolcase import ToolFailed, ToolTimeout, Unavailable
from toolcase_http.errors import NotSent
from toolcase_http.guard import Guard
from toolcase_http.resolver import Resolver
from toolcase_http.settings import HttpSettings
from toolcase_http.urls import address_of, shown

_IDLE_SECONDS = 5.0
"""How long a connection that nobody uses is kept."""


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Makes connections, to checked addresses only.

    The name is looked up once, here, and one of the addresses that were checked is dialled, so that a second
    answer of the name's server counts for nothing. TLS still asks for the name, and checks it.
    """

    def __init__(self, guard: Guard, resolver: Resolver, network: httpcore2.AsyncNetworkBackend) -> None:
        self._guard = guard
        self._resolver = resolver
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to the first address that takes one. `timeout` in seconds is for all of it."""
        with anyio.move_on_after(timeout):
            addresses = await self._addresses(host, port)
            for address in addresses:
                # An equal share for each, or one that never answers would leave the others none.
                share = None if timeout is None else timeout / len(addresses)
                with contextlib.suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                    return await self._network.connect_tcp(
                        address, port, share, local_address, socket_options
                    )
        raise NotSent(f"no connection to {shown(host)}, port {port}; try later, or see whether it is up")

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            found = [host] if address_of(host) else await self._resolver.resolve(host, port)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise NotSent(f"no address is known for the host {shown(host)}; check how it is spelled")
        self._guard.check_addresses(host, found)
        return found


class Transport(httpx2.AsyncBaseTransport):
    """A bounded pool of connections, whose errors are toolcase's own."""

    def __init__(
        self, settings: HttpSettings, network: httpcore2.AsyncNetworkBackend, trusted: ssl.SSLContext | None
    ) -> None:
        self._settings = settings
        # The pool itself, and not httpx2's transport or client around it: the network is set only here, and
        # proxies, cookies, redirects and netrc of the client are what must not be.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=trusted,
            max_connections=settings.max_connections,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=network,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, its body yet to be read."""
        url, settings = request.url, self._settings
        timeouts = {"read": settings.read_seconds, "write": settings.read_seconds}
        timeouts |= {"connect": settings.connect_seconds, "pool": settings.connect_seconds}
        sent = httpcore2.Request(
            request.method,
            httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.content,
            extensions={"timeout": timeouts},
        )
        with _told(url.host):
            answer = await self._pool.handle_async_request(sent)
        return httpx2.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer, url.host, settings.max_bytes),
            request=request,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _Body(httpx2.AsyncByteStream):
    """The body as it comes, at most so many bytes of it."""

    def __init__(self, answer: httpcore2.Response, host: str, max_bytes: int) -> None:
        self._answer = answer
        self._host = host
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        with _told(self._host):
            async with contextlib.aclosing(self._answer.aiter_stream()) as chunks:
                async for chunk in chunks:
                    received += len(chunk)
                    if received > self._max_bytes:
                        raise too_large(self._host, self._max_bytes)
                    yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


def too_large(host: str, max_bytes: int) -> ToolFailed:
    """The error for an answer that is not read to its end."""
    return ToolFailed(
        f"the answer of {shown(host)} is larger than {max_bytes:,} bytes; ask for less, or for a part of it "
        "with the header Range"
    )


@contextlib.contextmanager
def _told(host: str) -> Iterator[None]:
    """Errors of the connection as those of toolcase; their own text may hold addresses and stays inside."""
    try:
        yield
    except (httpcore2.ConnectTimeout, httpcore2.PoolTimeout):
        raise NotSent(f"no connection to {shown(host)} in time; try later") from None
    except httpcore2.ConnectError as error:
        raise _no_tls(host, error) from None
    except (httpcore2.ReadTimeout, httpcore2.WriteTimeout):
        raise ToolTimeout(f"{shown(host)} said nothing for too long; try later", kind="idle") from None
    except (httpcore2.NetworkError, httpcore2.RemoteProtocolError):
        raise Unavailable(f"the connection to {shown(host)} broke before the answer was whole") from None


def _no_tls(host: str, error: httpcore2.ConnectError) -> NotSent:
    cause = error.args[0] if error.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        said = f"the certificate of {shown(host)} is not valid: {cause.verify_message}"
        return NotSent(f"{said}; nothing was sent", retryable=False)
    return NotSent(f"no secure connection to {shown(host)}; nothing was sent")
