"""The plugins of one application: found, kept from breaking their host, asked, placed."""

import threading
from types import SimpleNamespace

import anyio
import pydantic
import pytest

from installable.distributions import COUNTS, GREETS, GUARDS, Shipped
from toolcase import (
    Command,
    Plugin,
    PluginError,
    PluginManifest,
    PluginRegistry,
    PluginType,
    PortFactory,
    Registry,
    Stage,
    hookimpl,
)
from toolcase.plugins.installed import DISABLE, LOAD


def plugin_of(name="a", *, tools=(), needs=(), middleware=(), ports=(), commands=(), **facts):
    """A plugin with tools of these names, and so on."""

    def made(tool):
        def function(): ...

        function.__name__ = tool
        return function

    plugin = SimpleNamespace(
        toolcase_plugin=lambda: PluginManifest(name=name, dependencies=needs, **facts),
        toolcase_tools=lambda: [made(tool) for tool in tools],
        toolcase_middleware=lambda: dict.fromkeys(middleware, Guard),
        toolcase_ports=lambda: [PortFactory(kind="store", scheme=each, open=Opened) for each in ports],
        toolcase_commands=lambda: [Command(name=each, target="cli:main") for each in commands],
    )
    for hook in vars(plugin).values():
        hookimpl(hook)
    return plugin


class Guard:
    stage = Stage.GUARD

    def __init__(self, level=1):
        self.level = level

    async def __call__(self, call, inner):
        return await inner(call)


class Opened:
    def __init__(self, url):
        self.url = url


def plugins_of(*plugins, **settings):
    made = PluginRegistry(**settings)
    for plugin in plugins:
        made.register(plugin, required=False)
    return made


def said(plugins):
    return [(fault.plugin, fault.during, fault.said) for fault in plugins.faults]


class TestRegister:
    """Taking in one that the host has in hand."""

    def test_one_that_cannot_be_used_raises_and_is_told(self):
        plugins = PluginRegistry()

        with pytest.raises(PluginError, match="^plugin 'int' is required: 5 has no hooks; name a module"):
            plugins.register(5)

        (fault,) = plugins.faults
        assert (fault.plugin, fault.distribution) == ("int", "")

    def test_the_cause_is_what_went_wrong(self):
        def raises():
            raise ConnectionError("refused")

        plugins = PluginRegistry()
        plugins.register(SimpleNamespace(toolcase_tools=hookimpl(raises)), name="a")

        with pytest.raises(PluginError) as raised:
            plugins.get_all_tools()
        assert isinstance(raised.value.__cause__, ConnectionError)

    def test_a_host_that_asks_again_is_told_again(self):
        plugins = PluginRegistry()
        plugins.register(plugin_of(needs=["b"]))

        for _ in range(2):
            with pytest.raises(
                PluginError, match="^plugin 'a' is required: it depends on plugin 'b', which is not"
            ):
                assert plugins.loaded
        with pytest.raises(PluginError, match="^plugin 'a' is required"):
            plugins.install(Registry())

    def test_one_that_is_not_required_is_out(self):
        plugins = PluginRegistry()

        plugins.register(5, required=False)

        assert plugins.loaded == {}
        assert said(plugins)[0][:2] == ("int", "load")

    def test_the_name_is_given_or_that_of_the_manifest_or_the_type(self):
        class Mine:
            @hookimpl
            def toolcase_tools(self): ...

        class Other(Mine): ...

        plugins = plugins_of(Mine(), Other, plugin_of("with-manifest"))
        plugins.register(Mine(), name="named")

        assert set(plugins.loaded) == {"Mine", "Other", "with-manifest", "named"}

    def test_of_two_with_one_name_the_first_stays(self):
        first, second = plugin_of(tools=["x"]), plugin_of(tools=["y"])

        plugins = plugins_of(first, second)

        assert plugins.get("a") is first
        (fault,) = plugins.faults
        assert (fault.said, fault.mend) == ("the host has it too, as 'a'", "keep one of the two")

    def test_one_is_taken_once_whatever_its_name(self):
        plugin = SimpleNamespace(toolcase_tools=hookimpl(lambda: ()))
        plugins = PluginRegistry()
        plugins.register(plugin, name="a")

        plugins.register(plugin, name="b", required=False)

        assert set(plugins.loaded) == {"a"}
        assert said(plugins) == [("b", "load", "the host has it too, as 'a'")]

    def test_one_that_is_out_leaves_its_name(self):
        plugins = plugins_of(plugin_of(needs=["b"]))
        assert plugins.loaded == {}

        plugins.register(plugin_of())

        assert set(plugins.loaded) == {"a"}

    @pytest.mark.parametrize("error", [SystemExit, GeneratorExit, BaseException])
    def test_what_a_hook_raises_does_not_end_the_host(self, error):
        def raises():
            raise error("no")

        plugins = plugins_of(SimpleNamespace(toolcase_plugin=hookimpl(raises)))

        assert said(plugins) == [("SimpleNamespace", "load", f"{error.__name__}: no")]

    @pytest.mark.parametrize("hook", ["plugin", "tools"])
    def test_an_interrupt_from_the_keyboard_passes(self, hook):
        def raises():
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            assert plugins_of(SimpleNamespace(**{f"toolcase_{hook}": hookimpl(raises)})).loaded


