"""What the public doors show, as the source says; `--write` notes it down in public_names.txt."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":  # as a script this folder is on the path, and not the one above
    sys.path.insert(0, str(Path(__file__).parents[1]))

from house.source import ROOT, tree

DOORS = (
    "toolcase",
    "toolcase.cli",
    "toolcase.concurrency",
    "toolcase.events",
    "toolcase.middleware",
    "toolcase.observability",
    "toolcase.retry",
    "toolcase.runtime",
    "toolcase.testing",
    "toolcase.testing.strategies",
)
"""What users, plugins, contrib and examples may import from. Everything else may change without notice."""

LIST = Path(__file__).with_name("public_names.txt")
_TYPE_VARIABLES = {"TypeVar", "ParamSpec", "TypeVarTuple"}

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign


def file_of(module: str) -> Path:
    """Where a module of the core is written."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def names(door: str) -> list[str]:
    """The public names of a door: what it re-exports, and what it defines."""
    root = tree(file_of(door))
    reexported = [alias.name for node in _imports(root) for alias in node.names if alias.asname == alias.name]
    defined = [name for name, _ in definitions(root)]
    return sorted(name for name in {*reexported, *defined} if not name.startswith("_"))


def all_names() -> list[str]:
    """Every public name, as `door.name`."""
    return sorted(f"{door}.{name}" for door in DOORS for name in names(door))


def definitions(root: ast.Module) -> Iterator[tuple[str, Definition]]:
    """What a module itself defines at its top level, type variables left out."""
    for node in root.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not _is_type_variable(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((target.id, node) for target in targets if isinstance(target, ast.Name))


def is_ours(module: str) -> bool:
    """Whether it is a module of the core."""
    return module.partition(".")[0] == "toolcase"


def home(module: str, name: str) -> tuple[str, str]:
    """The module that defines what another one re-exports, and its name there; libraries are left alone."""
    if not is_ours(module):
        return module, name
    for node in _imports(tree(file_of(module))):
        for alias in node.names:
            if (alias.asname or alias.name) == name and node.module:
                return home(node.module, alias.name)
    return module, name


def _imports(root: ast.Module) -> Iterator[ast.ImportFrom]:
    return (node for node in root.body if isinstance(node, ast.ImportFrom))


def _is_type_variable(value: ast.expr | None) -> bool:
    return (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in _TYPE_VARIABLES
    )


def main() -> None:
    """Print the list, or with `--write` note it down."""
    text = "".join(f"{name}\n" for name in all_names())
    if sys.argv[1:] == ["--write"]:
        LIST.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
