"""The commands that plugins add to the program: listed from a child process, imported when they are run."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Collection, Iterator
from typing import Any

import click

from toolcase.cli.installed import installed, present
from toolcase.hooks import Command
from toolcase.plain import printable
from toolcase.plugins import LoadedPlugin, PluginError
from toolcase.plugins.installed import leave_out, mend_of
from toolcase.schema import shown_value

LIST_SECONDS = 5.0
"""How long help waits for plugins before it does without their commands."""


def described(own: Collection[str], *, seconds: float) -> list[tuple[str, str]]:
    """The commands of all plugins with a line about each, for help; nothing of theirs runs in our process.

    What cannot be listed within `seconds`, and what has one of our `own` names, is told on stderr.
    """
    if not present():
        return []
    import anyio  # here, because help needs none where there are no plugins

    from toolcase.cli.children import ask

    async def listed() -> Any:
        return await ask("plugins", seconds=seconds)

    answer = anyio.run(listed)
    if answer.fault:
        click.echo(f"commands of plugins are not listed: {answer.fault}; run `toolcase doctor`", err=True)
        return []
    for clash in clashes(answer.data, own):
        click.echo(clash, err=True)
    offered = {name: said for row in answer.data for name, said in _offered(row).items()}
    return [(printable(name), printable(said)) for name, said in sorted(offered.items()) if name not in own]


def clashes(rows: list[dict[str, Any]], own: Collection[str]) -> Iterator[str]:
    """What is to be told of plugins whose commands have names of ours."""
    for row in rows:
        for name in sorted({*_offered(row)} & {*own}):
            yield f"plugin {row['name']!r} offers a command {name!r}, which is toolcase's own and stays so"


def _offered(row: dict[str, Any]) -> dict[str, str]:
    offered: dict[str, str] = row.get("hooks", {}).get("toolcase_commands", {})
    return offered


def command(name: str) -> click.Command | None:
    """The command of that name that a plugin offers, if any; PluginError if it cannot be used."""
    for plugin in installed().loaded.values():
        if name in (offered := plugin.offered("command")):
            return _imported(offered[name], plugin)
    return None


def _imported(offered: Command, plugin: LoadedPlugin) -> click.Command:
    who = f"command {offered.name!r} of plugin {plugin.name!r}"
    module, _, attribute = offered.target.partition(":")
    try:
        found = operator.attrgetter(attribute)(importlib.import_module(module))
    except (Exception, SystemExit) as error:
        said = f"{who} cannot be had from {offered.target!r}: {type(error).__name__}: {error}"
        mend = f"{mend_of(error, plugin.found)}, or {leave_out(plugin.name)}"
        raise PluginError(said, mend) from error
    if not isinstance(found, click.Command):
        raise PluginError(
            f"{who} is {shown_value(found)}", "its target is `module:attribute` of a click command"
        )
    return found
