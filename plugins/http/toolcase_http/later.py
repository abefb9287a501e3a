"""Statuses that say "not now", and when to come back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from toolcase import RateLimited, Unavailable
from toolcase_http.urls import shown

TOO_MANY = 429
NOT_NOW = frozenset({408, 425, 502, 503, 504})
"""Timeout, too early, a gateway that got nothing of use, overload, a gateway that waited in vain."""

_SECONDS = re.compile(r"[0-9]{1,9}")


def refused_for_now(answer: httpx2.Response) -> RateLimited | Unavailable | None:
    """The error for a status after which the same may work later; None for any other status."""
    if answer.status_code != TOO_MANY and answer.status_code not in NOT_NOW:
        return None
    kind = RateLimited if answer.status_code == TOO_MANY else Unavailable
    said = f"{shown(answer.url.host)} answered {answer.status_code} {answer.reason_phrase}".strip()
    return kind(f"{said}; try later", retry_after=_wait(answer.headers))


def _wait(headers: httpx2.Headers) -> float | None:
    """Seconds that `Retry-After` asks for (RFC 9110, section 10.2.3); None where it says nothing of use.

    A date is compared with the server's own, so that no clock here has to agree with the one there. That
    one in the past is no wait, the errors know.
    """
    said = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(said):
        return float(said)
    try:
        return (_date(said) - _date(headers.get("date", ""))).total_seconds()
    except (ValueError, OverflowError):  # the latter for a year or a zone beyond all calendars
        return None


def _date(text: str) -> datetime:
    date = parsedate_to_datetime(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)
