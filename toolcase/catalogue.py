"""Which tools there are, and which of them are switched off."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar, overload

from toolcase.errors import ToolDisabled, UnknownTool
from toolcase.events import ToolsChanged, log_fault
from toolcase.schema import nearest, shown_value
from toolcase.secrets import Secrets
from toolcase.tool import Tool, tool_of

P = ParamSpec("P")
R = TypeVar("R")


class Catalogue:
    """Tools by name. A registry is a catalogue that can run what it holds."""

    def __init__(self) -> None:
        self.secrets = Secrets()
        self._tools: dict[str, Tool[..., Any]] = {}
        self._disabled: dict[str, str] = {}
        self._watchers: tuple[Callable[[ToolsChanged], None], ...] = ()

    def add(self, *tools: Callable[..., Any]) -> None:
        """Take in tools; plain functions become tools first. ValueError if a name is taken."""
        made = [tool if isinstance(tool, Tool) else tool_of(tool) for tool in tools]
        named = {tool.name: tool for tool in made}
        for tool in made:
            if tool.name in self._tools or named[tool.name] is not tool:
                raise ValueError(
                    f"there is a tool named {tool.name!r} already; give this one another with @tool(name=...)"
                )
        self._tools.update(named)
        self._changed(ToolsChanged(added=tuple(named)))

    @overload
    def tool(self, function: Callable[P, R], /) -> Tool[P, R]: ...
    @overload
    def tool(self, function: None = None, /, **settings: Any) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
    @overload
    def tool(self, function: Callable[P, R], /, **settings: Any) -> Tool[P, R]: ...
    def tool(self, function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
        """`@registry.tool` or `@registry.tool(...)`: make a tool, as `toolcase.tool` does, and add it."""
        if function is None:
            return lambda function: self.tool(function, **settings)
        made = tool_of(function, **settings)
        self.add(made)
        return made

    def remove(self, *names: str) -> None:
        """Let go of tools; calls that run now go on. UnknownTool, and none removed, if one is not there."""
        for name in names:
            self.get(name)
        for name in names:
            self._tools.pop(name, None)
            self._disabled.pop(name, None)
        self._changed(ToolsChanged(removed=names))

    def get(self, name: str) -> Tool[..., Any]:
        """The tool of that name, a disabled one too; UnknownTool if there is none."""
        try:
            return self._tools[name]
        except KeyError:
            raise unknown(name, self.names()) from None

    def tools(self, *, tag: str | None = None, matching: str = "*") -> list[Tool[..., Any]]:
        """What can be called, in the order in which it was added.

        `tag` leaves those that have it, `matching` those whose name matches (as in `fnmatch`, with case).
        """
        return [
            tool
            for name, tool in list(self._tools.items())
            if name not in self._disabled
            and (tag is None or tag in tool.tags)
            and fnmatch.fnmatchcase(name, matching)
        ]

    def names(self, *, tag: str | None = None, matching: str = "*") -> list[str]:
        """The names of `tools`."""
        return [tool.name for tool in self.tools(tag=tag, matching=matching)]

    def disable(self, name: str, reason: str = "") -> None:
        """Switch a tool off: it is not listed, and a call of it ends with `ToolDisabled` and the reason.

        Calls that run now go on. UnknownTool if there is no such tool.
        """
        self.get(name)
        listed = name not in self._disabled
        self._disabled[name] = reason
        self._changed(ToolsChanged(removed=(name,) if listed else ()))

    def enable(self, name: str) -> None:
        """Switch a tool on again, if it was off. UnknownTool if there is no such tool."""
        self.get(name)
        if self._disabled.pop(name, None) is not None:
            self._changed(ToolsChanged(added=(name,)))

    @property
    def disabled(self) -> Mapping[str, str]:
        """The tools that are switched off, each with the reason."""
        return MappingProxyType(dict(self._disabled))

    def on_change(self, listener: Callable[[ToolsChanged], None]) -> Callable[[], None]:
        """Tell the listener which tools have come and gone; gives what takes it off again.

        It is a plain `def`, is told after the change, and what it raises is logged.
        """
        self._watchers += (listener,)

        def remove() -> None:
            self._watchers = tuple(kept for kept in self._watchers if kept is not listener)

        return remove

    def _has(self, name: str) -> Tool[..., Any] | None:
        return self._tools.get(name)

    def _callable(self, name: str) -> Tool[..., Any]:
        """The tool of that name, if it can be called; UnknownTool or ToolDisabled if not."""
        tool = self.get(name)
        reason = self._disabled.get(name)
        if reason is None:
            return tool
        raise ToolDisabled(f"tool {name!r} is switched off{': ' if reason else ''}{reason}")

    def _changed(self, change: ToolsChanged) -> None:
        if not (change.added or change.removed):
            return
        for watcher in self._watchers:
            try:
                watcher(change)
            except Exception as fault:  # noqa: BLE001  foreign code
                log_fault("a listener to changes of the tools failed", fault, self.secrets)


def unknown(name: str, names: Collection[str]) -> UnknownTool:
    """The error for a name that is not there, with the nearest one that is."""
    return UnknownTool(
        f"no tool named {shown_value(name)}; {nearest(name, names) or 'there is none like it'}"
    )
