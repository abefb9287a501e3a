"""Plugins that nobody writes on purpose: objects that lie, hooks that come back, ways that lead nowhere."""

from contextlib import asynccontextmanager
from types import ModuleType, SimpleNamespace
from unittest import mock

import anyio
import pytest

from installable.distributions import COUNTS, GREETS, Shipped
from toolcase import (
    Command,
    PluginManifest,
    PluginRegistry,
    PortFactory,
    Registry,
    hookimpl,
)


def raises(*_, **__):
    raise RuntimeError("it fails")


def lying(**special):
    """An object with tools, of a class with these special methods."""
    kind = type("Lying", (), {**special, "toolcase_tools": hookimpl(lambda self: [mine])})
    return kind()


def mine() -> int:
    return 1


def well() -> int:
    return 2


def healthy():
    return SimpleNamespace(toolcase_tools=hookimpl(lambda: [well]))


LIES = {
    "all are equal to it": {"__eq__": lambda self, other: True, "__hash__": None},
    "none is equal to it": {"__eq__": lambda self, other: False, "__hash__": lambda self: 1},
    "it cannot be compared": {"__eq__": raises, "__ne__": raises},
    "it has no hash": {"__hash__": raises},
    "it cannot be shown": {"__repr__": raises, "__str__": raises},
    "it has every attribute": {"__getattr__": lambda self, name: "what you like"},
    "asking for an attribute fails": {"__getattr__": raises},
    "it is never true": {"__bool__": raises, "__len__": raises},
    "it is said to be a string": {"__class__": property(lambda self: str)},
    "it is said to be a class": {"__class__": property(lambda self: type)},
    "it does not say what it is": {"__class__": property(raises)},
    "it does not say what it has": {"__dir__": raises},
    "it is called": {"__call__": raises, "__iter__": raises},
    "its name is odd": {"__name__": 5},
    "its name fails": {"__name__": property(raises)},
}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("lie", LIES)
def test_an_object_that_lies_harms_no_other(lie, first):
    plugins, registry = PluginRegistry(), Registry()
    plugin = lying(**LIES[lie])

    for each in (plugin, healthy())[:: 1 if first else -1]:
        plugins.register(each, required=False)
    plugins.install(registry)

    assert "well" in registry.names()
    assert len(plugins.loaded) + len(plugins.faults) == 2
    assert len(registry.names()) == len(plugins.loaded)


@pytest.mark.parametrize("kind", [mock.Mock, mock.MagicMock, lambda: mock.ANY, lambda: mock.call])
def test_a_stand_in_from_a_test_is_no_plugin(kind):
    plugins = PluginRegistry()

    plugins.register(kind(), required=False)
    plugins.register(healthy())

    assert len(plugins.faults) == 1
    assert len(plugins.loaded) == 1


class Claims:
    """Says that it is of some class, and is not."""

    def __init__(self, kind):
        self._kind = kind

    @property
    def __class__(self):
        return self._kind


@pytest.mark.parametrize(
    ("hook", "kind"), [("plugin", PluginManifest), ("ports", PortFactory), ("commands", Command)]
)
def test_what_only_says_that_it_is_a_record_is_none(hook, kind):
    plugins = PluginRegistry()
    plugins.register(SimpleNamespace(**{f"toolcase_{hook}": hookimpl(lambda: Claims(kind))}), required=False)
    plugins.register(healthy(), name="healthy")

    assert set(plugins.loaded) == {"healthy"}
    assert len(plugins.faults) == 1


@pytest.mark.parametrize("hook", ["plugin", "tools", "middleware", "ports", "commands"])
@pytest.mark.parametrize("lie", LIES)
def test_a_hook_that_gives_an_object_that_lies_harms_no_other(hook, lie):
    plugins = PluginRegistry()
    odd = SimpleNamespace(**{f"toolcase_{hook}": hookimpl(lambda: lying(**LIES[lie]))})
    plugins.register(odd, name="odd", required=False)
    plugins.register(healthy(), name="healthy")

    assert "healthy" in plugins.loaded
    assert [tool.name for tool in plugins.get_all_tools() if tool.name == "well"] == ["well"]
    with pytest.raises(LookupError):
        plugins.open("store", "none://")
    with pytest.raises(LookupError):
        plugins.middleware("none")
    assert not any(plugin.offered("command") for plugin in plugins.loaded.values())


