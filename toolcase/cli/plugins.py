"""`toolcase plugins`: what each installed plugin offers, and what is wrong with those that are out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import click

from toolcase.cli.installed import distributions, installed
from toolcase.cli.settings import Settings, json_option, print_json
from toolcase.docstrings import summary
from toolcase.hooks import Hooks
from toolcase.plain import printable
from toolcase.plugins import LoadedPlugin, PluginRegistry

LOADED, OUT_OF_ORDER, LEFT_OUT = "loaded", "out of order", "left out"
_WORDS = MappingProxyType(
    {
        "toolcase_tools": "tool",
        "toolcase_middleware": "middleware",
        "toolcase_ports": "port",
        "toolcase_commands": "command",
    }
)


@click.command("plugins")
@click.option("--hooks", "show_hooks", is_flag=True, help="Show each hook, and what is offered by it.")
@json_option
@click.pass_obj
def command(settings: Settings, show_hooks: bool, as_json: bool) -> None:
    """List the installed plugins, and what they offer.

    One that cannot be used is listed with what mends it, and is no failure of this command: it is for
    `toolcase doctor` to judge.
    """
    with _faults_unlogged():
        plugins = installed()
    listed, hooks = rows(plugins), _hooks()
    if as_json or settings.json:
        print_json({"plugins": listed, "hooks": hooks})
        return
    width = max((len(row["name"]) for row in listed), default=0)
    for row in listed:
        click.echo(f"{click.style(row['name'].ljust(width), bold=True)}  {in_words(row)}")
        for hook, offers in row.get("hooks", {}).items() if show_hooks else ():
            click.echo("\n".join([f"  {hook}", *_columns(offers, indent=4)]))
    if not listed:
        click.echo("no plugins are installed", err=True)
    if show_hooks:
        click.echo("\n".join(["", click.style("Hooks", bold=True), *_columns(hooks, indent=2)]))


def rows(plugins: PluginRegistry) -> list[dict[str, Any]]:
    """Each plugin as JSON data, by name: those that are in, those that are out of order, those left out."""
    found = distributions()
    faults = [
        {
            "name": fault.plugin,
            "distribution": fault.distribution,
            "state": OUT_OF_ORDER,
            "during": fault.during,
            "said": fault.said,
            "mend": fault.mend,
        }
        for fault in plugins.faults
    ]
    left = [
        {"name": name, "distribution": found.get(name, ""), "state": LEFT_OUT, "variable": variable}
        for name, variable in plugins.left_out.items()
    ]
    return sorted([*map(_loaded, plugins.loaded.values()), *faults, *left], key=lambda row: row["name"])


def _loaded(plugin: LoadedPlugin) -> dict[str, Any]:
    offers = {
        "toolcase_tools": {name: tool.description for name, tool in plugin.offered("tool").items()},
        "toolcase_middleware": dict.fromkeys(plugin.offered("middleware"), ""),
        "toolcase_ports": {
            f"{kind.removeprefix('port ')} {scheme}:": ""
            for kind, scheme in plugin.offers
            if kind.startswith("port ")
        },
        "toolcase_commands": {name: made.help for name, made in plugin.offered("command").items()},
    }
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "state": LOADED,
        "type": plugin.manifest.plugin_type.value,
        "version": plugin.manifest.version,
        "description": plugin.manifest.description,
        "capabilities": list(plugin.manifest.capabilities),
        "dependencies": list(plugin.manifest.dependencies),
        "hooks": {hook: offers.get(hook, {}) for hook in _hooks() if hook in plugin.hooks},
    }


def in_words(row: dict[str, Any]) -> str:
    """All of a row but its name, on one line."""
    said = f"{row['distribution']}: " if row["distribution"] else ""
    if row["state"] == OUT_OF_ORDER:
        told = "; ".join(filter(None, (row["said"], row["mend"])))
        return f"{printable(said)}{click.style('OUT OF ORDER', fg='red')}: {printable(told)}"
    if row["state"] == LEFT_OUT:
        return f"{printable(said)}{click.style('LEFT OUT', fg='yellow')} by {row['variable']}"
    return printable(said + (", ".join(_counts(row["hooks"])) or "offers nothing"))


def _counts(hooks: dict[str, dict[str, str]]) -> Iterator[str]:
    for hook, word in _WORDS.items():
        if number := len(hooks.get(hook, {})):
            yield f"{number} {word}{'' if number == 1 or hook == 'toolcase_middleware' else 's'}"
    if "toolcase_lifespan" in hooks:
        yield "a lifespan"


def _hooks() -> dict[str, str]:
    """Every hook that there is, with what it is for."""
    specified = {hook: said for hook, said in vars(Hooks).items() if not hook.startswith("_")}
    return {hook: summary(said.__doc__ or "") for hook, said in specified.items()}


def _columns(said: dict[str, str], *, indent: int) -> list[str]:
    width = max(map(len, said), default=0)
    lines = {name: words.partition("\n")[0] for name, words in said.items()}
    return [printable(f"{' ' * indent}{name.ljust(width)}  {line}".rstrip()) for name, line in lines.items()]


@contextmanager
def _faults_unlogged() -> Iterator[None]:
    """The list tells them. That one still loads is told by a thread of its own, and passes."""
    log, ours = logging.getLogger("toolcase"), threading.get_ident()

    def passes(record: logging.LogRecord) -> bool:
        return record.thread != ours

    log.addFilter(passes)
    try:
        yield
    finally:
        log.removeFilter(passes)
