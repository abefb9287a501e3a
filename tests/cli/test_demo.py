"""`toolcase demo`: as the console script for machines, and at the same time in-process for people."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from toolcase.cli import main

PROGRAM = Path(sys.executable).with_name("toolcase")


class Shown(NamedTuple):
    """Both runs, which take some seconds: every test looks at the same two."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    text: Result
    left_behind: list[Path]

    @property
    def calls(self) -> list[dict]:
        return json.loads(self.stdout)["calls"]

    @property
    def summary(self) -> dict:
        return json.loads(self.stdout)["summary"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("demo")
    strict = {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error", "TMPDIR": str(folder)}
    began = time.monotonic()
    with subprocess.Popen(
        [PROGRAM, "demo", "--json"], stdout=-1, stderr=-1, text=True, env={**os.environ, **strict}
    ) as process:
        text = CliRunner().invoke(main, ["demo"], prog_name="toolcase")
        stdout, stderr = process.communicate(timeout=30)
    seconds = time.monotonic() - began
    return Shown(process.returncode, stdout, stderr, seconds, text, list(folder.iterdir()))


def test_it_ends_well_and_soon(shown):
    assert shown.code == 0
    assert shown.seconds < 25


def test_it_leaves_nothing_behind_and_warns_of_nothing(shown):
    assert shown.stderr == ""
    assert shown.left_behind == []


def test_every_call_is_a_row(shown):
    assert len(shown.calls) >= 10
    assert all({"tool", "outcome", "attempts", "duration"} <= row.keys() for row in shown.calls)


def test_some_calls_were_retried_and_came_out_right(shown):
    retried = [row for row in shown.calls if row["attempts"] > 1 and row["outcome"] == "ok"]

    assert len(retried) >= 2


def test_retry_after_was_honoured(shown):
    assert any(failure["wait"] == 1.0 for row in shown.calls for failure in row["failures"])


@pytest.mark.parametrize(
    "outcome",
    [
        "TIMEOUT",
        "UNAVAILABLE",
        "INVALID_ARGUMENTS",
        "UNKNOWN_TOOL",
        "DENIED",
        "OVERLOADED",
        "TOOL_FAILED",
        "CIRCUIT_OPEN",
        "BUDGET_EXCEEDED",
    ],
)
def test_some_calls_were_cut_off_or_refused(shown, outcome):
    assert outcome in [row["outcome"] for row in shown.calls]


def test_an_effect_of_unknown_outcome_was_not_repeated(shown):
    (note,) = [row for row in shown.calls if row["outcome_unknown"]]

    assert (note["tool"], note["attempts"]) == ("add_note", 1)


def test_threads_ended_later_than_their_callers(shown):
    left = [row for row in shown.calls if row["thread_ended"] is not None]

    assert len(left) == 2
    assert all(row["thread_ended"] > row["duration"] for row in left)


def test_a_circuit_opened_refused_and_closed(shown):
    failed, refused, tried = [row for row in shown.calls if row["tool"] == "ask_mirror"]

    assert (failed["attempts"], failed["circuit"]) == (3, ["open"])
    assert (refused["outcome"], refused["attempts"]) == ("CIRCUIT_OPEN", 0)
    assert (tried["outcome"], tried["circuit"]) == ("ok", ["half_open", "closed"])


def test_a_stream_went_on_where_it_broke_off(shown):
    (followed,) = [row for row in shown.calls if row["tool"] == "follow_packages"]

    assert (followed["outcome"], followed["attempts"]) == ("ok", 2)
    assert shown.text.output.count("    msgspec 0") == 1


def test_a_reader_left_and_the_tool_had_ended(shown):
    (listed,) = [row for row in shown.calls if row["tool"] == "list_packages"]

    assert listed["outcome"] == "left"
    assert "and 0 threads are busy" in shown.text.output


def test_no_more_than_two_ran_at_once_and_the_others_waited(shown):
    rows = [row for row in shown.calls if row["tool"] == "survey_package"]

    assert [row["outcome"] for row in rows] == ["ok"] * 4
    assert [row["waited"] > 0.3 for row in rows] == [False, False, True, True]


def test_those_who_asked_the_same_at_once_shared_one_run(shown):
    burst = [row for row in shown.calls if row["arguments"] == {"name": "msgspec"}]
    rows = [row for row in burst if row["tool"] == "latest_package"]

    assert [row["outcome"] for row in rows] == ["ok"] * 6
    assert [row["attempts"] for row in rows] == [1, 0, 0, 0, 0, 0]


def test_the_third_call_of_a_run_of_two_was_refused(shown):
    (refused,) = [row for row in shown.calls if row["outcome"] == "BUDGET_EXCEEDED"]

    assert (refused["tool"], refused["attempts"]) == ("find_package", 0)


def test_a_trace_shows_who_called_whom(shown):
    head, parent, *children = json.loads(shown.stdout)["trace"]

    assert head.startswith("trace ")
    assert parent.startswith("  execute_tool compare_packages ")
    assert [line.split("|")[0].rstrip() for line in children] == ["    execute_tool latest_package"] * 2
    assert sum(line.endswith("2 attempts") for line in children) == 1


def test_the_summary_counts_the_rows(shown):
    summary, rows = shown.summary, shown.calls

    assert summary["calls"] == len(rows)
    assert summary["ok"] == sum(row["outcome"] == "ok" for row in rows)
    assert summary["hangs_cut_off"] == sum(f["timed_out"] for row in rows for f in row["failures"])
    assert summary["hang_without_limit"] == max(row["thread_ended"] or 0 for row in rows)
    assert summary["faults_kept_from_callers"] == 1
    assert (summary["circuits_opened"], summary["turns_waited_for"], summary["runs_shared"]) == (1, 2, 5)


def test_people_read_what_happened_as_it_happened(shown):
    lines = shown.text.stdout.splitlines()

    assert shown.text.exit_code == 0
    assert "  4 fetch_package(name='anyio')" in lines
    assert "  4   Unavailable: the server answered 503, waits 1.00 s" in lines
    assert "  4   attempt 2" in lines
    assert any(line.startswith("  4   ok (") and "3 attempts" in line for line in lines)
    assert any("did you mean 'name'?" in line for line in lines)


def test_people_read_a_summary(shown):
    summary = shown.text.stdout.partition("What the middleware came to\n")[2]

    assert "  5 failures turned into 4 successes by trying again\n" in summary
    assert "  5 hangs cut off after " in summary
