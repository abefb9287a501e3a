"""Tools whose single parameter is a model: the caller gives its fields, the function gets an instance."""

from __future__ import annotations

import copy
import dataclasses
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from typing_extensions import is_typeddict

from toolcase.schema import structs
from toolcase.schema.fields import field_types, generator, is_secret
from toolcase.schema.given import own, parse, plain
from toolcase.schema.shape import Shape
from toolcase.schema.words import Misfit, Names, Problem, Unknown


def shape_of(annotation: Any, parameter: str, *, strict: bool) -> Shape | None:
    """How to check the fields of a pydantic model, Struct, dataclass or TypedDict; None of anything else."""
    kind = _without_notes(annotation)
    if structs.is_struct(kind):
        return _of_struct(kind, parameter, strict=strict)
    if _is_model(typing.get_origin(kind) or kind):
        return _of_model(annotation, kind, parameter, strict=strict)
    return None


def _of_struct(kind: Any, parameter: str, *, strict: bool) -> Shape:
    names = dict.fromkeys(structs.names(kind), False)
    origin = typing.get_origin(kind) or kind

    def check(arguments: dict[str, Any], *, from_json: bool = False) -> dict[str, Any]:
        if (given := _instance(arguments, parameter, origin)) is not None:
            return given
        if from_json:
            _refuse_unknown(arguments, names)
        fields = arguments if from_json else _fields(arguments, names)
        return {parameter: structs.read(fields, kind, strict=strict, from_json=from_json)}

    return Shape(
        check=check,
        check_json=lambda text: check(parse(text), from_json=True),
        names=names,
        json=partial(structs.json_schema, kind),
        gather=_gathering(parameter),
    )


def _of_model(annotation: Any, kind: Any, parameter: str, *, strict: bool) -> Shape | None:
    from pydantic import TypeAdapter
    from pydantic_core import to_json

    origin = typing.get_origin(kind) or kind
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    declared = _declared(adapter.core_schema, origin)
    if declared is None:
        return None
    names, closed = declared
    validator, mode = adapter.validator, True if strict else None

    def check(arguments: dict[str, Any]) -> dict[str, Any]:
        if (given := _instance(arguments, parameter, origin)) is not None:
            return given
        fields = _fields(arguments, names, closed=closed)
        if strict and dataclasses.is_dataclass(origin):
            # From Python, pydantic strictly wants an instance; from JSON it has none to ask for.
            return {parameter: validator.validate_json(to_json(fields), strict=True)}
        return {parameter: validator.validate_python(fields, strict=mode)}

    def check_json(text: bytes | str) -> dict[str, Any]:
        fields = parse(text)
        if closed:
            _refuse_unknown(fields, names)
        return {parameter: validator.validate_json(text, strict=mode)}

    return Shape(check, check_json, names, partial(_json, adapter, closed=closed), _gathering(parameter))


def _json(adapter: Any, *, closed: bool) -> dict[str, Any]:
    schema: dict[str, Any] = adapter.json_schema(schema_generator=generator())
    if "$ref" in schema:  # a model that refers to itself
        schema = {**schema["$defs"][schema["$ref"].removeprefix("#/$defs/")], "$defs": schema["$defs"]}
    if closed:
        schema["additionalProperties"] = False
    return schema


def _fields(arguments: dict[str, Any], names: Names, *, closed: bool = True) -> dict[str, Any]:
    """The arguments as plain data, as far as they are."""
    given = arguments if type(arguments) is dict else own(arguments)
    for name in given:
        if not issubclass(type(name), str):
            raise Misfit([Problem((), "should have names that are strings", name)])
    if closed:  # first, because it is soon done where there are very many
        _refuse_unknown(given, names)
    fields: dict[str, Any] = plain(given, only_json=False)
    return fields


def _refuse_unknown(fields: Mapping[str, Any], names: Names) -> None:
    if not fields.keys() <= names.keys():
        raise Misfit([Unknown(str.__str__(name)) for name in fields if name not in names])


def _instance(arguments: dict[str, Any], parameter: str, kind: Any) -> dict[str, Any] | None:
    """The arguments as they are where Python code gives an instance by the parameter's own name."""
    if len(arguments) != 1 or is_typeddict(kind):
        return None
    return dict(arguments) if issubclass(type(arguments.get(parameter)), kind) else None


def _is_model(kind: Any) -> bool:
    from pydantic import BaseModel, RootModel

    if not isinstance(kind, type):
        return False
    if issubclass(kind, BaseModel):
        return kind is not BaseModel and not issubclass(kind, RootModel)
    return dataclasses.is_dataclass(kind) or is_typeddict(kind)


def _declared(schema: Any, kind: Any) -> tuple[Names, bool] | None:
    """The names by which a caller says the fields, and whether there are no others.

    Told from pydantic's core schema, because only there all kinds of models and aliases look the same.
    """
    config: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    while "fields" not in schema or schema["type"] in ("model", "dataclass"):
        config |= schema.get("config", {})
        parts |= {part["ref"]: part for part in schema.get("definitions", ())}
        inner = parts.get(schema["schema_ref"]) if "schema_ref" in schema else schema.get("schema")
        if inner is None:  # a class that says in its own way how it is checked
            return None
        schema = inner
    config |= schema.get("config", {})
    extra = schema.get("extra_behavior", config.get("extra_fields_behavior", "ignore"))
    fields = schema["fields"]
    named = fields.items() if isinstance(fields, dict) else [(found["name"], found) for found in fields]
    types = field_types(kind)
    names = {
        said: is_secret(types.get(name))
        for name, found in named
        if found.get("init", True)
        for said in _said(name, found.get("validation_alias"), config)
    }
    return names, extra != "allow"


def _said(name: str, alias: Any, config: Mapping[str, Any]) -> list[str]:
    """pydantic has an alias as a word, as a path, or as a list of paths."""
    if alias is None:
        return [name]
    paths = [[alias]] if isinstance(alias, str) else alias if isinstance(alias[0], list) else [alias]
    by_alias = [path[0] for path in paths] if config.get("validate_by_alias", True) else []
    by_name = config.get("validate_by_name", config.get("populate_by_name", False))
    return [*by_alias, *([name] if by_name else [])]


def _gathering(parameter: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda arguments: {parameter: fresh(arguments[parameter])}


def fresh(instance: Any) -> Any:
    """A copy with containers of its own, so that what one run does to it the next does not see."""
    if isinstance(instance, dict):
        return _own_containers(instance)
    copied = copy.copy(instance)
    # Past what is frozen: nobody else has the copy yet.
    assign = msgspec.structs.force_setattr if isinstance(instance, msgspec.Struct) else object.__setattr__
    for name, value in _attributes(instance):
        if type(value) in _CONTAINERS:
            assign(copied, name, _own_containers(value))
    return copied


def _attributes(instance: Any) -> list[tuple[str, Any]]:
    if isinstance(instance, msgspec.Struct):
        return [(name, getattr(instance, name)) for name in instance.__struct_fields__]
    if dataclasses.is_dataclass(instance):
        return [(part.name, getattr(instance, part.name)) for part in dataclasses.fields(instance)]
    return list(vars(instance).items())


_CONTAINERS = frozenset({dict, list, set, tuple})


def _own_containers(value: Any) -> Any:
    if type(value) is dict:
        return {key: _own_containers(item) for key, item in value.items()}
    if type(value) in _CONTAINERS:
        return type(value)(map(_own_containers, value))
    return value


def _without_notes(annotation: Any) -> Any:
    return annotation.__origin__ if typing.get_origin(annotation) is typing.Annotated else annotation
