"""`toolcase completion SHELL`, and what a shell is offered: names, or nothing where these cannot be had."""

from __future__ import annotations

import contextlib
import faulthandler
import os
from collections.abc import Iterator
from types import MappingProxyType

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ZshComplete

from toolcase.cli.application import load
from toolcase.cli.settings import Settings

SCRIPTS = MappingProxyType({"bash": BashComplete, "fish": FishComplete, "zsh": ZshComplete})
"""What writes the script, for each shell."""
COMPLETION_SECONDS = 2.0
"""After so long a shell is offered nothing more."""


@click.command("completion")
@click.argument("shell", type=click.Choice([*SCRIPTS]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands and tools in a shell.

    \b
    bash, in ~/.bashrc:  eval "$(toolcase completion bash)"
    zsh, in ~/.zshrc:    eval "$(toolcase completion zsh)"
    fish, once:          toolcase completion fish > ~/.config/fish/completions/toolcase.fish
    """
    program = ctx.find_root().command
    click.echo(SCRIPTS[shell](program, {}, "toolcase", "_TOOLCASE_COMPLETE").source())


def tool_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The tools that can be called and begin so."""
    app = ctx.find_root().params.get("app")
    with unnoticed():
        registry = load(Settings(app=app, json=False, debug=False))
        return [
            CompletionItem(tool.name, help=tool.description.partition("\n")[0])
            for tool in registry.tools()
            if tool.name.startswith(incomplete)
        ]
    return []


@contextlib.contextmanager
def unnoticed() -> Iterator[None]:
    """Run foreign code while a shell waits: what it prints and raises is gone, and its time is bounded.

    For a process that does nothing else: it ends when the time is over, here or later.
    """
    nowhere = open(os.devnull, "w")  # noqa: SIM115  open until the process ends, as the next line asks
    # In a thread that needs no lock of Python's; to the end of the process, which others can hold up.
    faulthandler.dump_traceback_later(COMPLETION_SECONDS, exit=True, file=nowhere)
    with (
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        contextlib.suppress(Exception, SystemExit),
    ):
        yield
