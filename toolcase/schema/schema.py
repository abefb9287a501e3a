"""What a tool takes and gives, checked one way whatever declares it, and refused one way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
class Schema:
    """What a tool takes and gives: JSON Schema for models, a validator for calls.

    Built once per tool, on first use, because pydantic takes its time; no reflection happens at a call.
    """

    check: Callable[[dict[str, Any]], dict[str, Any]]
    """From a dict to the validated arguments; Misfit or pydantic's error."""
    check_json: Callable[[bytes | str], dict[str, Any]]
    """The same from JSON text."""
    names: Names
    declared: Callable[[], dict[str, Any]]
    """The JSON Schema, a new dict each time."""
    gather: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    """From the validated arguments to what the function takes by name, where these differ; for each run."""
    tool: str = ""
    """In the words of errors."""
    examples: Sequence[Mapping[str, Any]] = ()
    injected: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    """Parameters that toolcase gives, each with the function that takes it from the call."""
    positional: tuple[str, ...] = ()
    """Parameters that can only be given by position."""
    mapping: str = ""
    """The parameter that takes all arguments in one mapping, where there is such a one."""
    validate_result: Callable[[Any], Any] | None = None
    """The value as the return annotation has it, where it is to be checked; raises InvalidResult."""

    def validate(self, arguments: Arguments) -> dict[str, Any]:
        """The arguments as the function takes them, defaults filled in; raises InvalidArguments alone."""
        try:
            if isinstance(arguments, dict):
                return self.check(arguments)
            if isinstance(arguments, bytes | str):
                return self.check_json(arguments)
            if isinstance(arguments, Mapping):
                return self.check(own(arguments))
        except Misfit as misfit:
            raise refused(self.tool, misfit, self.names) from None
        except RecursionError:
            raise refused(self.tool, Misfit([Problem((), TOO_DEEP)]), self.names) from None
        except Exception as error:
            from pydantic_core import ValidationError

            if isinstance(error, ValidationError):
                raise refused(self.tool, _misfit(error), self.names) from None
            # Of a validator that the tool's author wrote, or of what was given.
            raise InvalidArguments(
                f"the arguments of {self.tool!r} could not be checked: {type(error).__name__}"
            ) from error
        wanted = f"arguments of {self.tool!r} must be a mapping or a JSON object"
        raise InvalidArguments(f"{wanted}, got {shown_value(arguments)}", without_values=wanted)

    def json(self) -> dict[str, Any]:
        """JSON Schema of the arguments, a new dict each time; TypeError if JSON cannot say them."""
        from pydantic_core import to_jsonable_python

        try:
            schema = self.declared()
            if self.examples:
                schema["examples"] = to_jsonable_python([dict(example) for example in self.examples])
        except Exception as error:
            reason = getattr(error, "message", error)
            raise TypeError(
                f"the parameters of tool {self.tool!r} have no JSON Schema: {reason}; "
                "annotate them with types that JSON can say"
            ) from error
        schema.pop("title", None)
        return schema


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
