"""The judge of coverage knows which file must reach what."""

from __future__ import annotations

from typing import Any

import pytest

from house.coverage_floors import FULL_PATHS, below, floor
from house.source import ROOT


def measured(percent: float) -> dict[str, Any]:
    return {
        "summary": {"percent_covered": percent},
        "missing_lines": [7, 8],
        "missing_branches": [[3, 7], [4, -1], [5, 9]],
    }


@pytest.mark.parametrize(
    ("path", "percent"),
    [
        ("toolcase/chain.py", 100),
        ("toolcase/middleware/retry.py", 100),
        ("toolcase/threads.py", 95),
        ("toolcase/retry/policy.py", 95),
        ("toolcase/testing/script.py", 0),
    ],
)
def test_the_main_path_must_be_covered_in_full_and_the_core_nearly(path: str, percent: int) -> None:
    assert floor(path) == percent


def test_names_the_file_below_its_floor_and_what_is_missing() -> None:
    report = {"files": {"toolcase/chain.py": measured(99.9), "toolcase/timer.py": measured(96)}}

    assert below(report) == ["toolcase/chain.py: 99.9 % of 100 %, missing 7, 8, 4->exit, 5->9"]


def test_the_main_path_is_where_it_says() -> None:
    assert [path for path in FULL_PATHS if not (ROOT / path).exists()] == []
