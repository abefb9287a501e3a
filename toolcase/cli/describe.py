"""`toolcase describe TOOL`: all that is declared of one tool."""

from __future__ import annotations

import json
from typing import Any

import click

from toolcase.cli.application import load
from toolcase.cli.completion import tool_names
from toolcase.cli.list import effects, summary
from toolcase.cli.parameters import definition, types
from toolcase.cli.settings import Settings, json_option, print_json
from toolcase.errors import UnknownTool
from toolcase.registry import Registry


@click.command("describe")
@click.argument("tool", shell_complete=tool_names)
@json_option
@click.pass_obj
def command(settings: Settings, tool: str, as_json: bool) -> None:
    """Show one tool: its parameters, effects and middleware."""
    registry = load(settings)
    try:
        found = registry.get(tool)
    except UnknownTool as error:
        raise click.UsageError(str(error)) from None
    if as_json or settings.json:
        declared = {"timeout": found.timeout, "max_concurrent": found.max_concurrent}
        print_json({**summary(found), **declared, "input_schema": found.input_schema})
        return
    click.echo(f"{click.style(found.name, bold=True)}  {found.description}".rstrip())
    facts = {
        "effects": ", ".join(effects(found)),
        "tags": ", ".join(sorted(found.tags)),
        "version": found.version,
        "timeout": "" if found.timeout is None else f"{found.timeout:g} s for one attempt",
        "at once": "" if found.max_concurrent is None else f"at most {found.max_concurrent} calls",
        "around it": _around(registry, tool),
    }
    for label, text in facts.items():
        if text:
            click.echo(f"  {label}: {text}")
    click.echo("\n".join(["parameters:", *_parameters(found.input_schema)]))


def _around(registry: Registry, name: str) -> str:
    """The tool's middleware, outermost first: its own line of `str(registry)`."""
    lines = (f"{line} | " for line in str(registry).splitlines())
    line = next(line for line in lines if line.startswith(f"{name} | "))
    return line.removeprefix(f"{name} | ").removesuffix(" | ")


def _parameters(schema: dict[str, Any]) -> list[str]:
    lines = [
        _parameter(name, definition(described, schema), name in schema.get("required", ()))
        for name, described in schema.get("properties", {}).items()
    ]
    return lines or ["  none"]


def _parameter(name: str, described: dict[str, Any], required: bool) -> str:
    facts = [" or ".join(sorted(types(described))) or "anything"]
    if "enum" in described:
        facts.append("one of " + ", ".join(map(json.dumps, described["enum"])))
    if required:
        facts.append("required")
    elif "default" in described:
        facts.append(f"default {json.dumps(described['default'])}")
    said = described.get("description", "")
    return f"  {click.style(name, bold=True)} ({', '.join(facts)})  {said}".rstrip()
