"""Arguments that a msgspec.Struct declares: checked by msgspec, refused in our words."""

from __future__ import annotations

from typing import Any

import msgspec

from toolcase.schema.words import NOTHING, Misfit, Problem

_MISSING = "Object missing required field "


def is_struct(kind: Any) -> bool:
    """Whether it is a Struct that JSON says as an object."""
    return (
        isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and kind is not msgspec.Struct
        and not kind.__struct_config__.array_like
    )


def names(kind: Any) -> tuple[str, ...]:
    """The names by which a caller says the fields, the tag's own among them."""
    tag = kind.__struct_config__.tag_field
    return (*kind.__struct_encode_fields__, *([tag] if tag else []))


def read(arguments: dict[str, Any], annotation: Any, *, strict: bool) -> Any:
    """An instance, made of plain data; Misfit with the path and what should be there."""
    try:
        return msgspec.convert(arguments, annotation, strict=strict, str_keys=True)
    except msgspec.ValidationError as error:
        raise Misfit([_problem(str(error), arguments)]) from None


def _problem(message: str, arguments: dict[str, Any]) -> Problem:
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
