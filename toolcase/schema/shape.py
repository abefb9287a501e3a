"""How the arguments of one tool are checked, whatever declares them; and one way to refuse them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolcase.errors import InvalidArguments
from toolcase.schema.given import DIGITS, TOO_DEEP, own
from toolcase.schema.words import NOTHING, UNKNOWN, Misfit, Names, Problem, refused, should, shown_value

if TYPE_CHECKING:
    from pydantic import ValidationError

Arguments = Mapping[str, Any] | bytes | str
"""What a caller may give: a mapping, or a JSON object as text or bytes."""

LISTED_ERRORS = 1_000


@dataclass(frozen=True, slots=True)
class Shape:
    """What a signature, a model or a JSON Schema says of the arguments."""

    check: Callable[[dict[str, Any]], dict[str, Any]]
    """From a dict to the validated arguments; Misfit or pydantic's error."""
    check_json: Callable[[bytes | str], dict[str, Any]]
    """The same from JSON text."""
    names: Names
    json: Callable[[], dict[str, Any]]
    """The JSON Schema, a new dict each time."""
    gather: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    """From the validated arguments to those of the function, where they differ; anew for each run."""


def validate_with(shape: Shape, tool: str) -> Callable[[Arguments], dict[str, Any]]:
    """What raises InvalidArguments, and nothing else, for all that a caller may give."""
    from pydantic_core import ValidationError

    check, check_json, names = shape.check, shape.check_json, shape.names

    def validate(arguments: Arguments) -> dict[str, Any]:
        try:
            if isinstance(arguments, dict):
                return check(arguments)
            if isinstance(arguments, bytes | str):
                return check_json(arguments)
            if isinstance(arguments, Mapping):
                return check(own(arguments))
        except ValidationError as error:
            raise refused(tool, _misfit(error), names) from None
        except Misfit as misfit:
            raise refused(tool, misfit, names) from None
        except RecursionError:
            raise refused(tool, Misfit([Problem((), TOO_DEEP)]), names) from None
        except Exception as error:  # of a validator that the tool's author wrote, or of what was given
            raise InvalidArguments(
                f"the arguments of {tool!r} could not be checked: {type(error).__name__}"
            ) from error
        wanted = f"arguments of {tool!r} must be a mapping or a JSON object"
        raise InvalidArguments(f"{wanted}, got {shown_value(arguments)}", without_values=wanted)

    return validate


def _misfit(error: ValidationError) -> Misfit:
    count = error.error_count()
    if count > LISTED_ERRORS:  # pydantic makes a list of all or of none
        return Misfit([Problem((), f"hold {count} values that do not fit")])
    return Misfit(problems(error))


def problems(error: ValidationError) -> list[Problem]:
    """What pydantic says, in our words."""
    return [_problem(found) for found in error.errors(include_url=False, include_context=False)]


def _problem(found: Mapping[str, Any]) -> Problem:
    location, kind, said = found["loc"], found["type"], found["msg"]
    if kind == "json_invalid":
        return Problem((), f"are no JSON: {said.removeprefix('Invalid JSON: ')}")
    if kind == "missing":
        return Problem(location, "is missing")
    if kind == "extra_forbidden":
        return Problem(location, UNKNOWN)
    if kind in ("less_than", "greater_than") and len(said) > DIGITS:
        return Problem(location, "should be a shorter number")
    return Problem(location, should(said), found["input"] if location else NOTHING)
