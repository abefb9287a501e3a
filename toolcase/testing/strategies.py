"""Hypothesis strategies for tools, their arguments, and what stands around them.

Needs hypothesis, which the extra `toolcase[testing]` brings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from types import MappingProxyType
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from toolcase.call import Call, Inner, Middleware, Stage
from toolcase.errors import InvalidArguments, ToolError
from toolcase.middleware import RetryMiddleware, TimeoutMiddleware
from toolcase.retry import ExponentialBackoff, RetryPolicy
from toolcase.testing.script import Fail, Give, Hang, Script, Step
from toolcase.tool import Tool
from toolcase.tool_options import ToolOptions

MOMENTS = (0.0, 0.5, 1.0, 3.0, 8.0)
"""Seconds, few and apart; like all seconds drawn here binary fractions, so that their sums are exact."""

ERRORS = (ConnectionError, OSError, ValueError, ToolError)
"""Some that a retry accepts, and some that it does not."""


@dataclass(frozen=True, slots=True)
class Passing:
    """A middleware that changes nothing, in any stage."""

    stage: Stage

    async def __call__(self, call: Call, inner: Inner) -> Any:
        return await inner(call)


class Twins(NamedTuple):
    """Four tools that differ only in how their function is written; the streams have one chunk."""

    asynchronous: Tool[..., Any]
    synchronous: Tool[..., Any]
    stream: Tool[..., Any]
    synchronous_stream: Tool[..., Any]


# Tools


def outcomes(values: SearchStrategy[Any] | None = None) -> SearchStrategy[Give | Fail]:
    """How a run ends by itself: with a value or an error, at once or after some seconds."""
    moments = st.sampled_from(MOMENTS)
    given = st.builds(Give, st.integers() if values is None else values, after=moments)
    return given | st.builds(lambda kind, after: Fail(kind("drawn"), after), st.sampled_from(ERRORS), moments)


def steps() -> SearchStrategy[Step]:
    """What one run does: an outcome, or nothing until it is cancelled, with clean-up that takes its time."""
    return outcomes() | st.builds(Hang, cleanup=st.sampled_from(MOMENTS))


def scripts(*, max_size: int = 4) -> SearchStrategy[tuple[Step, ...]]:
    """The steps of a `Script`: `Script(*drawn)`."""
    return st.lists(steps(), min_size=1, max_size=max_size).map(tuple)


def tools(name: str = "drawn") -> SearchStrategy[Tool[..., Any]]:
    """Async tools that give, fail, take long or resist cancellation; idempotent or not or undeclared."""
    return st.builds(
        lambda script, idempotent: Script(*script).tool(name, idempotent=idempotent),
        scripts(),
        st.sampled_from([None, True, False]),
    )


def twins(name: str = "drawn") -> SearchStrategy[Twins]:
    """One outcome, text or an error, as a coroutine, as a plain function and as streams of both kinds."""
    errors = st.sampled_from(ERRORS).map(lambda kind: kind("drawn"))
    return st.builds(lambda outcome: _twins(outcome, ToolOptions(name=name)), st.text() | errors)


def _twins(outcome: str | Exception, options: ToolOptions) -> Twins:
    def synchronous() -> str:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def asynchronous() -> str:
        return synchronous()

    async def stream() -> Any:
        yield synchronous()

    def synchronous_stream() -> Any:
        yield synchronous()

    functions = (asynchronous, synchronous, stream, synchronous_stream)
    return Twins(*(Tool(function, options) for function in functions))


# What stands around them


def policies() -> SearchStrategy[RetryPolicy]:
    """Retry policies of 1 to 4 attempts, with waits that are no matter of chance."""
    return st.builds(
        lambda attempts, base: RetryPolicy(
            max_attempts=attempts, backoff=ExponentialBackoff(base=base, jitter=False)
        ),
        st.integers(1, 4),
        st.sampled_from([0.125, 1.0]),
    )


def acting() -> SearchStrategy[Middleware]:
    """Middleware of the stage ACT: retries and limits of time."""
    limits = st.builds(TimeoutMiddleware, st.sampled_from([0.75, 2.0, 5.0]))
    return st.builds(RetryMiddleware, policies()) | limits


def stacks(*, max_size: int = 4) -> SearchStrategy[list[Middleware]]:
    """Middleware of all stages, in any order: observers and guards that pass on, retries, limits of time."""
    return st.lists(st.builds(Passing, st.sampled_from(Stage)) | acting(), max_size=max_size)


# Arguments


def arguments(tool: Tool[..., Any]) -> SearchStrategy[dict[str, Any]]:
    """Arguments that the tool takes, as they come out of JSON."""
    schema = tool.input_schema
    drawn: SearchStrategy[dict[str, Any]] = _values(schema, schema.get("$defs", {}))
    return drawn.filter(lambda given: _fits(tool, given))


def misfits(tool: Tool[..., Any]) -> SearchStrategy[dict[str, Any]]:
    """Arguments with one thing wrong: one too few, one too many, or one of another type.

    Draws nothing for a tool that takes anything.
    """
    schema = tool.input_schema
    wrong = [_without(name) for name in schema.get("required", ())]
    wrong += [_with(name, json_values()) for name in schema["properties"]]
    if schema.get("additionalProperties") is False:
        wrong.append(_with("no_such_argument", json_values()))
    spoiled = [st.builds(lambda given, spoil: spoil(given), arguments(tool), spoil) for spoil in wrong]
    return st.one_of(spoiled).filter(lambda given: not _fits(tool, given))


def json_values() -> SearchStrategy[Any]:
    """Anything that JSON can say."""
    plain = st.none() | st.booleans() | st.integers() | _floats() | st.text()
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    )


def _without(name: str) -> SearchStrategy[Any]:
    return st.just(lambda given: {key: value for key, value in given.items() if key != name})


def _with(name: str, values: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return values.map(lambda value: lambda given: {**given, name: value})


def _fits(tool: Tool[..., Any], given: dict[str, Any]) -> bool:
    try:
        tool.schema.validate(given)
    except InvalidArguments:
        return False
    return True


_Schema = Mapping[str, Any]


def _values(schema: _Schema, definitions: _Schema) -> SearchStrategy[Any]:
    """What the JSON Schema of a tool allows, as far as pydantic writes it; the rest is filtered."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return st.deferred(lambda: _values(definitions[name], definitions))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return st.one_of([_values(each, definitions) for each in schema[several]])
    kind = schema.get("type")
    if kind == "array":
        return _lists(schema, definitions)
    if kind == "object":
        return _objects(schema, definitions)
    scalar = _SCALARS.get(str(kind))
    return json_values() if scalar is None else scalar(schema)