class TestDependencies:
    """Who needs whom."""

    def test_each_comes_after_those_that_it_needs(self):
        plugins = plugins_of(plugin_of("a", needs=["c"]), plugin_of("b"), plugin_of("c", needs=["d"]))
        plugins.register(plugin_of("d"))

        names = list(plugins.loaded)

        assert names.index("d") < names.index("c") < names.index("a")

    def test_one_that_lacks_another_is_out_and_so_is_who_needs_it(self):
        plugins = plugins_of(plugin_of("a", needs=["b"]), plugin_of("b", needs=["sea"]), plugin_of("see"))

        assert set(plugins.loaded) == {"see"}
        assert [(fault.plugin, fault.said, fault.mend) for fault in plugins.faults] == [
            ("b", "it depends on plugin 'sea', which is not there", "did you mean 'see'?"),
            ("a", "it depends on plugin 'b', which is not there", "mend that one"),
        ]

    def test_those_in_a_circle_are_out_and_the_others_are_not(self):
        circle = [plugin_of("a", needs=["b"]), plugin_of("b", needs=["c"]), plugin_of("c", needs=["a"])]

        plugins = plugins_of(*circle, plugin_of("d"))

        assert set(plugins.loaded) == {"d"}
        assert sorted(fault.plugin for fault in plugins.faults) == ["a", "b", "c"]
        (words,) = {fault.said for fault in plugins.faults}
        assert words in {
            f"plugins depend on each other: {way}"
            for way in ("a > b > c > a", "b > c > a > b", "c > a > b > c")
        }
        assert plugins.faults[0].mend == "take one of these dependencies out"

    def test_one_that_needs_itself_is_out(self):
        plugins = plugins_of(plugin_of("a", needs=["a"]))

        assert plugins.loaded == {}
        assert said(plugins) == [("a", "hooks", "plugins depend on each other: a > a")]


