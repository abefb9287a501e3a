"""`toolcase list`."""

import json

import pytest


def test_tools_come_with_description_and_effects(app):
    lines = app("list").stdout.splitlines()

    assert lines[0] == "add            Add two numbers. [read-only]"
    assert any("echo" in line and "  [not destructive] [not idempotent]" in line for line in lines)
    assert "hello" in lines


@pytest.mark.parametrize("words", [("list", "--json"), ("--json", "list")])
def test_json_has_what_is_declared(app, words):
    first = json.loads(app(*words).stdout)[0]

    assert first == {
        "name": "add",
        "description": "Add two numbers.",
        "tags": ["sums"],
        "read_only": True,
        "idempotent": True,
        "destructive": False,
    }


def test_an_app_without_tools_prints_no_data(run):
    result = run("--app", "app:empty", "list")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "the app has no tools\n"


def test_an_app_without_tools_is_an_empty_list(run):
    assert json.loads(run("--app", "app:empty", "list", "--json").stdout) == []
