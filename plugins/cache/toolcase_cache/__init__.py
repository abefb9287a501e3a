"""A cache for tools that change nothing, and one run for all who ask at the same time."""

from toolcase_cache.cache import CacheMiddleware as CacheMiddleware
from toolcase_cache.cache import CacheStats as CacheStats
from toolcase_cache.coalesce import CoalesceMiddleware as CoalesceMiddleware
from toolcase_cache.events import CacheHit as CacheHit
from toolcase_cache.events import CacheMissed as CacheMissed
from toolcase_cache.events import CallCoalesced as CallCoalesced
from toolcase_cache.events import FlightFailed as FlightFailed
from toolcase_cache.events import ValueNotKept as ValueNotKept
from toolcase_cache.key import Key as Key
from toolcase_cache.plugin import CachePlugin as CachePlugin
from toolcase_cache.recording import KeptStream as KeptStream
from toolcase_cache.store import CacheStore as CacheStore
from toolcase_cache.store import Kept as Kept
from toolcase_cache.store import MemoryCache as MemoryCache
