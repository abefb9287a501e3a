"""`toolcase call`."""

import json

import pytest


def test_the_value_goes_to_stdout(app):
    result = app("call", "add", "a=1")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "3\n", "")


def test_text_is_printed_as_it_is_and_data_as_json(app):
    assert app("call", "hello").stdout == "hello\n"
    assert app("call", "echo", "text=5", "number=-5").stdout == '{"text":"5","number":-5}\n'


def test_arguments_can_be_one_json_object(app):
    assert app("call", "add", "--json", '{"a": 1, "b": 3}').stdout == "4\n"


def test_arguments_can_come_from_stdin(app):
    assert app("call", "add", "--json", "-", input='{"a": 1}').stdout == "3\n"


def test_json_and_key_value_together_are_wrong_usage(app):
    result = app("call", "add", "a=1", "--json", "{}")

    assert result.exit_code == 2
    assert "not both; got 'a=1' as well" in result.stderr


@pytest.mark.parametrize(
    "words", [("call", "add", "a=1", "--output", "json"), ("--json", "call", "add", "a=1")]
)
def test_the_result_as_json(app, words):
    data = json.loads(app(*words).stdout)

    assert (data["tool"], data["ok"], data["value"], data["attempts"]) == ("add", True, 3, 1)


def test_the_output_option_comes_before_that_of_the_program(app):
    assert app("--json", "call", "add", "a=1", "--output", "text").stdout == "3\n"


def test_a_failed_result_as_json_has_the_error(app):
    result = app("--json", "call", "forbidden")

    assert result.exit_code == 3
    assert json.loads(result.stdout)["error"]["code"] == "DENIED"
    assert "not for you" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("crash",), 1, "Error TOOL_FAILED: RuntimeError: the disk is full"),
        (("limited",), 1, "try again after 2.5 s"),
        (("lost",), 1, "the tool may have had its effect all the same"),
        (("calls_wrongly",), 1, "Error INVALID_ARGUMENTS: invalid arguments for 'add'"),
        (("ad", "a=1"), 2, "Error UNKNOWN_TOOL: no tool named 'ad'; did you mean 'add'?"),
        (("add", "c=1"), 2, "argument 'a' is missing; unknown argument 'c'"),
        (("add", "--json", "[1"), 2, "Error INVALID_ARGUMENTS"),
        (("add", "--json", "5"), 2, "Error INVALID_ARGUMENTS"),
        (("add", "a"), 2, "an argument is written key=value, got 'a'"),
        (("add", "a=1", "a=2"), 2, "argument 'a' is given twice"),
        (("forbidden",), 3, "Error DENIED: not for you"),
        (("asks",), 4, "Error APPROVAL_REQUIRED: ask Ada"),
    ],
)
def test_every_way_to_fail_has_its_exit_code(app, words, code, told):
    result = app("call", *words)

    assert result.exit_code == code
    assert told in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr.split("Error ")[-1]


def test_debug_shows_where_the_tool_failed(app):
    result = app("--debug", "call", "crash")

    assert result.exit_code == 1
    assert result.stderr.endswith("RuntimeError: the disk is full\n")
    assert "Traceback" in result.stderr.split("Error TOOL_FAILED")[-1]
