"""`toolcase completion`, and what shells are offered."""

import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from toolcase.cli import completion, main, plugin_commands

PROGRAM = Path(sys.executable).with_name("toolcase")


@pytest.fixture
def complete(folder):
    """What bash is offered after these words; nothing else is printed."""

    def complete(words, **settings):
        asked = {"COMP_WORDS": f"toolcase {words}", "COMP_CWORD": str(len(words.split(" ")))}
        environment = {**settings, **asked, "_TOOLCASE_COMPLETE": "bash_complete"}
        done = subprocess.run(
            ["env", *(f"{key}={value}" for key, value in environment.items()), PROGRAM],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stderr == ""
        return [line.removeprefix("plain,") for line in done.stdout.splitlines() if line]

    return complete


@pytest.mark.parametrize(
    ("shell", "told"),
    [
        ("bash", "complete -o nosort -F _toolcase_completion toolcase"),
        ("zsh", "#compdef toolcase"),
        ("fish", "complete --no-files --command toolcase"),
    ],
)
def test_prints_the_script_of_the_shell(run, shell, told):
    result = run("completion", shell)

    assert result.exit_code == 0
    assert told in result.stdout
    assert "_TOOLCASE_COMPLETE" in result.stdout


def test_another_shell_is_wrong_usage(run):
    assert run("completion", "tcsh").exit_code == 2


def test_help_has_the_line_to_install_it(run):
    assert 'bash, in ~/.bashrc:  eval "$(toolcase completion bash)"' in run("completion", "-h").stdout


@pytest.mark.parametrize("words", ["de", "--json de"])
def test_completes_commands(complete, words):
    assert complete(words) == ["demo", "describe"]


def test_completes_the_commands_of_plugins(complete, hello):
    assert complete("gre") == ["greet"]


def test_completes_options(complete):
    assert complete("--a") == ["--app"]


@pytest.mark.parametrize("command", ["call", "describe"])
def test_completes_tools_of_the_app(complete, command):
    assert complete(f"--app app:registry {command} l") == ["limited", "lost"]


def test_completes_tools_of_plugins(complete, hello):
    assert complete("call ") == ["hello"]


def test_completes_the_options_of_a_command_of_a_plugin(complete, hello):
    assert complete("greet --l") == ["--loud"]


@pytest.mark.parametrize(
    "code", ["import fancy", "raise SystemExit(5)", "import os\nos._exit(7)", "print(1)", "registry = 5"]
)
def test_tools_of_a_broken_app_are_not_completed(complete, folder, code):
    (folder / "broken.py").write_text(code)

    assert complete("--app broken:registry call ") == []


@pytest.mark.parametrize(
    ("line", "offered"),
    [("wait()", []), ("threading.Thread(target=wait).start()", ["lost"])],
    ids=["when it is imported", "when the program ends"],
)
def test_an_app_that_hangs_holds_nobody_up(complete, folder, line, offered):
    begin = "import threading\nfrom app import registry\nwait = threading.Event().wait\n"
    (folder / "slow.py").write_text(begin + line)

    assert complete("--app slow:registry call lo") == offered


def test_a_broken_plugin_costs_only_its_own(complete, hello, install):
    install("broken", "import fancy")

    assert complete("gre") == ["greet"]
    assert complete("call ") == ["hello"]


def test_a_plugin_that_hangs_costs_no_more_time_than_anything_else(run, install, monkeypatch):
    install("slow", "import threading\nthreading.Event().wait()")
    monkeypatch.setattr(plugin_commands, "LIST_SECONDS", 60)
    monkeypatch.setattr(completion, "COMPLETION_SECONDS", 0.5)

    begun = time.monotonic()
    found = main.shell_complete(click.Context(main), "de")

    assert [item.value for item in found] == ["demo", "describe"]
    assert time.monotonic() - begun < 30


def test_without_plugins_commands_are_completed_all_the_same(complete, hello, install):
    install("killer", "import os\nos._exit(7)")

    assert complete("de") == ["demo", "describe"]


def test_an_unknown_command_has_no_tools(complete, hello):
    assert "call" in complete("nothing ")
