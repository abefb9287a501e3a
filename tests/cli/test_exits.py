"""Which exit code a failed call ends with."""

import pytest

from toolcase.cli.exits import Exit, exit_of
from toolcase.errors import ErrorCode, ErrorInfo

OTHERS = {
    ErrorCode.DENIED: Exit.DENIED,
    ErrorCode.APPROVAL_REQUIRED: Exit.APPROVAL,
    ErrorCode.UNKNOWN_TOOL: Exit.USAGE,
    ErrorCode.INVALID_ARGUMENTS: Exit.USAGE,
}


def test_the_numbers_are_a_promise():
    assert [code.value for code in Exit] == [0, 1, 2, 3, 4, 130]


def test_no_error_is_zero():
    assert exit_of(None) == 0


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_has_an_exit_code(code):
    assert exit_of(ErrorInfo(code=code, message="")) == OTHERS.get(code, Exit.TOOL_ERROR)


@pytest.mark.parametrize("code", [ErrorCode.UNKNOWN_TOOL, ErrorCode.INVALID_ARGUMENTS])
def test_a_tool_that_calls_another_one_wrongly_has_failed(code):
    assert exit_of(ErrorInfo(code=code, message="", attempts=1)) is Exit.TOOL_ERROR
