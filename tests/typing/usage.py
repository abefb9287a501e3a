"""How users call us: mypy reads this in its strict mode, and nothing ever runs it.

A wrong use carries the code of the error that it must be; one that mypy lets pass is an unused ignore.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, assert_type

from toolcase import (
    Call,
    Denied,
    ErrorCode,
    ErrorInfo,
    ExecutionContext,
    Inner,
    InvalidArguments,
    Part,
    Registry,
    Stage,
    Tool,
    ToolError,
    ToolObject,
    ToolResult,
    ToolTimeout,
    View,
    shielded,
    tool,
    tool_from_schema,
)
from toolcase.runtime import (
    Backoff,
    CircuitBreakerMiddleware,
    CircuitRecord,
    CircuitState,
    ConstantBackoff,
    DecorrelatedJitterBackoff,
    ExponentialBackoff,
    LinearBackoff,
    LoggingMiddleware,
    RetryBudget,
    RetryMiddleware,
    RetryPolicy,
    TimeoutMiddleware,
    by_scope,
    compose,
)

# Tools


@tool
def add(first: int, second: int = 2) -> int:
    """Synchronous, bare."""
    return first + second


@tool(name="fetch_page", tags=["web"], read_only=True, timeout=5, max_concurrent=2, expose=[OSError])
async def fetch(url: str, *, retries: int = 0) -> bytes:
    """Asynchronous, with settings."""
    return url.encode() * retries


@tool
async def count(to: int) -> AsyncIterator[int]:
    """Streaming."""
    for number in range(to):
        yield number


@tool()
async def whoami(call: Call, context: ExecutionContext, prefix: str = "") -> str:
    """Takes what toolcase gives."""
    assert_type(call.context, ExecutionContext)
    assert_type(call.parent, Call | None)
    assert_type(call.tool, Tool[..., Any] | None)
    return f"{prefix}{context.principal_id}"


class Account:
    """Tools may be methods."""

    @tool(destructive=True, idempotent=False)
    async def pay(self, amount: int) -> bool:
        """Pay."""
        return amount > 0

    @staticmethod
    @tool
    def fee(amount: int) -> float:
        """Say what it costs."""
        return amount / 100


class Weather:
    """A class tool."""

    name = "weather"
    input_schema: ClassVar[dict[str, Any]] = {"properties": {"city": {"type": "string"}}}

    async def __call__(self, city: str) -> float:
        """Ask."""
        return len(city)


async def ask(arguments: Mapping[str, Any]) -> str:
    """Of a server."""
    return str(arguments)


async def declares_tools_by_schema() -> None:
    """What a schema declares keeps what its function gives."""
    weather: ToolObject = Weather()
    assert_type(await tool(Weather())("Oslo"), float)
    remote = tool_from_schema(ask, name="ask", input_schema=weather.input_schema, timeout=5)
    assert_type(await remote({"city": "Oslo"}), str)
    tool_from_schema(ask, input_schema={})  # type: ignore[call-arg]
    Registry().add(Weather(), remote)


@tool(version="2", examples=[{"first": 1}], shared=True)
def described(first: int) -> int:
    """With everything said."""
    return first


async def calls_tools_directly() -> None:
    """A tool still is its function."""
    assert_type(add(1), int)
    assert_type(add(1, second=3), int)
    assert_type(await fetch("https://example.org", retries=1), bytes)
    assert_type(add.function(1), int)
    assert_type(add.with_options(name="plus")(1), int)
    assert_type(tool(name="plus")(add)(1), int)
    assert_type(Account.fee(1), float)
    async for number in count(3):
        assert_type(number, int)


async def calls_tools_wrongly() -> None:
    """Parameters are checked as the function's own."""
    add("1")  # type: ignore[arg-type]
    add()  # type: ignore[call-arg]
    add(1, third=3)  # type: ignore[call-arg]
    await fetch("https://example.org", 1)  # type: ignore[call-arg]
    fetch("https://example.org")  # type: ignore[unused-coroutine]


async def calls_methods() -> None:
    """A tool of a bound method gives what the method gives; its parameters are the schema's matter."""
    account = Account()
    assert_type(await account.pay(5), bool)
    assert_type(account.pay.name, str)
    assert_type(account.pay, Tool[..., Coroutine[Any, Any, bool]])


