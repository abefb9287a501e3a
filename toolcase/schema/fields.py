"""From annotated parameters to one pydantic validator, and to the JSON Schema that models read."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import inspect
import json
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from toolcase.schema.given import LONGEST_INTEGER

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator


def field(parameter: inspect.Parameter, annotation: Any, description: str | None) -> Any:
    """The annotation with the docstring's description and the default, for one key of a TypedDict."""
    from pydantic import Field
    from pydantic.fields import FieldInfo

    if description and FieldInfo.from_annotation(annotation).description is None:
        annotation = typing.Annotated[annotation, Field(description=description)]
    default = parameter.default
    if default is not parameter.empty:  # or `size: int = Field(5, ge=1)`, as pydantic's users write it
        given = default if isinstance(default, FieldInfo) else _default(default)
        annotation = typing.Annotated[annotation, given]
    return typing.Required[annotation]


def is_secret(annotation: Any, _seen: frozenset[Any] = frozenset()) -> bool:
    """Whether values of this type are not to be shown: one of pydantic's secret types is somewhere in it."""
    from pydantic import Secret, SecretBytes, SecretStr

    kind = typing.get_origin(annotation) or annotation
    if isinstance(kind, type) and kind not in _seen:
        if issubclass(kind, Secret | SecretBytes | SecretStr):
            return True
        if any(is_secret(inner, _seen | {kind}) for inner in field_types(kind).values()):
            return True
    return any(is_secret(part, _seen) for part in typing.get_args(annotation))


def field_types(kind: type) -> Mapping[str, Any]:
    """The types of what a model, dataclass or TypedDict is made of, by name; none of anything else."""
    from pydantic import BaseModel
    from typing_extensions import is_typeddict

    if issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if dataclasses.is_dataclass(kind) or is_typeddict(kind):
        try:
            return typing.get_type_hints(kind)
        except NameError:  # pydantic, which can look further, says so if nobody finds it
            return {}
    return {}


def _default(value: Any) -> Any:
    from pydantic import Field

    with contextlib.suppress(Exception):  # of foreign code
        copy.deepcopy(value)
        if value is not ...:  # by which pydantic would mean none
            return Field(default=value)
    # Shared by all calls, as in Python: pydantic would copy what has no hash.
    return Field(default_factory=lambda: value)


class _Extras:
    """Tells pydantic the type of the keys that a TypedDict does not name."""

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        schema = handler(source)
        handler.resolve_ref_schema(schema).update(
            extra_behavior="allow", extras_schema=handler.generate_schema(self.annotation)
        )
        return schema


NO_EXTRAS: Any = object()
"""No **kwargs."""


def adapter_of(
    tool: str, fields: dict[str, Any], *, extra: Any = NO_EXTRAS, strict: bool = False, finite: bool = True
) -> TypeAdapter[Any]:
    """Of a TypedDict with these fields. `finite` refuses NaN and infinity for floats."""
    from pydantic import TypeAdapter
    from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

    make: Any = TypedDict
    shape = make(tool, fields)
    shape.__pydantic_config__ = {
        "extra": "forbid" if extra is NO_EXTRAS else "allow",
        "strict": strict,
        "allow_inf_nan": not finite,
        "arbitrary_types_allowed": True,
        # A model says the alias, which is what the schema shows; code may say the parameter's own name.
        "validate_by_alias": True,
        "validate_by_name": True,
    }
    return TypeAdapter(shape if extra in (NO_EXTRAS, Any) else typing.Annotated[shape, _Extras(extra)])


@functools.cache
def generator() -> Any:
    """Makes JSON Schema as models best read it; a class in a function, because pydantic loads late."""
    from pydantic.json_schema import GenerateJsonSchema
    from pydantic_core import PydanticSerializationError

    class Generator(GenerateJsonSchema):
        def field_title_should_be_set(self, schema: Any) -> bool:
            return False  # it would only repeat the name

        def emit_warning(self, kind: Any, detail: str) -> None:
            """A default that JSON cannot say is left out; calls fill it in all the same."""

        def encode_default(self, dft: Any) -> Any:
            try:
                return json.loads(json.dumps(super().encode_default(dft), allow_nan=False))
            except (TypeError, ValueError, RecursionError) as error:
                raise PydanticSerializationError(str(error)) from None

    return Generator


_NO_SCHEMAS = frozenset({"config", "default", "expected", "members", "metadata", "serialization"})


def validator(adapter: TypeAdapter[Any]) -> SchemaValidator:
    """The adapter's own, with bounds that JSON Schema does not show, for what breaks those who print it.

    Those are integers too long for Python to show, and text with half a surrogate pair. What models
    declare is theirs to bound.
    """
    from pydantic_core import SchemaValidator

    return SchemaValidator(_bounded(adapter.core_schema))


def _bounded(schema: Any) -> Any:
    if isinstance(schema, list | tuple):
        return type(schema)(map(_bounded, schema))
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for key, inner in schema.items():
        if key == "fields" and isinstance(inner, dict):  # a parameter may have any name
            found[key] = {name: _bounded(field) for name, field in inner.items()}
        else:
            found[key] = inner if key in _NO_SCHEMAS else _bounded(inner)
    return {**_BOUNDS.get(str(found.get("type")), {}), **found}


_BOUNDS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "int": {"gt": -LONGEST_INTEGER, "lt": LONGEST_INTEGER},
        "str": {"min_length": 0},  # to count characters it must read them
    }
)
