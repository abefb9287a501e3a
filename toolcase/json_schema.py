"""Arguments that a JSON Schema declares: a schema that somebody else wrote, and that may mean harm.

It can fetch nothing: a reference leads to a place inside the schema, or no tool is made. A pattern is
matched in time that grows with the text alone, by a machine without backtracking.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from toolcase.given import own, plain
from toolcase.plain import printable
from toolcase.words import (
    SHOWN_PROBLEMS,
    Misfit,
    Missing,
    Names,
    Problem,
    Unknown,
    cut,
    refused,
)

_SAID = MappingProxyType(
    {
        "const": "should be {}",
        "enum": "should be one of {}",
        "exclusiveMaximum": "should be less than {}",
        "exclusiveMinimum": "should be greater than {}",
        "maximum": "should be less than or equal to {}",
        "maxItems": "should have at most {} items",
        "maxLength": "should have at most {} characters",
        "maxProperties": "should have at most {} keys",
        "minimum": "should be greater than or equal to {}",
        "minItems": "should have at least {} items",
        "minLength": "should have at least {} characters",
        "minProperties": "should have at least {} keys",
        "multipleOf": "should be a multiple of {}",
        "pattern": "should match {!r}",
        "uniqueItems": "should hold nothing twice",
    }
)
_OPEN = ("additionalProperties", "unevaluatedProperties", "patternProperties")
_ELSEWHERE = ("$ref", "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class BadSchema(TypeError):
    """A schema of which no tool can be made."""


def read(given: Mapping[str, Any], tool: str) -> dict[str, Any]:
    """A copy of the schema as callers see it; TypeError, with the mend, if it is none for arguments.

    Unknown arguments are refused, as everywhere, unless the schema itself speaks of further ones.
    """
    try:
        schema: dict[str, Any] = plain(dict(given), only_json=True)
    except Misfit as misfit:
        reason = str(refused(tool, misfit, {})).removeprefix(f"invalid arguments for {tool!r}: ")
        raise BadSchema(f"input_schema of tool {tool!r} is no JSON: {reason}") from None
    if schema.setdefault("type", "object") != "object":
        raise BadSchema(
            f"input_schema of tool {tool!r} has type {schema['type']!r}; "
            "arguments have names, so write an object with properties"
        )
    if "properties" in schema and not any(word in schema for word in (*_OPEN, *_ELSEWHERE)):
        schema["additionalProperties"] = False
    return schema


def names(schema: Mapping[str, Any]) -> Names:
    """The arguments that the schema names, each with whether it is marked as secret."""
    return {
        name: isinstance(said, dict) and (said.get("writeOnly") is True or said.get("format") == "password")
        for name, said in schema.get("properties", {}).items()
    }


def checker(schema: Mapping[str, Any], tool: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What gives a plain copy of the arguments, or raises Misfit; TypeError if the schema is none."""
    # The copy is ours to change: a "$schema" further in would bring jsonschema's own matcher back.
    validator = _validator(plain(dict(schema), only_json=True), tool)

    def check(arguments: Mapping[str, Any]) -> dict[str, Any]:
        given = arguments if type(arguments) is dict else own(arguments)
        copied: dict[str, Any] = plain(given, only_json=True)
        problems = [_problem(error) for error in islice(validator.iter_errors(copied), SHOWN_PROBLEMS + 1)]
        if problems:
            raise Misfit(problems, more=lambda _: "and more")
        return copied

    return check


def _validator(schema: dict[str, Any], tool: str) -> Any:
    import jsonschema
    import referencing.exceptions
    import referencing.jsonschema
    from jsonschema import validators

    dialect = validators.validator_for(schema, default=None if "$schema" in schema else _newest())
    if dialect is None:
        raise BadSchema(
            f"input_schema of tool {tool!r} is written in {_shown(schema['$schema'])}, which is not known; "
            "leave $schema out for the draft 2020-12"
        )
    try:
        # Without format checking: it would hold a pattern against Python's own kind of them.
        dialect.check_schema(schema, format_checker=jsonschema.FormatChecker(formats=()))
    except jsonschema.SchemaError as error:
        raise BadSchema(
            f"input_schema of tool {tool!r} is no JSON Schema: "
            f"at {cut(error.json_path)}, {cut(printable(error.message), 200)}"
        ) from None
    except RecursionError:
        raise BadSchema(f"input_schema of tool {tool!r} is nested too deeply; make it flatter") from None
    specification = referencing.jsonschema.specification_with(dialect.META_SCHEMA["$schema"])
    root = specification.create_resource(schema)
    resolver = referencing.Registry().with_resource(root.id() or "", root).resolver(root.id() or "")
    parts = _parts(root, resolver, specification, tool)
    patterns = {
        pattern: _matcher(pattern, tool)
        for part in parts
        for pattern in (*part.get("patternProperties", ()), *([part["pattern"]] if "pattern" in part else ()))
    }
    if any("unevaluatedProperties" in part for part in parts) and any(
        "patternProperties" in part for part in parts
    ):
        raise BadSchema(
            f"input_schema of tool {tool!r} has both patternProperties and unevaluatedProperties; "
            "write additionalProperties for the latter"
        )
    for part in parts:
        part.pop("$schema", None)
    made = validators.extend(dialect, _Keywords(patterns).by_name())
    return made(schema, registry=referencing.Registry())


