"""One plugin: its hooks, its manifest, its settings and what it offers, each checked before it is used."""

import dataclasses
import sys
from types import ModuleType, SimpleNamespace

import msgspec
import pydantic
import pytest
from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

from installable.distributions import GREETS, Shipped
from toolcase import (
    Command,
    Plugin,
    PluginError,
    PluginManifest,
    PluginRegistry,
    PortFactory,
    hookimpl,
    tool,
)
from toolcase.plugins.installed import DISABLE


def plugin_of(**hooks):
    """A plugin of these functions."""
    made = SimpleNamespace()
    for name, function in hooks.items():
        setattr(made, f"toolcase_{name}", hookimpl(function))
    return made


def manifest_of(**facts):
    return lambda: PluginManifest(**{"name": "a", **facts})


def refused(plugin, **settings):
    """What is wrong with it, and what mends it."""
    plugins = PluginRegistry(settings=settings)
    with pytest.raises(PluginError) as raised:
        plugins.register(plugin, name="a")
        assert plugins.loaded
    (fault,) = plugins.faults
    assert raised.value.said == f"plugin {fault.plugin!r} is required: {fault.said}"
    with pytest.raises(LookupError):
        plugins.get("a")
    return fault.said, fault.mend


def taken(plugin, **settings):
    plugins = PluginRegistry(settings=settings)
    plugins.register(plugin, name="a")
    (made,) = plugins.loaded.values()
    return made


class Tools:
    """A plugin in each of the forms that there are."""

    @hookimpl
    def toolcase_tools(self):
        return [min]

    @staticmethod
    @hookimpl
    def toolcase_ports():
        return []

    @classmethod
    @hookimpl
    def toolcase_commands(cls):
        return []


class TestWhatAPluginIs:
    """Forms, and what is none."""

    def test_an_object(self):
        plugin = Tools()

        made = taken(plugin)

        assert made.plugin is plugin
        assert set(made.hooks) == {"toolcase_tools", "toolcase_ports", "toolcase_commands"}
        assert (made.name, made.distribution, made.found, made.required) == ("a", "", None, True)

    def test_a_class_is_made_once(self):
        assert type(taken(Tools).plugin) is Tools

    def test_a_module(self):
        module = ModuleType("some.module")
        module.toolcase_tools = hookimpl(lambda: ())

        assert taken(module).plugin is module

    @pytest.mark.parametrize("wrong", [None, 42, "text", SimpleNamespace(), ModuleType("empty"), object])
    def test_what_has_no_hooks_is_none(self, wrong):
        said, mend = refused(wrong)

        assert said.endswith(" has no hooks")
        assert mend == "name a module, class or object with @hookimpl"

    def test_a_class_that_needs_arguments_is_none(self):
        class Needs(Tools):
            def __init__(self, url): ...

        assert "missing 1 required positional argument: 'url'" in refused(Needs)[0]

    def test_properties_are_not_asked(self):
        class Shy(Tools):
            @property
            def client(self):
                raise AssertionError("not started")

        assert taken(Shy)

    def test_a_module_in_the_place_of_a_hook_is_none(self):
        module = ModuleType("package")
        module.toolcase_tools = ModuleType("package.toolcase_tools")
        module.toolcase_ports = hookimpl(lambda: ())

        assert taken(module).offers == {}


