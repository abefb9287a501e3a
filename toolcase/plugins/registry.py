"""The plugins of one application: found, kept from breaking their host, started and stopped."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Self

import anyio

from toolcase.call import Middleware
from toolcase.clock import current_loop, turns
from toolcase.context import ExecutionContext
from toolcase.errors import message_of
from toolcase.events import log_fault
from toolcase.hooks import PluginType
from toolcase.plugins.faults import PluginError, PluginFailed, note_secrets, said_of, watched
from toolcase.plugins.installed import Found, configured, find, leave_out, left_out, mend_of
from toolcase.plugins.lifespan import Lifespan
from toolcase.plugins.loaded import LoadedPlugin, ask_offers, configure, take
from toolcase.registry import Registry
from toolcase.schema import nearest
from toolcase.secrets import Secrets
from toolcase.timer import shielded
from toolcase.tool import Tool

START_SECONDS = 30.0
STOP_SECONDS = 10.0
"""After so long a plugin that has not started, or not stopped, is cancelled."""


class PluginRegistry:
    """The plugins of one application, in a registry of its own: what one offers, a host places.

    One that cannot be used is out, as a whole: it is reported once, in the log and in `faults`, and the
    others go on. One that is required raises `PluginError` instead: those that the host
    names in `required`, and those that it registers itself.
    """

    def __init__(self, *, settings: Mapping[str, Any] | None = None) -> None:
        """Empty; `load` gives one with the plugins that are installed.

        `settings` are those of each plugin by its name, as a mapping or an instance of its model.
        """
        self.faults: tuple[PluginFailed, ...] = ()
        """What went wrong so far, oldest first."""
        self.left_out: Mapping[str, str] = MappingProxyType({})
        """The installed plugins that an environment variable leaves out, each with that variable."""
        self._settings = dict(settings or {})
        self._secrets = Secrets()
        note_secrets(self._secrets, self._settings)
        self._loaded: dict[str, LoadedPlugin] = {}
        self._missed: PluginFailed | None = None
        self._registry: Registry | None = None
        self._loop: Any = None
        self._started: AsyncExitStack  # this and `_turn` belong to that loop: see `_settle`
        self._turn: anyio.Lock

    @classmethod
    def load(
        cls,
        *,
        settings: Mapping[str, Any] | None = None,
        pyproject: bool | str | Path = True,
        required: Collection[str] = (),
    ) -> Self:
        """All that are installed, but for those that TOOLCASE_DISABLE_PLUGINS names (`*` is for all).

        With TOOLCASE_LOAD_PLUGINS only those that it names; both are lists with commas. Settings come from
        `[tool.toolcase.plugins.NAME]` in pyproject.toml, and over each of them what the host says.
        `pyproject` is that file, True for the nearest one that has such tables, in the current folder or
        above, False for none. ValueError if it cannot be read. PluginError if one that is required is out.
        """
        tables = configured(pyproject)
        for name, given in (settings or {}).items():
            both = isinstance(given, Mapping)
            tables[name] = {**tables.get(name, {}), **given} if both else given
        plugins = cls(settings=tables)
        plugins._load({required} if isinstance(required, str) else {*required})
        return plugins

    def register(self, plugin: Any, *, name: str = "", required: bool = True) -> None:
        """Take in one that the host has in hand: a module or an object with hooks, or a class of such.

        `name` is for one without a manifest. PluginError if it cannot be used and is required. After
        `install` its tools are added nowhere.
        """
        # By its type, because what an object itself says may be anything.
        named = plugin if issubclass(type(plugin), type | ModuleType) else type(plugin)
        name = name or named.__name__.rpartition(".")[2]
        self._admit(lambda: plugin, name=name, found=None, required=required)
        self._demand()

    @property
    def loaded(self) -> Mapping[str, LoadedPlugin]:
        """The plugins that are in, by name, each after those that it depends on."""
        return MappingProxyType({plugin.name: plugin for plugin in self._asked()})

    def get(self, name: str) -> Any:
        """The plugin itself: a module, an object, or what its class made. LookupError if it is not in."""
        if name not in self._loaded:
            raise LookupError(f"no plugin {name!r}; {_hint(name, self._loaded)}")
        return self._loaded[name].plugin

    def get_by_type(self, plugin_type: PluginType | str) -> list[Any]:
        """The plugins of that type. ValueError if there is no such type."""
        kind = PluginType(plugin_type)
        return [each.plugin for each in self._ordered() if each.manifest.plugin_type is kind]

    def get_by_capability(self, capability: str) -> list[Any]:
        """The plugins that say they can do this."""
        return [each.plugin for each in self._ordered() if capability in each.manifest.capabilities]

    def get_all_tools(self) -> list[Tool[..., Any]]:
        """The tools of all plugins."""
        return [*self._offered("tool").values()]

    def middleware(self, name: str, /, **settings: Any) -> Middleware:
        """A new middleware of that name, for the host to use. LookupError if no plugin offers it."""
        made: Middleware = self._one("middleware", name, "offers middleware")(**settings)
        return made

    def open(self, kind: str, url: str) -> Any:
        """What the URL names, such as the "store" at `redis://host`. LookupError if no plugin opens it."""
        scheme = url.partition(":")[0].lower()
        return self._one(f"port {kind}", scheme, f"opens a {kind} at").open(url)

    def install(self, registry: Registry) -> None:
        """Add all tools to a registry, and start and stop the plugins with it.

        A plugin with a tool whose name is taken there is out. The tools of one that fails later are
        switched off. ValueError if they are installed already: another registry needs plugins of its own.
        RuntimeError if the registry is entered.
        """
        if self._registry is not None:
            raise ValueError("these plugins are installed already; load them again for another registry")
        plugins = self._asked()
        registry.lifespan(self._running)
        self._registry = registry
        for plugin in plugins:
            with self._guarded("hooks", plugin):
                registry.add(*plugin.offered("tool").values())
        self._asked()  # those that depend on one that is out now are out too

    async def initialize_all(self, context: ExecutionContext | None = None) -> None:
        """Start all that have not started, each after those that it depends on.

        If one that is required fails, those that this had started are stopped, and PluginError is raised;
        one that is not is out, with all that depend on it. RuntimeError while they are in use in another
        event loop.
        """
        self._settle()
        async with self._turn, AsyncExitStack() as starting:
            while plugin := next((each for each in self._asked() if not each.started), None):
                await self._start(plugin, context or ExecutionContext(), starting)
            self._started.push_async_callback(starting.pop_all().aclose)

    async def shutdown_all(self) -> None:
        """Stop all that have started, the last one first; each gets its turn, whatever another does."""
        self._settle()
        with shielded(math.inf):
            async with self._turn:
                started, self._started = self._started, AsyncExitStack()
                await started.aclose()

    # How

    def _load(self, required: set[str]) -> None:
        found = find(self._unreadable)
        names = {each.entry.name for each in found}
        out = left_out(names)
        self.left_out = MappingProxyType(out)
        for each in found:
            if (name := each.entry.name) not in out:
                self._admit(each.entry.load, name=name, found=each, required=name in required)
        for name in sorted(required - (names - {*out})):
            mend = f"see {out[name]}" if name in out else _hint(name, names)
            raise PluginError(f"plugin {name!r} is required, and not there", mend)
        for name in sorted(set(self._settings) - names):
            if mend := nearest(name, names):  # the host may register one of another name later
                self._report("settings", name, PluginError("it has settings, and is not installed", mend))
        self._asked()

    def _admit(self, named: Callable[[], Any], *, name: str, found: Found | None, required: bool) -> None:
        """Take it in, if it can be used; of two with one name the first stays."""
        try:
            with watched(name):
                plugin = take(named(), name=name, found=found, required=required)
            for other in self._loaded.values():
                if other.name == plugin.name or other.plugin is plugin.plugin:
                    first = f"{other.distribution or 'the host'} has it too, as {other.name!r}"
                    raise PluginError(first, "keep one of the two")
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  foreign code, and SystemExit must not end the host
            self._report("load", name, error, found, required=required)
        else:
            self._loaded[plugin.name] = plugin
            with self._guarded("settings", plugin):
                configure(plugin, self._settings.get(plugin.name, {}))
                note_secrets(self._secrets, plugin.settings)

    def _ordered(self) -> list[LoadedPlugin]:
        """Those that are in, each after those that it depends on; who cannot have these is out."""
        while True:
            graph = {name: self._loaded[name].manifest.dependencies for name in sorted(self._loaded)}
            lacks = [(name, need) for name, needs in graph.items() for need in needs if need not in graph]
            for name, need in lacks[:1]:
                known = any(fault.plugin == need for fault in self.faults)
                mend = "mend that one" if known else _hint(need, graph)
                lack = PluginError(f"it depends on plugin {need!r}, which is not there", mend)
                self._drop("hooks", self._loaded[name], lack)
            if not lacks:
                try:
                    return [self._loaded[name] for name in TopologicalSorter(graph).static_order()]
                except CycleError as error:
                    way = error.args[1][::-1]
                    said = f"plugins depend on each other: {' > '.join(way)}"
                    circle = PluginError(said, "take one of these dependencies out")
                    for plugin in [self._loaded[name] for name in sorted(set(way))]:
                        self._drop("hooks", plugin, circle)

    def _asked(self) -> list[LoadedPlugin]:
        """The same, each having been asked what it offers; PluginError if one is out that is required."""
        while plugin := next((each for each in self._ordered() if not each.asked), None):
            plugin.asked = True
            with self._guarded("hooks", plugin):
                ask_offers(plugin)
                self._refuse_taken(plugin)
        self._demand()
        return self._ordered()

    def _offered(self, kind: str) -> dict[str, Any]:
        return {name: thing for plugin in self._asked() for name, thing in plugin.offered(kind).items()}

    def _one(self, kind: str, name: str, said: str) -> Any:
        offered = self._offered(kind)
        if name not in offered:
            raise LookupError(f"no plugin {said} {name!r}; {_hint(name, offered)}")
        return offered[name]

    def _refuse_taken(self, plugin: LoadedPlugin) -> None:
        for other in self._loaded.values():
            if other is not plugin:
                for kind, name in sorted(plugin.offers.keys() & other.offers.keys()):
                    said = f"it offers {kind} {name!r}, as plugin {other.name!r} does"
                    raise PluginError(said, "keep one of the two")

    def _settle(self) -> None:
        """Belong to the loop that runs here; what was started in one that has gone, has gone with it."""
        loop = current_loop()
        if loop is self._loop:
            return
        if self._loop is not None and turns(self._loop):
            raise RuntimeError("these plugins are in use in another event loop; load them for each loop")
        self._loop, self._started = loop, AsyncExitStack()
        self._turn = anyio.Lock(fast_acquire=True)  # who stops them must not be cancelled where none waits
        for plugin in self._loaded.values():
            plugin.started, plugin.lifespan = False, None

    async def _start(self, plugin: LoadedPlugin, context: ExecutionContext, starting: AsyncExitStack) -> None:
        plugin.started = True
        starting.push_async_callback(self._stop, plugin)  # first, for one who is cancelled meanwhile
        if "toolcase_lifespan" in plugin.hooks:
            make = partial(plugin.ask, "toolcase_lifespan", settings=plugin.settings, context=context)
            plugin.lifespan = Lifespan(make, partial(self._crashed, plugin))
            error = await plugin.lifespan.start(START_SECONDS)
            if error is not None:
                plugin.lifespan = None
                self._drop("start", plugin, error)

    async def _stop(self, plugin: LoadedPlugin) -> None:
        plugin.started = False
        lifespan, plugin.lifespan = plugin.lifespan, None
        if lifespan is not None and (error := await lifespan.stop(STOP_SECONDS)) is not None:
            self._report("stop", plugin.name, error, plugin.found)

    def _crashed(self, plugin: LoadedPlugin, error: BaseException) -> None:
        plugin.lifespan, missed = None, self._missed
        self._drop("run", plugin, error)
        self._ordered()  # those that depend on it are out too
        self._missed = missed  # there is nobody to raise it to

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        await self.initialize_all()
        try:
            yield
        finally:
            await self.shutdown_all()

    # What went wrong

    @contextmanager
    def _guarded(self, during: str, plugin: LoadedPlugin) -> Iterator[None]:
        try:
            with watched(plugin.name):
                yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  foreign code, and SystemExit must not end the host
            self._drop(during, plugin, error)

    def _drop(self, during: str, plugin: LoadedPlugin, error: BaseException) -> None:
        """It is out from now on, and so are its tools, wherever they are installed."""
        if self._loaded.pop(plugin.name, None) is None:
            return  # whoever was told of another has asked us meanwhile
        if self._registry is not None:
            for tool in {*plugin.offered("tool").values()} & {*self._registry.tools()}:
                self._registry.disable(tool.name, "its plugin is out of order")
        self._report(during, plugin.name, error, plugin.found, required=plugin.required)

    def _report(
        self, during: str, name: str, error: BaseException, found: Found | None = None, required: bool = False
    ) -> None:
        """Tell it once, and note it if the host cannot do without."""
        mend = (isinstance(error, PluginError) and error.mend) or mend_of(error, found)
        if found is not None and name not in self._loaded:
            mend += f", or {leave_out(name)}"
        said = said_of(error, self._secrets)
        fault = PluginFailed(
            plugin=name, distribution=str(found or ""), during=during, said=said, mend=mend, error=error
        )
        self.faults += (fault,)
        log_fault(str(fault), None if isinstance(error, PluginError) else error, self._secrets)
        self._missed = self._missed or (fault if required else None)

    def _demand(self) -> None:
        """PluginError, again and again, if one is out that the host cannot do without."""
        if (out := self._missed) is not None:
            raise PluginError(f"plugin {out.plugin!r} is required: {out.said}", out.mend) from out.error

    def _unreadable(self, place: str, error: Exception) -> None:
        said = f"its metadata cannot be read: {message_of(error)}"
        self._report("find", place, PluginError(said, "install it again, or uninstall it"))


def _hint(name: str, known: Collection[str]) -> str:
    """The nearest name, or all."""
    return nearest(name, known) or f"there is {', '.join(sorted(known)) or 'none'}"