def _lists(schema: _Schema, definitions: _Schema) -> SearchStrategy[Any]:
    fixed: Sequence[_Schema] = schema.get("prefixItems", ())
    if fixed:
        return st.tuples(*(_values(each, definitions) for each in fixed)).map(list)
    least = schema.get("minItems", 0)
    return st.lists(
        _values(schema.get("items", {}), definitions),
        min_size=least,
        max_size=schema.get("maxItems", least + 4),
        unique_by=repr if schema.get("uniqueItems") else None,
    )


def _objects(schema: _Schema, definitions: _Schema) -> SearchStrategy[Any]:
    properties = {name: _values(each, definitions) for name, each in schema.get("properties", {}).items()}
    required = set(schema.get("required", ()))
    known = st.fixed_dictionaries(
        {name: values for name, values in properties.items() if name in required},
        optional={name: values for name, values in properties.items() if name not in required},
    )
    more = schema.get("additionalProperties", False)
    if more is False:
        return known
    extras = st.dictionaries(st.text(), _values({} if more is True else more, definitions), max_size=3)
    return st.builds(lambda extra, given: {**extra, **given}, extras, known)


def _integers(schema: _Schema) -> SearchStrategy[int]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + 1
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - 1
    return st.integers(low, high)


def _floats(schema: _Schema = MappingProxyType({})) -> SearchStrategy[float]:
    low = schema.get("exclusiveMinimum", schema.get("minimum"))
    high = schema.get("exclusiveMaximum", schema.get("maximum"))
    return st.floats(
        low,
        high,
        allow_nan=False,
        allow_infinity=False,
        exclude_min="exclusiveMinimum" in schema,
        exclude_max="exclusiveMaximum" in schema,
    )


def _strings(schema: _Schema) -> SearchStrategy[str]:
    if "pattern" in schema:
        return st.from_regex(re.compile(schema["pattern"]))
    written = {
        "date": st.dates().map(lambda day: day.isoformat()),
        "date-time": st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat()),
        "time": st.times().map(lambda time: time.isoformat()),
        "uuid": st.uuids().map(str),
    }
    if schema.get("format") in written:
        return written[schema["format"]]
    return st.text(min_size=schema.get("minLength", 0), max_size=schema.get("maxLength"))


_SCALARS: Mapping[str, Callable[[_Schema], SearchStrategy[Any]]] = MappingProxyType(
    {
        "null": lambda _: st.none(),
        "boolean": lambda _: st.booleans(),
        "integer": _integers,
        "number": _floats,
        "string": _strings,
    }
)
