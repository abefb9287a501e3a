"""Tools whose single parameter is a model: the caller gives its fields, the function gets an instance."""

from __future__ import annotations

import copy
import dataclasses
import json
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from typing_extensions import is_typeddict

from toolcase.schema.fields import field_types, generator, is_secret
from toolcase.schema.given import own, own_containers, parse, plain
from toolcase.schema.schema import Schema
from toolcase.schema.words import NOTHING, UNKNOWN, Misfit, Names, Problem

_MISSING = "Object missing required field "


@dataclasses.dataclass(frozen=True, slots=True)
class _Model:
    """A class whose instances are made of the arguments."""

    kind: Any
    names: Names
    """The names by which a caller says the fields."""
    closed: bool
    """Whether there are no others."""
    read: Callable[[dict[str, Any], bytes | str | None], Any]
    """From the fields, and from the JSON text that they stand in, if there is one."""
    json: Callable[[], dict[str, Any]]


def schema_of(annotation: Any, parameter: str, *, strict: bool) -> Schema | None:
    """How to check the fields of a pydantic model, Struct, dataclass or TypedDict; None of anything else."""
    model = _model(annotation, strict=strict)
    if model is None:
        return None

    def check(arguments: dict[str, Any]) -> dict[str, Any]:
        alone = len(arguments) == 1 and not is_typeddict(model.kind)
        if alone and issubclass(type(arguments.get(parameter)), model.kind):
            return dict(arguments)  # Python code may give an instance by the parameter's own name
        return {parameter: model.read(_fields(arguments, model), None)}

    def check_json(text: bytes | str) -> dict[str, Any]:
        fields = parse(text)
        _refuse_unknown(fields, model)
        return {parameter: model.read(fields, text)}

    def gather(arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {parameter: fresh(arguments[parameter])}

    return Schema(check, check_json, model.names, partial(_json, model), gather)


def _model(annotation: Any, *, strict: bool) -> _Model | None:
    from pydantic import TypeAdapter
    from pydantic_core import to_json

    noted = typing.get_origin(annotation) is typing.Annotated
    kind = annotation.__origin__ if noted else annotation
    origin = typing.get_origin(kind) or kind
    if is_struct(origin):
        names = dict.fromkeys(_struct_names(origin), False)
        convert = partial(_read_struct, annotation=kind, strict=strict)
        schema = partial(msgspec.json.schema, kind)
        return _Model(origin, names, True, lambda fields, _: convert(fields), schema)
    if not _is_model(origin):
        return None
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    if (declared := _declared(adapter.core_schema, origin)) is None:
        return None
    validator, mode = adapter.validator, True if strict else None

    def read(fields: dict[str, Any], text: bytes | str | None) -> Any:
        if text is None and strict and dataclasses.is_dataclass(origin):
            text = to_json(fields)  # from Python, pydantic strictly wants an instance, which JSON has not
        if text is None:
            return validator.validate_python(fields, strict=mode)
        return validator.validate_json(text, strict=mode)

    schema = partial(adapter.json_schema, schema_generator=generator())
    return _Model(origin, *declared, read, schema)


def _json(model: _Model) -> dict[str, Any]:
    schema = model.json()
    if "$ref" in schema:
        parts, reference = schema["$defs"], schema["$ref"]
        name = reference.removeprefix("#/$defs/")
        schema = {**parts[name], "$defs": parts}
        if json.dumps(reference) not in json.dumps(parts):  # it does not refer to itself
            del parts[name]
        if not parts:
            del schema["$defs"]
    if model.closed:
        schema["additionalProperties"] = False
    return schema


def _fields(arguments: dict[str, Any], model: _Model) -> dict[str, Any]:
    """The arguments as plain data, as far as they are."""
    given = own(arguments)
    for name in given:
        if not issubclass(type(name), str):
            raise Misfit([Problem((), "should have names that are strings", name)])
    _refuse_unknown(given, model)  # first, because it is soon done where there are very many
    fields: dict[str, Any] = plain(given, only_json=False)
    return fields


def _refuse_unknown(fields: Mapping[str, Any], model: _Model) -> None:
    if model.closed and not fields.keys() <= model.names.keys():
        raise Misfit([Problem([str.__str__(name)], UNKNOWN) for name in fields if name not in model.names])


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


def is_struct(kind: Any) -> bool:
    """Whether it is a Struct that JSON says as an object."""
    return (
        isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and kind is not msgspec.Struct
        and not kind.__struct_config__.array_like
    )


def _struct_names(kind: Any) -> tuple[str, ...]:
    """The names by which a caller says the fields, the tag's own among them."""
    tag = kind.__struct_config__.tag_field
    return (*kind.__struct_encode_fields__, *([tag] if tag else []))


def _read_struct(arguments: dict[str, Any], annotation: Any, *, strict: bool) -> Any:
    """An instance, made of plain data; Misfit with the path and what should be there."""
    try:
        return msgspec.convert(arguments, annotation, strict=strict, str_keys=True)
    except msgspec.ValidationError as error:
        raise Misfit([_struct_problem(str(error), arguments)]) from None


def _struct_problem(message: str, arguments: dict[str, Any]) -> Problem:
    """msgspec says: Expected `int`, got `str` - at `$.lines[0].price`."""
    said, _, place = message.replace("`", "").partition(" - at ")
    owner, _, path = place.rpartition("$")
    path = path.removeprefix(".")
    if said.startswith(_MISSING):
        return Problem([f"{path}.{said.removeprefix(_MISSING)}".removeprefix(".")], "is missing")
    if said.startswith("Expected "):
        said = "should be " + said.removeprefix("Expected ").split(", got ")[0]
    else:
        said = f"failed a check: {said}"
    if owner:
        said = f"has a key that {said}"
    return Problem([path] if path else (), said, arguments.get(path, NOTHING))


def fresh(instance: Any) -> Any:
    """A copy with containers of its own, so that what one run does to it the next does not see."""
    if isinstance(instance, dict):
        return own_containers(instance)
    copied = copy.copy(instance)
    assign: Callable[[Any, str, Any], None] = object.__setattr__
    if isinstance(instance, msgspec.Struct):
        assign, names = msgspec.structs.force_setattr, instance.__struct_fields__
    elif dataclasses.is_dataclass(instance):
        names = tuple(part.name for part in dataclasses.fields(instance))
    else:
        names = tuple(vars(instance))
    for name in names:  # past what is frozen: nobody else has the copy yet
        assign(copied, name, own_containers(getattr(instance, name)))
    return copied
