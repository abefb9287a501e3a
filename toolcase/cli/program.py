"""The program `toolcase`: its options, its commands by name, and what an error of any kind ends in."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from types import MappingProxyType

import click

from toolcase.cli.exits import Exit
from toolcase.cli.settings import Settings

COMMANDS = MappingProxyType(
    {
        "call": "Call a tool and print what it gives.",
        "demo": "Watch real tools fail and the middleware deal with it.",
        "describe": "Show one tool: its parameters, effects and middleware.",
        "list": "List the tools of the app.",
        "new": "Write the files of something new.",
    }
)
"""Each is `command` in the module of its name; the words stand here so that help imports none of them."""


class LazyGroup(click.Group):
    """Imports a command when it is used, and turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"toolcase.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click knows what to do with these
        except KeyboardInterrupt:
            ctx.exit(Exit.INTERRUPTED)
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(_told(error)) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--app", metavar="MODULE:REGISTRY", help="Where the tools are; else from pyproject.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, whatever the command.")
@click.option("--debug", is_flag=True, envvar="TOOLCASE_DEBUG", help="Log more, and show tracebacks.")
@click.version_option(package_name="toolcase")
@click.pass_context
def main(ctx: click.Context, app: str | None, as_json: bool, debug: bool) -> None:
    """Look at the tools of an application, call them, or watch a demonstration.

    The application is named by --app, or in pyproject.toml by app = "module:registry" under
    [tool.toolcase]; it is a Registry, or a function without parameters that returns one.

    Exit codes: 0 ok, 1 the tool failed, 2 wrong usage or arguments, 3 denied, 4 waiting for approval.
    """
    ctx.obj = Settings(app=app, json=as_json, debug=debug)
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    _log_to_stderr(logging.DEBUG if debug else logging.WARNING)


def _log_to_stderr(level: int) -> None:
    """Only data goes to stdout. An app that configures its own logging has the last word."""
    import structlog  # here, because help needs none

    logging.basicConfig(stream=sys.stderr, level=level, format="%(levelname)s %(name)s: %(message)s")
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
        ],
    )


def _told(error: Exception) -> str:
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {error}{notes}; --debug shows the traceback"
