"""Each promise of breakers, limits, caches and streams names its test, and that test is there."""

from __future__ import annotations

import ast
import tomllib

import pytest

from house.source import ROOT, tree

PROMISES = [
    (f"{part}: {promise}", test)
    for part, promises in tomllib.loads((ROOT / "tests/house/promises.toml").read_text("utf-8")).items()
    for promise, test in promises.items()
]


@pytest.mark.parametrize("test", [test for _, test in PROMISES], ids=[promise for promise, _ in PROMISES])
def test_a_promise_has_its_test(test: str) -> None:
    file, name = test.split("::")

    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in ast.walk(tree(ROOT / file)) if isinstance(node, functions)}
