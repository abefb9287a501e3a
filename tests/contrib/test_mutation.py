"""Which changes of a module are mutants, how one is tried, and what is made of those that survive.

What cosmic-ray does is its own affair, and it is not installed here: the changes are written by hand.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mutation.command import HERE, means, read
from mutation.mutants import Mutant, change, mutants
from mutation.report import Explanation, Outcome, judged, table, write
from mutation.trials import End

ROOT = Path(__file__).parents[2]
TODAY = datetime(2025, 1, 31, tzinfo=UTC)


def mutant(was: str = "a", now: str = "b") -> Mutant:
    return Mutant("toy.py", 1, was, now, "")


def explanation(was: str = "a", now: str = "b", module: str = "toy.py") -> Explanation:
    return Explanation(module, was, now, "because")


def ends(*survivors: Mutant, killed: int = 0, hung: int = 0) -> list[tuple[Mutant, End]]:
    ended: list[tuple[Mutant, End]] = [(mutant(), "killed")] * killed + [(mutant(), "hung")] * hung
    return [*ended, *((survivor, "survived") for survivor in survivors)]


def outcome(module: str = "toy.py", killed: int = 3) -> Outcome:
    return judged(module, ends(mutant(), killed=killed, hung=1), [explanation()], whole=True)


class TestMutants:
    """Of the changed texts those that are another program."""

    def test_show_the_lines_that_changed_in_one_line(self):
        assert change("a\nif (\n    b\n):\n    c\n", "a\nif not (\n    b\n  and d\n):\n    c\n") == (
            2,
            "if (",
            "if not ( and d",
        )

    def test_know_their_place(self):
        (one,) = mutants("toy.py", "a = 1\nb = 2\n", ["a = 1\nb = 3\n"])

        assert one == Mutant("toy.py", 2, "b = 2", "b = 3", "a = 1\nb = 3\n")

    @pytest.mark.parametrize(
        ("text", "changed"),
        [
            ("def f(a: int | None) -> A | B: ...", "def f(a: int & None) -> A & B: ..."),
            ("async def f() -> A | B: ...", "async def f() -> A & B: ..."),
            ("a: int | None = 1", "a: int & None = 1"),
            ("a = 1", "a = (1)"),
        ],
    )
    def test_are_none_where_python_sees_no_other_program(self, text, changed):
        assert not list(mutants("toy.py", text, [changed]))

    def test_come_once_whatever_operators_made_them(self):
        assert len(list(mutants("toy.py", "a = 1", ["a = 2", "a = (2)"]))) == 1

    def test_may_be_no_program_at_all(self):
        assert len(list(mutants("toy.py", "a = 1", ["a ="]))) == 1


# In a process of its own: this one may have threads, and is not to be forked.
TRY = """
import sys
from pathlib import Path

from mutation.mutants import Mutant
from mutation.trials import tried, unchanged

folder, seconds, texts = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
print("fail" if unchanged(["test_toy.py"], folder) is None else "pass")
found = [Mutant("toy.py", 1, "", "", text) for text in texts]
for mutant, end in tried(found, ["test_toy.py"], folder, workers=2, seconds=seconds):
    print(mutant.text, end, sep=": ")
