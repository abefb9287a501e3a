"""The tools: GET, HEAD, JSON and POST."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from toolcase import Call, InvalidArguments, Tool, ToolFailed, tool
from toolcase_http.answer import Fetched, Head, body_of, head_of, json_of
from toolcase_http.fetch import Fetcher
from toolcase_http.settings import HEADER_VALUE
from toolcase_http.urls import shown

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")


class HttpTools:
    """The tools of one plugin, over one `Fetcher`."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.fetcher = fetcher

    def all(self) -> list[Tool[..., Any]]:
        """Every tool, to be put in a registry."""
        return [self.http_get, self.http_head, self.http_json, self.http_post]

    @tool(read_only=True)
    async def http_get(self, url: str, headers: dict[str, str] | None = None) -> Fetched:
        """Fetch a page, a file or a picture from the web with GET.

        Gives the status, the address in the end, some headers, and the body. A status of 400 or above comes
        back like any other: read the body to see why.

        Args:
            url: The whole address, such as https://example.com/page.
            headers: Further headers, such as Accept or Range.
        """
        return await self._fetched("GET", url, headers)

    @tool(read_only=True)
    async def http_head(self, url: str, headers: dict[str, str] | None = None) -> Head:
        """Ask the web with HEAD whether an address exists, and for the type and size of what is there.

        Args:
            url: The whole address, such as https://example.com/page.
            headers: Further headers, such as Accept.
        """
        answer, _ = await self.fetcher.fetch("HEAD", url, headers)
        return head_of(answer, self.fetcher.secrets)

    @tool(read_only=True)
    async def http_json(self, url: str, headers: dict[str, str] | None = None) -> Fetched:
        """Fetch JSON data from the web with GET. Gives the status, some headers, and the data.

        Args:
            url: The whole address, such as https://api.example.com/items?page=2.
            headers: Further headers, such as Accept-Language.
        """
        answer, data = await self.fetcher.fetch("GET", url, headers, {"accept": "application/json"})
        head = head_of(answer, self.fetcher.secrets)
        found = json_of(data, self.fetcher.secrets)
        if found is not None:
            return Fetched(head, found)
        if head.ok and data:
            kind = self.fetcher.secrets.redact(answer.headers.get("content-type", "no type"))
            raise ToolFailed(f"{shown(answer.url.host)} sent {shown(kind)} that is no JSON; use http_get")
        return Fetched(head, body_of(data, answer.headers.get("content-type", ""), self.fetcher.secrets))

    @tool(idempotent=False, destructive=True)
    async def http_post(
        self,
        url: str,
        text: str | None = None,
        json: Any = None,
        media_type: str = "",
        headers: dict[str, str] | None = None,
        call: Call | None = None,
    ) -> Fetched:
        """Send text or JSON data to the web with POST. Gives the status, some headers, and what came back.

        Args:
            url: The whole address, such as https://api.example.com/items.
            text: The body as text. Give this or json, not both.
            json: The body as data, which is sent as JSON.
            media_type: What the body is; text/plain or application/json unless given.
            headers: Further headers, such as Accept.
        """
        if text is not None and json is not None:
            raise InvalidArguments("text and json are both given; give one of them")
        if not _MEDIA_TYPE.fullmatch(media_type or "text/plain"):
            raise InvalidArguments(f"{shown(media_type)} is no media type; write one such as 'text/csv'")
        if json is None:
            body, kind = (text or "").encode(), f"{media_type or 'text/plain'}; charset=utf-8"
        else:
            body, kind = msgspec.json.encode(json), media_type or "application/json"
        return await self._fetched("POST", url, headers, {"content-type": kind} | _key(call), body)

    async def _fetched(
        self,
        method: str,
        url: str,
        given: dict[str, str] | None,
        needed: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Fetched:
        answer, data = await self.fetcher.fetch(method, url, given, needed, body)
        secrets = self.fetcher.secrets
        kind = answer.headers.get("content-type", "")
        return Fetched(head_of(answer, secrets), body_of(data, kind, secrets))


def _key(call: Call | None) -> dict[str, str]:
    """The header for an idempotency key that was given to this very call.

    One that came down from a parent names the parent's effect: two posts with it would pass for one.
    """
    key = None if call is None else call.context.idempotency_key
    if call is None or key is None or (call.parent and call.parent.context.idempotency_key == key):
        return {}
    if not HEADER_VALUE.fullmatch(key):
        raise InvalidArguments(
            f"the idempotency key must be printable ASCII without spaces around it, got {shown(key)}"
        )
    return {"idempotency-key": key}
