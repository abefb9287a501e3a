"""What the options before the command say, and how every command prints JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of the program; commands find them with `click.pass_obj`."""

    app: str | None
    json: bool
    debug: bool


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""The flag of every command that has no other use for `--json`."""


def print_json(data: Any) -> None:
    """Print JSON data on stdout, in ASCII, which no terminal or pipe garbles."""
    click.echo(json.dumps(data, indent=2))
