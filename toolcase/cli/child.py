"""What runs in a child process (see `children`): one task, its answer on a pipe of our own."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import click
import msgspec

from toolcase.cli.application import load
from toolcase.cli.doctor_tools import look_at
from toolcase.cli.installed import installed
from toolcase.cli.plugins import rows
from toolcase.cli.program import told
from toolcase.cli.settings import Settings


def main() -> None:
    """Do the task that the words name, and print `data`, or `fault`, as one line of JSON."""
    # What foreign code prints goes to stderr, and the real stdout is inherited by nobody.
    answer = os.dup(1)
    os.dup2(2, 1)
    task, *words = sys.argv[1:]
    try:
        given = {"data": TASKS[task](*words)}
    except click.ClickException as error:
        given = {"fault": error.format_message()}
    except Exception as error:  # noqa: BLE001  foreign code
        given = {"fault": told(error)}
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(json.dumps(given).encode() + b"\n")
    os._exit(0)  # whatever threads were started


def _plugins() -> Any:
    return rows(installed())


def _threads() -> Any:
    installed()
    threads = [each for each in threading.enumerate() if each is not threading.main_thread()]
    return [each.name for each in threads if not each.daemon]


def _app(name: str = "") -> Any:
    registry = load(Settings(app=name or None, json=False, debug=False))
    return msgspec.to_builtins(list(look_at(registry)))


TASKS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"plugins": _plugins, "threads": _threads, "app": _app}
)
"""By name: all installed plugins, as `toolcase plugins` has them; the threads, by name, that they start and
that keep a program from ending; what is found of the tools of an app."""
