"""What this distribution offers to a host. A host has one of these, made without arguments."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from toolcase import Command, PluginManifest, PluginType, PortFactory, Tool, hookimpl

from toolcase_fortune.jar import open_jar
from toolcase_fortune.quiet_hours import QuietHours
from toolcase_fortune.settings import FortuneSettings
from toolcase_fortune.tool import drawing_from


class FortunePlugin:
    """Each hook is asked once. What a host does not use, it leaves where it is."""

    @hookimpl
    def toolcase_plugin(self) -> PluginManifest:
        """Say what it is, and what its settings look like."""
        return PluginManifest(
            name="fortune",
            version=version("toolcase-fortune"),
            description="Sayings, drawn from a jar.",
            plugin_type=PluginType.TOOLS,
            settings=FortuneSettings,
        )

    @hookimpl
    def toolcase_tools(self, settings: FortuneSettings) -> list[Tool[..., Any]]:
        """One tool, `fortune`, that draws from the jar of the settings."""
        return [drawing_from(open_jar(settings.jar))]

    @hookimpl
    def toolcase_middleware(self) -> dict[str, type[QuietHours]]:
        """`plugins.middleware("fortune-quiet-hours", begin=22, end=6)` makes one."""
        return {"fortune-quiet-hours": QuietHours}

    @hookimpl
    def toolcase_ports(self) -> list[PortFactory]:
        """`plugins.open("jar", "fortune:sayings.txt")` opens one."""
        return [PortFactory(kind="jar", scheme="fortune", open=open_jar)]

    @hookimpl
    def toolcase_commands(self) -> list[Command]:
        """`toolcase fortune` runs it."""
        target = "toolcase_fortune.command:command"
        return [Command(name="fortune", target=target, help="Draw a saying.")]
