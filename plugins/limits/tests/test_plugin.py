"""The plugin as a host takes it in."""

from importlib.metadata import entry_points, version

import pytest

from toolcase import PluginRegistry, RateLimited, Registry
from toolcase.testing import Give, Script
from toolcase_limits import LimitsPlugin, RateLimitMiddleware


def test_is_found_by_its_entry_point(monkeypatch):
    monkeypatch.setenv("TOOLCASE_LOAD_PLUGINS", "limits")

    plugins = PluginRegistry.load(pyproject=False)

    assert (plugins.faults, list(plugins.loaded)) == ((), ["limits"])
    assert plugins.loaded["limits"].offered("middleware") == {"rate-limit": RateLimitMiddleware}


def test_says_what_it_is():
    manifest = LimitsPlugin().toolcase_plugin()

    assert (manifest.name, manifest.settings) == ("limits", None)
    assert manifest.version == version("toolcase-limits")
    assert entry_points(group="toolcase")["limits"].load() is LimitsPlugin


async def test_a_host_places_its_middleware():
    plugins, registry = PluginRegistry(), Registry()
    plugins.register(LimitsPlugin)
    registry.use(plugins.middleware("rate-limit", rate=1, burst=1))
    registry.add(Script(Give(1)).tool("t"))

    assert await registry.call("t") == 1
    with pytest.raises(RateLimited):
        await registry.call("t")