def test_a_hook_that_gives_its_own_plugin_is_refused():
    plugin, plugins = SimpleNamespace(), PluginRegistry()
    plugin.toolcase_tools = hookimpl(lambda: plugin)

    plugins.register(plugin, required=False)

    assert plugins.loaded == {}
    assert plugins.faults[0].said.startswith("its toolcase_tools gave ")


@pytest.mark.parametrize("hook", ["plugin", "tools"])
def test_a_hook_may_ask_the_registry_that_asks_it(hook):
    def asks():
        seen.append(set(plugins.loaded))

    plugins, seen = PluginRegistry(), []
    plugins.register(healthy(), name="healthy")
    plugins.register(SimpleNamespace(**{f"toolcase_{hook}": hookimpl(asks)}), name="asks")

    assert set(plugins.loaded) == {"asks", "healthy"}
    assert len(seen) == 1
    assert plugins.faults == ()


def test_a_hook_may_register_another():
    plugins = PluginRegistry()
    plugins.register(
        SimpleNamespace(toolcase_tools=hookimpl(lambda: plugins.register(healthy(), name="other"))), name="a"
    )

    assert set(plugins.loaded) == {"a", "other"}
    assert [tool.name for tool in plugins.get_all_tools()] == ["well"]


@pytest.mark.parametrize("name", ["toolcase_tools", "toolcase_plugin", "toolcase"])
def test_a_module_may_be_named_like_a_hook(name):
    module, plugins = ModuleType(name), PluginRegistry()
    module.toolcase_tools = hookimpl(lambda: [mine])

    plugins.register(module)

    assert set(plugins.loaded) == {name}


TOOLS = "from toolcase import hookimpl\n\n@hookimpl\ndef toolcase_tools():\n    return []\n"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("tc_a:typo", "AttributeError: module 'tc_a' has no attribute 'typo'"),
        ("tc_a:toolcase_tools.typo", "AttributeError: 'function' object has no attribute 'typo'"),
        ("tc_typo", "ModuleNotFoundError: No module named 'tc_typo'"),
        ("no module at all", "AttributeError: "),
        (".tc_a", "TypeError: "),
        ("tc_a:toolcase_tools", "<function toolcase_tools at "),
    ],
)
def test_an_entry_point_that_leads_nowhere_is_told(value, said, install):
    install(GREETS, Shipped("a", TOOLS, value=value))

    plugins = PluginRegistry.load()

    assert set(plugins.loaded) == {"greets"}
    (fault,) = plugins.faults
    assert fault.said.startswith(said)
    assert fault.mend.endswith("or leave it out with TOOLCASE_DISABLE_PLUGINS=a")


@pytest.mark.parametrize("value", ["tc_a [extra]", "tc_a:plugin [extra, more]"])
def test_an_entry_point_may_have_extras(value, install):
    install(Shipped("a", TOOLS + "\nimport sys\nplugin = sys.modules[__name__]\n", value=value))

    assert set(PluginRegistry.load().loaded) == {"a"}


def test_two_entry_points_to_one_module_are_one_plugin(install):
    install(Shipped("a", TOOLS), Shipped("b", TOOLS, value="tc_a"))

    plugins = PluginRegistry.load()

    assert set(plugins.loaded) == {"a"}
    assert [fault.said for fault in plugins.faults] == ["a 1.0 has it too, as 'a'"]


def test_two_entry_points_of_one_distribution_are_two_plugins(install):
    code = TOOLS + "\nclass Other:\n    @hookimpl\n    def toolcase_tools(self): ...\n"
    install(Shipped("a", code, value="tc_a\nb = tc_a:Other"))

    assert set(PluginRegistry.load().loaded) == {"a", "b"}


