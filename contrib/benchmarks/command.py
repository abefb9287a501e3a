"""The command line: which workloads run, how long, and what becomes of the numbers."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import anyio

from benchmarks import calls, chains, holding, layers, table
from benchmarks.measure import FULL, QUICK, measure
from benchmarks.workload import Workload

WORKLOADS = (*calls.WORKLOADS, *layers.WORKLOADS, *chains.WORKLOADS, *holding.WORKLOADS)


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmarks; 1 where `--check` found a target missed, else 0."""
    parser = _parser()
    options = parser.parse_args(words)
    try:
        chosen = choose(options.only, options.backend, dict(options.target))
    except ValueError as error:
        parser.error(str(error))
    head = table.head(options.backend)
    print(head, flush=True)
    effort = QUICK if options.quick else FULL
    # A loop of its own for each: a registry belongs to one, and no workload finds what another left.
    rows = [
        (workload, anyio.run(partial(measure, workload, options.backend, effort), backend=options.backend))
        for workload in chosen
    ]
    print("\n".join(table.lines(rows)))
    if options.json is not None:
        options.json.write_text(json.dumps(table.as_json(head, rows), indent=2) + "\n", encoding="utf-8")
    missed = [workload.name for workload, outcome in rows if table.missed(workload, outcome)]
    if missed:
        print(f"target missed: {', '.join(missed)}")
    return 1 if missed and options.check else 0


def choose(patterns: Sequence[str], backend: str, targets: dict[str, float]) -> list[Workload]:
    """The workloads with a name that a pattern matches, and their targets; ValueError if none has."""
    names = [workload.name for workload in WORKLOADS]
    if strange := [name for name in targets if name not in names]:
        raise ValueError(f"no workload named {strange[0]!r}; there are {', '.join(names)}")
    chosen = []
    for workload in WORKLOADS:
        if not any(fnmatchcase(workload.name, pattern) for pattern in patterns or ["*"]):
            continue
        if backend == "trio":
            if not workload.on_loop:
                continue
            # What the project promises is a ratio to asyncio's own means.
            workload = replace(workload, target=None, goal=None)
        chosen.append(replace(workload, target=targets.get(workload.name, workload.target)))
    if not chosen:
        raise ValueError(f"no workload for {' '.join(patterns)!r} on {backend}; there are {', '.join(names)}")
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python contrib/benchmarks",
        description="What toolcase costs, each workload as a ratio to the same work written by hand.",
    )
    parser.add_argument("--quick", action="store_true", help="less than a minute, with wider spreads")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a median is above its target")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATTERN", help="as 'chain*'; may be given again"
    )
    parser.add_argument(
        "--target", action="append", default=[], type=_target, metavar="NAME=RATIO", help="another target"
    )
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    return parser


def _target(text: str) -> tuple[str, float]:
    name, _, ratio = text.partition("=")
    try:
        return name, float(ratio)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a target is NAME=RATIO, as 'chain=1.3', got {text!r}") from None
