"""From a function to what callers must give it: JSON Schema for models, a validator for calls."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from toolcase import docstrings
from toolcase.errors import InvalidArguments, InvalidResult
from toolcase.schema import json_schema, models
from toolcase.schema.fields import NO_EXTRAS, adapter_of, field, generator, is_secret, validator
from toolcase.schema.given import parse, refuse_literals
from toolcase.schema.schema import Schema, problems
from toolcase.schema.words import NOTHING, path, told


@dataclass(frozen=True, slots=True)
class Declared:
    """Arguments that a JSON Schema declares, and not the function's signature."""

    schema: Mapping[str, Any]
    in_one: bool
    """Whether the function takes them in one mapping rather than by keyword."""


def declared_by(thing: Any) -> Declared | None:
    """What an object says of its own arguments, as a class tool does; None of a plain function."""
    schema = getattr(thing, "input_schema", None)
    return Declared(schema, in_one=False) if isinstance(schema, Mapping) else None


def build(
    function: Callable[..., Any],
    *,
    tool: str,
    strict: bool = False,
    checks_result: bool = False,
    declared: Declared | None = None,
    examples: Sequence[Mapping[str, Any]] = (),
) -> Schema:
    """Read the signature and annotations of `function`; TypeError if they cannot make a tool."""
    plain = underlying(function)
    with _readable(tool):
        parameters = list(inspect.signature(function).parameters.values())
        hints = typing.get_type_hints(plain, include_extras=True)
        if parameters and parameters[0].name == "self" and _is_in_class(function):
            raise TypeError(
                f"{function.__qualname__} is a method without its object; give the method of an object"
            )
        injected = {
            p.name: take
            for p in parameters
            if p.kind is not p.VAR_KEYWORD and (take := _injection(hints.get(p.name))) is not None
        }
        visible = [p for p in parameters if p.name not in injected]
        if declared is None:
            described = docstrings.parameters(inspect.getdoc(plain) or "")
            arguments = _signature(visible, hints, described, tool, strict)
        else:
            arguments = _declared(declared, visible)
        made = replace(
            arguments,
            tool=tool,
            examples=examples,
            injected=injected,
            positional=tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY),
            validate_result=_result_validator(hints.get("return", Any), tool) if checks_result else None,
        )
        for number, example in enumerate(examples, 1):
            try:
                made.validate(example)
            except InvalidArguments as error:
                raise TypeError(f"example {number} does not fit its own schema: {error}") from None
    return made


def _signature(
    parameters: Sequence[inspect.Parameter],
    hints: Mapping[str, Any],
    described: Mapping[str, str],
    tool: str,
    strict: bool,
) -> Schema:
    """Each parameter is an argument; of a single one that is a model, each of its fields."""
    fields: dict[str, Any] = {}
    names: dict[str, bool] = {}
    extra: Any = NO_EXTRAS
    for parameter in parameters:
        annotation = hints.get(parameter.name, Any)
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise TypeError(f"it cannot take *{parameter.name}: a caller gives arguments by name")
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = annotation
            continue
        single = len(parameters) == 1 and parameter.default is parameter.empty
        if single and (model := models.schema_of(annotation, parameter.name, strict=strict)):
            return model
        fields[parameter.name] = field(parameter, annotation, described.get(parameter.name))
        names[parameter.name] = is_secret(annotation)
    adapter = adapter_of(tool, fields, extra=extra, strict=strict)
    checked = validator(adapter)

    def check_json(text: bytes | str) -> dict[str, Any]:
        refuse_literals(text)
        found: dict[str, Any] = checked.validate_json(text)
        return found

    # In JSON text for these pydantic itself finds every NaN.
    finite = extra is NO_EXTRAS and all(hints.get(name) in (str, int, float, bool) for name in fields)
    return Schema(
        check=checked.validate_python,
        check_json=checked.validate_json if finite else check_json,
        names=names,
        declared=partial(adapter.json_schema, schema_generator=generator()),
    )


def _declared(declared: Declared, parameters: Sequence[inspect.Parameter]) -> Schema:
    if declared.in_one and (len(parameters) != 1 or parameters[0].kind is inspect.Parameter.VAR_KEYWORD):
        raise TypeError("its function must take one parameter for all arguments, a mapping")
    mapping = parameters[0].name if declared.in_one else ""
    schema = json_schema.read(declared.schema)
    check = json_schema.checker(schema)
    return Schema(
        check=check,
        check_json=lambda text: check(parse(text)),
        names=json_schema.names(schema),
        declared=partial(copy.deepcopy, schema),
        gather=(lambda arguments: {mapping: dict(arguments)}) if mapping else None,
        mapping=mapping,
    )


def _is_in_class(function: Any) -> bool:
    """Whether it is a plain function that was written in the body of a class."""
    return inspect.isfunction(function) and "." in function.__qualname__.rpartition("<locals>.")[2]


def underlying(function: Callable[..., Any]) -> Callable[..., Any]:
    """The one that was written with `def`, inside partials, static methods and callable objects."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, staticmethod):
            function = function.__func__
        elif inspect.isroutine(function) or hasattr(function, "__wrapped__"):
            return function
        else:
            function = function.__call__  # type: ignore[operator]


@contextlib.contextmanager
def _readable(tool: str) -> Iterator[None]:
    """Says of which tool it was that no schema could be made; annotations may raise anything."""
    try:
        yield
    except json_schema.BadSchema as error:
        raise TypeError(f"input_schema of tool {tool!r} {error}") from None
    except Exception as error:
        reason = getattr(error, "message", error)
        if isinstance(error, NameError):
            reason = f"{reason}; define or import that type at the top level of the module"
        raise TypeError(f"cannot make a schema of tool {tool!r}: {reason}") from error


def _result_validator(annotation: Any, tool: str) -> Callable[[Any], Any]:
    from pydantic import ValidationError

    checker = adapter_of(tool, {"result": typing.Required[annotation]}, finite=False).validator
    secret = is_secret(annotation)

    def validate(value: Any) -> Any:
        try:
            return checker.validate_python({"result": value})["result"]
        except ValidationError as error:
            problem = problems(error)[0]
            said = f"{path(problem.where)} {told(problem.said, NOTHING if secret else problem.got)}"
            raise InvalidResult(f"{tool!r} gave what does not fit its return type: {said}") from None

    return validate


def _injection(annotation: Any) -> Callable[[Any], Any] | None:
    """How to take a parameter of this type from the call: the type says so itself, in `__from_call__`."""
    if isinstance(annotation, type):
        take = getattr(annotation, "__from_call__", None)
        return take if callable(take) else None
    if typing.get_origin(annotation) in (typing.Annotated, typing.Union, types.UnionType):
        return next(filter(None, map(_injection, typing.get_args(annotation))), None)
    return None
