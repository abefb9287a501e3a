"""What a plugin can offer: the records, the hooks, and the class form."""

import re

import msgspec
import pytest

from toolcase import (
    Command,
    ExecutionContext,
    Plugin,
    PluginCapability,
    PluginManifest,
    PluginRegistry,
    PluginType,
    PortFactory,
    Registry,
    hookimpl,
)
from toolcase.hooks import API_VERSION


class TestPluginManifest:
    """What a plugin says of itself."""

    def test_needs_only_a_name(self):
        manifest = PluginManifest(name="my-tools")

        assert manifest.plugin_type is PluginType.OTHER
        assert manifest.api_version == API_VERSION
        assert (manifest.version, manifest.description, manifest.settings) == ("", "", None)
        assert (manifest.capabilities, manifest.dependencies) == ((), ())

    @pytest.mark.parametrize("name", ["a", "my-tools", "my_tools", "My.Tools2", "7"])
    def test_takes_names_of_letters_and_digits(self, name):
        assert PluginManifest(name=name).name == name

    @pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "a b", "a\n", "ä", "a,b", "a/b", None, 5])
    def test_refuses_other_names(self, name):
        with pytest.raises(ValueError, match=f"^name cannot be {re.escape(repr(name))}: Expected `str`"):
            PluginManifest(name=name)

    def test_takes_the_type_by_its_name(self):
        assert PluginManifest(name="a", plugin_type="tools").plugin_type is PluginType.TOOLS

    def test_refuses_a_type_that_there_is_not(self):
        with pytest.raises(ValueError, match="^plugin_type cannot be 'toys': Invalid enum value 'toys'$"):
            PluginManifest(name="a", plugin_type="toys")

    @pytest.mark.parametrize("field", ["capabilities", "dependencies"])
    @pytest.mark.parametrize("value", ["search", [1], ["a", None], None])
    def test_refuses_what_is_no_list_of_names(self, field, value):
        with pytest.raises(ValueError, match=f"^{field} cannot be {re.escape(repr(value))}: Expected `"):
            PluginManifest(name="a", **{field: value})

    @pytest.mark.parametrize("version", ["1", 1.0, None, True])
    def test_refuses_a_version_of_the_hooks_that_is_no_number(self, version):
        with pytest.raises(ValueError, match=f"^api_version cannot be {version!r}: Expected `int`"):
            PluginManifest(name="a", api_version=version)

    @pytest.mark.parametrize("field", ["version", "description"])
    def test_refuses_what_is_no_text(self, field):
        with pytest.raises(ValueError, match=f"^{field} cannot be 5: Expected `str`"):
            PluginManifest(name="a", **{field: 5})

    def test_has_lists_of_its_own(self):
        given = ["search"]
        manifest = PluginManifest(name="a", capabilities=given, dependencies=given)

        given.append("more")

        assert manifest.capabilities == manifest.dependencies == ["search"]

    def test_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            PluginManifest(name="a").name = "b"


def test_a_capability_equals_the_bare_text_in_a_manifest_too():
    manifest = PluginManifest(name="a", capabilities=[PluginCapability("search"), "read"])

    assert manifest.capabilities == ["search", "read"]
    assert [type(each) for each in manifest.capabilities] == [PluginCapability, str]


def test_records_can_be_compared_and_not_changed():
    port = PortFactory(kind="store", scheme="redis", open=str)
    command = Command(name="greet", target="cli:greet")

    assert port == PortFactory(kind="store", scheme="redis", open=str)
    assert command == Command(name="greet", target="cli:greet", help="")
    assert all(each.__struct_config__.frozen for each in (port, command))
    assert isinstance(port, msgspec.Struct)


@pytest.mark.parametrize("field", ["name", "target", "help"])
def test_a_command_is_of_text(field):
    with pytest.raises(ValueError, match=f"^{field} cannot be 5: Expected `str`, got `int`$"):
        Command(**{"name": "greet", "target": "cli:greet", field: 5})


class Remembers(Plugin):
    """Notes what is asked of it."""

    manifest = PluginManifest(name="remembers")

    def __init__(self):
        self.seen = []

    async def initialize(self, context):
        self.seen.append(context)

    async def shutdown(self):
        self.seen.append("shutdown")


class TestPlugin:
    """The class form."""

    def test_needs_a_manifest(self):
        class Nameless(Plugin): ...

        plugins = PluginRegistry()
        plugins.register(Nameless(), required=False)

        assert plugins.faults[0].said == (
            "NotImplementedError: Nameless has no manifest; give it one, as a property"
        )

    async def test_does_nothing_unless_told_to(self):
        class Idle(Plugin):
            manifest = PluginManifest(name="idle")

        plugins = PluginRegistry()
        plugins.register(Idle)
        await plugins.initialize_all()
        await plugins.shutdown_all()

        assert plugins.get_all_tools() == []
        assert plugins.get("idle").settings is None
        assert plugins.faults == ()

    async def test_is_given_the_context_and_shut_down(self):
        plugin, context = Remembers(), ExecutionContext(scope_id="tenant-1")
        plugins = PluginRegistry()
        plugins.register(plugin)

        await plugins.initialize_all(context)
        await plugins.shutdown_all()

        assert plugin.seen == [context, "shutdown"]

    async def test_is_not_shut_down_where_it_failed_to_start(self):
        class Fails(Remembers):
            async def initialize(self, context):
                raise ConnectionError("refused")

        plugin, plugins = Fails(), PluginRegistry()
        plugins.register(plugin, required=False)
        await plugins.initialize_all()
        await plugins.shutdown_all()

        assert plugin.seen == []
        assert [fault.during for fault in plugins.faults] == ["start"]

    def test_may_have_further_hooks(self):
        class Both(Remembers):
            @hookimpl
            def toolcase_commands(self):
                return [Command(name="greet", target="cli:greet")]

        plugins = PluginRegistry()
        plugins.register(Both())

        assert [*plugins.loaded["remembers"].offered("command")] == ["greet"]


def search_tool(query: str) -> str:
    return f"found {query}"


def analyze_tool(text: str) -> int:
    return len(text)


class MyToolsPlugin(Plugin):
    """As the reference writes it."""

    @property
    def manifest(self) -> PluginManifest:
        return PluginManifest(
            name="my-tools",
            version="1.0.0",
            plugin_type=PluginType.TOOLS,
            description="Custom tools for my application",
            capabilities=["search", "analyze"],
        )

    async def initialize(self, context: ExecutionContext) -> None:
        # Set up plugin resources
        pass

    async def shutdown(self) -> None:
        # Clean up resources
        pass

    def get_tools(self) -> list:
        return [search_tool, analyze_tool]


async def test_the_examples_of_the_reference_run():
    ctx = ExecutionContext()
    registry = PluginRegistry()

    # Register plugin
    registry.register(MyToolsPlugin())

    # Get plugins by type
    tool_plugins = registry.get_by_type(PluginType.TOOLS)

    # Initialize all plugins
    await registry.initialize_all(ctx)

    # Get all tools from plugins
    all_tools = registry.get_all_tools()

    # Shutdown
    await registry.shutdown_all()

    assert [type(plugin) for plugin in tool_plugins] == [MyToolsPlugin]
    assert [tool.name for tool in all_tools] == ["search_tool", "analyze_tool"]
    host = Registry()
    host.add(*all_tools)
    assert await host.call("search_tool", query="x") == "found x"