def _newest() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator


def _parts(root: Any, resolver: Any, specification: Any, tool: str) -> list[dict[str, Any]]:
    """Every schema within the schema; TypeError for a reference that leads out of it."""
    from referencing.exceptions import Unresolvable

    parts: dict[int, dict[str, Any]] = {}
    waiting = [(root, resolver)]
    while waiting:
        resource, resolver = waiting.pop()
        part = resource.contents
        if not isinstance(part, dict) or id(part) in parts:
            continue
        parts[id(part)] = part
        for word in filter(part.__contains__, _REFERENCES):
            try:
                found = resolver.lookup(part[word])
            except Unresolvable:
                raise BadSchema(
                    f"input_schema of tool {tool!r} refers to {_shown(part[word])}, which is not inside it "
                    "and is never fetched; put that part under $defs"
                ) from None
            waiting.append((specification.create_resource(found.contents), found.resolver))
        waiting += [(inner, resolver.in_subresource(inner)) for inner in resource.subresources()]
    return list(parts.values())


def _matcher(pattern: str, tool: str) -> Callable[[str], bool]:
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        made = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].removeprefix("error: ")
        raise BadSchema(
            f"input_schema of tool {tool!r} has the pattern {_shown(pattern)}, which cannot be matched in "
            f"time that is bounded: {cut(printable(reason), 200)}; write it without, or leave it out"
        ) from None
    return made.isinstance_python


class _Keywords:
    """jsonschema's keywords, where its own use backtracking, compare all with all, or speak at length."""

    def __init__(self, patterns: Mapping[str, Callable[[str], bool]]) -> None:
        from jsonschema import ValidationError

        self._patterns, self._fault = patterns, ValidationError

    def by_name(self) -> dict[str, Callable[[Any, Any, Any, Any], Iterator[Any]]]:
        return {
            "pattern": self._pattern,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
            "required": self._required,
            "uniqueItems": self._unique,
            "type": self._type,
        }

    def _pattern(self, validator: Any, wanted: str, value: Any, schema: Any) -> Iterator[Any]:
        if isinstance(value, str) and not self._patterns[wanted](value):
            yield self._fault("")

    def _pattern_properties(self, validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
        for expression, inner in wanted.items() if isinstance(value, dict) else ():
            for key in filter(self._patterns[expression], value):
                yield from validator.descend(value[key], inner, path=key, schema_path=expression)

    def _additional_properties(self, validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
        known: Collection[str] = schema.get("properties", ())
        matching = [self._patterns[expression] for expression in schema.get("patternProperties", ())]
        for key in value if isinstance(value, dict) else ():
            if key in known or any(matches(key) for matches in matching):
                continue
            if wanted is False:
                yield self._fault(key)
            else:
                yield from validator.descend(value[key], wanted, path=key)

    def _required(self, validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            yield from (self._fault(key) for key in wanted if key not in value)

    def _unique(self, validator: Any, wanted: bool, value: Any, schema: Any) -> Iterator[Any]:
        if wanted and isinstance(value, list) and len(set(map(_frozen, value))) < len(value):
            yield self._fault("")

    def _type(self, validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
        kinds = [wanted] if isinstance(wanted, str) else wanted
        if not any(validator.is_type(value, kind) for kind in kinds):
            yield self._fault(f"should be {' or '.join(kinds)}")


def _frozen(value: Any) -> Any:
    """Equal for what JSON Schema holds equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, dict):
        return "object", frozenset((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, list):
        return "array", tuple(map(_frozen, value))
    return (value,) if isinstance(value, bool) else value


def _problem(error: Any) -> Problem | Missing | Unknown:
    where = list(error.absolute_path)
    match error.validator:
        case "required":
            return Missing([*where, error.message])
        case "additionalProperties" if not where:
            return Unknown(error.message)
        case "additionalProperties":
            return Problem([*where, error.message], "is not known")
        case "type":
            return Problem(where, error.message, error.instance)
        case str(word) if word in _SAID:
            return Problem(where, _SAID[word].format(_brief(error.validator_value)), error.instance)
        case None:
            return Problem((), "hold a value that is not allowed")  # jsonschema does not say where
        case word:
            return Problem(where, f"does not fit {word!r} of its schema", error.instance)


def _brief(value: Any) -> Any:
    """A list as its items, so that it reads as a sentence."""
    if isinstance(value, list):
        return cut(", ".join(map(_shown, value[:20])), 150)
    return value if isinstance(value, int | float) else cut(str(value), 150)


def _shown(value: Any) -> str:
    return cut(repr(value))
