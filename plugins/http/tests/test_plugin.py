"""The plugin as a host takes it in."""

from importlib.metadata import entry_points, version

import pytest

from loopback import HERE, Names, answer, serving
from toolcase import PluginRegistry, Registry
from toolcase_http import HttpPlugin, HttpSettings
from wire import PUBLIC, Wire

TOOLS = ["http_get", "http_head", "http_json", "http_post"]


def test_is_found_by_its_entry_point(monkeypatch):
    monkeypatch.setenv("TOOLCASE_LOAD_PLUGINS", "http")

    plugins = PluginRegistry.load(pyproject=False)

    assert (plugins.faults, list(plugins.loaded)) == ((), ["http"])
    assert [tool.name for tool in plugins.get_all_tools()] == TOOLS


def test_says_what_it_is():
    manifest = HttpPlugin().toolcase_plugin()

    assert (manifest.name, manifest.settings) == ("http", HttpSettings)
    assert manifest.version == version("toolcase-http")
    assert entry_points(group="toolcase")["http"].load() is HttpPlugin


def test_wrong_settings_are_told_without_secrets():
    plugins = PluginRegistry(settings={"http": {"headers": {"a.example": {"X-Key": "s3cret\n"}}}})
    plugins.register(HttpPlugin(), required=False)

    assert plugins.get_all_tools() == []
    assert "X-Key for a.example must be printable ASCII" in plugins.faults[0].said
    assert "s3cret" not in plugins.faults[0].said


def test_a_file_of_certificates_that_is_not_there_puts_it_out_of_order(tmp_path):
    plugins = PluginRegistry(settings={"http": {"certificates": str(tmp_path / "none.pem")}})
    plugins.register(HttpPlugin(), required=False)

    assert (plugins.get_all_tools(), plugins.faults[0].during) == ([], "settings")
    assert "'certificates' failed a check: Path does not point to a file" in plugins.faults[0].said


async def test_keeps_connections_while_the_registry_is_entered():
    async with serving({"/": answer(body=b"ok")}) as server:
        settings = {"schemes": ["http"], "ports": [server.port], "networks": [HERE]}
        plugins, registry = PluginRegistry(settings={"http": settings}), Registry()
        plugins.register(HttpPlugin())
        plugins.install(registry)

        async with registry:
            for _ in range(3):
                assert (await registry.call("http_get", url=server.url())).head.ok
        entered = server.connections

        await plugins.get_all_tools()[0](server.url())

    assert (entered, server.connections) == (1, 2)


async def test_looks_names_up_as_its_host_says():
    wire, plugins, registry = Wire([[answer(body=b"ok")]]), PluginRegistry(), Registry()
    plugins.register(HttpPlugin(Names({"a.example": [PUBLIC]}), wire))
    plugins.install(registry)

    async with registry:
        await registry.call("http_get", url="https://a.example/")

    assert wire.dialled == [(PUBLIC, 443)]
    assert all(stream.closed for stream in wire.streams)


@pytest.mark.real_time
async def test_runs_with_its_defaults_and_refuses_what_is_inside():
    plugins, registry = PluginRegistry(), Registry()
    plugins.register(HttpPlugin())
    plugins.install(registry)

    async with registry:
        result = await registry.execute("http_get", {"url": "https://localhost/"})

    assert (result.error.code, result.error.type) == ("DENIED", "Denied")
