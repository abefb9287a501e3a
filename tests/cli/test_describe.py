"""`toolcase describe`."""

import json

import pytest


def test_text_has_what_is_declared_and_what_stands_around(app):
    result = app("describe", "add")

    assert result.stdout.splitlines() == [
        "add  Add two numbers.",
        "  effects: read-only",
        "  tags: sums",
        "  version: 1.5",
        "  timeout: 2 s for one attempt",
        "  around it: OBSERVE LoggingMiddleware | ACT TimeoutMiddleware(2 s)",
        "parameters:",
        "  a (integer, required)  the first one",
        "  b (integer, default 2)",
    ]


def test_text_has_how_many_calls_may_run_at_once(app):
    lines = app("describe", "echo").stdout.splitlines()

    assert "  at once: at most 3 calls" in lines
    assert any(line.startswith("  around it: ") and "ToolsOwnBulkhead(3 at once)" in line for line in lines)


def test_parameters_of_many_kinds(app):
    lines = app("describe", "echo").stdout.splitlines()

    assert '  size (string, one of "1", "2", default "1")' in lines
    assert "  number (integer or null or string, default null)" in lines
    assert "  any (anything, default null)" in lines


def test_parameters_of_a_schema_that_somebody_else_wrote(app):
    lines = app("describe", "remote").stdout.splitlines()

    assert lines[-4:] == ["  n (integer)", "  any (anything)", "  yes (anything)", "  either (null)"]


def test_a_tool_without_parameters(app):
    lines = app("describe", "hello").stdout.splitlines()

    assert lines[0] == "hello"
    assert lines[-2:] == ["parameters:", "  none"]


@pytest.mark.parametrize("words", [("describe", "add", "--json"), ("--json", "describe", "add")])
def test_json_has_the_schema(app, words):
    data = json.loads(app(*words).stdout)

    assert (data["timeout"], data["max_concurrent"]) == (2, None)
    assert data["input_schema"]["required"] == ["a"]


def test_an_unknown_tool_is_wrong_usage(app):
    result = app("describe", "ad")

    assert result.exit_code == 2
    assert "no tool named 'ad'; did you mean 'add'?" in result.stderr