class TestOffers:
    """What a host asks for."""

    def test_a_plugin_by_its_name(self):
        plugin = plugin_of("http")

        assert plugins_of(plugin).get("http") is plugin

    def test_a_plugin_that_is_not_in_is_refused_with_a_hint(self):
        plugins = plugins_of(plugin_of("http"), 5)

        with pytest.raises(LookupError, match="^no plugin 'htp'; did you mean 'http'\\?$"):
            plugins.get("htp")

    def test_without_any_the_hint_says_so(self):
        with pytest.raises(LookupError, match="no plugin 'x'; there is none"):
            PluginRegistry().get("x")

    def test_plugins_by_type(self):
        a, b = plugin_of("a", plugin_type="store"), plugin_of("b", plugin_type="tools")

        plugins = plugins_of(a, b)

        assert plugins.get_by_type(PluginType.STORE) == [a]
        assert plugins.get_by_type("tools") == [b]
        assert plugins.get_by_type(PluginType.MODEL) == []
        with pytest.raises(ValueError, match="'toys' is not a valid PluginType"):
            plugins.get_by_type("toys")

    def test_plugins_by_capability(self):
        a, b = plugin_of("a", capabilities=["search", "read"]), plugin_of("b", capabilities=["read"])

        plugins = plugins_of(a, b)

        assert plugins.get_by_capability("search") == [a]
        assert plugins.get_by_capability("read") == [a, b]
        assert plugins.get_by_capability("write") == []

    def test_all_tools(self):
        plugins = plugins_of(plugin_of("a", tools=["x"], needs=["b"]), plugin_of("b", tools=["y", "z"]))

        assert [tool.name for tool in plugins.get_all_tools()] == ["y", "z", "x"]

    def test_middleware_made_with_settings(self):
        plugins = plugins_of(plugin_of(middleware=["guard"]))

        assert plugins.middleware("guard", level=3).level == 3
        assert plugins.middleware("guard") is not plugins.middleware("guard")
        with pytest.raises(LookupError, match="no plugin offers middleware 'gard'; did you mean 'guard'"):
            plugins.middleware("gard")

    def test_ports_by_kind_and_scheme(self):
        plugins = plugins_of(plugin_of("a", ports=["redis"]), plugin_of("b", ports=["sqlite"]))

        assert plugins.open("store", "REDIS://host/1").url == "REDIS://host/1"
        with pytest.raises(LookupError, match="no plugin opens a store at 'reds'; did you mean 'redis'"):
            plugins.open("store", "reds://user:hunter2@host")
        with pytest.raises(LookupError, match="no plugin opens a model at 'redis'; there is none"):
            plugins.open("model", "redis://host")

    def test_commands(self):
        plugins = plugins_of(plugin_of("b", commands=["x"]), plugin_of("a", commands=["y", "z"]))

        offered = [plugin.offered("command") for plugin in plugins.loaded.values()]

        assert [[*commands] for commands in offered] == [["y", "z"], ["x"]]
        assert offered[1]["x"] == Command(name="x", target="cli:main")

    @pytest.mark.parametrize(
        ("offer", "kind"),
        [("tools", "tool"), ("middleware", "middleware"), ("ports", "port store"), ("commands", "command")],
    )
    def test_two_that_offer_the_same_are_not_both_in(self, offer, kind):
        plugins = plugins_of(plugin_of("b", **{offer: ["x"]}), plugin_of("a", **{offer: ["x"]}))

        assert set(plugins.loaded) == {"a"}
        assert said(plugins) == [("b", "hooks", f"it offers {kind} 'x', as plugin 'a' does")]

    def test_each_is_asked_once(self):
        asked = []
        plugin = SimpleNamespace(toolcase_tools=hookimpl(lambda: asked.append(1)))

        plugins = plugins_of(plugin)
        for _ in range(3):
            assert plugins.loaded
            assert plugins.get_all_tools() == []

        assert asked == [1]

    def test_what_is_in_cannot_be_changed_from_outside(self):
        with pytest.raises(TypeError):
            plugins_of(plugin_of()).loaded["b"] = 5


class Key(pydantic.BaseModel):
    url: str
    api_key: pydantic.SecretStr = pydantic.SecretStr("")


SETTINGS = """\
import dataclasses
from toolcase import PluginManifest, hookimpl

@dataclasses.dataclass
class Settings:
    host: str = "default"
    port: int = 1

@hookimpl
def toolcase_plugin():
    return PluginManifest(name="{name}", settings=Settings)
"""


def configurable(name="http"):
    return Shipped(name, SETTINGS.format(name=name))


