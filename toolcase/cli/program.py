"""The program `toolcase`: its options, its commands by name, and what an error of any kind ends in."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import sys
from types import MappingProxyType

import click
from click.shell_completion import CompletionItem

from toolcase.cli.exits import Exit
from toolcase.cli.settings import Settings
from toolcase.errors import message_of
from toolcase.plain import printable

COMMANDS = MappingProxyType(
    {
        "call": "Call a tool and print what it gives.",
        "completion": "Print the script that completes commands and tools in a shell.",
        "demo": "Watch real tools fail and the middleware deal with it.",
        "describe": "Show one tool: its parameters, effects and middleware.",
        "doctor": "Look for what is wrong, and what mends it.",
        "list": "List the tools of the app.",
        "new": "Write the files of something new.",
        "plugins": "List the installed plugins, and what they offer.",
    }
)
"""Each is `command` in the module of its name; the words stand here so that help imports none of them."""


class LazyGroup(click.Group):
    """Imports a command when it is used, ours before those of plugins, and turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            command: click.Command = importlib.import_module(f"toolcase.cli.{cmd_name}").command
            return command
        from toolcase.cli import plugin_commands  # here, because our own commands need none of it

        if not ctx.resilient_parsing:
            return plugin_commands.command(cmd_name)
        from toolcase.cli.completion import unnoticed

        with unnoticed():
            return plugin_commands.command(cmd_name)
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from toolcase.cli.plugin_commands import LIST_SECONDS, described

        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])
        if offered := described(COMMANDS, seconds=LIST_SECONDS):
            with formatter.section("Commands of plugins"):
                formatter.write_dl(offered)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands with a line about each, none of which is imported for that; then options."""
        from toolcase.cli.completion import COMPLETION_SECONDS
        from toolcase.cli.plugin_commands import described

        with contextlib.redirect_stderr(io.StringIO()):
            offered = [*COMMANDS.items(), *described(COMMANDS, seconds=COMPLETION_SECONDS)]
        found = [CompletionItem(name, help=said) for name, said in offered if name.startswith(incomplete)]
        return [*found, *super(click.Group, self).shell_complete(ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> object:
        _log_to_stderr(debug=ctx.params["debug"])  # before the command is looked up, which may load plugins
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click knows what to do with these
        except KeyboardInterrupt:
            ctx.exit(Exit.INTERRUPTED)
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(told(error)) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--app", metavar="MODULE:REGISTRY", help="Where the tools are; else from pyproject.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, whatever the command.")
@click.option("--debug", is_flag=True, envvar="TOOLCASE_DEBUG", help="Log more, and show tracebacks.")
@click.version_option(package_name="toolcase")
@click.pass_context
def main(ctx: click.Context, app: str | None, as_json: bool, debug: bool) -> None:
    """Look at tools, call them, and see whether all is well.

    The application is named by --app, or in pyproject.toml by app = "module:registry" under
    [tool.toolcase]; it is a Registry, or a function without parameters that returns one.
    Without one, the tools are those of the installed plugins.

    Exit codes: 0 ok, 1 the tool or a check failed, 2 wrong usage or arguments, 3 denied, 4 waiting for
    approval.
    """
    ctx.obj = Settings(app=app, json=as_json, debug=debug)
    if os.environ.get("NO_COLOR"):
        ctx.color = False


class _Brief(logging.Formatter):
    """Tells an error without its traceback, which is for --debug."""

    def format(self, record: logging.LogRecord) -> str:
        said, words = super().format(record), ""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            words = printable(" ".join(f"{type(error).__name__}: {message_of(error)}".split()))
        elif record.name == "toolcase":  # where there are secrets, the message holds the traceback as text
            said, _, traceback = said.partition("\n")
            words = traceback.rpartition("\n")[2]
        return said if words in said else f"{said}: {words}"

    def formatException(self, ei: object) -> str:
        return ""


def _log_to_stderr(*, debug: bool) -> None:
    """Only data goes to stdout. An app that configures its own logging has the last word."""
    import structlog  # here, because help needs none

    level, form = logging.DEBUG if debug else logging.WARNING, "%(levelname)s %(name)s: %(message)s"
    logs = logging.StreamHandler()
    logs.setFormatter(logging.Formatter(form) if debug else _Brief(form))
    logging.basicConfig(handlers=[logs], level=level)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
        ],
    )


def told(error: BaseException) -> str:
    """An error that nobody foresaw, on one line."""
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {error}{notes}; --debug shows the traceback"
