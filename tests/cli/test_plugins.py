"""`toolcase plugins`."""

import json

import pytest

from toolcase.plugins import installed

BROKEN = {"code": "import fancy", "requires": "fancy; extra == 'nice'"}


@pytest.fixture
def line_of(run):
    """What the line of one plugin says."""

    def line_of(name):
        lines = run("plugins").stdout.splitlines()
        return next(line for line in lines if line.split()[0] == name).partition("  ")[2].strip()

    return line_of


def test_a_line_counts_what_a_plugin_offers(line_of, hello):
    assert line_of("hello") == "toolcase-hello 1.0: 1 tool, 1 middleware, 1 port, 2 commands, a lifespan"


def test_one_that_offers_nothing_says_so(line_of, install):
    install("idle", "import toolcase\n@toolcase.hookimpl\ndef toolcase_tools(): return []")

    assert line_of("idle") == "toolcase-idle 1.0: offers nothing"


def test_one_out_of_order_is_listed_with_its_mend_and_is_no_failure(run, install):
    install("broken", **BROKEN)

    result = run("plugins")

    assert result.exit_code == 0
    assert (
        "broken  toolcase-broken 1.0: OUT OF ORDER: ModuleNotFoundError: No module named 'fancy'; "
        "pip install 'toolcase-broken[nice]', or leave it out with TOOLCASE_DISABLE_PLUGINS=broken\n"
    ) in result.stdout
    assert result.stderr == ""


def test_one_left_out_is_listed_with_the_variable(line_of, hello, monkeypatch):
    monkeypatch.setenv("TOOLCASE_DISABLE_PLUGINS", "*")

    assert line_of("hello") == "toolcase-hello 1.0: LEFT OUT by TOOLCASE_DISABLE_PLUGINS"


def test_what_a_fault_says_steers_no_terminal(run, install):
    install("broken", "raise ValueError('\\x1b[2J')")

    assert "\\x1b[2J" in run("plugins", color=True).stdout


def test_a_fault_without_a_mend_ends_with_what_is_wrong(run, hello, install, monkeypatch):
    install(
        "other",
        "import toolcase\n@toolcase.hookimpl\ndef toolcase_commands():\n"
        " return [toolcase.Command(name='greet', target='a:b')]",
    )

    said = " ".join(run("plugins").stdout.split())  # how wide the columns are, depends on who is installed

    assert "other toolcase-other 1.0: OUT OF ORDER: it offers command 'greet', as plugin 'hello' does" in said


def test_hooks_shows_offers_by_name_and_all_hooks_that_there_are(run, hello):
    lines = run("plugins", "--hooks").stdout.splitlines()

    start = next(number for number, line in enumerate(lines) if line.startswith("hello "))
    assert lines[start + 1 : start + 12] == [
        "  toolcase_plugin",
        "  toolcase_tools",
        "    hello  Greet somebody.",
        "  toolcase_middleware",
        "    polite",
        "  toolcase_ports",
        "    store hello:",
        "  toolcase_commands",
        "    greet  Greet on the terminal.",
        "    fails",
        "  toolcase_lifespan",
    ]
    assert "  toolcase_ports       What it can open, by kind and scheme." in lines[lines.index("Hooks") :]


@pytest.mark.parametrize(
    "words", [("plugins", "--json"), ("--json", "plugins"), ("plugins", "--hooks", "--json")]
)
def test_json_is_the_same_as_data(run, hello, install, words):
    install("broken", **BROKEN)

    data = json.loads(run(*words).stdout)

    rows = {row["name"]: row for row in data["plugins"]}
    assert rows["hello"]["hooks"]["toolcase_tools"] == {
        "hello": "Greet somebody.\n\nAnd say whether we are awake."
    }
    assert (rows["hello"]["description"], rows["hello"]["capabilities"]) == ("It greets.", ["greeting"])
    assert rows["hello"]["version"] == "1.0a"
    assert (rows["hello"]["state"], rows["hello"]["type"]) == ("loaded", "other")
    assert (rows["broken"]["state"], rows["broken"]["during"]) == ("out of order", "load")
    assert data["hooks"]["toolcase_ports"] == "What it can open, by kind and scheme."


def test_without_plugins_no_data_is_printed(run, monkeypatch):
    monkeypatch.setattr(installed, "distributions", lambda: ())

    result = run("plugins")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no plugins are installed\n")


def test_what_plugins_print_is_no_data(run, install):
    install("loud", "print('look at me')")

    result = run("plugins", "--json")

    assert "look at me" not in result.stdout
    assert "look at me" in result.stderr


def test_settings_that_cannot_be_read_are_wrong_usage(run, hello, folder):
    (folder / "pyproject.toml").write_text("[tool.toolcase.plugins]\nhello = 5")

    result = run("plugins")

    assert result.exit_code == 2
    assert "holds a table for each plugin" in result.stderr


def test_one_that_still_loads_is_named_meanwhile(run, install, monkeypatch, caplog):
    monkeypatch.setattr("toolcase.plugins.faults.SLOW_SECONDS", 0.01)
    said = "import logging, threading\nsaid = threading.Event()\n"
    said += "class Told(logging.Filter):\n def filter(self, record):\n  said.set()\n  return True\n"
    said += "told = Told()\nlogging.getLogger('toolcase').addFilter(told)\nassert said.wait(10)\n"
    install("slow", said + "logging.getLogger('toolcase').removeFilter(told)")

    run("plugins")

    assert ["plugin 'slow' still loads" in message for message in caplog.messages] == [True]
