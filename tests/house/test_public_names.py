"""What the public doors show is on a list, is documented, and is defined elsewhere."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from house.public_names import DOORS, LIST, all_names, definitions, file_of, home, is_ours, names
from house.source import ROOT, module_name, python_files, shown, tree

PURE_DOORS = [
    path
    for path in python_files("toolcase")
    if path.name == "__init__.py" or path == ROOT / "toolcase" / "runtime.py"
]
NAMES = all_names()
OURS = [name for name in NAMES if is_ours(home(*name.rsplit(".", 1))[0])]
"""Those that we define; the others are a library's, shown under its own names."""


def test_the_public_names_are_those_on_the_list() -> None:
    noted = LIST.read_text(encoding="utf-8").splitlines()

    new, gone = sorted(set(NAMES) - set(noted)), sorted(set(noted) - set(NAMES))

    assert noted == NAMES, (
        f"new: {', '.join(new) or 'none'}; gone: {', '.join(gone) or 'none'}. "
        "A name that users can import is a promise. If you mean it, say so in CHANGELOG.md and note it down: "
        "uv run python tests/house/public_names.py --write"
    )


@pytest.mark.parametrize("door", DOORS)
def test_every_name_can_be_imported(door: str) -> None:
    module = importlib.import_module(door)

    missing = [name for name in names(door) if not hasattr(module, name)]

    assert not missing


@pytest.mark.parametrize("path", PURE_DOORS, ids=module_name)
def test_a_door_defines_nothing(path: Path) -> None:
    first, *rest = tree(path).body

    other = [node.lineno for node in rest if not isinstance(node, ast.Import | ast.ImportFrom)]

    assert isinstance(first, ast.Expr)
    assert not other, f"{shown(path)} does more than import on lines {other}; move that to a module"


@pytest.mark.parametrize("public", OURS)
def test_every_public_name_has_a_docstring(public: str) -> None:
    module, name = home(*public.rsplit(".", 1))

    body = tree(file_of(module)).body
    node = [node for found, node in definitions(tree(file_of(module))) if found == name][-1]

    place = shown(file_of(module), node.lineno)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        below = body[body.index(node) + 1 :][:1]
        assert any(map(_is_text, below)), f"{place}: no string stands below {name}"
    else:
        assert ast.get_docstring(node), f"{place}: {name} has no docstring"
    if isinstance(node, ast.ClassDef):
        told = {method.name for method in _public_methods(node) if ast.get_docstring(method)}
        bare = {method.name for method in _public_methods(node)} - told  # one of several of a name tells
        assert not bare, f"{place}: no docstring in {', '.join(f'{name}.{method}' for method in bare)}"


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _public_methods(node: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    methods = [found for found in node.body if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [method for method in methods if not method.name.startswith("_")]
