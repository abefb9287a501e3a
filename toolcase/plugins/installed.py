"""Which plugins are installed, what pyproject.toml says of them, and the line that mends a broken one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
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
    found: list[Found] = []
    seen: set[str] = set()
    for distribution in distributions():
        try:
            entries = [entry for entry in distribution.entry_points if entry.group == GROUP]
            name = normal(distribution.metadata["Name"] or "") if entries else ""
            if entries and name not in seen:  # of two on the path the first is the one that is imported
                requires = tuple(distribution.requires or ())
                found += [Found(entry, name, distribution.version, requires) for entry in entries]
                seen.add(name)
        except Exception as error:  # noqa: BLE001  what anybody may have installed
            report(_place(distribution), error)
    return sorted(found, key=lambda each: (each.entry.name, each.distribution))


def _place(distribution: Distribution) -> str:
    return Path(str(getattr(distribution, "_path", "a distribution"))).name


def normal(name: str) -> str:
    """The name of a distribution as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def mend_of(error: BaseException, name: str, found: Found | None) -> str:
    """What most likely mends a plugin that raised this, with the line for the shell where there is one."""
    if found is None:
        return "correct it, or do without it"
    leave_out = f"or leave it out with {DISABLE}={name}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{_install_line(error.name.partition('.')[0], found)}, {leave_out}"
    if isinstance(error, SystemExit):
        return f"tell its author that it ends the program, {leave_out}"
    return f"pip install --upgrade {found.distribution}, {leave_out}"


def _install_line(module: str, found: Found) -> str:
    """How to get a module: with the extra that brings it, else by the requirement that names it."""
    if module == found.entry.module.partition(".")[0]:
        return f"pip install --force-reinstall {found.distribution}"
    for name, versions, marker in _requirements(found):
        if normal(name) == normal(module):
            extra = _EXTRA.search(marker or "")
            return (
                f"pip install '{found.distribution}[{extra[1]}]'"
                if extra
                else f"pip install '{name}{versions}'"
            )
    return f"pip install the distribution that has {module!r}, which {found.distribution} does not name"


def _requirements(found: Found) -> Iterator[tuple[str, str, str | None]]:
    for line in found.requires:
        if match := _REQUIREMENT.match(line):
            yield match[1], match[2].replace(" ", ""), match[3]


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
    try:
        tables: Any = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read the settings of plugins from {file}: {error}") from error
    for key in ("tool", "toolcase", "plugins"):
        tables = tables.get(key, {}) if isinstance(tables, Mapping) else tables
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ValueError(f"[tool.toolcase.plugins] in {file} holds a table for each plugin, got {tables!r}")
    return tables
