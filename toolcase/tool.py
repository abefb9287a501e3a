"""A tool: a plain function with a name, a schema and declared effects, which stays that function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import fields, replace
from enum import Enum
from typing import Any, Generic, Never, ParamSpec, TypeVar, overload

import msgspec
import wrapt

from toolcase import docstrings
from toolcase.resume import Resume, bound_resume, check_resume
from toolcase.schema import Declared, Schema, build, declared_by, underlying
from toolcase.tool_options import ToolOptions

P = ParamSpec("P")
R = TypeVar("R")


class Kind(Enum):
    """How the function runs."""

    ASYNC = "async def"
    STREAM = "async def with yield"
    SYNC = "def"


class _Setting(Generic[R]):
    """A setting of a tool, as its options have it; nobody assigns to it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, tool: Any, owner: Any = None) -> R:
        return self if tool is None else getattr(tool.options, self.name)  # type: ignore[return-value]

    def __set__(self, tool: Any, value: Never) -> None:
        raise AttributeError(f"a tool keeps its {self.name}; make another one: with_options({self.name}=...)")


class Tool(wrapt.BaseObjectProxy[Callable[P, R]], Generic[P, R]):
    """A function with what a registry needs to know of it. Calling it calls the function, with no registry.

    Two tools of one function are two tools: equality is identity. The function is left as it was.
    """

    name = _Setting[str]()
    """What callers say."""
    description = _Setting[str]()
    """What a model reads to decide whether to call it."""
    tags = _Setting[frozenset[str]]()
    """Words by which hosts select tools."""
    read_only = _Setting[bool | None]()
    """Whether it changes nothing; None where nobody said."""
    timeout = _Setting[float | None]()
    """Seconds for one attempt; None where the tool does not say."""
    max_concurrent = _Setting[int | None]()
    """How many of its calls may run at once in one registry; None where the tool does not say."""
    version = _Setting[str]()
    """Which version of it this is, in the host's own words."""
    examples = _Setting[tuple[Mapping[str, Any], ...]]()
    """Arguments that fit, for models to learn from."""
    shared = _Setting[bool]()
    """Whether one caller may be given what was made for another."""
    buffer = _Setting[int | None]()
    """How many of its chunks may wait for the reader of a stream; None where the tool does not say."""
    resume = _Setting[Resume | None]()
    """What goes on after the last chunk of a stream that broke off; None where it cannot."""
    middleware = _Setting[tuple[Callable[[Any, Any], Awaitable[Any]], ...]]()
    """What stands around this tool alone, inside the registry's middleware of the same stage."""

    def __init__(
        self,
        function: Callable[P, R],
        options: ToolOptions,
        *,
        children: Iterable[Tool[..., Any]] = (),
        declared: Declared | None = None,
    ) -> None:
        super().__init__(function)
        # wrapt keeps attributes that begin with _self_ on the wrapper; others would go to the function.
        self._self_kind = _kind(function, options)
        self._self_options = options
        self._self_children = tuple(children)
        self._self_declared = declared
        self._self_schema: Schema | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.__wrapped__(*args, **kwargs)

    @property
    def function(self) -> Callable[P, R]:
        """The function itself."""
        return self.__wrapped__

    @property
    def kind(self) -> Kind:
        """How the function runs."""
        return self._self_kind

    @property
    def streams(self) -> bool:
        """Whether it gives chunks, one after another, and not one value."""
        return self._self_kind is Kind.STREAM

    @property
    def options(self) -> ToolOptions:
        """Everything that was declared, in one value."""
        return self._self_options

    @property
    def idempotent(self) -> bool | None:
        """Whether running it twice does no more than running it once; None where nobody said."""
        return True if self.read_only else self._self_options.idempotent

    @property
    def destructive(self) -> bool | None:
        """Whether it may destroy something; None where nobody said."""
        return False if self.read_only else self._self_options.destructive

    @property
    def children(self) -> tuple[Tool[..., Any], ...]:
        """The tools that it is made of; none for a leaf."""
        return self._self_children

    @property
    def schema(self) -> Schema:
        """Schema and validator, built on first use; TypeError if the signature cannot make a tool."""
        if self._self_schema is None:
            options = self._self_options
            self._self_schema = build(
                self.__wrapped__,
                tool=options.name,
                strict=options.strict,
                checks_result=options.validate_result,
                declared=self._self_declared,
                examples=options.examples,
            )
        return self._self_schema

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of the arguments."""
        return self.schema.json()

    def exposes(self, error: BaseException) -> bool:
        """Whether the message of this exception may be shown to a model."""
        return isinstance(error, self._self_options.expose)

    def with_options(self, **changes: Any) -> Tool[P, R]:
        """Another tool of the same function, with some settings changed."""
        return self._with(self.__wrapped__, replace(self._self_options, **changes))  # type: ignore[return-value]

    def _with(self, function: Callable[..., Any], options: ToolOptions) -> Tool[..., Any]:
        return Tool(function, options, children=self._self_children, declared=self._self_declared)

    @overload
    def __get__(self, instance: msgspec.Struct | None, owner: Any = None) -> Tool[P, R]: ...
    @overload
    def __get__(self, instance: object, owner: Any = None) -> Tool[..., R]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Tool[..., R]:
        """Of a method: the tool itself on the class, a tool of the bound method on an object."""
        bind = getattr(type(self.__wrapped__), "__get__", None)
        if instance is None or bind is None:
            return self
        function, options = bind(self.__wrapped__, instance, owner), self._self_options
        if options.resume is not None:
            options = replace(options, resume=bound_resume(options.resume, function))
        return self._with(function, options)

    __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__

    def __repr__(self) -> str:
        return f"<tool {self.name!r} of {self.__wrapped__!r}>"

    # None, so that `copy` asks `__reduce_ex__`, and takes what has a name as it is.
    __copy__ = __deepcopy__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: Any) -> str:
        """By name, as a function: the decorated name in its module is this tool."""
        return str(self.__qualname__)


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Iterable[str] = (),
    read_only: bool | None = None,
    idempotent: bool | None = None,
    destructive: bool | None = None,
    timeout: float | None = None,
    max_concurrent: int | None = None,
    middleware: Iterable[Callable[[Any, Any], Awaitable[Any]]] = (),
    strict: bool = False,
    expose: Iterable[type[Exception]] = (ValueError, LookupError),
    validate_result: bool = False,
    version: str = "",
    examples: Iterable[Mapping[str, Any]] = (),
    shared: bool = False,
    buffer: int | None = None,
    resume: Resume | None = None,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Make a tool of a function; it stays callable as before, with its signature and hints.

    The name is the function's, the description its docstring up to the first section, unless given.
    `read_only=True` implies idempotent and not destructive. `timeout` is in seconds, for one attempt.
    At most `max_concurrent` calls run at once, as many more wait, and the rest are refused.
    `strict` takes no "5" for 5. The messages of exceptions in `expose` may be shown to a model.
    `validate_result` checks what the function gives against its return annotation. `examples` are
    arguments that fit. `shared` says that one caller may be given what was made for another.
    `buffer` is how many chunks may wait for the reader of a stream; where nobody says, 16.
    `resume(cursor, ...)` yields what comes after the chunk `cursor`, where a stream broke off.
    """
    if function is None:
        return lambda function: tool_of(function, **settings)
    return tool_of(function, **settings)