class TestHooks:
    """The names of hooks, and what they take."""

    def test_a_mistyped_one_is_refused_with_the_nearest_name(self):
        said, mend = refused(SimpleNamespace(toolcase_tool=hookimpl(lambda: ())))

        assert said == "there is no hook 'toolcase_tool'"
        assert mend == "did you mean 'toolcase_tools'?"

    def test_a_strange_one_is_refused_with_all_names(self):
        said, mend = refused(SimpleNamespace(xyz=hookimpl(lambda: ())))

        assert said == "there is no hook 'xyz'"
        assert mend == (
            "there are toolcase_commands, toolcase_lifespan, toolcase_middleware, toolcase_plugin, "
            "toolcase_ports, toolcase_tools"
        )

    def test_one_for_a_later_version_may_be_optional(self):
        plugin = plugin_of(tools=lambda: ())
        plugin.toolcase_dreams = hookimpl(optionalhook=True)(lambda: ())

        assert taken(plugin)

    def test_one_without_its_mark_is_refused(self):
        plugin = plugin_of(ports=lambda: ())
        plugin.toolcase_tools = lambda: ()

        assert refused(plugin) == ("its toolcase_tools is not marked", "put @toolcase.hookimpl above it")

    def test_one_that_asks_for_more_is_refused(self):
        said, mend = refused(plugin_of(tools=lambda registry: []))

        assert "Argument(s) {'registry'} are declared in the hookimpl" in said
        assert mend == "a hook takes only the parameters that it is given"

    @pytest.mark.parametrize("mark", [{"wrapper": True}, {"hookwrapper": True}])
    def test_one_that_wraps_is_refused(self, mark):
        def wraps():
            yield

        said, mend = refused(SimpleNamespace(toolcase_tools=hookimpl(**mark)(wraps)))

        assert said == "its toolcase_tools is a wrapper"
        assert mend == "each is asked alone, so there is nothing to wrap"

    @pytest.mark.parametrize("hook", ["plugin", "tools", "middleware", "ports", "commands"])
    def test_one_that_is_async_is_refused(self, hook):
        async def waits(): ...

        said, mend = refused(plugin_of(**{hook: waits}))

        assert said == f"toolcase_{hook} is async"
        assert mend == "hooks are plain functions; what must wait stands in toolcase_lifespan"

    def test_one_takes_only_the_parameters_that_it_needs(self):
        seen = []
        plugin = plugin_of(
            plugin=manifest_of(settings=Struct),
            tools=lambda settings: seen.append(settings),
            ports=lambda settings=5: seen.append(settings),
            commands=lambda: seen.append("nothing"),
        )

        taken(plugin, a={"url": "x"})

        assert seen == [Struct("x"), Struct("x"), "nothing"]

    def test_what_one_raises_is_told_as_it_is(self):
        def raises():
            raise LookupError("no luck")

        assert refused(plugin_of(tools=raises)) == ("LookupError: no luck", "correct it, or do without it")

    def test_an_error_of_ours_brings_its_own_mend(self):
        def raises():
            raise PluginError("no key", "set KEY")

        assert refused(plugin_of(tools=raises)) == ("no key", "set KEY")

    def test_an_error_of_ours_without_a_mend_is_given_one(self):
        def raises():
            raise PluginError("no key")

        assert refused(plugin_of(tools=raises)) == ("no key", "correct it, or do without it")


class TestManifest:
    """What a plugin says of itself."""

    def test_without_one_the_name_is_that_given(self):
        assert taken(plugin_of(tools=lambda: ())).manifest == PluginManifest(name="a")

    def test_its_name_is_the_plugins_name(self):
        assert taken(plugin_of(plugin=manifest_of(name="my-own"))).name == "my-own"

    @pytest.mark.parametrize("wrong", [{}, "a", PluginManifest, SimpleNamespace(name="a", api_version=1)])
    def test_what_is_none_is_refused(self, wrong):
        said, mend = refused(plugin_of(plugin=lambda: wrong))

        assert said.startswith("its manifest is ")
        assert mend == "return a PluginManifest"

    @pytest.mark.parametrize("version", [0, 2])
    def test_another_version_of_the_hooks_is_refused(self, version):
        said, mend = refused(plugin_of(plugin=manifest_of(api_version=version)))

        assert said == (f"it is written for hooks of version {version}, and here is version 1")
        assert mend == "pip install --upgrade toolcase"


class Model(pydantic.BaseModel):
    url: str
    retries: int = 3


@dataclasses.dataclass
class Dataclass:
    url: str
    retries: int = 3


class Struct(msgspec.Struct):
    url: str
    retries: int = 3


