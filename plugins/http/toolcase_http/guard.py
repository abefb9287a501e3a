"""Decides what may be reached. Asked of each URL and of each address that a name leads to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

import httpx2

from toolcase import Denied
from toolcase_http.networks import Address, is_public
from toolcase_http.settings import HttpSettings
from toolcase_http.urls import origin_of, shown

_LISTED = 10


class Guard:
    """What the settings allow; everything else is `Denied`."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._ports = settings.open_ports()

    def check(self, url: httpx2.URL) -> None:
        """Denied unless scheme, port and host are allowed. Says nothing of the address yet."""
        scheme, host, port = origin_of(url)
        if scheme not in self._settings.schemes:
            raise Denied(
                f"{shown(scheme)} URLs are not fetched here; allowed: {listed(self._settings.schemes)}"
            )
        if port not in self._ports:
            raise Denied(f"port {port} is not reached from here; allowed: {listed(map(str, self._ports))}")
        hosts = self._settings.hosts
        if hosts is not None and not any(_matches(host, pattern) for pattern in hosts):
            raise Denied(f"the host {shown(host)} is not reached from here; allowed: {listed(hosts)}")

    def check_addresses(self, host: str, addresses: Sequence[str]) -> None:
        """Denied if ANY address that the host leads to is not allowed: which one is dialled is chance.

        The addresses are not in the message: what an internal name leads to is nobody's business.
        """
        if not all(map(self._allows, addresses)):
            raise Denied(f"the host {shown(host)} leads into a network that is not reached from here")

    def _allows(self, text: str) -> bool:
        try:
            address: Address = ip_address(text)
        except ValueError:
            return False
        return is_public(address) or any(address in network for network in self._settings.networks)


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def listed(words: Iterable[str]) -> str:
    """Words for a message, sorted; of many the first ones."""
    known = sorted(words)
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return (", ".join(known[:_LISTED]) or "none") + more
