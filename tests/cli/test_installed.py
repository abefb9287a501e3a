"""Commands without an app see the tools of the installed plugins."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("toolcase")


def test_list_shows_the_tool_of_an_installed_plugin(run, hello):
    assert run("list").stdout == "hello  Greet somebody. [read-only]\n"


def test_describe_knows_it(run, hello):
    assert run("describe", "hello").stdout.startswith("hello  Greet somebody.\n\nAnd say")


def test_a_call_starts_the_plugin_first(run, hello):
    assert run("call", "hello", "name=Ada").stdout == "hello Ada, awake\n"


def test_a_call_enters_the_registry_of_an_app_too(run, hello, folder):
    (folder / "hosts.py").write_text(
        "import toolcase\nregistry = toolcase.Registry()\ntoolcase.PluginRegistry.load().install(registry)\n"
    )

    assert run("--app", "hosts:registry", "call", "hello").stdout == "hello you, awake\n"


@pytest.mark.parametrize("words", [("--app", "app:empty", "list"), ("list",)])
def test_with_an_app_the_app_decides(run, hello, folder, words):
    (folder / "pyproject.toml").write_text('[tool.toolcase]\napp = "app:empty"')

    assert run(*words).stderr == "the app has no tools\n"


def test_plugins_without_a_tool_are_no_app(run, install):
    install("idle", "import toolcase\n@toolcase.hookimpl\ndef toolcase_tools(): return []")

    result = run("list")

    assert result.exit_code == 2
    assert "no app is named, so there are no tools" in result.stderr


@pytest.mark.parametrize("words", [("list",), ("greet",), ("--json", "greet")])
def test_a_fault_is_told_once_and_on_one_line(hello, install, words):
    install("broken", "import fancy")

    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0
    assert done.stderr.startswith("WARNING toolcase: plugin 'broken' (toolcase-broken 1.0) is out of order: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("settings", ["", "[tool.toolcase.plugins.broken]\npassword = 's3cret-key'\n"])
def test_a_fault_steers_no_terminal_and_shows_no_traceback(folder, hello, install, settings):
    (folder / "pyproject.toml").write_text(settings)
    install("broken", "raise ValueError('\\x1b[2J s3cret-key')")

    done = subprocess.run([PROGRAM, "list"], capture_output=True, text=True, timeout=60)

    assert ("\x1b" in done.stderr, done.stderr.count("\n")) == (False, 1)
    assert ("s3cret-key" in done.stderr) is (settings == "")


def test_debug_shows_the_traceback_of_a_fault(hello, install):
    install("broken", "import fancy")

    done = subprocess.run([PROGRAM, "--debug", "list"], capture_output=True, text=True, timeout=60)

    assert "import fancy\nModuleNotFoundError" in done.stderr


def test_the_log_tells_an_error_that_its_message_does_not(folder):
    (folder / "odd.py").write_text(
        "from app import registry\nclass Odd:\n def __call__(self, call, inner): raise ValueError('odd')\n"
        " stage = __import__('toolcase').Stage.OBSERVE\nregistry.use(Odd())\n"
    )

    done = subprocess.run(
        [PROGRAM, "--app", "odd:registry", "call", "hello"], capture_output=True, text=True, timeout=60
    )

    assert done.stdout == "hello\n"
    assert "MiddlewareFailed in 'hello'" in done.stderr
    assert done.stderr.endswith(": ValueError: odd\n")


def test_the_log_tells_it_where_there_are_secrets_too(folder):
    (folder / "odd.py").write_text(
        "from app import registry\nclass Odd:\n def __call__(self, call, inner): raise ValueError('odd')\n"
        " stage = __import__('toolcase').Stage.OBSERVE\nregistry.use(Odd())\n"
        "registry.secrets.add('s3cret-key')\n"
    )

    done = subprocess.run(
        [PROGRAM, "--app", "odd:registry", "call", "hello"], capture_output=True, text=True, timeout=60
    )

    assert done.stderr.endswith(": ValueError: odd\n")
    assert "Traceback" not in done.stderr
