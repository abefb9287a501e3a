"""What the entry point names: two middleware, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from toolcase import Middleware, PluginManifest, PluginType, hookimpl
from toolcase_cache.cache import CacheMiddleware
from toolcase_cache.coalesce import CoalesceMiddleware


class CachePlugin:
    """Offers `cache` and `coalesce`; each one that a host asks for has a state of its own."""

    @hookimpl
    def toolcase_plugin(self) -> PluginManifest:
        """Its name, and that it brings middleware."""
        return PluginManifest(
            name="cache",
            version="0.1.0",
            plugin_type=PluginType.MIDDLEWARE,
            description="Values given again, and one run for all who ask at the same time.",
            capabilities=["cache", "coalesce"],
        )

    @hookimpl
    def toolcase_middleware(self) -> Mapping[str, Callable[..., Middleware]]:
        """`plugins.middleware("cache", ttl_seconds=60)` makes one."""
        return {"cache": CacheMiddleware, "coalesce": CoalesceMiddleware}
