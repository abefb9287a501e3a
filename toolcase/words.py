"""What is said of a value that does not fit: short, printable, and with the mend."""

from __future__ import annotations

import difflib
import itertools
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not fit, at a path that begins with an argument; without one it is of all."""

    where: Sequence[Any]
    said: str
    got: Any = NOTHING


@dataclass(frozen=True, slots=True)
class Missing:
    """An argument, or a key further in, that must be there."""

    where: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Unknown:
    """An argument that the tool does not take."""

    name: str


@dataclass(eq=False)
class Misfit(Exception):
    """Arguments that do not fit; becomes `InvalidArguments` where the tool is known."""

    problems: Sequence[Problem | Missing | Unknown]
    more: Callable[[int], str] = field(default=lambda count: f"and {count} more")


def refused(tool: str, misfit: Misfit, names: Names) -> InvalidArguments:
    """The error with the values in it for the caller, and without them for a log."""
    with_values, without = (_message(tool, misfit, names, shown) for shown in (True, False))
    return InvalidArguments(with_values, without_values=without)


def _message(tool: str, misfit: Misfit, names: Names, shown: bool) -> str:
    lines = [_line(problem, names, shown) for problem in misfit.problems[:SHOWN_PROBLEMS]]
    if len(misfit.problems) > SHOWN_PROBLEMS:
        lines.append(misfit.more(len(misfit.problems) - SHOWN_PROBLEMS))
    return cut(f"invalid arguments for {tool!r}: {'; '.join(lines)}", MESSAGE_CHARACTERS)


def _line(problem: Problem | Missing | Unknown, names: Names, shown: bool) -> str:
    if isinstance(problem, Unknown):
        return f"unknown argument {_quoted(problem.name)}; {nearest(problem.name, names) or _known(names)}"
    if isinstance(problem, Missing):
        return f"argument {_path(problem.where)} is missing"
    secret = bool(problem.where) and names.get(str(problem.where[0]), False)
    got = "" if problem.got is NOTHING or secret or not shown else f"; got {shown_value(problem.got)}"
    said = cut(printable(problem.said), SENTENCE_CHARACTERS)
    if not problem.where:
        return f"the arguments {'are' + said[2:] if said.startswith('is ') else said}{got}"
    return f"argument {_path(problem.where)} {said}{got}"


def _path(where: Sequence[Any]) -> str:
    first, *steps = where[:10]
    return _quoted(str(first) + "".join(f"[{cut(repr(step))}]" for step in steps))


def _quoted(name: str) -> str:
    # Cut before it is quoted, so that what had to be escaped does not make it long again without end.
    return repr(cut(name))


def _known(names: Names) -> str:
    if not names:
        return "it takes none"
    listed = ", ".join(map(repr, itertools.islice(names, SHOWN_NAMES)))
    return f"it takes {listed}" + (
        f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the most similar known name, or nothing."""
    close = difflib.get_close_matches(name[:SHOWN_CHARACTERS], list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def should(message: str) -> str:
    """pydantic's sentence, made to follow a subject: 'Input should be ...' gives 'should be ...'."""
    if message.startswith("Input "):
        return message.removeprefix("Input ").rstrip(".")
    return "is wrong: " + message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def shown_value(value: Any) -> str:
    """Its repr, cut; of a large one only the part that is shown is ever made."""
    try:
        if isinstance(value, str | bytes):
            return cut(repr(value[: SHOWN_CHARACTERS + 1]))
        return cut(printable(cut(_Short().repr(value))))
    except Exception as error:  # noqa: BLE001  a repr may raise anything
        return f"<{cut(type(value).__name__)} whose repr raised {type(error).__name__}>"


class _Short(reprlib.Repr):
    """Builtin containers as far as they are shown; anything else by its own repr."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 10
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = SHOWN_CHARACTERS
        self.maxstring = self.maxlong = self.maxother = SHOWN_CHARACTERS

    def repr_instance(self, value: Any, level: int) -> str:
        return repr(value)


def cut(text: str, characters: int = SHOWN_CHARACTERS) -> str:
    """At most so many characters, the last three of them dots where some were left out."""
    return text if len(text) <= characters else text[: characters - 3] + "..."
