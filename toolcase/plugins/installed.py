"""Which plugins are installed, what pyproject.toml says of them, and the line that mends a broken one."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from itertools import chain
from pathlib import Path
from typing import Any

GROUP = "toolcase"
DISABLE = "TOOLCASE_DISABLE_PLUGINS"
LOAD = "TOOLCASE_LOAD_PLUGINS"

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)([^;]*)(?:;(.*))?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


@dataclass(frozen=True, slots=True)
class Found:
    """An entry point of our group, and the distribution that has it."""

    entry: EntryPoint
    distribution: str
    version: str
    requires: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


def find(report: Callable[[str, Exception], None]) -> list[Found]:
    """Every installed entry point of our group, in an order that does not depend on that of installing.

    A distribution whose metadata cannot be read is reported, and passed over.
    """
    found: dict[str, list[Found]] = {}
    for distribution in distributions():
        try:
            if f"[{GROUP}]" not in (distribution.read_text("entry_points.txt") or ""):
                continue  # the faults of others are none of ours
            metadata: Any = distribution.metadata
            name = normal(metadata.get("Name") or _place(distribution))
            version = metadata.get("Version") or ""
            requires = tuple(distribution.requires or ())
            entries = [entry for entry in distribution.entry_points if entry.group == GROUP]
            # Of two on the path the first is the one that is imported.
            found.setdefault(name, [Found(entry, name, version, requires) for entry in entries])
        except Exception as error:  # noqa: BLE001  what anybody may have installed
            report(_place(distribution), error)
    return sorted(chain(*found.values()), key=lambda each: (each.entry.name, each.distribution))


def left_out(names: Collection[str]) -> dict[str, str]:
    """The plugins that the environment leaves out, each with the variable that does so."""
    disabled, only = (
        {name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()}
        for variable in (DISABLE, LOAD)
    )
    out = {name: LOAD for name in names if only and name not in only}
    return out | {name: DISABLE for name in names if name in disabled or "*" in disabled}


def leave_out(name: str) -> str:
    """How to do without a plugin that is installed."""
    return f"leave it out with {DISABLE}={name}"


def _place(distribution: Distribution) -> str:
    return Path(str(getattr(distribution, "_path", "a distribution"))).name


def normal(name: str) -> str:
    """The name of a distribution as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def mend_of(error: BaseException, found: Found | None) -> str:
    """What most likely mends a plugin that raised this, with the line for the shell where there is one."""
    if found is None:
        return "correct it, or do without it"
    if isinstance(error, ModuleNotFoundError) and isinstance(error.name, str):
        return _install_line(error.name.partition(".")[0], found)
    if isinstance(error, SystemExit):
        return "tell its author that it ends the program"
    return f"pip install --upgrade {shlex.quote(found.distribution)}"


def _install_line(module: str, found: Found) -> str:
    """How to get a module: with the extra that brings it, else by the requirement that names it."""
    if module == found.entry.value.partition(":")[0].partition(".")[0].strip():
        return f"pip install --force-reinstall {shlex.quote(found.distribution)}"
    for line in found.requires:
        match = _REQUIREMENT.match(line)
        if match and normal(match[1]) == normal(module):
            extra = _EXTRA.search(match[3] or "")
            wanted = f"{found.distribution}[{extra[1]}]" if extra else match[1] + match[2].replace(" ", "")
            return f"pip install {shlex.quote(wanted)}"
    return f"install the distribution that has {module!r}, which {found.distribution} does not name"


def configured(pyproject: bool | str | Path) -> dict[str, Any]:
    """The tables `[tool.toolcase.plugins.NAME]`; True is for the nearest file that has any, False for none.

    ValueError if they cannot be read.
    """
    if pyproject is True:
        here = Path.cwd()
        files = [folder / "pyproject.toml" for folder in (here, *here.parents)]
        return next(filter(None, map(_tables, filter(Path.is_file, files))), {})
    return _tables(Path(pyproject)) if pyproject else {}


def _tables(file: Path) -> dict[str, Any]:
    import tomllib  # here, because most hosts read no file

    try:
        tables: Any = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read the settings of plugins from {file}: {error}") from error
    for key in ("tool", "toolcase", "plugins"):
        tables = tables.get(key, {}) if isinstance(tables, Mapping) else {}
    if not (isinstance(tables, dict) and all(isinstance(table, dict) for table in tables.values())):
        raise ValueError(f"[tool.toolcase.plugins] in {file} holds a table for each plugin")
    return dict(tables)
