"""What the entry point names: middleware that a host places."""

from __future__ import annotations

from toolcase import PluginManifest, PluginType, hookimpl
from toolcase_limits.rate_limit import RateLimitMiddleware


class LimitsPlugin:
    """Offers the middleware by name; it has no settings of its own."""

    @hookimpl
    def toolcase_plugin(self) -> PluginManifest:
        """Its name, and what it is for."""
        return PluginManifest(
            name="limits",
            version="0.1.0",
            plugin_type=PluginType.MIDDLEWARE,
            description="Limits on how often tools are called.",
            capabilities=["rate-limit"],
        )

    @hookimpl
    def toolcase_middleware(self) -> dict[str, type[RateLimitMiddleware]]:
        """`plugins.middleware("rate-limit", rate=10)` makes one."""
        return {"rate-limit": RateLimitMiddleware}
