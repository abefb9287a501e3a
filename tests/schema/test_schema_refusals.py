"""What a refusal shows of what was given, and what it does not."""

from typing import Annotated

import pytest
from pydantic import BeforeValidator, Field, SecretStr

from toolcase import InvalidArguments, tool
from toolcase.schema.schema import LISTED_ERRORS


def refused(function, arguments):
    """The error for arguments that do not fit."""
    with pytest.raises(InvalidArguments) as caught:
        tool(function).schema.validate(arguments)
    return caught.value


def double(n: int) -> int:
    return 2 * n


def test_shows_the_value_to_the_caller_and_not_to_a_log():
    error = refused(double, {"n": "many"})

    assert "got 'many'" in str(error)
    assert "many" not in error.without_values
    assert "argument 'n' should be a valid integer" in error.without_values


def test_the_same_for_what_is_no_mapping():
    error = refused(double, ["many"])

    assert "got ['many']" in str(error)
    assert error.without_values == "arguments of 'double' must be a mapping or a JSON object"


@pytest.mark.parametrize(
    "kind",
    [
        SecretStr,
        SecretStr | None,
        list[SecretStr],
        Annotated[SecretStr, Field(min_length=40)],
        Annotated[SecretStr | None, Field(description="keep it")],
    ],
)
def test_a_secret_is_shown_to_nobody(kind):
    def login(password):
        pass

    login.__annotations__ = {"password": kind}

    for value in ("hunter2", ["hunter2", 5], {"hunter2": 1}, 5):
        try:
            tool(login).schema.validate({"password": value})
        except InvalidArguments as error:
            assert "hunter2" not in str(error)  # noqa: PT017
            assert "argument 'password" in str(error)  # noqa: PT017


def test_a_validator_of_the_tools_author_that_breaks_is_a_refusal():
    def broken(value):
        raise KeyError("secret path")

    def look(n):
        pass

    look.__annotations__ = {"n": Annotated[int, BeforeValidator(broken)]}

    error = refused(look, {"n": 1})

    assert str(error) == "the arguments of 'look' could not be checked: KeyError"
    assert isinstance(error.__cause__, KeyError)


def test_more_misfits_than_anyone_reads_are_only_counted():
    def add(numbers: list[int]) -> int:
        return sum(numbers)

    error = refused(add, {"numbers": ["x"] * (LISTED_ERRORS + 1)})

    assert (
        str(error)
        == f"invalid arguments for 'add': the arguments hold {LISTED_ERRORS + 1} values that do not fit"
    )


def test_an_error_without_values_of_its_own_says_what_it_says():
    assert InvalidArguments("no good").without_values == "no good"


def test_as_many_misfits_as_can_be_listed_are_shown_in_part():
    def add(numbers: list[int]) -> int:
        return sum(numbers)

    error = refused(add, {"numbers": ["x"] * 1_000})

    assert str(error).endswith("; and more")
