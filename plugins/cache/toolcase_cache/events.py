"""What a cache and a flight tell: to the observers of a call, and of what no call hears, to the registry."""

from __future__ import annotations

from toolcase.events import Event


class CacheHit(Event, frozen=True, kw_only=True):
    """The value was in the cache; the tool was not started."""


class CacheMissed(Event, frozen=True, kw_only=True):
    """The value was not in the cache, or the cache could not be asked."""


class ValueNotKept(Event, frozen=True, kw_only=True):
    """The value is not in the cache, for the reason that `error` gives: it has no copy, or is too long."""

    error: Exception


class CallCoalesced(Event, frozen=True, kw_only=True):
    """This call waits for a run of the tool that an earlier one has begun."""


class FlightFailed(Event, frozen=True, kw_only=True):
    """A run that the last call had left failed with `error` while it was stopped; told to the registry."""

    error: Exception
