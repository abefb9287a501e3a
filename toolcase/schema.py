"""From a function to what callers must give it: JSON Schema for models, a validator for calls."""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from toolcase import docstrings, json_schema, models
from toolcase.errors import InvalidArguments, InvalidResult
from toolcase.fields import (
    NO_EXTRAS,
    adapter_of,
    extra_type,
    field,
    generator,
    is_secret,
    may_hold_nan,
    validator,
)
from toolcase.given import parse, refuse_literals
from toolcase.plain import printable
from toolcase.shape import Arguments as Arguments
from toolcase.shape import Shape, validate_with
from toolcase.words import MESSAGE_CHARACTERS, cut, should, shown_value
from toolcase.words import nearest as nearest


@dataclass(frozen=True, slots=True)
class Schema:
    """What a tool takes and gives: JSON Schema for models, a validator for calls.

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
    gather: Callable[[Mapping[str, Any]], dict[str, Any]] | None
    """From the validated arguments to what the function takes by name, where these are not the same."""
    mapping: str
    """The parameter that takes all arguments in one mapping, where there is such a one."""
    _json: Callable[[], dict[str, Any]]
    _examples: tuple[Mapping[str, Any], ...]
    _tool: str

    def json(self) -> dict[str, Any]:
        """JSON Schema of the arguments, a new dict each time; TypeError if JSON cannot say them."""
        try:
            schema = self._json()
            if self._examples:
                schema["examples"] = _plain(self._examples)
        except Exception as error:
            reason = getattr(error, "message", error)
            raise TypeError(
                f"the parameters of tool {self._tool!r} have no JSON Schema: {reason}; "
                "annotate them with types that JSON can say"
            ) from error
        schema.pop("title", None)
        return schema


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
            f"tool {tool!r} is a method without its object, {function.__qualname__}; "
            "give the method of an object"
        )
    injected = {p.name: take for p in parameters if (take := _taken(p, hints)) is not None}
    visible = [p for p in parameters if p.name not in injected]
    mapping = _only(visible, tool) if declared and declared.in_one else ""
    if declared is None:
        shape = _signature(visible, hints, docstrings.parameters(inspect.getdoc(plain) or ""), tool, strict)
    else:
        shape = _declared(declared, mapping, tool)
    made = Schema(
        validate=validate_with(shape, tool),
        validate_result=_result_validator(hints.get("return", Any), tool, now=checks_result),
        injected=injected,
        positional=tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY),
        gather=shape.gather,
        mapping=mapping,
        _json=shape.json,
        _examples=tuple(examples),
        _tool=tool,
    )
    _check(made.validate, examples, tool)
    return made


def _signature(
    parameters: Sequence[inspect.Parameter],
    hints: Mapping[str, Any],
    described: Mapping[str, str],
    tool: str,
    strict: bool,
) -> Shape:
    """Each parameter is an argument; of a single one that is a model, each of its fields."""
    fields: dict[str, Any] = {}
    names: dict[str, bool] = {}
    extra: Any = NO_EXTRAS
    if len(parameters) == 1 and parameters[0].default is parameters[0].empty:
        (only,) = parameters
        with _readable(tool):
            model = models.shape_of(hints.get(only.name, Any), only.name, strict=strict)
        if model is not None and only.kind is not only.VAR_KEYWORD:
            return model
    for parameter in parameters:
        annotation = hints.get(parameter.name, Any)
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise TypeError(f"tool {tool!r} cannot take *{parameter.name}: a caller gives arguments by name")
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = extra_type(annotation, parameter.name, tool)
        else:
            with _readable(tool):
                fields[parameter.name] = field(parameter, annotation, described.get(parameter.name))
                names[parameter.name] = is_secret(annotation)
    with _readable(tool):
        adapter = adapter_of(tool, fields, extra=extra, strict=strict)
        checked = validator(adapter)

    def check_json(text: bytes | str) -> dict[str, Any]:
        refuse_literals(text)
        found: dict[str, Any] = checked.validate_json(text)
        return found

    return Shape(
        check=checked.validate_python,
        check_json=check_json if may_hold_nan(adapter) else checked.validate_json,
        names=names,
        json=partial(adapter.json_schema, schema_generator=generator()),
    )


def _only(parameters: Sequence[inspect.Parameter], tool: str) -> str:
    if len(parameters) != 1 or parameters[0].kind is parameters[0].VAR_KEYWORD:
        raise TypeError(f"the function of tool {tool!r} must take one parameter for all arguments, a mapping")
    return parameters[0].name


def _declared(declared: Declared, mapping: str, tool: str) -> Shape:
    schema = json_schema.read(declared.schema, tool)
    check = json_schema.checker(schema, tool)
    return Shape(
        check=check,
        check_json=lambda text: check(parse(text)),
        names=json_schema.names(schema),
        json=lambda: json_schema.read(schema, tool),
        gather=(lambda arguments: {mapping: dict(arguments)}) if declared.in_one else None,
    )


def _check(validate: Callable[[Arguments], Any], examples: Sequence[Mapping[str, Any]], tool: str) -> None:
    for number, example in enumerate(examples, 1):
        try:
            validate(example)
        except InvalidArguments as error:
            raise TypeError(
                f"example {number} of tool {tool!r} does not fit its own schema: {error}"
            ) from None


def _plain(examples: Sequence[Mapping[str, Any]]) -> Any:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python([dict(example) for example in examples])


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
    """Says of which tool it was that the annotations could not be read; they may raise anything."""
    try:
        yield
    except NameError as error:
        raise TypeError(
            f"cannot read the annotations of tool {tool!r}: {error}; "
            "define or import that type at the top level of the module"
        ) from error
    except Exception as error:
        raise TypeError(f"cannot make a schema of the signature of tool {tool!r}: {error}") from error


def _result_validator(annotation: Any, tool: str, *, now: bool) -> Callable[[Any], Any]:
    """Builds its validator at the first result unless told so `now`: most tools never check theirs."""

    @functools.cache
    def checker() -> Callable[[Any], dict[str, Any]]:
        with _readable(tool):
            check: Callable[[Any], dict[str, Any]] = adapter_of(
                tool, {"result": typing.Required[annotation]}, finite=False
            ).validator.validate_python
            return check

    if now:
        checker()

    def validate(value: Any) -> Any:
        from pydantic import ValidationError

        try:
            return checker()({"result": value})["result"]
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False)[0]
            where = "".join(f"[{cut(repr(step))}]" for step in problem["loc"][1:10])
            got = "" if is_secret(annotation) else f"; got {shown_value(problem['input'])}"
            said = cut(printable(should(problem["msg"])), MESSAGE_CHARACTERS // 2)
            raise InvalidResult(
                f"{tool!r} gave a result that does not fit its return type: result{where} {said}{got}"
            ) from None

    return validate


def _taken(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Callable[[Any], Any] | None:
    """How toolcase takes this parameter from the call, if it is one that it gives."""
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return None
    return _injection(hints.get(parameter.name, Any))


def _injection(annotation: Any) -> Callable[[Any], Any] | None:
    """How to take a parameter of this type from the call: the type says so itself, in `__from_call__`."""
    if isinstance(annotation, type):
        take = getattr(annotation, "__from_call__", None)
        return take if callable(take) else None
    if typing.get_origin(annotation) in (typing.Annotated, typing.Union, types.UnionType):
        return next(filter(None, map(_injection, typing.get_args(annotation))), None)
    return None
