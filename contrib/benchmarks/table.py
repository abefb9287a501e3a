"""What is printed and written: the head line, the table, the JSON."""

from __future__ import annotations

import math
import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Outcome, Spread
from benchmarks.workload import Backend, Workload

HEADS = ("workload", "floor us", "ours us", "ratio", "p10 .. p90", "wall", "target", "verdict", "how")


@dataclass(frozen=True, slots=True)
class Head:
    """Where and on what the numbers were taken."""

    python: str
    commit: str
    cpus: int
    backend: Backend

    def __str__(self) -> str:
        cpus = "1 CPU" if self.cpus == 1 else f"{self.cpus} CPUs"
        return (
            f"Python {self.python}, commit {self.commit}, {cpus}, {self.backend}; CPU time, gc on and frozen"
        )


def head(backend: Backend) -> Head:
    """The head of a run that begins now."""
    return Head(platform.python_version(), _commit(), os.cpu_count() or 1, backend)


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    words = [git, "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def missed(workload: Workload, outcome: Outcome) -> bool:
    """Whether the median is above a target."""
    return workload.target is not None and outcome.cpu.median > workload.target


def verdict(workload: Workload, outcome: Outcome) -> str:
    """How the median stands to the target, or to the goal."""
    if workload.target is not None:
        return "missed" if missed(workload, outcome) else "ok"
    if workload.goal is not None:
        return "above goal" if outcome.cpu.median > workload.goal else "goal met"
    return ""


def lines(rows: list[tuple[Workload, Outcome]]) -> list[str]:
    """The table, aligned."""
    cells = [HEADS, *(_cells(*row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADS))]
    return [
        "  ".join(
            cell.rjust(width) if 0 < column < 7 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def _cells(workload: Workload, outcome: Outcome) -> tuple[str, ...]:
    wanted = ""
    if workload.target is not None:
        wanted = f"<= {workload.target:g}"
    elif workload.goal is not None:
        wanted = f"({workload.goal:g})"
    return (
        workload.name,
        _number(outcome.floor.cpu),
        _number(outcome.ours.cpu),
        f"{outcome.cpu.median:.2f}",
        f"{outcome.cpu.p10:.2f} .. {outcome.cpu.p90:.2f}",
        f"{outcome.wall.median:.2f}",
        wanted,
        verdict(workload, outcome),
        workload.how,
    )


def _number(microseconds: float) -> str:
    return f"{microseconds:,.0f}" if abs(microseconds) >= 1000 else f"{microseconds:.3g}"


def as_json(head: Head, rows: list[tuple[Workload, Outcome]]) -> dict[str, Any]:
    """The same as plain data; None for what noise made infinite."""
    return {**asdict(head), "workloads": [_plain(*row) for row in rows]}


def _plain(workload: Workload, outcome: Outcome) -> dict[str, Any]:
    return {
        "name": workload.name,
        "how": workload.how,
        "floor_us": outcome.floor._asdict(),
        "ours_us": outcome.ours._asdict(),
        "cpu_ratio": _finite(outcome.cpu),
        "wall_ratio": _finite(outcome.wall),
        "rounds": outcome.rounds,
        "target": workload.target,
        "goal": workload.goal,
        "verdict": verdict(workload, outcome),
    }


def _finite(spread: Spread) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in spread._asdict().items()}
