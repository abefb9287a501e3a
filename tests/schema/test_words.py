"""What is said of a value that does not fit."""

import pytest

from toolcase.plain import printable
from toolcase.schema.words import (
    MESSAGE_CHARACTERS,
    UNKNOWN,
    Misfit,
    Problem,
    cut,
    refused,
    shown_value,
)


class Faulty:
    """Has a repr of some kind."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def test_a_message_is_short_whatever_it_is_about():
    problems = [Problem(["x" * 1_000] * 100, "should be " + "y" * 10_000, "z" * 10_000)] * 5

    said = str(refused("t" * 128, Misfit([*problems, Problem(["x"], "is missing")]), {}))

    assert len(said) <= MESSAGE_CHARACTERS


def test_lists_twenty_names_and_says_that_there_are_more():
    names = {f"name{number}": False for number in range(50)}

    said = str(refused("find", Misfit([Problem(["zzz"], UNKNOWN)]), names))

    assert said.endswith("'name18', 'name19' and more")


@pytest.mark.parametrize("text", ["\x1b[31m", "\u202e", "\r\n", "\x00"])
def test_nothing_unprintable_is_said(text):
    problem = Problem([text], f"should be {text}", Faulty(text))

    said = str(
        refused("find", Misfit([problem, Problem([text], UNKNOWN), Problem([1, text], "is missing")]), {})
    )

    assert said.isprintable()


def test_escapes_as_repr_does():
    assert printable("a\u202eb\n") == "a\\u202eb\\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 1_000_000, "'" + "x" * 27 + "..." + "x" * 28 + "'"),
        (b"x", "b'x'"),
        ([1, {"a": (2,)}], "[1, {'a': (2,)}]"),
        (Faulty("x" * 100), "x" * 57 + "..."),
        (Faulty(5), "<Faulty whose repr raised TypeError>"),
        ({"x" * 100: 1}, "{'" + "x" * 27 + "..." + "x" * 25 + "..."),
    ],
)
def test_shows_no_more_than_sixty_characters_of_a_value(value, shown):
    assert shown_value(value) == shown
    assert len(shown) <= 60


def test_cuts_what_is_longer():
    assert (cut("x" * 60), cut("x" * 61)) == ("x" * 60, "x" * 57 + "...")
