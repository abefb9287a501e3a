"""The benchmarks run from the command line, write their numbers and fail when a target is missed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def benchmarks(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "contrib" / "benchmarks"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_writes_the_numbers_of_the_chosen_workload(tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"

    done = benchmarks("--quick", "--only", "dispatch", "--json", str(file))

    assert done.returncode == 0, done.stderr
    numbers = json.loads(file.read_text(encoding="utf-8"))
    assert set(numbers) == {"python", "commit", "cpus", "backend", "workloads"}
    (dispatch,) = numbers["workloads"]
    assert dispatch["name"] == "dispatch"
    assert dispatch["floor_us"]["cpu"] > 0
    assert dispatch["ours_us"]["wall"] > 0
    for ratio in (dispatch["cpu_ratio"], dispatch["wall_ratio"]):
        assert 1 < ratio["p10"] <= ratio["median"] <= ratio["p90"]
    assert dispatch["rounds"] >= 5
    assert (dispatch["target"], dispatch["goal"]) == (None, 8.0)


def test_check_fails_when_a_target_is_missed() -> None:
    done = benchmarks("--quick", "--only", "dispatch", "--target", "dispatch=0.5", "--check")

    assert done.returncode == 1, done.stderr
    assert "target missed: dispatch" in done.stdout


def test_check_passes_when_a_target_is_met_on_trio() -> None:
    done = benchmarks(
        "--quick", "--only", "dispatch", "--target", "dispatch=1e6", "--check", "--backend=trio"
    )

    assert done.returncode == 0, done.stderr
    assert "<= 1e+06" in done.stdout


def test_names_the_workloads_when_asked_for_one_that_is_not_there() -> None:
    done = benchmarks("--only", "dispach")

    assert done.returncode == 2
    assert "no workload for 'dispach' on asyncio; there are dispatch," in done.stderr
