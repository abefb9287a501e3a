"""From a signature to a JSON Schema and a validator, and from a misfit to words a model can act on."""

from __future__ import annotations

import contextlib
import copy
import difflib
import functools
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolcase import docstrings
from toolcase.errors import InvalidArguments, InvalidResult

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

Arguments = Mapping[str, Any] | bytes | str
"""What a caller may give: a mapping, or a JSON object as text or bytes."""

_Names = Mapping[str, bool]
"""The parameters that a caller gives, each with whether its values are secret."""

LISTED_ERRORS = 1_000
SHOWN_ERRORS = 5
SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Schema:
    """What a tool takes and gives: JSON Schema 2020-12 for models, a validator for calls.

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
    _adapter: TypeAdapter[Any]
    _tool: str

    def json(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of the arguments, a new dict each time; TypeError if JSON cannot say them."""
        try:
            schema = self._adapter.json_schema(schema_generator=_generator())
        except Exception as error:
            reason = getattr(error, "message", error)
            raise TypeError(
                f"the parameters of tool {self._tool!r} have no JSON Schema: {reason}; "
                "annotate them with types that JSON can say"
            ) from error
        schema.pop("title", None)
        return schema


def build(
    function: Callable[..., Any], *, tool: str, strict: bool = False, checks_result: bool = False
) -> Schema:
    """Read the signature and annotations of `function`; TypeError if they cannot make a tool."""
    plain = underlying(function)
    with _readable(tool):
        parameters = inspect.signature(function).parameters.values()
        hints = typing.get_type_hints(plain, include_extras=True)
    described = docstrings.parameters(inspect.getdoc(plain) or "")
    fields: dict[str, Any] = {}
    names: dict[str, bool] = {}
    injected: dict[str, Callable[[Any], Any]] = {}
    extra: Any = _NONE
    for parameter in parameters:
        annotation = hints.get(parameter.name, Any)
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise TypeError(f"tool {tool!r} cannot take *{parameter.name}: a caller gives arguments by name")
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = _extra(annotation, parameter.name, tool)
        elif (take := _injection(annotation)) is not None:
            injected[parameter.name] = take
        else:
            with _readable(tool):
                fields[parameter.name] = _field(parameter, annotation, described.get(parameter.name))
                names[parameter.name] = _is_secret(annotation)
    with _readable(tool):
        adapter = _adapter(tool, fields, extra=extra, strict=strict)
    return Schema(
        validate=_validator(adapter, tool, names),
        validate_result=_result_validator(hints.get("return", Any), tool, now=checks_result),
        injected=injected,
        positional=tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY),
        _adapter=adapter,
        _tool=tool,
    )


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


def _validator(adapter: TypeAdapter[Any], tool: str, names: _Names) -> Callable[[Arguments], dict[str, Any]]:
    from pydantic import ValidationError

    check, check_json = adapter.validator.validate_python, adapter.validator.validate_json

    def validate(arguments: Arguments) -> dict[str, Any]:
        try:
            validated: dict[str, Any]
            if isinstance(arguments, dict):
                validated = check(arguments)
            elif isinstance(arguments, bytes | str):
                validated = check_json(arguments)
            elif isinstance(arguments, Mapping):
                validated = check(dict(arguments))
            else:
                wanted = f"arguments of {tool!r} must be a mapping or a JSON object"
                raise InvalidArguments(f"{wanted}, got {_shown(arguments)}", without_values=wanted)
        except ValidationError as error:
            shown, unshown = (_explain(error, tool, names, shown) for shown in (True, False))
            raise InvalidArguments(shown, without_values=unshown) from None
        except InvalidArguments:
            raise
        except Exception as error:  # of a validator that the tool's author wrote, or too deep for Python
            raise InvalidArguments(
                f"the arguments of {tool!r} could not be checked: {type(error).__name__}"
            ) from error
        return validated

    return validate


def _explain(error: ValidationError, tool: str, names: _Names, shown: bool) -> str:
    count = error.error_count()
    if count > LISTED_ERRORS:  # pydantic makes a list of all or of none
        return f"invalid arguments for {tool!r}: {count} values do not fit their types"
    problems = error.errors(include_url=False, include_context=False)
    lines = [_problem(problem, names, shown) for problem in problems[:SHOWN_ERRORS]]
    if len(problems) > SHOWN_ERRORS:
        lines.append(f"and {len(problems) - SHOWN_ERRORS} more")
    return f"invalid arguments for {tool!r}: " + "; ".join(lines)


def _problem(problem: Mapping[str, Any], names: _Names, shown: bool) -> str:
    location, kind = problem["loc"], problem["type"]
    secret = bool(location) and names.get(str(location[0]), False)
    got = f"; got {_shown(problem['input'])}" if shown and not secret else ""
    if kind == "json_invalid":
        return f"the arguments are no JSON: {problem['msg'].removeprefix('Invalid JSON: ')}"
    if not location:
        return f"the arguments {_should(problem['msg'])}"
    if kind == "invalid_key" and len(location) == 1:
        return f"the name of an argument should be a string{got}"
    name = _cut(str(location[0]) + "".join(f"[{step!r}]" for step in location[1:]))
    if kind == "missing":
        return f"argument {name!r} is missing"
    if kind == "extra_forbidden" and len(location) == 1:
        known = f"it takes {', '.join(map(repr, names))}" if names else "it takes none"
        return f"unknown argument {name!r}; {nearest(name, names) or known}"
    return f"argument {name!r} {_should(problem['msg'])}{got}"


