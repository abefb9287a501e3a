"""Every example runs to its end, and says nothing on stderr."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from house.source import python_files, shown

EXAMPLE_SECONDS = 30
EXAMPLES = [path for path in python_files("examples") if path.parent.name == "examples"]
"""Each is a program; what is in a folder is not."""


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=shown)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=EXAMPLE_SECONDS,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
