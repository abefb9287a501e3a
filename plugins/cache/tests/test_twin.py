"""A second object for the same error, where that says the same."""

import pytest

from toolcase import RateLimited
from toolcase_cache.twin import twin


class Wordy(Exception):
    def __init__(self, name):
        super().__init__(f"no {name}")


class Needy(Exception):
    def __init__(self, name, *, why):
        super().__init__(name)


class Other(Exception):
    def __reduce__(self):
        return ValueError, self.args


def noted(error):
    error.add_note("a note")
    error.extra = [1]
    return error


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), OSError(2, "no", "f"), ImportError("x", name="n"), noted(KeyError("k")), Exception()],
    ids=repr,
)
def test_says_the_same(error):
    other = twin(error)

    assert other is not error
    assert (type(other), str(other), other.args, vars(other)) == (
        type(error),
        str(error),
        error.args,
        vars(error),
    )


def test_of_ours_keeps_what_it_was_given_by_keyword():
    other = twin(RateLimited("slow down", retry_after=5))

    assert (str(other), other.retry_after) == ("slow down", 5)


@pytest.mark.parametrize("error", [Wordy("tea"), Needy("tea", why="out"), Other("x")], ids=repr)
def test_is_the_error_itself_where_a_copy_would_say_something_else(error):
    assert twin(error) is error


def test_comes_from_the_same():
    error = ValueError()
    error.__cause__, error.__context__, error.__suppress_context__ = KeyError(), OSError(), False

    other = twin(error)

    assert (other.__cause__, other.__context__) == (error.__cause__, error.__context__)
    assert other.__suppress_context__ is False


def test_what_is_noted_on_one_is_not_on_the_other():
    error = noted(ValueError())

    twin(error).add_note("mine")

    assert error.__notes__ == ["a note"]
