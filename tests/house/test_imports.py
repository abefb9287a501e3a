"""Imports run down only, load little, and come in through the public doors."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from house.pages import PYTHON, blocks
from house.public_names import DOORS, LIST
from house.source import ROOT, pages, python_files, shown, tree

PUBLIC = {*DOORS, *LIST.read_text(encoding="utf-8").split()}

HEAVY = """
click ctransformers dbos httpx2 hypothesis mcp opentelemetry psycopg pydantic pytest redis rich
sqlalchemy sqlite3 starlette structlog toolcase_cache toolcase_http toolcase_limits trio
"""
"""What `import toolcase` must not load: it comes with the module, or the call, that uses it."""

BACK_ENDS = {"asyncio", "trio"}
KNOW_THE_BACK_END = {
    "blocking",  # waits in a thread, which asyncio and trio end in different ways; names the default
    "clock",  # tells which one it is
    "events",  # knows asyncio's CancelledError, which ends a thread that was let go
    "pace",  # limits of time, as the timer has them
    "pipe",  # wakes tasks natively: an event costs more than the chunk
    "registry",  # asks asyncio for its loop first, on the path of every call
    "stop",
    "task",
    "threads",
    "timer",
    "view",  # names the default
}
ON_TOP = {"testing", "cli"}


def test_the_import_contract_holds() -> None:
    # A process of its own, because the linter configures logging for the whole of it.
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "path", [p for p in python_files("toolcase") if not ON_TOP & set(p.parts)], ids=shown
)
def test_few_modules_know_the_back_end(path: Path) -> None:
    names = {name for node in ast.walk(tree(path)) for name in back_ends(node)}

    assert not names or path.stem in KNOW_THE_BACK_END, f"{shown(path)} knows {names}; use anyio, or clock.py"


def back_ends(node: ast.AST) -> set[str]:
    """The back ends that this piece of code imports or looks for among the modules."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names} & BACK_ENDS
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").split(".")[0]} & BACK_ENDS
    return (
        {node.value} & BACK_ENDS if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()
    )


def test_the_tour_shows_the_floors_of_the_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {each["id"]: each for each in settings["tool"]["importlinter"]["contracts"]}
    layers = contracts["floors"]["layers"]

    rows = re.findall(
        r"^\| (\d+) \| (.*) \|$", (ROOT / "docs/architecture.md").read_text(encoding="utf-8"), re.MULTILINE
    )

    assert [int(number) for number, _ in rows] == list(reversed(range(len(layers))))
    assert [re.findall(r"`(\w+)`", modules) for _, modules in rows] == [
        layer.split(" | ") for layer in layers
    ]


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("toolcase", HEAVY),
        ("toolcase.events", HEAVY),
        ("toolcase.retry", HEAVY),
        ("toolcase.runtime", " ".join(set(HEAVY.split()) - {"opentelemetry", "structlog", "rich"})),
        ("toolcase.testing", "click pytest structlog trio"),
    ],
)
def test_an_import_loads_no_more_than_it_needs(module: str, unwanted: str) -> None:
    program = f"import sys; before = set(sys.modules); import {module}; print(*set(sys.modules) - before)"
    run = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in run.stdout.split()}

    assert loaded & set(unwanted.split()) == set()


@pytest.mark.parametrize("path", python_files("plugins", "contrib", "examples"), ids=shown)
def test_code_outside_the_core_imports_from_public_doors_only(path: Path) -> None:
    private = [f"{name} (line {line})" for name, line in imported(tree(path)) if name not in PUBLIC]

    assert not private, f"{shown(path)} imports {', '.join(private)}; public is what {LIST.name} lists"


@pytest.mark.parametrize("path", pages(), ids=shown)
def test_code_in_pages_imports_from_public_doors_only(path: Path) -> None:
    found = [
        (name, block.line + line)
        for block in blocks(path.read_text(encoding="utf-8"))
        if block.info == PYTHON
        for name, line in imported(ast.parse(block.code))
    ]

    private = [f"{name} (line {line})" for name, line in found if name not in PUBLIC]

    assert not private, f"{shown(path)} imports {', '.join(private)}; public is what {LIST.name} lists"


def imported(root: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module or name of the core that a file imports, and where."""
    for node in ast.walk(root):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((name, node.lineno) for name in names if f"{name}.".startswith("toolcase."))


def test_knows_an_import_of_the_core() -> None:
    text = "import toolcase.call, toolcase_sqlite\nfrom toolcase import tool\nfrom toolcase.tool import Tool"

    assert [name for name, _ in imported(ast.parse(text))] == [
        "toolcase.call",
        "toolcase.tool",
        "toolcase.tool.Tool",
    ]
