"""One plugin: its hooks, its manifest, its settings and what it offers, each checked before it is used."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pluggy

from toolcase.errors import InvalidArguments
from toolcase.hooks import API_VERSION, Command, Hooks, Plugin, PluginManifest, PortFactory
from toolcase.plugins.faults import PluginError
from toolcase.plugins.installed import Found
from toolcase.plugins.lifespan import Lifespan
from toolcase.schema import build, nearest, shown_value
from toolcase.tool import Tool, tool_of


@dataclass(eq=False, slots=True)
class LoadedPlugin:
    """A plugin that is in, and what it offers."""

    plugin: Any
    """What its entry point names: a module, an object, or what its class made."""
    manifest: PluginManifest
    found: Found | None
    """Its entry point; None for one that the host itself registered."""
    required: bool
    hooks: Mapping[str, pluggy.HookImpl] = field(repr=False)
    settings: Any = field(default=None, repr=False)
    offers: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    """By kind and name: tools, factories of middleware, commands, and as "port KIND" by scheme its ports."""
    asked: bool = False
    """Whether it was asked what it offers."""
    started: bool = False
    lifespan: Lifespan | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """As the manifest has it."""
        return self.manifest.name

    @property
    def distribution(self) -> str:
        """Name and version; empty for one that the host itself registered."""
        return str(self.found or "")

    def ask(self, hook: str, **given: Any) -> Any:
        """What it says to one hook; None where it has nothing to say."""
        if (found := self.hooks.get(hook)) is None:
            return None
        taken = {name: given[name] for name in (*found.argnames, *found.kwargnames) if name in given}
        said = found.function(**taken)
        if inspect.iscoroutine(said):
            said.close()
            raise PluginError(
                f"{hook} is async", "hooks are plain functions; what must wait stands in toolcase_lifespan"
            )
        return said

    def offered(self, kind: str) -> dict[str, Any]:
        """What it offers of one kind, by name: "tool", "middleware", "command", or "port" and its kind."""
        return {name: thing for (of, name), thing in self.offers.items() if of == kind}


def take(named: Any, *, name: str, found: Found | None, required: bool) -> LoadedPlugin:
    """What an entry point or a host names, with its hooks and its manifest; PluginError if it is none."""
    plugin = named() if issubclass(type(named), type) else named
    made = LoadedPlugin(plugin, PluginManifest(name=name), found, required, _hooks(plugin, name))
    made.manifest = _manifest(made)
    return made


def _hooks(plugin: Any, name: str) -> dict[str, pluggy.HookImpl]:
    manager = pluggy.PluginManager("toolcase")  # of its own: pluggy asks each plugin whether it == another
    manager.add_hookspecs(Hooks)
    known = sorted(vars(manager.hook))
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise PluginError(str(error), "a hook takes only the parameters that it is given") from None
    found = {each.name: marked for each in vars(manager.hook).values() for marked in each.get_hookimpls()}
    for hook, implementation in found.items():
        if implementation.wrapper or implementation.hookwrapper:
            raise PluginError(f"its {hook} is a wrapper", "each is asked alone, so there is nothing to wrap")
        if hook not in known and not implementation.optionalhook:
            mend = nearest(hook, known) or f"there are {', '.join(sorted(known))}"
            raise PluginError(f"there is no hook {hook!r}", mend)
    for hook in known:
        if hook not in found and inspect.isroutine(inspect.getattr_static(plugin, hook, None)):
            raise PluginError(f"its {hook} is not marked", "put @toolcase.hookimpl above it")
    if not found:
        raise PluginError(
            f"{shown_value(plugin)} has no hooks", "name a module, class or object with @hookimpl"
        )
    return found


def _manifest(plugin: LoadedPlugin) -> PluginManifest:
    manifest: PluginManifest | None = plugin.ask("toolcase_plugin")
    if manifest is None:
        return PluginManifest(name=plugin.name, version=plugin.found.version if plugin.found else "")
    if not issubclass(type(manifest), PluginManifest):
        raise PluginError(f"its manifest is {shown_value(manifest)}", "return a PluginManifest")
    if plugin.found is not None and manifest.name != plugin.name:
        raise PluginError(
            f"its manifest calls it {manifest.name!r}, its entry point {plugin.name!r}", "give both one name"
        )
    if manifest.api_version != API_VERSION:
        older = plugin.found is not None and manifest.api_version < API_VERSION
        raise PluginError(
            f"it is written for hooks of version {manifest.api_version}, and here is version {API_VERSION}",
            f"pip install --upgrade {plugin.found.distribution if plugin.found and older else 'toolcase'}",
        )
    return manifest


def configure(plugin: LoadedPlugin, given: Any) -> None:
    """Make its settings of what a file and the host say; PluginError if they do not fit its model."""
    model = plugin.manifest.settings
    if model is None:
        if given:
            names = ", ".join(map(repr, given)) if isinstance(given, Mapping) else type(given).__name__
            raise PluginError(f"it takes no settings, got {names}", "leave them out")
        return

    def settings(values: Any) -> None: ...

    settings.__annotations__["values"] = model
    schema = build(settings, tool=plugin.name)
    if schema.gather is None:
        raise PluginError(
            f"settings of its manifest is {shown_value(model)}",
            "name a pydantic model, dataclass, TypedDict or msgspec.Struct",
        )
    try:
        checked = schema.validate(given if isinstance(given, Mapping) else {"values": given})
    except InvalidArguments as error:
        # Without values: which of them are secret, and which URLs hold one, nobody can tell.
        wrong = error.without_values.removeprefix(f"invalid arguments for {plugin.name!r}: ")
        see = f"see [tool.toolcase.plugins.{plugin.name}]"
        raise PluginError(f"its settings do not fit: {wrong}", see) from None
    plugin.settings = schema.gather(checked)["values"]
    if isinstance(plugin.plugin, Plugin):
        plugin.plugin.settings = plugin.settings


def ask_offers(plugin: LoadedPlugin) -> None:
    """Ask it for its tools, middleware, ports and commands; PluginError if they are something else."""
    offers: dict[tuple[str, str], Any] = {}

    def add(kind: str, name: Any, thing: Any) -> None:
        if not isinstance(name, str):
            raise PluginError(f"it offers {kind} {shown_value(name)}", "give it a name that is text")
        if (kind, name) in offers:
            raise PluginError(f"it offers {kind} {name!r} twice", "give each a name of its own")
        offers[kind, name] = thing

    for given in _several(plugin, "toolcase_tools", None):
        tool = given if issubclass(type(given), Tool) else tool_of(given)
        add("tool", tool.name, tool)
    for port in _several(plugin, "toolcase_ports", PortFactory):
        add(f"port {port.kind}", port.scheme, port)
    for command in _several(plugin, "toolcase_commands", Command):
        add("command", command.name, command)
    middleware = plugin.ask("toolcase_middleware", settings=plugin.settings)
    if not isinstance(middleware, Mapping | None) or not all(map(callable, (middleware or {}).values())):
        said = f"its toolcase_middleware gave {shown_value(middleware)}"
        raise PluginError(said, "return a dict of factories by name")
    for name, make in (middleware or {}).items():
        add("middleware", name, make)
    plugin.offers = offers


def _several(plugin: LoadedPlugin, hook: str, kind: type | None) -> Iterator[Any]:
    """What it gives to one hook: all of that kind, or callable."""
    given = plugin.ask(hook, settings=plugin.settings)
    single = isinstance(given, str) or not isinstance(given, Iterable | None)
    for item in (given,) if single else given or ():
        if not (issubclass(type(item), kind) if kind else callable(item)):  # whatever it says of itself
            wanted = kind.__name__ if kind else "tools"
            raise PluginError(f"its {hook} gave {shown_value(item)}", f"return a list of {wanted}")
        yield item
