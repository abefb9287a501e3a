"""The command, as `toolcase fortune` runs it."""

from click.testing import CliRunner

from toolcase_fortune.command import command


def test_draws_a_saying_with_the_words_in_it() -> None:
    result = CliRunner().invoke(command, ["clock"])

    assert (result.exit_code, "clock" in result.stdout) == (0, True)


def test_says_what_was_wrong_without_a_traceback() -> None:
    result = CliRunner().invoke(command, ["--jar", "fortune:nowhere.txt"])

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: [Errno 2] No such file")