class TestLoad:
    """All that are installed."""

    def test_takes_what_is_installed(self, install):
        install(COUNTS, GREETS, GUARDS)

        plugins = PluginRegistry.load()

        assert list(plugins.loaded) == ["counts", "greets", "guards"]
        assert plugins.faults == ()
        assert plugins.left_out == {}

    def test_each_has_its_settings_from_the_file_and_over_them_the_hosts(self, install, site):
        install(configurable())
        (site / "pyproject.toml").write_text("[tool.toolcase.plugins.http]\nhost = 'file'\nport = 2\n")

        loaded = PluginRegistry.load(settings={"http": {"port": 3}}).loaded["http"]

        assert (loaded.settings.host, loaded.settings.port) == ("file", 3)

    def test_an_instance_from_the_host_is_there_for_all_of_the_file(self, install, site):
        install(configurable())
        (site / "pyproject.toml").write_text("[tool.toolcase.plugins.http]\nhost = 'file'\n")
        import tc_http

        loaded = PluginRegistry.load(settings={"http": tc_http.Settings(port=9)}).loaded["http"]

        assert (loaded.settings.host, loaded.settings.port) == ("default", 9)

    @pytest.mark.parametrize(
        ("pyproject", "host"), [(True, "near"), (False, "default"), ("other.toml", "far")]
    )
    def test_the_file_is_the_one_that_is_named(self, pyproject, host, install, site):
        install(configurable())
        (site / "pyproject.toml").write_text("[tool.toolcase.plugins.http]\nhost = 'near'\n")
        (site / "other.toml").write_text("[tool.toolcase.plugins.http]\nhost = 'far'\n")

        assert PluginRegistry.load(pyproject=pyproject).loaded["http"].settings.host == host

    def test_a_file_that_cannot_be_read_is_an_error(self, site):
        with pytest.raises(ValueError, match="cannot read the settings of plugins from"):
            PluginRegistry.load(pyproject=site / "gone.toml")

    def test_settings_for_one_that_is_not_installed_are_told(self, install):
        install(configurable())

        plugins = PluginRegistry.load(settings={"htp": {"port": 3}})

        (fault,) = plugins.faults
        assert (fault.plugin, fault.during) == ("htp", "settings")
        assert (fault.said, fault.mend) == ("it has settings, and is not installed", "did you mean 'http'?")
        assert set(plugins.loaded) == {"http"}

    def test_settings_for_one_that_the_host_registers_later_are_its(self, install):
        install(configurable())
        plugins = PluginRegistry.load(settings={"leaks": {"url": "x"}})

        plugins.register(
            SimpleNamespace(toolcase_plugin=hookimpl(lambda: PluginManifest(name="leaks", settings=Key)))
        )

        assert plugins.loaded["leaks"].settings.url == "x"
        assert plugins.faults == ()

    def test_settings_that_do_not_fit_keep_out_only_that_plugin(self, install):
        install(GREETS, configurable())

        plugins = PluginRegistry.load(settings={"http": {"port": "x"}})

        assert set(plugins.loaded) == {"greets"}
        (fault,) = plugins.faults
        assert fault.during == "settings"
        assert fault.mend == f"see [tool.toolcase.plugins.http], or leave it out with {DISABLE}=http"

    @pytest.mark.parametrize(
        ("disable", "load", "left"),
        [
            ("greets", "", {"greets": DISABLE}),
            (" greets , counts,, ", "", {"greets": DISABLE, "counts": DISABLE}),
            ("*", "", dict.fromkeys(["counts", "greets", "guards"], DISABLE)),
            ("", "greets", {"counts": LOAD, "guards": LOAD}),
            ("greets", "greets, guards", {"counts": LOAD, "greets": DISABLE}),
            (" , ", ",", {}),
            ("unknown", "", {}),
        ],
    )
    def test_the_environment_leaves_some_out(self, disable, load, left, install, monkeypatch):
        install(COUNTS, GREETS, GUARDS)
        monkeypatch.setenv(DISABLE, disable)
        monkeypatch.setenv(LOAD, load)

        plugins = PluginRegistry.load()

        assert plugins.left_out == left
        assert {*plugins.loaded} | {*left} == {"counts", "greets", "guards"}
        assert not {*plugins.loaded} & {*left}

    def test_one_that_is_left_out_is_not_imported(self, install, monkeypatch):
        install(Shipped("a", "raise AssertionError"))
        monkeypatch.setenv(DISABLE, "a")

        assert PluginRegistry.load().faults == ()

    def test_one_that_is_required_and_not_installed_is_an_error(self, install):
        install(GREETS)

        with pytest.raises(
            PluginError, match="^plugin 'greet' is required, and not there; did you mean 'greets'"
        ):
            PluginRegistry.load(required=["greet"])

    def test_one_alone_may_be_required_by_its_name(self, install):
        install(GREETS)

        assert PluginRegistry.load(required="greets").loaded["greets"].required

    def test_one_that_is_required_and_left_out_is_an_error(self, install, monkeypatch):
        install(GREETS)
        monkeypatch.setenv(DISABLE, "*")

        with pytest.raises(PluginError, match=f"^plugin 'greets' is required, and not there; see {DISABLE}$"):
            PluginRegistry.load(required=["greets"])

    def test_one_that_is_required_and_there_is_no_error(self, install):
        install(GREETS)

        assert PluginRegistry.load(required={"greets"}).loaded["greets"].required

    def test_metadata_that_cannot_be_read_are_told(self, install, site):
        install(GREETS)
        (site / "odd-1.0.dist-info").mkdir()
        (site / "odd-1.0.dist-info" / "entry_points.txt").write_text("[toolcase]\nno equals sign\n")

        plugins = PluginRegistry.load()

        assert set(plugins.loaded) == {"greets"}
        (fault,) = plugins.faults
        assert (fault.plugin, fault.during, fault.distribution) == ("odd-1.0.dist-info", "find", "")
        assert fault.said.startswith("its metadata cannot be read: ")
        assert fault.mend == "install it again, or uninstall it"