"""


class TestTrials:
    """Each mutant meets the tests in a process that nobody else sees."""

    @pytest.fixture
    def trial(self, tmp_path: Path):
        (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\nfilterwarnings = ['error']\n")
        (tmp_path / "test_toy.py").write_text("import toy\n\n\ndef test_it():\n    assert toy.a == 42\n")

        def trial(text: str, *mutants: str, seconds: float = 60) -> set[str]:
            (tmp_path / "toy.py").write_text(text)
            command = [sys.executable, "-c", TRY, str(tmp_path), str(seconds), *mutants]
            done = subprocess.run(command, cwd=ROOT / "contrib", capture_output=True, text=True, check=True)
            return set(done.stdout.splitlines())

        return trial

    def test_tell_who_is_noticed_and_leave_the_file_alone(self, trial, tmp_path: Path):
        said = trial("a = 42", "a = 41", "a = 40 + 2", "a =")

        assert said == {"pass", "a = 41: killed", "a = 40 + 2: survived", "a =: killed"}
        assert (tmp_path / "toy.py").read_text() == "a = 42"

    def test_wait_for_no_mutant_that_hangs(self, trial):
        assert trial("a = 42", "while True: pass", seconds=0.1) == {"pass", "while True: pass: hung"}

    def test_tell_where_the_tests_fail_as_it_is(self, trial):
        assert trial("a = 41") == {"fail"}


class TestJudgement:
    """Each survivor wants a reason, and each reason a survivor."""

    def test_names_survivors_that_nobody_has_explained(self):
        found = judged("toy.py", ends(mutant(), mutant(now="c")), [explanation()], whole=True)

        assert (found.survived, found.unexplained, found.stale) == (2, [mutant(now="c")], [])
        assert "survived: toy.py:1\n- a\n+ c" in str(found)

    def test_takes_one_explanation_for_one_survivor(self):
        twice = ends(mutant(), mutant())

        assert judged("toy.py", twice, [explanation()], whole=True).unexplained == [mutant()]
        assert not judged("toy.py", twice, [explanation()] * 2, whole=True).unexplained

    def test_names_explanations_that_fit_no_survivor(self):
        found = judged("toy.py", ends(killed=3), [explanation(), explanation(module="other.py")], whole=True)

        assert found.stale == [explanation()]
        assert "stale in survivors.toml: toy.py\n- a\n+ b" in str(found)

    def test_says_nothing_of_them_where_only_some_mutants_were_tried(self):
        assert not judged("toy.py", ends(killed=3), [explanation()], whole=False).stale


class TestTable:
    """The figures of each module, and when they were taken."""

    def test_has_a_row_for_each_module(self):
        assert table([outcome()], TODAY)[2:] == ["| `toy.py` | 5 | 4 | 1 | 1 | 1 | 2025-01-31 |"]

    def test_written_again_keeps_the_rows_of_others(self, tmp_path: Path):
        page = tmp_path / "page.md"
        page.write_text(
            "\n".join(["Above", "", *table([outcome(), outcome("b.py")], TODAY), "", "Below", ""])
        )

        write(page, [outcome(killed=9), outcome("c.py")], TODAY)

        lines = page.read_text().splitlines()
        assert [line.split("|")[1:3] for line in lines if "`" in line] == [
            [" `toy.py` ", " 11 "],
            [" `b.py` ", " 5 "],
            [" `c.py` ", " 5 "],
        ]
        assert (lines[:2], lines[-2:]) == (["Above", ""], ["", "Below"])


class TestTargets:
    """The files beside the program."""

    @pytest.mark.parametrize("target", read(HERE).targets, ids=lambda target: target.module)
    def test_are_there_with_their_tests_and_their_figures(self, target):
        page = (HERE / "README.md").read_text("utf-8")

        assert (ROOT / target.module).is_file()
        assert [name for name in target.tests if not (ROOT / name).exists()] == []
        assert f"| `{target.module}` |" in page

    def test_are_what_survivors_are_explained_of(self):
        settings = read(HERE)

        assert {entry.module for entry in settings.survivors} <= {each.module for each in settings.targets}

    @pytest.mark.parametrize("word", ["timer", "timer.py", "toolcase/timer.py"])
    def test_are_called_by_their_path_or_the_end_of_it(self, word):
        assert means(word, "toolcase/timer.py")
        assert not means(word, "toolcase/mytimer.py")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["breker"], "no target is called 'breker'; there are toolcase/middleware/retry.py, "),
            (["--workers", "0"], "--workers and --every must be at least 1"),
            (["--every", "0"], "--workers and --every must be at least 1"),
            (["--write", "--every", "2"], "--write wants all mutants; leave --every out"),
        ],
    )
    def test_are_named_to_who_asks_for_none_of_them(self, words, said):
        command = [sys.executable, str(ROOT / "contrib" / "mutation"), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
