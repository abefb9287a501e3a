"""Judges the coverage of the last whole test run: the main path in full, the rest of the core nearly so.

Run after the whole suite (`.ci/run` does): a run of fewer tests measures too, but proves nothing.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import coverage

ROOT = Path(__file__).parents[2]
FULL_NAMES = (
    *("tool", "call", "chain", "invoke", "registry", "schema/build", "schema/schema"),
    *("chunk", "pipe", "stream", "streaming", "tool_stream"),
)
FULL_PATHS = tuple(f"toolcase/{name}.py" for name in FULL_NAMES)
FULL_FOLDERS = ("toolcase/middleware/",)
FULL, NEARLY = 100.0, 95.0
BESIDE_THE_CORE = ("toolcase/testing/", "toolcase/cli/", "toolcase/concurrency/")


def floor(path: str) -> float:
    """The least share of lines and branches, in percent, that tests must reach in a file."""
    if path.startswith(BESIDE_THE_CORE):
        return 0.0
    return FULL if path in FULL_PATHS or path.startswith(FULL_FOLDERS) else NEARLY


def below(report: dict[str, Any]) -> list[str]:
    """A line for each file below its floor, with what is missing; `report` is coverage's own JSON."""
    found = []
    for path, measured in sorted(report["files"].items()):
        name, reached = Path(path).as_posix(), measured["summary"]["percent_covered"]
        if reached < floor(name):
            found.append(f"{name}: {reached:.1f} % of {floor(name):g} %, missing {missing(measured)}")
    return found


def missing(measured: dict[str, Any]) -> str:
    """The lines that did not run, then the branches that were not taken."""
    lines = [str(line) for line in measured["missing_lines"]]
    branches = [
        f"{start}->{'exit' if end < 0 else end}"
        for start, end in measured["missing_branches"]
        if end not in measured["missing_lines"]
    ]
    return ", ".join([*lines, *branches])


def read() -> dict[str, Any]:
    """What the last run measured."""
    measured = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"), data_file=str(ROOT / ".coverage"))
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "coverage.json")
        measured.json_report(outfile=str(file))
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return report


def main() -> int:
    """Print what is below its floor; 1 if anything is."""
    os.chdir(ROOT)  # the report names files as seen from here
    report = read()
    unmeasured = [
        path for path in FULL_PATHS if path not in {Path(name).as_posix() for name in report["files"]}
    ]
    failures = [*(f"{path}: not measured at all" for path in unmeasured), *below(report)]
    for failure in failures:
        print(failure)
    print(f"coverage of lines and branches: {report['totals']['percent_covered']:.1f} %")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
