"""What a host may say of fetching: where to, how long, how much, and with which headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Literal

import httpx2
from pydantic import BaseModel, ConfigDict, Field, FilePath, IPvAnyNetwork, SecretStr, field_validator

from toolcase import InvalidArguments, Secrets
from toolcase_http.urls import DEFAULT_PORTS, Origin, origin_of, parse

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65_535)]

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?")
"""Printable ASCII: no line break, which would begin another header, and no space at either end."""

OURS = frozenset({
    "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host",
    "idempotency-key", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
})  # fmt: skip
"""What frames a message or says who sends it: nobody but this plugin sets these."""


class HttpSettings(BaseModel):
    """Settings of the plugin, in `[tool.toolcase.plugins.http]` or from the host. Each one only says what it
    says: an allowed host, for one, still may not lead to a private address.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    schemes: frozenset[Literal["https", "http"]] = frozenset({"https"})
    """Which schemes may be fetched; "http" is read and changed by whoever stands in between."""
    ports: frozenset[Port] | None = None
    """Which ports; None for the schemes' own, 443 and, where http is allowed, 80."""
    hosts: tuple[str, ...] | None = None
    """Which hosts: `example.com`, or `*.example.com` for all below it but not itself; None for any."""
    networks: tuple[IPvAnyNetwork, ...] = ()
    """Networks that are not public and yet may be reached, such as `10.20.0.0/16` of an intranet."""
    headers: dict[str, dict[str, SecretStr]] = Field(default_factory=dict)
    """Secret headers by host, or by origin where that is not https on port 443. Sent there alone, masked."""
    request_headers: frozenset[str] = frozenset({
        "accept", "accept-language", "if-modified-since", "if-none-match", "range",
    })  # fmt: skip
    """Names of headers that a caller may set, in lower case."""
    user_agent: str = "toolcase-http"
    """How the plugin names itself to servers."""
    max_bytes: Annotated[int, Field(ge=1)] = 2 * 1024 * 1024
    """The largest body of an answer, as it came and unpacked."""
    max_body_bytes: Annotated[int, Field(ge=0)] = 256 * 1024
    """The largest body that is sent."""
    max_redirects: Annotated[int, Field(ge=0, le=20)] = 5
    """How many redirects are followed."""
    max_connections: Annotated[int, Field(ge=1, le=1_000)] = 10
    """How many connections are open at a time; a call waits for one as for a connection."""
    connect_seconds: Seconds = 5.0
    """For looking the name up and connecting, over all addresses of the host; and again for TLS."""
    read_seconds: Seconds = 15.0
    """How long a server may say nothing."""
    total_seconds: Seconds = 30.0
    """For one fetch as a whole, redirects included."""
    certificates: FilePath | None = None
    """A file with the certificates to be trusted (PEM) instead of the system's."""

    @field_validator("request_headers", mode="after")
    @classmethod
    def _names(cls, names: frozenset[str]) -> frozenset[str]:
        return frozenset(map(_header_name, names))

    @field_validator("user_agent", mode="after")
    @classmethod
    def _user_agent(cls, value: str) -> str:
        return _header_value("user_agent", value)

    @field_validator("hosts", mode="after")
    @classmethod
    def _hosts(cls, hosts: Iterable[str] | None) -> tuple[str, ...] | None:
        return None if hosts is None else tuple(map(_host_pattern, hosts))

    @field_validator("headers", mode="after")
    @classmethod
    def _headers(cls, headers: dict[str, dict[str, SecretStr]]) -> dict[str, dict[str, SecretStr]]:
        _refuse_twins(headers, lambda place: origin_of(_place(place)))
        for place, values in headers.items():
            _refuse_twins(values, str.lower)
            for name, value in values.items():
                _header_name(name)
                _header_value(f"{name} for {place}", value.get_secret_value())
                Secrets().add(value)  # refuses what could not be masked
        return headers

    def open_ports(self) -> frozenset[int]:
        """The ports that may be dialled."""
        return (
            frozenset(DEFAULT_PORTS[scheme] for scheme in self.schemes) if self.ports is None else self.ports
        )

    def secret_headers(self) -> dict[Origin, dict[str, SecretStr]]:
        """The secret headers by origin."""
        return {origin_of(_place(place)): values for place, values in self.headers.items()}


def _refuse_twins(names: Iterable[str], meant: Callable[[str], object]) -> None:
    """ValueError if two names mean one thing: only one of them would count."""
    seen: dict[object, str] = {}
    for name in names:
        other = seen.setdefault(meant(name), name)
        if other != name:
            raise ValueError(f"{other!r} and {name!r} are the same; keep one of the two")


def _header_name(name: str) -> str:
    if not HEADER_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header")
    if name.lower() in OURS or name.lower().startswith("proxy-"):
        raise ValueError(f"the header {name!r} is the plugin's own to set; leave it out")
    return name.lower()


def _header_value(of: str, value: str) -> str:
    if not HEADER_VALUE.fullmatch(value):
        # It is not shown, because it may be a secret.
        raise ValueError(f"{of} must be printable ASCII without spaces around it")
    return value


def _host_pattern(host: str) -> str:
    star = "*." if host.startswith("*.") else ""
    url = _place(host.removeprefix("*."))
    if "://" in host or url.port is not None:
        raise ValueError(f"{host!r} is more than a host; ports and schemes have settings of their own")
    return star + origin_of(url)[1]


def _place(text: str) -> httpx2.URL:
    try:
        url = parse(text if "://" in text else f"https://{text}")
    except InvalidArguments as error:
        raise ValueError(str(error)) from None
    if url.scheme not in DEFAULT_PORTS or url.raw_path != b"/":
        raise ValueError(
            f"{text!r} is no host and no origin; write 'example.com' or 'https://example.com:8443'"
        )
    return url
