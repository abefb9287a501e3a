"""The plugin as a host takes it in."""

from importlib.metadata import entry_points, version

from toolcase import PluginRegistry
from toolcase_cache import CacheMiddleware, CachePlugin, CoalesceMiddleware


def test_is_found_by_its_entry_point(monkeypatch):
    monkeypatch.setenv("TOOLCASE_LOAD_PLUGINS", "cache")

    plugins = PluginRegistry.load(pyproject=False)

    assert (plugins.faults, list(plugins.loaded)) == ((), ["cache"])
    assert entry_points(group="toolcase")["cache"].load() is CachePlugin


def test_says_what_it_is():
    manifest = CachePlugin().toolcase_plugin()

    assert (manifest.name, manifest.version) == ("cache", version("toolcase-cache"))


def test_a_host_places_its_middleware():
    plugins = PluginRegistry()
    plugins.register(CachePlugin)

    cache = plugins.middleware("cache", ttl_seconds=5, tools="get_*")
    flights = plugins.middleware("coalesce", max_flights=7)

    assert isinstance(cache, CacheMiddleware)
    assert (cache.ttl_seconds, cache.tools) == (5, ("get_*",))
    assert isinstance(flights, CoalesceMiddleware)
    assert flights.max_flights == 7


def test_each_has_a_memory_of_its_own():
    plugins = PluginRegistry()
    plugins.register(CachePlugin)

    one, other = (plugins.middleware("cache", ttl_seconds=5) for _ in range(2))

    assert one.store is not other.store