def asks_a_tool() -> None:
    """What was declared."""
    assert_type(fetch.name, str)
    assert_type(fetch.read_only, bool | None)
    assert_type(fetch.timeout, float | None)
    assert_type(fetch.max_concurrent, int | None)
    assert_type(fetch.tags, frozenset[str])
    assert_type(fetch.children, tuple[Tool[..., Any], ...])
    assert_type(fetch.input_schema, dict[str, Any])


def declares_wrongly(function: Callable[[], int]) -> None:
    """Settings are checked where they are written."""
    tool(5)  # type: ignore[call-overload]
    tool(read_only="yes")(function)  # type: ignore[call-overload]
    tool(timeout="5")(function)  # type: ignore[call-overload]
    tool(max_concurrent="5")(function)  # type: ignore[call-overload]
    tool(expose=[KeyboardInterrupt])(function)  # type: ignore[list-item]
    tool(retries=3)(function)  # type: ignore[call-overload]
    add.name = "plus"  # type: ignore[assignment]


# Registry

registry = Registry(context=ExecutionContext(scope_id="tenant"), max_threads=4)
registry.add(add, fetch, count, Account().pay, functools.partial(add.function, 1), lambda: 1)


@registry.tool
async def later(seconds: float) -> str:
    """Decorated by the registry, bare."""
    return str(seconds)


@registry.tool(name="soon", read_only=True)
def sooner(seconds: float) -> str:
    """Decorated by the registry, with settings."""
    return str(seconds)


async def uses_a_registry() -> None:
    """All verbs, and what they give."""
    assert_type(await later(1.0), str)
    assert_type(sooner(1.0), str)
    assert_type(await registry.call("add", first=1), Any)
    assert_type(registry.get("add"), Tool[..., Any])
    assert_type(registry.names(), list[str])
    for arguments in ({"first": 1}, b'{"first": 1}', '{"first": 1}', None):
        await registry.execute("add", arguments, timeout=5, idempotency_key="once")


async def reads_a_result() -> str:
    """A value, or what is known of the failure."""
    result = await registry.execute("add", {"first": 1}, context=ExecutionContext(principal_id="me"))
    assert_type(result, ToolResult)
    if result.error is not None:
        assert_type(result.error, ErrorInfo)
        assert_type(result.error.retry_after, float | None)
    assert_type(result.unwrap(), Any)
    assert_type(result.content, tuple[Part, ...])
    return result.for_model(max_chars=500)


def keeps_secrets() -> None:
    """Values, and the names of keys."""
    registry.secrets.add("s3cret", b"s3cret")
    assert_type(registry.secrets.redact("text"), str)
    registry.secrets.add_key(b"pin")  # type: ignore[arg-type]


async def uses_a_view() -> None:
    """Fewer tools, a fixed context and limit."""
    view = registry.view(only=["add", "db_*"], tags={"web"}, context=ExecutionContext(), timeout=10)
    assert_type(view, View)
    assert_type(await view.call("add", first=1), Any)
    assert_type(await view.execute("add", b"{}", timeout=1), ToolResult)


async def uses_a_registry_wrongly() -> None:
    """What a type can tell, it tells."""
    registry.call("add")  # type: ignore[unused-coroutine]
    await registry.call(add)  # type: ignore[arg-type]
    await registry.execute("add", [1])  # type: ignore[arg-type]
    await registry.execute("add", {}, timeout="5")  # type: ignore[arg-type]
    registry.add("add")  # type: ignore[arg-type]
    registry.use(5)  # type: ignore[arg-type]


async def catches_errors() -> None:
    """By type."""
    try:
        await registry.call("add", first=1)
    except ToolTimeout as error:
        assert_type(error.kind, str)
    except (InvalidArguments, Denied) as error:
        assert_type(error.info, ErrorInfo)
    except ToolError as error:
        assert_type(error.retry_after, float | None)


async def cleans_up() -> None:
    """For a bounded time, whoever cancels."""
    with shielded(5):
        await fetch("https://example.org")


# Middleware


async def only_me(call: Call, inner: Inner) -> Any:
    """A guard, as a plain function."""
    if call.context.principal_id != "me":
        raise Denied(f"{call.name!r} is for me; ask me")
    return await inner(call)