class Typed(TypedDict, total=False):
    url: str
    retries: int


MODELS = pytest.mark.parametrize("model", [Model, Dataclass, Struct, Typed])


def with_settings(model):
    return plugin_of(plugin=manifest_of(settings=model))


class TestSettings:
    """The configuration of a plugin, and the model that it names."""

    @MODELS
    def test_are_made_an_instance_of_the_model(self, model):
        settings = taken(with_settings(model), a={"url": "x", "retries": "5"}).settings

        assert settings == (model(url="x", retries=5))

    @pytest.mark.parametrize("model", [Model, Dataclass, Struct])
    def test_have_the_models_defaults(self, model):
        assert taken(with_settings(model), a={"url": "x"}).settings == model(url="x", retries=3)

    @pytest.mark.parametrize("model", [Model, Dataclass, Struct])
    def test_may_be_an_instance_of_the_model(self, model):
        given = model(url="x")

        assert taken(with_settings(model), a=given).settings == given

    @MODELS
    def test_with_a_key_that_there_is_not_are_refused(self, model):
        said, mend = refused(with_settings(model), a={"url": "x", "retry": 1})

        assert said.startswith("its settings do not fit: ")
        assert "'retry'" in said
        assert "'retries'" in said
        assert mend == "see [tool.toolcase.plugins.a]"

    @MODELS
    def test_of_the_wrong_kind_are_refused_and_not_shown(self, model):
        said, _ = refused(with_settings(model), a={"url": "x", "retries": "hunter2"})

        assert "retries" in said
        assert "hunter2" not in said

    @pytest.mark.parametrize("model", [Model, Dataclass, Struct])
    def test_that_lack_one_are_refused(self, model):
        assert "url" in refused(with_settings(model))[0]

    def test_for_one_that_takes_none_are_refused_by_their_names(self):
        said, mend = refused(plugin_of(tools=lambda: ()), a={"url": "hunter2", "b": 1})

        assert said == "it takes no settings, got 'url', 'b'"
        assert mend == "leave them out"

    @pytest.mark.parametrize("given", ["hunter2", 5, SimpleNamespace(key="hunter2")])
    def test_that_are_no_table_are_refused_by_their_type(self, given):
        said, _ = refused(plugin_of(tools=lambda: ()), a=given)

        assert said == f"it takes no settings, got {type(given).__name__}"

    def test_that_are_empty_are_none(self):
        assert taken(plugin_of(tools=lambda: ()), a={}).settings is None

    @pytest.mark.parametrize("model", [int, str, list])
    def test_have_a_model_with_fields(self, model):
        said, mend = refused(with_settings(model), a={"url": "x"})

        assert said == f"settings of its manifest is {model!r}"
        assert mend == "name a pydantic model, dataclass, TypedDict or msgspec.Struct"

    def test_are_given_to_the_class_form(self):
        class Asks(Plugin):
            manifest = PluginManifest(name="a", settings=Struct)

            def get_tools(self):
                assert self.settings == Struct(url="x")
                return []

        assert taken(Asks, a={"url": "x"}).plugin.settings == Struct(url="x")


def port(**facts):
    return PortFactory(**{"kind": "store", "scheme": "memory", "open": str, **facts})


FACTORIES = "return a dict of factories by name"


def command(name="greet"):
    return Command(name=name, target="cli:greet")


