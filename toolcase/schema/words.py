"""What is said of a value that does not fit: short, printable, and with the mend."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from toolcase.errors import InvalidArguments
from toolcase.plain import printable

Names = Mapping[str, bool]
"""The arguments that a tool takes, each with whether its values are secret."""

SHOWN_PROBLEMS = 5
SHOWN_CHARACTERS = 60
SHOWN_NAMES = 20
SENTENCE_CHARACTERS = 200
MESSAGE_CHARACTERS = 1_800

NOTHING: Any = object()
"""No value to show."""
UNKNOWN = "is not known"
"""Said of an argument that the tool does not take, or of a key further in."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not fit, at a path that begins with an argument; without one it is of all."""

    where: Sequence[Any]
    said: str
    got: Any = NOTHING


@dataclass(eq=False)
class Misfit(Exception):
    """Arguments that do not fit; becomes `InvalidArguments` where the tool is known."""

    problems: Sequence[Problem]


def refused(tool: str, misfit: Misfit, names: Names) -> InvalidArguments:
    """The error with the values in it for the caller, and without them for a log."""
    with_values, without = (_message(tool, misfit.problems, names, shown) for shown in (True, False))
    return InvalidArguments(with_values, without_values=without)


def _message(tool: str, problems: Sequence[Problem], names: Names, shown: bool) -> str:
    lines = [_line(problem, names, shown) for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append("and more")
    return cut(f"invalid arguments for {tool!r}: {'; '.join(lines)}", MESSAGE_CHARACTERS)


def _line(problem: Problem, names: Names, shown: bool) -> str:
    if problem.said == UNKNOWN and len(problem.where) == 1:
        mend = nearest(str(problem.where[0]), names) or f"it takes {_listed(names) or 'none'}"
        return f"unknown argument {path(problem.where)!r}; {mend}"
    secret = bool(problem.where) and names.get(str(problem.where[0]), False)
    what = f"argument {path(problem.where)!r}" if problem.where else "the arguments"
    return f"{what} {told(problem.said, NOTHING if secret or not shown else problem.got)}"


def told(said: str, got: Any) -> str:
    """A sentence, and the value that it is about."""
    value = "" if got is NOTHING else f"; got {shown_value(got)}"
    return cut(printable(said), SENTENCE_CHARACTERS) + value


def path(where: Sequence[Any]) -> str:
    """As Python would write it: `lines[0]['price']`."""
    first, *steps = where[:10]
    return cut(str(first) + "".join(f"[{cut(repr(step))}]" for step in steps))


def _listed(names: Names) -> str:
    listed = ", ".join(map(repr, islice(names, SHOWN_NAMES)))
    return f"{listed} and more" if len(names) > SHOWN_NAMES else listed


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the most similar known name, or nothing."""
    close = difflib.get_close_matches(name[:SHOWN_CHARACTERS], list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def should(message: str) -> str:
    """pydantic's sentence, made to follow a subject: 'Input should be ...' gives 'should be ...'."""
    if message.startswith("Input "):
        return message.removeprefix("Input ").rstrip(".")
    return "failed a check: " + message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def shown_value(value: Any) -> str:
    """Its repr, cut; of a large one only the part that is shown is ever made."""
    try:
        return cut(printable(_Short().repr(value)))
    except Exception as error:  # noqa: BLE001  a repr may raise anything
        return f"<{cut(type(value).__name__)} whose repr raised {type(error).__name__}>"


class _Short(reprlib.Repr):
    """Builtin containers and text in part; anything else by its own repr."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring = 10, SHOWN_CHARACTERS

    def repr_instance(self, value: Any, level: int) -> str:
        return cut(repr(value))


def cut(text: str, characters: int = SHOWN_CHARACTERS) -> str:
    """At most so many characters, the last three of them dots where some were left out."""
    return text if len(text) <= characters else text[: characters - 3] + "..."
