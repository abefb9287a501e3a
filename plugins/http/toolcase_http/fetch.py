"""Fetches: follows redirects, keeps to the limits of size and time, and says by type what went wrong."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping

import anyio
import httpcore2
import httpx2
from anyio.lowlevel import RunVar

from toolcase import Denied, InvalidArguments, Secrets, ToolFailed, ToolTimeout, Unavailable, shielded
from toolcase_http.ask import Ask
from toolcase_http.errors import NotSent
from toolcase_http.guard import Guard, listed
from toolcase_http.later import refused_for_now
from toolcase_http.resolver import Resolver, SystemResolver
from toolcase_http.settings import HEADER_VALUE, HttpSettings
from toolcase_http.transport import GuardedNetwork, Transport, too_large
from toolcase_http.urls import origin_of, parse, shown

_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
"""What httpx2 unpacks in pieces of bounded size without further packages; nothing else is asked for."""
_CLOSE_SECONDS = 2.0


class Fetcher:
    """Sends what the settings allow. `resolver` and `network` are for tests and for hosts of their own kind.

    Inside `running` the calls of that event loop share a pool of connections; elsewhere each has its own.
    """

    def __init__(
        self,
        settings: HttpSettings,
        resolver: Resolver | None = None,
        network: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self.secrets = Secrets()
        """The values of the secret headers, to be masked in what servers say."""
        self._settings = settings
        self._guard = Guard(settings)
        self._network = GuardedNetwork(
            self._guard, resolver or SystemResolver(), network or httpcore2.AnyIOBackend()
        )
        self._trusted = _trusted(settings)
        self._secret_headers = settings.secret_headers()
        for headers in self._secret_headers.values():
            for value in headers.values():
                self.secrets.add(value)
                with contextlib.suppress(ValueError):  # a word too short to be masked alone
                    self.secrets.add(value.get_secret_value().rpartition(" ")[2])  # without "Bearer "
        self._open: RunVar[Transport | None] = RunVar("toolcase_http", None)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep connections for the next call, until the block ends."""
        async with self._opened() as transport:
            self._open.set(transport)
            try:
                yield
            finally:
                if self._open.get() is transport:  # another registry of this loop may have come after us
                    self._open.set(None)

    async def fetch(
        self,
        method: str,
        url: str,
        given: Mapping[str, str] | None = None,
        needed: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> tuple[httpx2.Response, bytes]:
        """The answer, and its body unpacked. `given` are the caller's headers, `needed` those of the tool."""
        if body is not None and len(body) > self._settings.max_body_bytes:
            raise InvalidArguments(
                f"the body has {len(body):,} bytes, more than {self._settings.max_body_bytes:,}; send less"
            )
        ask = Ask(
            method=method, url=parse(url), given=self._allowed(given or {}), needed=needed or {}, body=body
        )
        with anyio.move_on_after(self._settings.total_seconds):
            shared = self._open.get()
            async with contextlib.nullcontext(shared) if shared else self._opened() as transport:
                return await self._follow(transport, ask)
        raise ToolTimeout(
            f"fetching from {shown(ask.url.host)} took longer than {self._settings.total_seconds:g} s; "
            "ask for less, or try later"
        )

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[Transport]:
        transport = Transport(self._settings, self._network, self._trusted)
        try:
            yield transport
        finally:
            with shielded(_CLOSE_SECONDS):
                await transport.aclose()

    async def _follow(self, transport: Transport, ask: Ask) -> tuple[httpx2.Response, bytes]:
        for hop in range(self._settings.max_redirects + 1):
            self._guard.check(ask.url)
            try:
                answer = await transport.handle_async_request(self._request(ask))
            except NotSent as error:
                if hop == 0:
                    raise
                # The server before has had its request: whoever sent that must not think that nothing was.
                raise Unavailable(str(error), retryable=error.retryable) from error
            try:
                after = ask.redirected(answer, self.secrets)
                if after is None:
                    return answer, await self._read(answer)
            finally:
                with shielded(_CLOSE_SECONDS):
                    await answer.aclose()
            ask = after
        raise ToolFailed(
            f"more than {self._settings.max_redirects} redirects; the last one led to {shown(ask.url.host)}"
        )

    def _request(self, ask: Ask) -> httpx2.Request:
        own = {"user-agent": self._settings.user_agent, "accept": "*/*", "accept-encoding": "gzip, deflate"}
        secret = self._secret_headers.get(origin_of(ask.url), {})
        told = {name.lower(): value.get_secret_value() for name, value in secret.items()}
        headers = {**own, **ask.needed, **ask.given, **told}
        return httpx2.Request(ask.method, ask.url, headers=headers, content=ask.body)

    def _allowed(self, given: Mapping[str, str]) -> dict[str, str]:
        for name, value in given.items():
            if name.lower() not in self._settings.request_headers:
                known = listed(self._settings.request_headers)
                raise Denied(f"the header {shown(name)} may not be given; allowed: {known}")
            if not HEADER_VALUE.fullmatch(value):
                raise InvalidArguments(
                    f"the header {name!r} must be printable ASCII without spaces around it, "
                    f"got {shown(value)}"
                )
        return {name.lower(): value for name, value in given.items()}

    async def _read(self, answer: httpx2.Response) -> bytes:
        host, most = answer.url.host, self._settings.max_bytes
        if later := refused_for_now(answer):
            raise later
        if answer.request.method == "HEAD":
            return b""
        encoding = self.secrets.redact(answer.headers.get("content-encoding", ""))
        packed = [part.strip().lower() for part in encoding.split(",")]
        # Of several layers a small outer one can hold gigabytes of inner ones that come to nothing.
        if len(packed) > 1 or packed[0] not in _ENCODINGS:
            raise ToolFailed(f"{shown(host)} packed its answer as {listed(packed)}, which was not asked for")
        if int(answer.headers.get("content-length", 0)) > most:
            raise too_large(host, most)
        data = bytearray()
        try:
            async with contextlib.aclosing(answer.aiter_bytes()) as chunks:
                async for chunk in chunks:
                    data += chunk
                    if len(data) > most:
                        raise too_large(host, most)
        except httpx2.DecodingError:
            raise ToolFailed(f"the answer of {shown(host)} is damaged: it cannot be unpacked") from None
        return bytes(data)


def _trusted(settings: HttpSettings) -> ssl.SSLContext | None:
    """Whose word is taken for a server's name; settled once, because it is slow. No environment is asked."""
    if "https" not in settings.schemes:
        return None
    if settings.certificates is not None:
        return ssl.create_default_context(cafile=settings.certificates)
    return httpx2.create_ssl_context(trust_env=False)