@pytest.mark.parametrize("name", ["a b", "a,b", "-a", "ä"])
def test_an_entry_point_with_an_odd_name_is_told(name, install):
    install(COUNTS, Shipped("odd", TOOLS, entry=name))

    plugins = PluginRegistry.load()

    assert set(plugins.loaded) == {"counts"}
    assert plugins.faults[0].said.startswith(f"ValueError: name cannot be {name!r}: Expected `str`")


def test_a_plugin_that_loads_all_plugins_comes_to_an_end(install):
    code = (
        "import toolcase\n\n@toolcase.hookimpl\ndef toolcase_tools():\n    toolcase.PluginRegistry.load()\n"
    )
    install(Shipped("again", code))

    plugins = PluginRegistry.load()

    assert set(plugins.loaded) <= {"again"}


def with_lifespan(function, name="odd"):
    return SimpleNamespace(
        toolcase_plugin=hookimpl(lambda: PluginManifest(name=name)),
        toolcase_tools=hookimpl(lambda: [mine]),
        toolcase_lifespan=hookimpl(function),
    )


async def in_a_host(plugin):
    """What is told of it, by a host that enters, waits a minute, calls a healthy tool and leaves."""
    plugins, registry = PluginRegistry(), Registry()
    plugins.register(plugin)
    plugins.register(healthy(), name="healthy")
    plugins.loaded["odd"].required = False
    plugins.install(registry)
    async with registry:
        await anyio.sleep(60)
        assert await registry.call("well") == 2
    return [(fault.during, fault.said) for fault in plugins.faults]


async def test_a_lifespan_that_yields_twice():
    @asynccontextmanager
    async def twice():
        yield
        yield

    assert await in_a_host(with_lifespan(twice)) == [("stop", "RuntimeError: generator didn't stop")]


async def test_a_lifespan_that_never_yields():
    @asynccontextmanager
    async def never():
        if False:
            yield

    assert await in_a_host(with_lifespan(never)) == [("start", "RuntimeError: generator didn't yield")]


async def test_a_lifespan_that_is_no_context_manager():
    async def bare():
        yield

    ((during, said),) = await in_a_host(with_lifespan(bare))

    assert during == "start"
    assert "async_generator" in said


async def test_a_lifespan_that_is_a_coroutine():
    async def waits(): ...

    assert await in_a_host(with_lifespan(waits)) == [("start", "toolcase_lifespan is async")]


async def test_a_lifespan_that_has_nothing_to_say():
    assert await in_a_host(with_lifespan(lambda: None)) == []


async def test_a_lifespan_that_swallows_its_cancellation():
    @asynccontextmanager
    async def swallows():
        try:
            await anyio.sleep(1_000)
        except anyio.get_cancelled_exc_class():
            pass
        yield

    assert await in_a_host(with_lifespan(swallows)) == [
        ("start", "TimeoutError: it did not start within 30 s")
    ]


async def test_a_lifespan_that_blocks_at_its_end():
    @asynccontextmanager
    async def blocks():
        yield
        await anyio.sleep_forever()

    assert await in_a_host(with_lifespan(blocks)) == [("stop", "TimeoutError: it did not stop within 10 s")]


async def test_a_lifespan_that_dies_of_the_task_group_that_it_opened():
    @asynccontextmanager
    async def dies():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fails)
            yield

    async def fails():
        await anyio.sleep(30)
        raise ConnectionError("lost")

    assert await in_a_host(with_lifespan(dies)) == [("run", "ConnectionError: lost")]


async def test_a_lifespan_that_cancels_itself():
    @asynccontextmanager
    async def cancels():
        with anyio.CancelScope() as scope:
            scope.cancel()
            yield

    assert await in_a_host(with_lifespan(cancels)) == [("run", "RuntimeError: it ended by itself")]


async def test_a_lifespan_that_stops_all_plugins_is_cut_off():
    @asynccontextmanager
    async def stops():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(plugins.shutdown_all)
            yield

    plugins = PluginRegistry()
    plugins.register(with_lifespan(stops))

    with anyio.fail_after(60):
        await plugins.initialize_all()
        await anyio.sleep(30)
        await plugins.shutdown_all()

    assert not plugins.loaded.get("odd", SimpleNamespace(started=False)).started
