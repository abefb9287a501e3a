"""Arguments that a JSON Schema declares: a schema that somebody else wrote, and that may mean harm.

It can fetch nothing: a reference leads to a place inside the schema, or no tool is made. A pattern is
matched in time that grows with the text alone, by a machine without backtracking.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any

from toolcase.plain import printable
from toolcase.schema.given import own, plain
from toolcase.schema.words import SHOWN_PROBLEMS, UNKNOWN, Misfit, Names, Problem, cut, shown_value

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_FURTHER = frozenset({
    "additionalProperties", "unevaluatedProperties", "patternProperties", "dependentSchemas", "if",
    "allOf", "anyOf", "oneOf", *_REFERENCES,
})  # fmt: skip
"""What may speak of arguments that are not among the properties."""


class BadSchema(Exception):
    """What is wrong with a schema of which no tool can be made, and the mend."""


def read(given: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the schema as callers see it; BadSchema if it is none for arguments.

    Unknown arguments are refused, as everywhere, unless the schema itself speaks of further ones.
    """
    try:
        schema: dict[str, Any] = plain(dict(given), only_json=True)
    except Misfit as misfit:
        raise BadSchema(f"is no JSON: its values {misfit.problems[0].said}") from None
    kind = schema.setdefault("type", "object")
    if kind != "object":
        raise BadSchema(f"has type {kind!r}; arguments have names, so write an object with properties")
    if "properties" in schema and _FURTHER.isdisjoint(schema):
        schema["additionalProperties"] = False
    return schema


def names(schema: Mapping[str, Any]) -> Names:
    """The arguments that the schema names, each with whether it is marked as secret."""
    return {
        name: isinstance(said, dict) and (said.get("writeOnly") is True or said.get("format") == "password")
        for name, said in schema.get("properties", {}).items()
    }


def checker(schema: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What gives a plain copy of the arguments, or raises Misfit; BadSchema if the schema is none."""
    # The copy is ours to change: a "$schema" further in would bring jsonschema's own matcher back.
    validator = _validator(plain(schema, only_json=True))

    def check(arguments: Mapping[str, Any]) -> dict[str, Any]:
        copied: dict[str, Any] = plain(own(arguments), only_json=True)
        problems = [_problem(error) for error in islice(validator.iter_errors(copied), SHOWN_PROBLEMS + 1)]
        if problems:
            raise Misfit(problems)
        return copied

    return check


def _validator(schema: dict[str, Any]) -> Any:
    import jsonschema
    import referencing.jsonschema

    dialect = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        # Without format checking: it would hold a pattern against Python's own kind of them.
        dialect.check_schema(schema, format_checker=jsonschema.FormatChecker(formats=()))
    except jsonschema.SchemaError as error:
        where, reason = cut(error.json_path), cut(printable(error.message), 200)
        raise BadSchema(f"is no JSON Schema: at {where}, {reason}") from None
    except RecursionError:
        raise BadSchema("is nested too deeply; make it flatter") from None
    specification = referencing.jsonschema.specification_with(dialect.META_SCHEMA["$schema"])
    parts = _parts(specification.create_resource(schema), specification)
    matchers: dict[str, Callable[[str], bool]] = {}
    for part in parts:
        part.pop("$schema", None)
        for pattern in (*part.get("patternProperties", ()), *filter(None, [part.get("pattern")])):
            matchers[pattern] = _matcher(pattern)
    words = {word for part in parts for word in part}
    if {"unevaluatedProperties", "patternProperties"} <= words:
        raise BadSchema(
            "has both patternProperties and unevaluatedProperties; write additionalProperties for the latter"
        )
    made = jsonschema.validators.extend(dialect, _Keywords(matchers).by_name())
    return made(schema, registry=referencing.Registry())


def _parts(root: Any, specification: Any) -> list[dict[str, Any]]:
    """Every schema within the schema; BadSchema for a reference that leads out of it."""
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    parts: dict[int, dict[str, Any]] = {}
    where = root.id() or ""
    waiting = [(root, Registry().with_resource(where, root).resolver(where))]
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
                    f"refers to {shown_value(part[word])}, which is not inside it and is never fetched; "
                    "put that part under $defs"
                ) from None
            waiting.append((specification.create_resource(found.contents), found.resolver))
        waiting += [(inner, resolver.in_subresource(inner)) for inner in resource.subresources()]
    return list(parts.values())


def _matcher(pattern: str) -> Callable[[str], bool]:
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        made = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        raise BadSchema(
            f"has the pattern {shown_value(pattern)}, which cannot be matched in time that is bounded; "
            "leave it out, or write it short and without look-around and backreferences"
        ) from None
    return made.isinstance_python


class _Keywords:
    """jsonschema's keywords, where its own use backtracking, compare all with all, or do not name the key."""

    def __init__(self, matchers: Mapping[str, Callable[[str], bool]]) -> None:
        from jsonschema import ValidationError

        self._matchers, self._fault = matchers, ValidationError

    def by_name(self) -> dict[str, Callable[[Any, Any, Any, Any], Iterator[Any]]]:
        return {
            "pattern": self._pattern,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
            "required": self._required,
            "uniqueItems": self._unique,
        }

    def _pattern(self, validator: Any, wanted: str, value: Any, schema: Any) -> Iterator[Any]:
        if isinstance(value, str) and not self._matchers[wanted](value):
            yield self._fault("")

    def _pattern_properties(self, validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
        for expression, inner in wanted.items() if isinstance(value, dict) else ():
            for key in filter(self._matchers[expression], value):
                yield from validator.descend(value[key], inner, path=key, schema_path=expression)

    def _additional_properties(self, validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
        known: Collection[str] = schema.get("properties", ())
        matching = [self._matchers[expression] for expression in schema.get("patternProperties", ())]
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
        items = value if wanted and isinstance(value, list) else ()
        if len({json.dumps(item, sort_keys=True) for item in items}) < len(items):
            yield self._fault("")


def _problem(error: Any) -> Problem:
    where, word = list(error.absolute_path), error.validator
    if word is None:
        return Problem((), "hold a value that is not allowed")  # jsonschema does not say where
    if word == "required":
        return Problem([*where, error.message], "is missing")
    if word == "additionalProperties":
        return Problem([*where, error.message], UNKNOWN)
    return Problem(where, f"should have {word} {shown_value(error.validator_value)}", error.instance)