@dataclass(slots=True)
class Counter:
    """An observer, as a class that holds its settings."""

    calls: dict[str, int] = field(default_factory=dict)
    stage: ClassVar[Stage] = Stage.OBSERVE

    async def __call__(self, call: Call, inner: Inner) -> Any:
        self.calls[call.name] = self.calls.get(call.name, 0) + 1
        return await inner(call)


async def takes_too_little(call: Call) -> Any:
    """No middleware: it does not take inner."""


def hands_on(call: Call, inner: Inner) -> Awaitable[Any]:
    """One that need not wait itself."""
    return inner(call)


registry.use(Counter(), only_me, hands_on)
registry.use([LoggingMiddleware(), TimeoutMiddleware(30)], only="db_*")
registry.use(
    RetryMiddleware(RetryPolicy(max_attempts=5, backoff=ExponentialBackoff(cap=10), retry_on=OSError))
)
registry.use(takes_too_little)  # type: ignore[arg-type]
registry.use(Counter)  # type: ignore[arg-type]


@tool(middleware=[TimeoutMiddleware(1), only_me])
async def guarded(number: int) -> int:
    """Has middleware of its own."""
    return number


async def composes_without_a_registry() -> None:
    """The same parameters, always awaited."""
    bounded = compose(TimeoutMiddleware(1), only_me)(add)
    await bounded(1, second=2)
    await bounded("1")  # type: ignore[arg-type]


class OwnBackoff:
    """Waits as the host likes."""

    def wait(self, attempt: int, random: Callable[[], float], previous: float) -> float:
        return previous + attempt * random()


class WaitsForNoPrevious:
    """No backoff: it is not told the wait before."""

    def wait(self, attempt: int, random: Callable[[], float]) -> float:
        return 1.0


class OwnCircuits:
    """Where breakers meet."""

    async def load(self, key: str) -> CircuitRecord | None:
        return None

    async def save(self, key: str, record: CircuitRecord, expected: int) -> bool:
        return expected == record.version


def makes_breakers() -> None:
    """By ratio, in a row, by key, shared."""
    registry.use(CircuitBreakerMiddleware())
    breaker = CircuitBreakerMiddleware(failure_threshold=5, recovery_time=30, key=by_scope)
    breaker.isolate("fetch_page", "acme", reason="maintenance")
    assert_type(breaker.state("fetch_page", "acme"), CircuitState)
    CircuitBreakerMiddleware(counts=(OSError, ErrorCode.TIMEOUT), shared=OwnCircuits())
    CircuitBreakerMiddleware(counts=lambda error: "busy" in str(error), on_change=print)
    CircuitBreakerMiddleware(counts="TIMEOUT")  # type: ignore[arg-type]
    CircuitBreakerMiddleware(5)  # type: ignore[call-arg]


def makes_policies() -> None:
    """Types, codes, or a predicate."""
    RetryPolicy(retry_on=(OSError, LookupError))
    RetryPolicy(retry_on=ErrorCode.UNAVAILABLE)
    RetryPolicy(retry_on=(OSError, ErrorCode.UNAVAILABLE))
    RetryPolicy(retry_on=lambda error: "busy" in str(error))
    RetryPolicy(retry_if_result=lambda value: value is None, not_dispatched=(OSError,))
    RetryPolicy(budget=RetryBudget(ratio=0.1, reserve=5))
    RetryPolicy(backoff=OwnBackoff())
    RetryPolicy(retry_on="UNAVAILABLE")  # type: ignore[arg-type]
    RetryPolicy(backoff=WaitsForNoPrevious())  # type: ignore[arg-type]
    RetryPolicy(budget=0.2)  # type: ignore[arg-type]
    RetryPolicy(retry_on=5)  # type: ignore[arg-type]
    RetryPolicy(backoff=5)  # type: ignore[arg-type]
    RetryPolicy(5)  # type: ignore[call-arg]


def makes_backoffs() -> tuple[Backoff, ...]:
    """Each is one."""
    return (
        ConstantBackoff(seconds=1),
        LinearBackoff(base=1, jitter=False),
        ExponentialBackoff(factor=3),
        DecorrelatedJitterBackoff(cap=10),
    )


# Context