def watches(name):
    """The timers that will name this plugin in the log."""
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    waiting = [timer for timer in timers if not timer.finished.is_set()]
    return [timer for timer in waiting if timer.args[0].startswith(f"plugin {name!r} still loads")]


class TestSlow:
    """One that takes long is named in the log, wherever it hangs."""

    @pytest.mark.parametrize("hook", ["plugin", "tools", "middleware", "ports", "commands"])
    def test_in_a_hook(self, hook):
        seen = []
        plugins = PluginRegistry()
        watched = hookimpl(lambda: seen.append(len(watches("slow"))))

        plugins.register(SimpleNamespace(**{f"toolcase_{hook}": watched}), name="slow")

        assert plugins.loaded
        assert seen == [1]

    def test_while_it_is_imported(self, install):
        install(Shipped("slow", "import threading\nseen = threading.enumerate()\n" + GREETS.code))

        seen = PluginRegistry.load().loaded["slow"].plugin.seen

        assert [timer for timer in seen if "'slow' still loads" in str(getattr(timer, "args", ""))]


class TestTold:
    """How the host hears of a fault."""

    def test_the_log_has_the_traceback_of_what_a_plugin_raised(self, logged):
        def raises():
            raise ConnectionError("refused")

        plugins = plugins_of(SimpleNamespace(toolcase_tools=hookimpl(raises)))
        assert plugins.loaded == {}

        (line,) = logged
        assert line.startswith(f"{plugins.faults[0]}\nTraceback")
        assert line.endswith("ConnectionError: refused")

    def test_the_log_has_no_traceback_of_what_we_say_ourselves(self, logged):
        plugins = plugins_of(5)

        assert logged == [str(plugins.faults[0])]

    @pytest.mark.parametrize(
        "settings", [{"url": "x", "api_key": "hunter2hunter2"}, {"url": "hunter2hunter2"}]
    )
    def test_a_secret_in_the_settings_is_told_nowhere(self, settings, logged):
        class Leaks(Plugin):
            manifest = PluginManifest(name="leaks", settings=Key)

            def get_tools(self):
                raise ValueError(
                    f"cannot log in with {self.settings.api_key.get_secret_value() or 'nothing'}"
                )

        plugins = plugins_of(Leaks(), settings={"leaks": settings})
        assert plugins.loaded == {}

        assert "hunter2" not in "".join([*map(str, plugins.faults), *logged])
        assert "cannot log in with" in logged[0]

    def test_a_secret_under_a_name_that_does_not_tell_is_known_by_its_type(self, logged):
        class Settings(pydantic.BaseModel):
            login: pydantic.SecretStr

        class Leaks(Plugin):
            manifest = PluginManifest(name="leaks", settings=Settings)

            def get_tools(self):
                raise ValueError(self.settings.login.get_secret_value())

        plugins = plugins_of(Leaks(), settings={"leaks": {"login": "hunter2hunter2"}})
        assert plugins.loaded == {}

        assert plugins.faults[0].said == "ValueError: [redacted]"
        assert "hunter2" not in "".join(logged)