def tool_of(function: Callable[P, R], *, declared: Declared | None = None, **settings: Any) -> Tool[P, R]:
    """What `tool` does, as a plain function; of a tool it makes another one with some settings changed."""
    settings = {key: value for key, value in settings.items() if value is not None}
    if inspect.ismethod(function) and isinstance(function.__func__, Tool):
        function = function.__func__.__get__(function.__self__)  # from 3.13 on, what a classmethod gives
    if isinstance(function, Tool) and declared is None:
        return function.with_options(**settings)
    if isinstance(function, type) or not callable(function):
        raise TypeError(f"@tool takes a function, got {function!r}; put it directly above a `def`")
    declared = declared or declared_by(function)
    for setting in fields(ToolOptions) if declared else ():
        if (said := getattr(function, setting.name, None)) is not None:
            settings.setdefault(setting.name, said)
    named: Any = function
    while isinstance(named, functools.partial):
        named = named.func
    docstring = inspect.getdoc(named) or underlying(function).__doc__ or ""
    settings.setdefault("name", getattr(named, "__name__", type(named).__name__))
    settings.setdefault("description", docstrings.summary(docstring))
    made = Tool(function, ToolOptions(**settings), declared=declared)
    _ = declared and made.schema  # a schema that is none is an error now
    return made


def _kind(function: Callable[..., Any], options: ToolOptions) -> Kind:
    plain = underlying(function)
    code = getattr(plain, "__code__", None)
    # What functools.wraps made takes *args and says otherwise.
    if code is not None and code.co_flags & inspect.CO_VARARGS and not hasattr(plain, "__wrapped__"):
        raise TypeError(f"tool {options.name!r} cannot take *args: a caller gives arguments by name")
    check_resume(options.resume, function, options.name)
    if inspect.isasyncgenfunction(plain):
        if options.validate_result:
            raise TypeError(f"tool {options.name!r} gives chunks; validate_result=True is for one value")
        return Kind.STREAM
    if inspect.iscoroutinefunction(plain):
        return Kind.ASYNC
    if inspect.isgeneratorfunction(plain):
        raise TypeError(f"tool {options.name!r} is a generator that is not async; write it with `async def`")
    return Kind.SYNC