class TestOffers:
    """What a plugin gives when it is asked."""

    def test_functions_become_tools(self):
        def greet(): ...

        ready = tool(lambda: 1, name="ready")

        made = taken(plugin_of(tools=lambda: [greet, ready]))

        assert [*made.offered("tool")] == ["greet", "ready"]
        assert made.offered("tool")["ready"] is ready

    @pytest.mark.parametrize("several", [list, tuple, iter, dict.fromkeys])
    def test_any_iterable_will_do(self, several):
        ports = [port(scheme="a"), port(scheme="b")]

        made = taken(plugin_of(ports=lambda: several(ports)))

        assert made.offered("port store") == {"a": ports[0], "b": ports[1]}

    def test_one_alone_will_do(self):
        assert taken(plugin_of(ports=port)).offered("port store") == {"memory": port()}

    def test_nothing_will_do(self):
        made = taken(plugin_of(**dict.fromkeys(["tools", "ports", "commands", "middleware"], lambda: None)))

        assert made.offers == {}

    def test_is_listed_by_kind_and_name(self):
        made = taken(
            plugin_of(
                tools=lambda: [tool(lambda: 1, name="t")],
                middleware=lambda: {"m": str},
                ports=lambda: [port()],
                commands=lambda: [command()],
            )
        )

        assert {*made.offers} == {
            ("tool", "t"), ("middleware", "m"), ("port store", "memory"), ("command", "greet"),
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("hook", "given", "said", "mend"),
        [
            ("tools", ["greet"], "its toolcase_tools gave 'greet'", "return a list of tools"),
            ("tools", "greet", "its toolcase_tools gave 'greet'", "return a list of tools"),
            ("tools", 5, "its toolcase_tools gave 5", "return a list of tools"),
            ("ports", [str], "its toolcase_ports gave <class 'str'>", "return a list of PortFactory"),
            ("commands", {"greet": 1}, "its toolcase_commands gave 'greet'", "return a list of Command"),
            ("middleware", ["m"], "its toolcase_middleware gave ['m']", FACTORIES),
            ("middleware", {"m": 5}, "its toolcase_middleware gave {'m': 5}", FACTORIES),
            ("middleware", 0, "its toolcase_middleware gave 0", FACTORIES),
            ("middleware", {5: str}, "it offers middleware 5", "give it a name that is text"),
            ("ports", [port(scheme=None)], "it offers port store None", "give it a name that is text"),
            ("ports", [port()] * 2, "it offers port store 'memory' twice", "give each a name of its own"),
            ("commands", [command()] * 2, "it offers command 'greet' twice", "give each a name of its own"),
        ],
    )  # fmt: skip
    def test_what_is_something_else_is_refused(self, hook, given, said, mend):
        assert refused(plugin_of(**{hook: lambda: given})) == (said, mend)

    def test_a_generator_that_fails_midway_leaves_nothing(self):
        def ports():
            yield port()
            raise ConnectionError("refused")

        assert refused(plugin_of(ports=ports))[0] == "ConnectionError: refused"


MANIFEST = """\
from toolcase import PluginManifest, hookimpl

@hookimpl
def toolcase_plugin():
    return PluginManifest({})
"""


def test_a_plugin_that_is_installed_is_shown_with_where_it_comes_from(install):
    install(GREETS)

    made = PluginRegistry.load().loaded["greets"]

    assert (made.distribution, made.manifest.version) == ("greets 1.0", "1.0")
    assert made.found.requires == ()


def test_its_settings_are_not_shown():
    assert "hunter2" not in repr(taken(with_settings(Model), a={"url": "hunter2"}))


def test_an_older_plugin_is_to_be_upgraded_and_a_newer_one_needs_a_newer_toolcase(install):
    code = MANIFEST.format("name='{}', api_version={}")
    install(Shipped("old", code.format("old", 0)), Shipped("new", code.format("new", 9)))

    plugins = PluginRegistry.load()

    assert [fault.mend for fault in plugins.faults] == [
        f"pip install --upgrade toolcase, or leave it out with {DISABLE}=new",
        f"pip install --upgrade old, or leave it out with {DISABLE}=old",
    ]


def test_a_manifest_with_another_name_than_the_entry_point_is_refused(install):
    code = MANIFEST.format("name='b'")
    install(Shipped("a", code))

    (fault,) = PluginRegistry.load().faults

    assert fault.said == "its manifest calls it 'b', its entry point 'a'"
    assert fault.mend.startswith("give both one name, or leave it out")
    assert "tc_a" in sys.modules