def _result_validator(annotation: Any, tool: str, *, now: bool) -> Callable[[Any], Any]:
    """Builds its validator at the first result unless told so `now`: most tools never check theirs."""

    @functools.cache
    def checker() -> Callable[[Any], dict[str, Any]]:
        with _readable(tool):
            check: Callable[[Any], dict[str, Any]] = _adapter(
                tool, {"result": typing.Required[annotation]}
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
            where = "".join(f"[{step!r}]" for step in problem["loc"][1:])
            raise InvalidResult(
                f"{tool!r} gave a result that does not fit its return type: "
                f"result{where} {_should(problem['msg'])}; got {_shown(problem['input'])}"
            ) from None

    return validate


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the most similar known name, or nothing."""
    close = difflib.get_close_matches(name[:SHOWN_CHARACTERS], list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def _injection(annotation: Any) -> Callable[[Any], Any] | None:
    """How to take a parameter of this type from the call: the type says so itself, in `__from_call__`."""
    if isinstance(annotation, type):
        take = getattr(annotation, "__from_call__", None)
        return take if callable(take) else None
    if typing.get_origin(annotation) in (typing.Annotated, typing.Union, types.UnionType):
        return next(filter(None, map(_injection, typing.get_args(annotation))), None)
    return None


def _field(parameter: inspect.Parameter, annotation: Any, description: str | None) -> Any:
    """The annotation with the docstring's description and the default, for one key of a TypedDict."""
    from pydantic import Field
    from pydantic.fields import FieldInfo

    if description and not _described(annotation):
        annotation = typing.Annotated[annotation, Field(description=description)]
    if parameter.default is parameter.empty:
        return typing.Required[annotation]
    if isinstance(parameter.default, FieldInfo):  # `size: int = Field(5, ge=1)`, as pydantic's users write it
        return typing.Required[typing.Annotated[annotation, parameter.default]]
    return typing.NotRequired[typing.Annotated[annotation, _Default(parameter.default)]]


def _is_secret(annotation: Any) -> bool:
    """Whether values of this type are not to be shown, because one of pydantic's secret types is in it."""
    from pydantic import Secret, SecretBytes, SecretStr

    kind = typing.get_origin(annotation) or annotation
    if isinstance(kind, type) and issubclass(kind, Secret | SecretBytes | SecretStr):
        return True
    return any(_is_secret(part) for part in typing.get_args(annotation))


def _described(annotation: Any) -> bool:
    metadata = getattr(annotation, "__metadata__", ())
    return any(getattr(note, "description", None) for note in metadata)


def _extra(annotation: Any, name: str, tool: str) -> Any:
    """The type of every argument that **kwargs takes in."""
    if typing.get_origin(annotation) is typing.Unpack:
        raise TypeError(
            f"tool {tool!r} cannot take **{name} as a TypedDict; write its keys as parameters of their own"
        )
    return annotation


class _Default:
    """Tells pydantic the default of a TypedDict key, which it has no public way to say otherwise."""

    def __init__(self, default: Any) -> None:
        self.default = default

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        if self.shared():
            return core_schema.with_default_schema(handler(source), default_factory=lambda: self.default)
        return core_schema.with_default_schema(handler(source), default=self.default)

    def shared(self) -> bool:
        """Whether all calls share it, as in Python: pydantic copies what has no hash, and cannot here."""
        try:
            hash(self.default)
        except Exception:  # noqa: BLE001  foreign code
            try:
                copy.deepcopy(self.default)
            except Exception:  # noqa: BLE001  foreign code
                return True
        return False


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


_NONE: Any = object()
"""No **kwargs."""


def _adapter(
    tool: str, fields: dict[str, Any], *, extra: Any = _NONE, strict: bool = False
) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter
    from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

    make: Any = TypedDict
    shape = make(tool, fields)
    shape.__pydantic_config__ = {
        "extra": "forbid" if extra is _NONE else "allow",
        "strict": strict,
        "arbitrary_types_allowed": True,
        # A model says the alias, which is what the schema shows; code may say the parameter's own name.
        "validate_by_alias": True,
        "validate_by_name": True,
    }
    return TypeAdapter(shape if extra in (_NONE, Any) else typing.Annotated[shape, _Extras(extra)])


@functools.cache
def _generator() -> Any:
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


def _should(message: str) -> str:
    """pydantic's sentence, made to follow a subject: 'Input should be ...' gives 'should be ...'."""
    if message.startswith("Input "):
        return message.removeprefix("Input ").rstrip(".")
    return "is wrong: " + message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  a repr may raise anything
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
