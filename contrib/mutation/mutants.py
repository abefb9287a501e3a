"""The mutants of a module, as cosmic-ray's operators make them."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import msgspec


class Mutant(msgspec.Struct, frozen=True):
    """One change of one module."""

    module: str
    line: int
    was: str
    """The changed lines as they stand in the file, in one line."""
    now: str
    """The lines in their place, in one line."""
    text: str
    """The whole module, changed."""


def mutants(module: str, text: str, variants: Iterable[str]) -> Iterator[Mutant]:
    """The variants of a module's text that are another program, each of them once."""
    seen = {meaning(text)}
    for changed in variants:
        same = meaning(changed)
        if same not in seen:
            seen.add(same)
            yield Mutant(module, *change(text, changed), changed)


def variants_of(text: str, operators: list[str]) -> Iterator[str]:
    """The text with one change each, for every place where an operator of these names fits."""
    # Here, so that all else runs without cosmic-ray, whose dependency group few have installed.
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    nodes = list(ast_nodes(get_ast(text)))
    for name in operator_names():
        kind: Any = get_operator(name)
        # VariableInserter and VariableReplacer have arguments: they want to be told of variables.
        if kind.arguments() or not any(fnmatchcase(name, wanted) for wanted in operators):
            continue
        operator = kind()
        places = sum(len(list(operator.mutation_positions(node))) for node in nodes)
        for occurrence in range(places):
            yield mutate_code(text, operator, occurrence)


def meaning(text: str) -> str:
    """The module as Python reads it, without annotations: nobody evaluates those.

    Files here begin with `from __future__ import annotations`.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:  # an operator went too far, and importing it will tell
        return text
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
    return ast.dump(tree)


def change(before: str, after: str) -> tuple[int, str, str]:
    """The first line that differs, and all lines that do, as they were and as they are."""
    old, new = before.splitlines(), after.splitlines()
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    differ = [block for block in blocks if block[0] != "equal"]
    was = " ".join(" ".join(old[block[1] : block[2]]) for block in differ)
    now = " ".join(" ".join(new[block[3] : block[4]]) for block in differ)
    return differ[0][1] + 1, " ".join(was.split()), " ".join(now.split())
