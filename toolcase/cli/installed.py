"""The installed plugins: which there are, and all of them loaded, once for each run of the program."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import click

from toolcase.plugins import PluginRegistry
from toolcase.plugins.installed import find, left_out

_KEY = "toolcase.plugins"


def distributions() -> dict[str, str]:
    """The distribution of each, by its name; none is loaded."""
    return {each.entry.name: str(each) for each in find(lambda name, error: None)}


def present() -> dict[str, str]:
    """The same, without those that an environment variable leaves out."""
    found = distributions()
    return {name: found[name] for name in sorted(found.keys() - left_out(found))}


def installed() -> PluginRegistry:
    """All of them; a usage error if their settings cannot be read.

    What is wrong with one goes to the log, once.
    """
    context = click.get_current_context(silent=True)
    kept: dict[str, Any] = {} if context is None else context.meta
    if _KEY not in kept:
        try:
            with contextlib.redirect_stdout(sys.stderr):  # only data goes to stdout
                kept[_KEY] = PluginRegistry.load()
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    plugins: PluginRegistry = kept[_KEY]
    return plugins
