"""The core stays small, and every file and class is called what it holds.

A line of code is one that holds code: blank lines, comments and docstrings (strings that stand alone) do not
count, each line of a statement over several lines does. How complex a function may be is ruff's matter (C90).
"""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest

from house.source import PRODUCT, ROOT, module_name, python_files, shown, tree

MAIN_PATH = ("tool", "call", "chain", "invoke", "registry")
MAIN_PATH_LINES = 1_000
BESIDE_THE_CORE = {"testing", "cli", "concurrency"}
ROOMS = {"middleware", "observability", "agents", "plugins"}
PERMITS = {"bulkhead.py", "permits.py"}
STREAMS = {
    *("chunk_hooks.py", "hooked.py", "pace.py", "pipe.py", "resume.py"),
    *(
        "blocking_stream.py",
        "stream.py",
        "stream_events.py",
        "streaming.py",
        "threaded_stream.py",
        "tool_stream.py",
    ),
}
CHOSEN = ROOMS | PERMITS | STREAMS
"""What a host picks: each stands alone, and one that nobody picks is in nobody's way.

Files in no room: permits, so that the chain can put a bulkhead around a tool that picks one itself; and what
only a stream goes through.
"""
UNDER_EVERY_CALL_LINES = 5_000
CORE_LINES = 9_500
CHOSEN_LINES = 250

FILE_LINES = 400
LONGER_FOR_A_REASON: dict[str, str] = {}
"""Files above 400 lines of any kind, each with why it is not two.

A test file that mirrors a file of the core needs no entry: it is as long as that file has promises.
"""

EMPTY_NAMES = {"base", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
"""Files so called hold anything."""

EMPTY_ENDINGS = ("Base", "Common", "Handler", "Helper", "Manager", "Processor", "Util", "Utils")

SENTENCE_CHARACTERS = 120

_NO_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}

CORE = python_files("toolcase")
ALL = python_files(*PRODUCT, "tests")
MIRRORS = {
    shown(path).replace("toolcase", "tests", 1).replace(path.name, f"test_{path.name}") for path in CORE
}


def lines_of_code(text: str) -> int:
    """How many lines hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and _is_text(node.value):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def count(paths: list[Path]) -> dict[str, int]:
    return {shown(path): lines_of_code(path.read_text(encoding="utf-8")) for path in paths}


def test_counts_what_holds_code() -> None:
    text = '"""Says what."""\n\n# why\nx = [\n    1,  # one\n\n    2,\n]\n"""What x is,\nat length."""\n'

    assert lines_of_code(text) == len(["x = [", "1,", "2,", "]"])


def test_the_main_path_is_short() -> None:
    sizes = count([ROOT / "toolcase" / f"{name}.py" for name in MAIN_PATH])

    assert sum(sizes.values()) <= MAIN_PATH_LINES, sizes


def outside(*rooms: set[str]) -> dict[str, int]:
    """The files of the core that stand in none of these rooms."""
    left_out = set().union(*rooms)
    return count([path for path in CORE if not left_out & set(path.relative_to(ROOT).parts)])


def test_what_stands_under_every_call_is_small() -> None:
    sizes = outside(BESIDE_THE_CORE, CHOSEN)

    assert sum(sizes.values()) <= UNDER_EVERY_CALL_LINES, sizes


def test_the_core_is_small() -> None:
    sizes = outside(BESIDE_THE_CORE)

    assert sum(sizes.values()) <= CORE_LINES, sizes


def test_what_a_host_picks_is_small_one_by_one() -> None:
    sizes = count([path for path in CORE if CHOSEN & set(path.relative_to(ROOT).parts)])

    assert max(sizes.values()) <= CHOSEN_LINES, sizes


@pytest.mark.parametrize("path", ALL, ids=shown)
def test_a_long_file_has_a_reason(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())

    assert lines <= FILE_LINES or shown(path) in {*MIRRORS, *LONGER_FOR_A_REASON}, (
        f"{shown(path)} has {lines} lines; split it, or give the reason in LONGER_FOR_A_REASON"
    )


def test_no_reason_outlives_its_file() -> None:
    long = {shown(path) for path in ALL if len(path.read_text(encoding="utf-8").splitlines()) > FILE_LINES}

    assert set(LONGER_FOR_A_REASON) <= long - MIRRORS


@pytest.mark.parametrize("path", ALL, ids=shown)
def test_a_file_opens_with_one_sentence(path: Path) -> None:
    opening = (ast.get_docstring(tree(path)) or "").split("\n\n")[0]

    assert opening, f"{shown(path)}:1: say in one sentence what is found here"
    assert opening.endswith((".", ":")), f"{shown(path)}:1: not a sentence: {opening!r}"
    assert len(opening.splitlines()[0]) <= SENTENCE_CHARACTERS


@pytest.mark.parametrize("path", ALL, ids=shown)
def test_a_file_is_called_what_it_holds(path: Path) -> None:
    assert not EMPTY_NAMES & set(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", python_files(*PRODUCT), ids=module_name)
def test_a_class_is_called_what_it_is(path: Path) -> None:
    classes = [node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)]

    vague = [f"{node.name} (line {node.lineno})" for node in classes if node.name.endswith(EMPTY_ENDINGS)]

    assert not vague, f"{shown(path)}: {', '.join(vague)}"
