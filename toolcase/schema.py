"""From a signature to a JSON Schema and a validator, and from a misfit to words a model can act on."""

from __future__ import annotations

import difflib
import functools
import inspect
import typing
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolcase import docstrings
from toolcase.errors import InvalidArguments, InvalidResult

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

Arguments = Mapping[str, Any] | bytes | str
"""What a caller may give: a mapping, or a JSON object as text or bytes."""

SHOWN_ERRORS = 5
SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Schema:
    """What a tool takes and gives: JSON Schema 2020-12 for models, a validator for calls.

    Built once per tool, on first use, because pydantic takes its time; no reflection happens at a call.
    """

    validate: Callable[[Arguments], dict[str, Any]]
    """The arguments as the function takes them, defaults filled in; raises InvalidArguments."""
    validate_result: Callable[[Any], Any]
    """The value as the return annotation has it; raises InvalidResult."""
    injected: Mapping[str, Callable[[Any], Any]]
    """Parameters that toolcase gives, each with the function that takes it from the call."""
    positional: tuple[str, ...]
    """Parameters that can only be given by position."""
    _adapter: TypeAdapter[Any]

    def json(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of the arguments, a new dict each time."""
        from pydantic.json_schema import PydanticJsonSchemaWarning

        with warnings.catch_warnings():
            # A default that JSON cannot say is left out of the schema; calls fill it in all the same.
            warnings.simplefilter("ignore", PydanticJsonSchemaWarning)
            schema = self._adapter.json_schema()
        schema.pop("title", None)
        for described in schema.get("properties", {}).values():
            described.pop("title", None)
        return schema


def build(function: Callable[..., Any], *, tool: str, strict: bool = False) -> Schema:
    """Read the signature and annotations of `function`; TypeError if they cannot make a tool."""
    hints = _hints(function, tool)
    parameters = inspect.signature(function).parameters.values()
    described = docstrings.parameters(inspect.getdoc(function) or "")
    fields: dict[str, Any] = {}
    injected: dict[str, Callable[[Any], Any]] = {}
    extra = "forbid"
    for parameter in parameters:
        annotation = hints.get(parameter.name, Any)
        if (take := _injection(annotation)) is not None:
            injected[parameter.name] = take
        elif parameter.kind is parameter.VAR_POSITIONAL:
            raise TypeError(f"tool {tool!r} cannot take *{parameter.name}: a caller gives arguments by name")
        elif parameter.kind is parameter.VAR_KEYWORD:
            extra = "allow"
        else:
            fields[parameter.name] = _field(parameter, annotation, described.get(parameter.name))
    adapter = _adapter(tool, fields, {"extra": extra, "strict": strict})
    return Schema(
        validate=_validator(adapter, tool, tuple(fields)),
        validate_result=_result_validator(hints.get("return", Any), tool),
        injected=injected,
        positional=tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY),
        _adapter=adapter,
    )


def _validator(
    adapter: TypeAdapter[Any], tool: str, names: tuple[str, ...]
) -> Callable[[Arguments], dict[str, Any]]:
    from pydantic import ValidationError

    check, check_json = adapter.validator.validate_python, adapter.validator.validate_json

    def validate(arguments: Arguments) -> dict[str, Any]:
        try:
            validated: dict[str, Any]
            if isinstance(arguments, dict):
                validated = check(arguments)
            elif isinstance(arguments, bytes | str):
                validated = check_json(arguments)
            elif isinstance(arguments, Mapping):
                validated = check(dict(arguments))
            else:
                raise InvalidArguments(
                    f"arguments of {tool!r} must be a mapping or a JSON object, got {_shown(arguments)}"
                )
        except ValidationError as error:
            raise InvalidArguments(_explain(error, tool, names)) from None
        return validated

    return validate


def _explain(error: ValidationError, tool: str, names: tuple[str, ...]) -> str:
    problems = error.errors(include_url=False, include_context=False)
    lines = [_problem(problem, names) for problem in problems[:SHOWN_ERRORS]]
    if len(problems) > SHOWN_ERRORS:
        lines.append(f"and {len(problems) - SHOWN_ERRORS} more")
    return f"invalid arguments for {tool!r}: " + "; ".join(lines)


def _problem(problem: Mapping[str, Any], names: tuple[str, ...]) -> str:
    location, kind = problem["loc"], problem["type"]
    if not location:
        return f"the arguments {_should(problem['msg'])}"
    name = _cut(str(location[0]) + "".join(f"[{step!r}]" for step in location[1:]))
    if kind == "missing" and len(location) == 1:
        return f"argument {name!r} is missing"
    if kind == "extra_forbidden" and len(location) == 1:
        known = f"it takes {', '.join(map(repr, names))}" if names else "it takes none"
        return f"unknown argument {name!r}; {nearest(name, names) or known}"
    return f"argument {name!r} {_should(problem['msg'])}; got {_shown(problem['input'])}"


def _result_validator(annotation: Any, tool: str) -> Callable[[Any], Any]:
    """Builds its validator at the first result, because most tools never check theirs."""

    @functools.cache
    def adapter() -> TypeAdapter[Any]:
        from pydantic import TypeAdapter

        return TypeAdapter(annotation)

    def validate(value: Any) -> Any:
        from pydantic import ValidationError

        try:
            return adapter().validator.validate_python(value)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False)[0]
            where = "".join(f"[{step!r}]" for step in problem["loc"])
            raise InvalidResult(
                f"{tool!r} gave a result that does not fit its return type: "
                f"result{where} {_should(problem['msg'])}; got {_shown(problem['input'])}"
            ) from None

    return validate


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the most similar known name, or nothing."""
    close = difflib.get_close_matches(name[:SHOWN_CHARACTERS], list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def _hints(function: Callable[..., Any], tool: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"cannot read the annotations of tool {tool!r}: {error}; "
            "define or import that type at the top level of the module"
        ) from error


def _injection(annotation: Any) -> Callable[[Any], Any] | None:
    """How to take a parameter of this type from the call: the type says so itself, in `__from_call__`."""
    for candidate in (annotation, *typing.get_args(annotation)):
        take = getattr(candidate, "__from_call__", None)
        if isinstance(candidate, type) and callable(take):
            return take  # type: ignore[no-any-return]
    return None


def _field(parameter: inspect.Parameter, annotation: Any, description: str | None) -> Any:
    """The annotation with the docstring's description and the default, for one key of a TypedDict."""
    from pydantic import Field

    if description and not _described(annotation):
        annotation = typing.Annotated[annotation, Field(description=description)]
    if parameter.default is parameter.empty:
        return typing.Required[annotation]
    return typing.NotRequired[typing.Annotated[annotation, _Default(parameter.default)]]


def _described(annotation: Any) -> bool:
    metadata = getattr(annotation, "__metadata__", ())
    return any(getattr(note, "description", None) for note in metadata)


class _Default:
    """Tells pydantic the default of a TypedDict key, which it has no public way to say otherwise."""

    def __init__(self, default: Any) -> None:
        self.default = default

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        return core_schema.with_default_schema(handler(source), default=self.default)


def _adapter(tool: str, fields: dict[str, Any], config: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter
    from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

    make: Any = TypedDict
    shape = make(tool, fields)
    shape.__pydantic_config__ = {**config, "arbitrary_types_allowed": True}
    return TypeAdapter(shape)


def _should(message: str) -> str:
    """pydantic's sentence, made to follow a subject: 'Input should be ...' gives 'should be ...'."""
    return message.removeprefix("Input ").rstrip(".")


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  a repr may raise anything
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
