"""Arguments of a call as words of a shell: `key=value`, read with the help of the tool's schema."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click


def parse(words: Iterable[str], schema: dict[str, Any]) -> dict[str, Any]:
    """The arguments that the words say; a usage error for one without `=` or a name said twice."""
    arguments: dict[str, Any] = {}
    properties = schema.get("properties", {})
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise click.UsageError(f"an argument is written key=value, got {word!r}")
        if name in arguments:
            raise click.UsageError(f"argument {name!r} is given twice; for a list write {name}='[1, 2]'")
        arguments[name] = _value(text, definition(properties.get(name, {}), schema))
    return arguments


def definition(described: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """What a parameter's schema says itself, together with what its `$ref` points at."""
    if not isinstance(described, dict):
        return {}
    if "$ref" not in described:
        return described
    part: Any = schema
    for step in described["$ref"].removeprefix("#").split("/")[1:]:
        part = part.get(step, {}) if isinstance(part, dict) else {}
    return {**part, **described} if isinstance(part, dict) else described


def types(described: Any) -> set[str]:
    """The JSON types that a schema admits, those of its alternatives included; none where it says none."""
    if not isinstance(described, dict):
        return set()
    own = described.get("type", [])
    found = {own} if isinstance(own, str) else set(own)
    return found.union(*(types(choice) for choice in described.get("anyOf", [])))


def _value(text: str, described: dict[str, Any]) -> Any:
    """JSON where the parameter takes something else than text and it parses, else the text itself."""
    admitted = types(described)
    if admitted == {"string"}:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    # Where text will do as well, 5 is a number only if a number will do.
    return text if "string" in admitted and admitted.isdisjoint(_names(value)) else value


def _names(value: Any) -> set[str]:
    """What JSON Schema calls the type of a value."""
    match value:
        case bool():
            return {"boolean"}
        case None:
            return {"null"}
        case int():
            return {"integer", "number"}
        case float():
            return {"number"}
        case str():
            return set()  # quoted text where text will do: the quotes are meant
        case list():
            return {"array"}
        case _:
            return {"object"}
