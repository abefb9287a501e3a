"""`toolcase call TOOL`: one call, its value on stdout, what went wrong on stderr."""

from __future__ import annotations

import sys
import traceback

import anyio
import click

from toolcase.cli.application import load
from toolcase.cli.completion import tool_names
from toolcase.cli.exits import exit_of
from toolcase.cli.parameters import parse
from toolcase.cli.settings import Settings, print_json
from toolcase.content import as_text
from toolcase.errors import ErrorInfo, ToolError
from toolcase.registry import Registry
from toolcase.result import ToolResult
from toolcase.schema import Arguments


@click.command("call")
@click.argument("tool", shell_complete=tool_names)
@click.argument("arguments", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--json", "text", metavar="OBJECT", help="The arguments as a JSON object; - reads stdin.")
@click.option("--output", type=click.Choice(["text", "json"]), help="How to print the result.")
@click.pass_context
def command(
    ctx: click.Context, tool: str, arguments: tuple[str, ...], text: str | None, output: str | None
) -> None:
    """Call a tool and print what it gives.

    A value is read as JSON unless the parameter takes text: limit=5 tags='["a"]' name=anything.
    """
    settings: Settings = ctx.obj
    registry = load(settings)
    given = _given(registry, tool, arguments, text)
    result = anyio.run(_execute, registry, tool, given)
    if (output or ("json" if settings.json else "text")) == "json":
        print_json(result.to_dict())
    elif result.ok:
        click.echo(as_text(result.value))
    if result.error is not None:
        _explain(result.error, debug=settings.debug)
    ctx.exit(exit_of(result.error))


async def _execute(registry: Registry, tool: str, given: Arguments) -> ToolResult:
    async with registry:
        return await registry.execute(tool, given)


def _given(registry: Registry, tool: str, words: tuple[str, ...], text: str | None) -> Arguments:
    if text is None:
        return parse(words, registry.get(tool).input_schema if tool in registry.names() else {})
    if words:
        raise click.UsageError(f"the arguments are key=value or --json, not both; got {words[0]!r} as well")
    return sys.stdin.buffer.read() if text == "-" else text


def _explain(error: ErrorInfo, *, debug: bool) -> None:
    """Tell a person at the terminal, who is the host and so may see what a model may not."""
    cause, message = error.cause, error.message
    if cause is not None and not isinstance(cause, ToolError):
        message = f"{type(cause).__name__}: {cause}"
    click.echo(f"{click.style(f'Error {error.code.value}', fg='red')}: {message}", err=True)
    if error.retry_after is not None:
        click.echo(f"try again after {error.retry_after:g} s", err=True)
    if error.outcome_unknown:
        click.echo("the tool may have had its effect all the same", err=True)
    if debug and cause is not None:
        click.echo("".join(traceback.format_exception(cause)).rstrip(), err=True)
