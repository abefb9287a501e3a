"""The mutants of a module, as cosmic-ray makes them, and one of them tried."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import msgspec


class Mutant(msgspec.Struct, frozen=True):
    """One change of one module: the `occurrence`-th place where this operator fits."""

    module: str
    operator: str
    occurrence: int


class Tried(msgspec.Struct, frozen=True):
    """What became of a mutant: the lines as they were and as it made them, and whether a test noticed."""

    mutant: Mutant
    was: str
    now: str
    killed: bool
    said: str
    """What the tests printed, where they could not be run."""


class Span(NamedTuple):
    """From a line and column to another."""

    start: tuple[int, int]
    end: tuple[int, int]


def mutants(path: Path, module: str, operators: list[str]) -> Iterator[Mutant]:
    """What these operators make of a file, save for changes in annotations, which nobody evaluates."""
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.plugins import get_operator, operator_names

    spans, parsed = annotated(path.read_text(encoding="utf-8")), get_ast_from_path(path)
    for name in operator_names():
        kind: Any = get_operator(name)
        # VariableInserter and VariableReplacer have arguments: they want to be told of variables.
        if kind.arguments() or not any(fnmatchcase(name, wanted) for wanted in operators):
            continue
        operator = kind()
        places = (place for node in ast_nodes(parsed) for place in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(places):
            if not any(span.start <= start and end <= span.end for span in spans):
                yield Mutant(module, name, occurrence)


def annotated(text: str) -> list[Span]:
    """Where there are annotations; files here begin with `from __future__ import annotations`."""
    found: list[Span] = []
    for node in ast.walk(ast.parse(text)):
        for said in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(said, ast.expr):
                end = said.end_lineno or said.lineno, said.end_col_offset or said.col_offset
                found.append(Span((said.lineno, said.col_offset), end))
    return found


def attempt(mutant: Mutant, copy: Path, tests: list[str], seconds: float) -> Tried:
    """Make the change in this copy of the project, run the tests there, and take it back."""
    from cosmic_ray.mutating import mutate_and_test
    from cosmic_ray.work_item import MutationSpec, TestOutcome

    place = (1, 0), (1, 1)  # the occurrence says where
    spec = MutationSpec(Path(mutant.module), mutant.operator, mutant.occurrence, *place)
    os.chdir(copy)
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, [copy, *sorted(copy.glob("plugins/*"))]))
    result = mutate_and_test([spec], command(tests), seconds)
    was, now = changed(result.diff or "")
    known = result.test_outcome in {TestOutcome.KILLED, TestOutcome.SURVIVED}
    killed = result.test_outcome is TestOutcome.KILLED
    return Tried(mutant, was, now, killed, "" if known else str(result.output))


def command(tests: list[str]) -> str:
    """What runs these tests until the first of them fails."""
    return f"python -m pytest -q -x --no-cov --tb=no -p no:cacheprovider {' '.join(tests)}"


def changed(diff: str) -> tuple[str, str]:
    """The lines that a diff takes away and those that it brings, each in one line."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    sides = ([" ".join(line[1:].split()) for line in lines if line.startswith(mark)] for mark in "-+")
    was, now = (" ".join(side) for side in sides)
    return was, now
