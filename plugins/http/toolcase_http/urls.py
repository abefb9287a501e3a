"""Reads URLs as strictly as a guard must: one spelling of each host, or none."""

from __future__ import annotations

import contextlib
import re
from ipaddress import ip_address
from types import MappingProxyType

import httpx2

from toolcase import InvalidArguments
from toolcase_http.networks import Address

Origin = tuple[str, str, int]
"""Scheme, host as it is sent, and port: what a browser holds apart."""

DEFAULT_PORTS = MappingProxyType({"https": 443, "http": 80})

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LONGEST_NAME = 253
_SHOWN = 200


def parse(text: str, base: httpx2.URL | None = None) -> httpx2.URL:
    """An absolute URL without its fragment; `base` is what a relative one is relative to.

    InvalidArguments where it is none, holds credentials, or spells its host in a way that others read in
    another: `127.1`, `0x7f.1` and `2130706433` are all 127.0.0.1 to some.
    """
    try:
        url = httpx2.URL(text) if base is None else base.join(text)
        url = url.copy_with(fragment=None, host=_one_spelling(url.raw_host.decode("ascii")))
    except (httpx2.InvalidURL, ValueError) as error:
        raise _no_url(f"{shown(text)} is no URL: {shown(error)}") from None
    if url.userinfo:
        raise InvalidArguments("a URL must not hold a user name or a password; leave out all up to the '@'")
    if not url.scheme or not url.host:
        raise _no_url(f"{shown(text)} is no URL; write it whole, as 'https://example.com/page'")
    if not is_host(url.raw_host.decode("ascii")):
        raise InvalidArguments(f"{shown(url.host)} is no host; write it out, as 'example.com' or '192.0.2.1'")
    return url


def origin_of(url: httpx2.URL) -> Origin:
    """What the URL leads to."""
    port = DEFAULT_PORTS.get(url.scheme, 0) if url.port is None else url.port
    return url.scheme, url.raw_host.decode("ascii"), port


def is_host(host: str) -> bool:
    """Whether it is an IP address as everybody reads it, or a name that nobody reads as an address."""
    if (address := address_of(host)) is not None:
        return getattr(address, "scope_id", None) is None
    labels = host.split(".")
    named = len(host) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, labels))
    return named and not _NUMBER.fullmatch(labels[-1])


def address_of(host: str) -> Address | None:
    """The IP address that a host is; None for a name."""
    with contextlib.suppress(ValueError):
        return ip_address(host)
    return None


def _no_url(said: str) -> InvalidArguments:
    # In what is none, a password may stand anywhere, and logs keep long.
    return InvalidArguments(said, without_values="the URL is none")


def _one_spelling(host: str) -> str:
    address = address_of(host)
    return host.removesuffix(".") if address is None else str(address)


def shown(text: object) -> str:
    """What a caller gave, or a server said, as a message shows it."""
    said = str(text)
    return repr(said if len(said) <= _SHOWN else f"{said[:_SHOWN]}...")
