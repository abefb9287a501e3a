"""The innermost step: each kind of function with each kind of parameter."""

import functools

import anyio
import pytest

from toolcase import Call, ExecutionContext, InvalidResult, Registry


@pytest.fixture
def registry():
    return Registry(context=ExecutionContext(scope_id="tenant"))


async def test_an_async_function_gets_its_arguments_by_name(registry):
    @registry.tool
    async def subtract(a: int, b: int = 1) -> int:
        return a - b

    assert await registry.call("subtract", b=2, a=7) == 5


async def test_counts_each_start(registry):
    registry.tool(anyio.sleep, name="nap")

    result = await registry.execute("nap", {"delay": 0})

    assert result.attempts == 1


async def test_arguments_that_do_not_fit_start_nothing(registry):
    registry.tool(anyio.sleep, name="nap")

    result = await registry.execute("nap", {"delay": "long"})

    assert result.attempts == 0


async def test_positional_only_parameters_are_given_by_position(registry):
    @registry.tool
    async def subtract(a: int, b: int, /, *, c: int = 0) -> int:
        return a - b - c

    assert await registry.call("subtract", c=1, b=2, a=7) == 4


async def test_further_keywords_reach_a_function_that_takes_them(registry):
    @registry.tool
    async def collect(first: int, **rest: object) -> dict[str, object]:
        return {"first": first, **rest}

    assert await registry.call("collect", first="1", other="x") == {"first": 1, "other": "x"}


@pytest.mark.parametrize("kind", ["async", "sync", "stream"])
async def test_call_and_context_are_injected_and_cannot_be_given(registry, kind):
    async def asynchronous(n: int, call: Call, context: ExecutionContext) -> str:
        return f"{call.name} {context.scope_id} {n}"

    def synchronous(n: int, call: Call, context: ExecutionContext | None = None) -> str:
        return f"{call.name} {context.scope_id} {n}"

    async def streaming(n: int, call: Call, context: ExecutionContext):
        yield f"{call.name} {context.scope_id} {n}"

    tools = {"async": asynchronous, "sync": synchronous, "stream": streaming}
    made = registry.tool(tools[kind], name="t")
    refused = await registry.execute("t", {"n": 1, "call": None, "context": {}})

    assert await registry.call("t", n=1) == "t tenant 1"
    assert list(made.input_schema["properties"]) == ["n"]
    assert refused.error.code == "INVALID_ARGUMENTS"


@pytest.mark.parametrize(
    ("chunks", "value"),
    [(["a", "b"], "ab"), ([b"a", b"b"], b"ab"), ([1, "b"], [1, "b"]), ([], []), ([1, 2], [1, 2])],
)
async def test_a_stream_is_collected_for_one_who_wants_a_value(registry, chunks, value):
    @registry.tool
    async def stream():
        for chunk in chunks:
            yield chunk

    assert await registry.call("stream") == value


async def test_a_streams_error_is_the_calls_error(registry):
    @registry.tool
    async def stream():
        yield "a"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await registry.call("stream")


async def test_a_stream_that_is_cancelled_runs_its_finally(registry):
    ended = []

    @registry.tool
    async def stream():
        try:
            yield "a"
            await anyio.sleep(50)
        finally:
            ended.append(True)

    with anyio.move_on_after(1):
        await registry.call("stream")

    assert ended == [True]


async def test_a_result_is_checked_only_where_the_tool_says_so(registry):
    async def wrong() -> int:
        return "no number"  # type: ignore[return-value]

    registry.tool(wrong, name="unchecked")
    registry.tool(wrong, name="checked", validate_result=True)

    assert await registry.call("unchecked") == "no number"
    with pytest.raises(InvalidResult, match=r"'checked' gave what does not fit .* got 'no number'"):
        await registry.call("checked")


async def test_a_checked_result_is_as_its_annotation_says(registry):
    @registry.tool(validate_result=True)
    async def numbers() -> list[int]:
        return ["1", 2]  # type: ignore[list-item]

    assert await registry.call("numbers") == [1, 2]


async def test_a_partial_is_a_tool_too(registry):
    async def subtract(a: int, b: int) -> int:
        return a - b

    registry.tool(functools.partial(subtract, b=1), name="decrement")

    assert await registry.call("decrement", a=3) == 2


async def _one_chunk():
    yield "a"


async def _takes_its_call(call: Call) -> None:
    """An async function that cannot be called by name alone."""


@pytest.mark.parametrize("function", [_one_chunk, _takes_its_call, lambda: None])
async def test_counts_each_start_of_a_function_of_any_kind(registry, function):
    registry.tool(function, name="t")

    result = await registry.execute("t")

    assert result.attempts == 1
