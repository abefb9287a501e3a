"""The program itself: help, version, debug, colours, logs, interrupts."""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from toolcase.cli.program import COMMANDS

PROGRAM = Path(sys.executable).with_name("toolcase")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_help_names_every_command(run):
    result = run("--help")

    assert result.exit_code == 0
    assert all(name in result.stdout and words in result.stdout for name, words in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_words_of_help_are_those_of_the_command(name):
    command = importlib.import_module(f"toolcase.cli.{name}").command

    assert command.get_short_help_str(limit=200) == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(run, name):
    result = run(name, "-h")

    assert result.exit_code == 0
    assert COMMANDS[name] in result.stdout


def test_no_command_shows_help_and_is_wrong_usage(run):
    result = run()

    assert result.exit_code == 2
    assert "Commands:" in result.output


def test_an_unknown_command_is_wrong_usage(run):
    result = run("lst")

    assert result.exit_code == 2
    assert "No such command 'lst'" in result.stderr


def test_version(run):
    result = run("--version")

    assert result.exit_code == 0
    assert result.stdout.startswith("toolcase, version 0.")


def test_importing_toolcase_imports_no_click():
    assert python("import sys, toolcase; print('click' in sys.modules)") == "False"


def test_help_imports_no_command():
    code = "import sys; from toolcase.cli import main; main(['--help'], standalone_mode=False); print()"
    code += f"; print([name for name in {[*COMMANDS]} if 'toolcase.cli.' + name in sys.modules])"

    assert python(code).endswith("[]")


def test_an_unforeseen_error_is_one_line(run, folder):
    (folder / "app.py").write_text("1 / 0")

    result = run("--app", "app:registry", "list")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "Error: ZeroDivisionError: division by zero (while importing 'app'); --debug shows the traceback\n"
    )


def test_debug_shows_the_traceback(run, folder):
    (folder / "app.py").write_text("1 / 0")

    result = run("--debug", "--app", "app:registry", "list")

    assert result.exit_code == 1
    assert isinstance(result.exception, ZeroDivisionError)


def test_debug_can_be_set_in_the_environment(run, folder):
    (folder / "app.py").write_text("1 / 0")

    result = run("--app", "app:registry", "list", env={"TOOLCASE_DEBUG": "1"})

    assert isinstance(result.exception, ZeroDivisionError)


def test_colours_are_for_terminals(app):
    assert "\x1b[" not in app("list").stdout
    assert "\x1b[" in app("list", color=True).stdout


def test_no_color_is_honoured_on_a_terminal(app):
    result = app("list", color=True, env={"NO_COLOR": "1"})

    assert result.exit_code == 0
    assert "\x1b[" not in result.stdout


def test_an_interrupted_command_ends_with_130(app):
    assert app("call", "interrupted").exit_code == 130


def test_the_console_script_ends_with_130_on_ctrl_c(folder):
    (folder / "slow.py").write_text(
        "import sys, anyio\nfrom toolcase import Registry\nregistry = Registry()\n"
        "@registry.tool\nasync def wait():\n print('waits', file=sys.stderr, flush=True)\n"
        " await anyio.sleep_forever()\n"
    )
    # What ignores Ctrl-C hands that on to its children, and so does whoever runs the tests in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [PROGRAM, "--app", "slow:registry", "call", "wait"], stdout=-1, stderr=-1, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stderr is not None
        assert process.stderr.readline() == "waits\n"

        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)

    assert process.returncode == 130
    assert "Traceback" not in errors


def test_logs_of_both_kinds_go_to_stderr(folder):
    (folder / "loud.py").write_text(
        "import logging\nfrom app import registry\n"
        "@registry.tool\nasync def warn():\n logging.getLogger('x').warning('mind the gap')\n return 1\n"
    )

    done = subprocess.run(
        [PROGRAM, "--app", "loud:registry", "--debug", "call", "warn"], capture_output=True, text=True
    )

    assert done.stdout == "1\n"
    assert "WARNING x: mind the gap" in done.stderr
    assert "event='call.started'" in done.stderr


def test_without_debug_the_log_does_not_tell_of_success(app):
    assert app("call", "hello").stderr == ""


def test_without_debug_the_log_tells_of_trouble(app):
    assert "event='call.failed' tool='crash'" in app("call", "crash").stderr


def test_a_reader_that_has_gone_is_no_traceback(folder):
    reader, writer = os.pipe()
    os.close(reader)

    with os.fdopen(writer, "w") as gone:
        done = subprocess.run(
            [PROGRAM, "--app", "app:registry", "list"], stdout=gone, stderr=subprocess.PIPE, text=True
        )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
