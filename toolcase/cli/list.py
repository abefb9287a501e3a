"""`toolcase list`: the tools of the app."""

from __future__ import annotations

from typing import Any

import click

from toolcase.cli.application import load
from toolcase.cli.settings import Settings, json_option, print_json
from toolcase.tool import Tool


@click.command("list")
@json_option
@click.pass_obj
def command(settings: Settings, as_json: bool) -> None:
    """List the tools of the app."""
    registry = load(settings)
    tools = [registry.get(name) for name in registry.names()]
    if as_json or settings.json:
        print_json([summary(tool) for tool in tools])
    elif tools:
        width = max(len(tool.name) for tool in tools)
        for tool in tools:
            words = [f"[{word}]" for word in effects(tool)]
            said = " ".join([" " * (width - len(tool.name) + 1), tool.description.partition("\n")[0], *words])
            click.echo(f"{click.style(tool.name, bold=True)}{said}".rstrip())
    else:
        click.echo("the app has no tools", err=True)


def summary(tool: Tool[..., Any]) -> dict[str, Any]:
    """What is declared of a tool, as JSON data."""
    return {
        "name": tool.name,
        "description": tool.description,
        "tags": sorted(tool.tags),
        "read_only": tool.read_only,
        "idempotent": tool.idempotent,
        "destructive": tool.destructive,
    }


def effects(tool: Tool[..., Any]) -> list[str]:
    """What is declared of its effects, in words, without what one word says of another."""
    if tool.read_only:
        return ["read-only"]
    said = {"destructive": tool.destructive, "idempotent": tool.idempotent}
    return [word if yes else f"not {word}" for word, yes in said.items() if yes is not None]
