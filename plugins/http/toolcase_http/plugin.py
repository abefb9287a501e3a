"""What the entry point names: the tools, their settings, and the connections that live with a registry."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import httpcore2

from toolcase import PluginManifest, PluginType, Tool, hookimpl
from toolcase_http.fetch import Fetcher
from toolcase_http.resolver import Resolver
from toolcase_http.settings import HttpSettings
from toolcase_http.tools import HttpTools


class HttpPlugin:
    """Tools that fetch. A host that looks names up in a way of its own registers one with its `resolver`."""

    def __init__(
        self, resolver: Resolver | None = None, network: httpcore2.AsyncNetworkBackend | None = None
    ) -> None:
        """`network` makes the connections, to addresses that were checked; it is for tests."""
        self._resolver = resolver
        self._network = network
        self._fetcher: Fetcher | None = None

    @hookimpl
    def toolcase_plugin(self) -> PluginManifest:
        """Its name, and the model of its settings."""
        return PluginManifest(
            name="http",
            version="0.1.0",
            plugin_type=PluginType.TOOLS,
            description="Tools that fetch over HTTP, and reach only what the host allows.",
            capabilities=["fetch"],
            settings=HttpSettings,
        )

    @hookimpl
    def toolcase_tools(self, settings: HttpSettings) -> list[Tool[..., Any]]:
        """`http_get`, `http_head`, `http_json` and `http_post`."""
        return HttpTools(self._made(settings)).all()

    @hookimpl
    def toolcase_lifespan(self, settings: HttpSettings) -> AbstractAsyncContextManager[None]:
        """Keeps connections from call to call while the registry is entered."""
        return self._made(settings).running()

    def _made(self, settings: HttpSettings) -> Fetcher:
        if self._fetcher is None:
            self._fetcher = Fetcher(settings, self._resolver, self._network)
        return self._fetcher
