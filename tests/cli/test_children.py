"""What a child process gives, and what is said of one that gives nothing."""

import os
import select
import signal
import sys

import anyio
import pytest

from toolcase.cli import children
from toolcase.cli.children import Answer, ask

LONG = 60.0
"""Seconds that no child needs."""


@pytest.fixture
def asked(hello):
    """Ask for the installed plugins, one of which greets."""

    def asked(seconds=LONG, **settings):
        return anyio.run(lambda: ask("plugins", seconds=seconds, **settings))

    return asked


def test_gives_the_data_of_its_task(asked):
    answer = asked()

    assert answer.came_back
    assert [row["name"] for row in answer.data if row["state"] == "loaded"] == ["hello"]


def test_the_environment_is_ours_with_what_is_added(asked):
    answer = asked(env={"TOOLCASE_DISABLE_PLUGINS": "hello"})

    assert {row["name"]: row["state"] for row in answer.data}["hello"] == "left out"


def test_what_a_task_raises_is_told(asked, folder):
    (folder / "pyproject.toml").write_text("[tool")

    answer = asked()

    assert answer.came_back
    assert answer.fault.startswith("cannot read the settings of plugins from ")


def test_an_error_that_nobody_foresaw_is_told():
    answer = anyio.run(lambda: ask("no_such_task", seconds=LONG))

    assert answer == Answer(fault="KeyError: 'no_such_task'; --debug shows the traceback")


def test_what_foreign_code_prints_is_no_answer(asked, install):
    install("loud", "import os\nprint('x' * 1_000_000, flush=True)\nos.write(1, b'y')")

    assert asked().data


def test_an_exit_code_is_told_with_the_last_words(asked, install):
    install("killer", "import os, sys\nprint('first\\nso long', file=sys.stderr, flush=True)\nos._exit(7)")

    answer = asked()

    assert answer == Answer(fault="it ends its process, with exit code 7: so long", came_back=False)


def test_last_words_are_cut(asked, install):
    install("killer", "import os, sys\nprint('x' * 99_999, file=sys.stderr, flush=True)\nos._exit(7)")

    assert len(asked().fault) < 2 * children.LINE_CHARACTERS


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGRTMIN + 3, "37")])
def test_a_signal_is_told_by_name(asked, install, number, name):
    install("killer", f"import os\nos.kill(os.getpid(), {int(number)})")

    assert asked().fault == f"it ends its process, with signal {name}"


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are of POSIX")
def test_one_that_hangs_is_ended_with_all_that_it_started_and_its_place_is_told(asked, install, folder):
    os.mkfifo(folder / "alive")
    reader = os.open(folder / "alive", os.O_RDONLY | os.O_NONBLOCK)
    grandchild = "import time; print('here', flush=True); time.sleep(60)"
    start = f"subprocess.Popen([sys.executable, '-c', {grandchild!r}], stdout=open('alive', 'w'))"
    install("slow", f"import subprocess, sys, threading\n{start}\n\nthreading.Event().wait()")

    answer = asked(4.0)

    assert (answer.data, answer.came_back) == (None, False)
    assert answer.fault == (
        f"it has not loaded within 4 s, at {folder / 'site' / 'slow.py'}, line 4 in <module>"
    )
    assert os.read(reader, 100) == b"here\n"
    assert select.select([reader], [], [], 5.0)[0], "it still runs"
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_an_answer_too_long_is_not_read(asked, install, monkeypatch):
    monkeypatch.setattr(children, "ANSWER_BYTES", 10)
    install("broken", "raise ValueError('x' * 1_000_000)")

    assert asked().fault == "it answers with more than 10 bytes"


def test_without_a_dump_no_place_is_told(asked, install):
    wait = "faulthandler.cancel_dump_traceback_later()\nthreading.Event().wait()"
    install("slow", f"import faulthandler, threading\n{wait}")

    assert asked(2.0).fault == "it has not loaded within 2 s"