class TestInstall:
    """Tools in a registry."""

    def test_adds_all_tools(self):
        registry = Registry()

        plugins_of(plugin_of("a", tools=["x"]), plugin_of("b", tools=["y"])).install(registry)

        assert registry.names() == ["x", "y"]

    def test_places_nothing_around_them(self):
        registry = Registry()

        plugins_of(plugin_of(tools=["x"], middleware=["guard"])).install(registry)

        assert registry.around("x") == {}

    @pytest.mark.parametrize("second", [0, 1], ids=["in the same registry", "in another"])
    def test_twice_is_refused_and_adds_nothing(self, second):
        plugins, registries = plugins_of(plugin_of(tools=["x"])), [Registry(), Registry()]
        plugins.install(registries[0])

        with pytest.raises(
            ValueError, match="^these plugins are installed already; load them again for another registry$"
        ):
            plugins.install(registries[second])

        assert [registry.names() for registry in registries] == [["x"], []]

    async def test_in_one_that_is_entered_is_refused_and_adds_nothing(self):
        plugins = plugins_of(plugin_of(tools=["x"]))

        async with Registry() as registry:
            with pytest.raises(RuntimeError, match="entered already"):
                plugins.install(registry)
            assert registry.names() == []
        plugins.install(registry)
        assert registry.names() == ["x"]

    async def test_one_whose_tool_has_the_name_of_the_hosts_is_out_with_all_its_tools(self):
        plugins, registry = plugins_of(plugin_of(tools=["w", "x", "y"]), plugin_of("b")), Registry()
        registry.tool(lambda: "the host's", name="x")

        plugins.install(registry)

        assert registry.names() == ["x"]
        assert await registry.call("x") == "the host's"
        assert set(plugins.loaded) == {"b"}

    def test_one_that_needs_it_is_out_too(self):
        plugins, registry = (
            plugins_of(plugin_of(tools=["x"]), plugin_of("b", tools=["y"], needs=["a"])),
            Registry(),
        )
        registry.tool(lambda: 1, name="x")

        plugins.install(registry)

        assert registry.names() == ["x"]
        assert plugins.loaded == {}

    def test_one_that_is_required_is_an_error(self):
        plugins, registry = PluginRegistry(), Registry()
        plugins.register(plugin_of(tools=["x"]))
        registry.tool(lambda: 1, name="x")

        with pytest.raises(
            PluginError, match="^plugin 'a' is required: ValueError: there is a tool named 'x'"
        ):
            plugins.install(registry)


async def test_the_registry_need_not_be_entered_for_tools_that_need_no_lifespan():
    registry = Registry()
    plugins_of(plugin_of(tools=["x"])).install(registry)

    with anyio.fail_after(1):
        assert await registry.call("x") is None
