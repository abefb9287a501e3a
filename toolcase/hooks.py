"""What a plugin can offer: the hooks that it writes, the records that they return, and the class form."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import pluggy

from toolcase.call import Middleware
from toolcase.context import ExecutionContext, Record

API_VERSION = 1
"""Of the hooks below; it grows when a plugin written for the one before would no longer work."""

hookspec = pluggy.HookspecMarker("toolcase")
"""Marks the declaration of a hook."""
hookimpl = pluggy.HookimplMarker("toolcase")
"""Marks what a plugin says to the hook of the same name."""


class PluginType(StrEnum):
    """What a plugin is for, in the first place; it may offer more."""

    TOOLS = "tools"
    MIDDLEWARE = "middleware"
    STORE = "store"
    MODEL = "model"
    EVENTS = "events"
    COMMANDS = "commands"
    OTHER = "other"


class PluginCapability(str):
    """The name of something that a plugin can do, for who looks for one; equal to the bare text."""

    __slots__ = ()


class PluginManifest(Record, frozen=True, kw_only=True):
    """What a plugin says of itself. ValueError if it cannot be true."""

    name: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*\\Z")]
    """Letters and digits joined by `-`, `_` or `.`; that of its entry point, if it has one."""
    version: str = ""
    plugin_type: PluginType = PluginType.OTHER
    description: str = ""
    capabilities: Sequence[str] = ()
    dependencies: Sequence[str] = ()
    """Names of the plugins that must have started before this one."""
    settings: Any = None
    """A pydantic model, dataclass, TypedDict or msgspec.Struct of its configuration; None for none."""
    api_version: int = API_VERSION
    """Of the hooks for which it was written."""


class PortFactory(msgspec.Struct, frozen=True, kw_only=True):
    """How to open what a URL of this scheme names, as a port of this kind."""

    kind: str
    """Such as "store" or "model"."""
    scheme: str
    """The part of a URL before the colon, in lower case."""
    open: Callable[[str], Any]
    """From the whole URL to the port; what it raises reaches whoever opens."""


class Command(Record, frozen=True, kw_only=True):
    """A command of the program `toolcase`, imported when it is used."""

    name: str
    target: str
    """`module:attribute` of a click command."""
    help: str = ""
    """One line, for the list of commands."""


class Hooks:
    """The hooks of a plugin, each asked once and never on the path of a call.

    An implementation takes only the parameters that it needs. `settings` is an instance of the model that
    the manifest names, None where it names none. A plugin offers; the application places.
    """

    @hookspec
    def toolcase_plugin(self) -> PluginManifest | None:
        """What the plugin is; asked first. Without it, its name is that of the entry point."""

    @hookspec
    def toolcase_tools(self, settings: Any) -> Iterable[Callable[..., Any]] | None:
        """Tools, or plain functions that become tools, for the registries in which it is installed."""

    @hookspec
    def toolcase_middleware(self, settings: Any) -> Mapping[str, Callable[..., Middleware]] | None:
        """Classes or functions that make middleware, by the names under which a host asks for it."""

    @hookspec
    def toolcase_ports(self, settings: Any) -> Iterable[PortFactory] | None:
        """What it can open, by kind and scheme."""

    @hookspec
    def toolcase_commands(self, settings: Any) -> Iterable[Command] | None:
        """Commands for the program `toolcase`."""

    @hookspec
    def toolcase_lifespan(
        self, settings: Any, context: ExecutionContext
    ) -> contextlib.AbstractAsyncContextManager[Any] | None:
        """What is entered before the first call and left after the last, in a task of its own."""


class Plugin:
    """The class form of a plugin: say what it is in `manifest`, and override what it does."""

    settings: Any = None
    """An instance of the model that the manifest names; set before anything else is asked."""

    @property
    def manifest(self) -> PluginManifest:
        """What the plugin is."""
        raise NotImplementedError(f"{type(self).__name__} has no manifest; give it one, as a property")

    async def initialize(self, context: ExecutionContext) -> None:
        """Set up what its tools need, before the first call."""

    async def shutdown(self) -> None:
        """Give back what `initialize` took, after the last call; not called where that failed."""

    def get_tools(self) -> Iterable[Callable[..., Any]]:
        """Its tools, or plain functions that become tools."""
        return ()

    @hookimpl
    def toolcase_plugin(self) -> PluginManifest:
        """As in `Hooks`."""
        return self.manifest

    @hookimpl
    def toolcase_tools(self, settings: Any) -> Iterable[Callable[..., Any]]:
        """As in `Hooks`."""
        return self.get_tools()

    @hookimpl
    @contextlib.asynccontextmanager
    async def toolcase_lifespan(self, context: ExecutionContext) -> AsyncIterator[None]:
        """As in `Hooks`."""
        await self.initialize(context)
        try:
            yield
        finally:
            await self.shutdown()
