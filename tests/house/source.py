"""The files of this repository, as the house tests read them."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("toolcase", "plugins", "contrib", "examples")
_BUILT = {"build", "dist", "htmlcov", "uv.lock"}


@functools.cache
def files() -> tuple[Path, ...]:
    """What is committed or would be, by git's own list; without git all that is not hidden."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        found = {ROOT / name for name in listed.split("\0") if name}
    else:
        found = set(_walk())
    return tuple(sorted(path for path in found if path.is_file()))


def _walk() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith((".", "__")) and name not in _BUILT]
        yield from (Path(folder, name) for name in names if name not in _BUILT)


def python_files(*folders: str) -> list[Path]:
    """The Python files below these folders of the repository."""
    return [path for path in files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders]


def pages() -> list[Path]:
    """All Markdown pages."""
    return [path for path in files() if path.suffix == ".md"]


def shown(path: Path, line: int | None = None) -> str:
    """A place as messages name it."""
    name = path.relative_to(ROOT).as_posix()
    return name if line is None else f"{name}:{line}"


@functools.cache
def tree(path: Path) -> ast.Module:
    """The file, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_name(path: Path) -> str:
    """The dotted name under which a file of the core is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_names(root: ast.AST) -> dict[str, str]:
    """For each name that an import binds anywhere in the file, the dotted name of what it stands for."""
    found: dict[str, str] = {}
    for node in ast.walk(root):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                found[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    """The dotted name that an expression stands for, as far as imports tell; empty where they do not."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value, names)):
        return f"{owner}.{node.attr}"
    return ""
