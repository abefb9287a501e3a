"""The commands of plugins, in help and when they are run."""

import json

import pytest

from toolcase.cli import plugin_commands

OFFER = """
import toolcase

@toolcase.hookimpl
def toolcase_commands():
    return [toolcase.Command(name={name!r}, target={target!r})]
"""


@pytest.fixture
def offer(install):
    """Install a plugin with one command."""
    return lambda name, target: install("other", OFFER.format(name=name, target=target), requires="fancy>=2")


def test_help_lists_them_in_a_section_of_their_own(run, hello):
    result = run("--help")

    assert result.stdout.endswith("Commands of plugins:\n  fails\n  greet  Greet on the terminal.\n")
    assert result.stderr == ""


def test_help_runs_nothing_of_a_plugin_in_its_own_process(run, install):
    install("killer", "import os\nos._exit(7)")

    result = run("--help")

    assert result.exit_code == 0
    assert "Commands:" in result.stdout
    assert result.stderr == (
        "commands of plugins are not listed: it ends its process, with exit code 7; run `toolcase doctor`\n"
    )


def test_help_does_not_wait_for_ever(run, install, monkeypatch):
    monkeypatch.setattr(plugin_commands, "LIST_SECONDS", 0.5)
    install("slow", "import threading\nthreading.Event().wait()")

    result = run("--help")

    assert "Commands:" in result.stdout
    assert "not loaded within 0.5 s" in result.stderr


def test_without_plugins_help_starts_no_process(run, monkeypatch):
    monkeypatch.setattr(plugin_commands, "LIST_SECONDS", -1)

    assert run("--help").stderr == ""


def test_a_command_runs_with_its_own_options(run, hello):
    assert run("greet", "--loud").stdout == "HELLO\n"


def test_the_options_of_the_program_reach_it(run, hello):
    result = run("--app", "app:registry", "--json", "--debug", "greet")

    told = json.loads(result.stdout)
    assert (told["app"], told["debug"], told["tools"][0]) == ("app:registry", True, "add")


def test_what_it_raises_is_one_line(run, hello):
    result = run("fails")

    assert result.exit_code == 1
    assert result.stderr == "Error: RuntimeError: no voice; --debug shows the traceback\n"


def test_a_name_of_ours_stays_ours_and_help_says_whose_it_is_as_well(run, offer):
    offer("list", "hello_commands:greet")

    assert "the app has no tools" in run("--app", "app:empty", "list").stderr
    assert run("--help").stderr == (
        "plugin 'other' offers a command 'list', which is toolcase's own and stays so\n"
    )
    assert "Commands of plugins" not in run("--help").stdout


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("fancy.cli:run", "No module named 'fancy'; pip install 'fancy>=2', or leave it out with"),
        ("hello_commands:great", "module 'hello_commands' has no attribute 'great'; pip install --upgrade"),
        ("hello_commands", "command 'wrong' of plugin 'other' cannot be had from 'hello_commands'"),
        (
            "ends:now",
            "cannot be had from 'ends:now': SystemExit: 5; tell its author that it ends the program",
        ),
        ("json:dumps", "command 'wrong' of plugin 'other' is <function dumps"),
        ("json:dumps", "; its target is `module:attribute` of a click command"),
    ],
)
def test_a_target_that_is_no_command_is_told_with_the_mend(run, hello, offer, folder, target, told):
    (folder / "site" / "ends.py").write_text("raise SystemExit(5)")
    offer("wrong", target)

    result = run("wrong")

    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_why_a_target_cannot_be_had(run, offer):
    offer("wrong", "fancy.cli:run")

    result = run("--debug", "wrong")

    assert isinstance(result.exception.__cause__, ModuleNotFoundError)


def test_an_unknown_command_is_still_wrong_usage(run, hello):
    result = run("great")

    assert result.exit_code == 2
    assert "No such command 'great'" in result.stderr
