"""`toolcase call TOOL`: one call, its value on stdout, what went wrong on stderr."""

from __future__ import annotations

import errno
import select
import sys
import traceback
from functools import partial
from typing import Any

import anyio
import click

from toolcase.chunk import StreamChunk
from toolcase.cli.application import load
from toolcase.cli.completion import tool_names
from toolcase.cli.exits import exit_of
from toolcase.cli.parameters import parse
from toolcase.cli.progress import ProgressLine
from toolcase.cli.settings import Settings, print_json
from toolcase.content import as_text
from toolcase.errors import ErrorInfo, ToolError
from toolcase.plain import as_json, encodable
from toolcase.registry import Registry
from toolcase.result import ToolResult
from toolcase.schema import Arguments
from toolcase.task import BackgroundTask
from toolcase.tool_stream import ToolStream

WATCH_SECONDS = 0.5
"""How often we look whether anybody still reads what is printed."""


@click.command("call")
@click.argument("tool", shell_complete=tool_names)
@click.argument("arguments", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--json", "text", metavar="OBJECT", help="The arguments as a JSON object; - reads stdin.")
@click.option("--stream", is_flag=True, help="Print each chunk as it comes; as JSON, one to a line.")
@click.option("--output", type=click.Choice(["text", "json"]), help="How to print the result.")
@click.pass_context
def command(
    ctx: click.Context,
    tool: str,
    arguments: tuple[str, ...],
    text: str | None,
    stream: bool,
    output: str | None,
) -> None:
    """Call a tool and print what it gives.

    A value is read as JSON unless the parameter takes text: limit=5 tags='["a"]' name=anything.
    """
    settings: Settings = ctx.obj
    registry = load(settings)
    given = _given(registry, tool, arguments, text)
    lines = (output or ("json" if settings.json else "text")) == "json"
    line = ProgressLine()
    if sys.stderr.isatty():
        registry.use(line)
    try:
        if stream:
            result = anyio.run(_stream, registry, tool, given, Printer(line, as_json=lines))
        else:
            result = anyio.run(_execute, registry, tool, given)
    finally:
        line.clear()
    if lines and not stream:
        print_json(result.to_dict())
    elif result.ok and not stream:
        click.echo(as_text(result.value))
    if result.error is not None:
        _explain(result.error, debug=settings.debug)
    ctx.exit(exit_of(result.error))


async def _execute(registry: Registry, tool: str, given: Arguments) -> ToolResult:
    async with registry:
        return await registry.execute(tool, given)


async def _stream(registry: Registry, tool: str, given: Arguments, printer: Printer) -> ToolResult:
    async with registry:
        stream = registry.stream_execute(tool, given)
        watch = BackgroundTask(partial(_end_unread, stream))
        try:
            return await stream.stream_to(printer)
        except anyio.ClosedResourceError:
            raise BrokenPipeError(errno.EPIPE, "nobody reads the output") from None
        finally:
            watch.cancel()
            printer.end()


async def _end_unread(stream: ToolStream) -> None:
    """End it when nobody reads our output any more: a tool with nothing to say would not notice."""
    while True:
        await anyio.sleep(WATCH_SECONDS)
        if _unread():
            return await stream.aclose()


def _unread() -> bool:
    """Whether stdout is a pipe or a terminal whose other end is closed."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
    except (AttributeError, OSError):  # Windows has no poll; and what stands for stdout may be no file
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


class Printer:
    """Prints each chunk as it comes: text and data as they are, anything else as a line of JSON."""

    def __init__(self, line: ProgressLine, *, as_json: bool) -> None:
        self._line, self._as_json = line, as_json
        self._open = False

    def __call__(self, chunk: StreamChunk) -> None:
        content: Any = chunk.content
        if self._as_json or not isinstance(content, str | bytes):
            content = as_json(content) + "\n"
        elif isinstance(content, str):
            content = encodable(content)
        if content:
            self._line.clear()
            self._open = isinstance(content, str) and not content.endswith("\n")
            self._line.hidden = self._open or isinstance(content, bytes)
            click.echo(content, nl=False, color=True)  # as it is, for a pipe too

    def end(self) -> None:
        """Leave a terminal at the beginning of a line."""
        if self._open and sys.stdout.isatty():
            click.echo()


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
