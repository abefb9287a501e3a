"""Arguments that a msgspec.Struct declares: checked by msgspec, refused in our words."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from toolcase.schema.words import NOTHING, Misfit, Missing, Problem

_MESSAGE = re.compile(r"(?P<said>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)
_STEP = re.compile(r"\[(?P<number>\d+)\]|\[(?P<any>\.\.\.)\]|\.(?P<name>[^.\[]+)")


def is_struct(annotation: Any) -> bool:
    """Whether it is a Struct, or one of a generic Struct, that JSON says as an object."""
    kind = getattr(annotation, "__origin__", annotation)
    return (
        isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and kind is not msgspec.Struct
        and not kind.__struct_config__.array_like
    )


def names(annotation: Any) -> tuple[str, ...]:
    """The names by which a caller says the fields, the tag's own among them."""
    kind = getattr(annotation, "__origin__", annotation)
    tag = kind.__struct_config__.tag_field
    return (*kind.__struct_encode_fields__, *([tag] if tag else []))


def json_schema(annotation: Any) -> dict[str, Any]:
    """The JSON Schema of the fields, and of what they refer to."""
    (schema,), parts = msgspec.json.schema_components([annotation], ref_template="#/$defs/{name}")
    reference = schema.pop("$ref").removeprefix("#/$defs/")
    described: dict[str, Any] = {**parts[reference]}
    if f'"#/$defs/{reference}"' not in msgspec.json.encode(parts).decode():
        del parts[reference]
    described.pop("title", None)
    described["additionalProperties"] = False
    if parts:
        described["$defs"] = parts
    return described


def read(arguments: dict[str, Any], annotation: Any, *, strict: bool, from_json: bool) -> Any:
    """An instance, made of plain data; Misfit with the path, the value and what it should be."""
    try:
        return msgspec.convert(arguments, annotation, strict=strict, str_keys=from_json)
    except msgspec.ValidationError as error:
        raise Misfit([_problem(str(error), arguments)]) from None


def _problem(message: str, arguments: dict[str, Any]) -> Problem | Missing:
    """msgspec names the place as `$.lines[0].price`; the value there is taken from what was given."""
    match = _MESSAGE.fullmatch(message)
    said, path = (match["said"], match["path"] or "") if match else (message, "")
    where: list[Any] = []
    value: Any = arguments
    for step in _STEP.finditer(path):
        where.append(step["any"] or step["name"] or int(step["number"]))
        try:
            value = NOTHING if value is NOTHING else value[where[-1]]
        except (LookupError, TypeError):
            value = NOTHING
    if missing := _MISSING.fullmatch(said):
        return Missing([*where, missing["name"]])
    if match and match["key"]:
        return Problem(where, f"has a key that {_should(said)}")
    return Problem(where, _should(said), value if where else NOTHING)


def _should(said: str) -> str:
    if said.startswith("Expected "):
        return "should be " + said.removeprefix("Expected ").split(", got ")[0].replace("`", "")
    return f"is wrong: {said.replace('`', '')}"
