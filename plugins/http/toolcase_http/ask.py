"""What is sent to a server, and what becomes of it on the way through redirects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import httpx2

from toolcase import Denied, InvalidArguments, Secrets, ToolFailed
from toolcase_http.urls import origin_of, parse, shown

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: of these the caller gave `given`, and the plugin needs `needed`."""

    method: str
    url: httpx2.URL
    given: Mapping[str, str] = field(default_factory=dict)
    """Headers for this origin alone."""
    needed: Mapping[str, str] = field(default_factory=dict)
    """Headers that say nothing of the caller and go wherever it is redirected."""
    body: bytes | None = field(default=None, repr=False)

    def redirected(self, answer: httpx2.Response, secrets: Secrets) -> Ask | None:
        """What the answer asks to send next, as browsers read it; None where it asks for nothing.

        To another origin goes neither a header that the caller gave nor a body. Denied where that would be
        asked for, or https be left.
        """
        location = answer.headers.get("location")
        if answer.status_code not in _REDIRECTS or location is None:
            return None
        try:
            url = parse(location, self.url)
        except InvalidArguments as error:
            said = secrets.redact(str(error))
            raise ToolFailed(f"{shown(self.url.host)} redirects to where nobody can follow: {said}") from None
        if (self.url.scheme, url.scheme) == ("https", "http"):
            raise Denied(f"{shown(self.url.host)} redirects from https to http, which is not followed")
        after = replace(self, url=url) if self._keeps_method(answer.status_code) else self._as_get(url)
        if origin_of(url) == origin_of(self.url):
            return after
        if after.body is not None:
            raise Denied(
                f"{shown(self.url.host)} redirects to {shown(url.host)} and asks for the body there; nothing "
                "was sent to it: if that is right, post it there yourself"
            )
        return replace(after, given={})

    def _keeps_method(self, status: int) -> bool:
        return status in (307, 308) or self.method in ("GET", "HEAD")

    def _as_get(self, url: httpx2.URL) -> Ask:
        # What else is needed is needed for the body.
        return replace(self, method="GET", url=url, needed={}, body=None)
