"""A run that its caller may leave: it has a life of its own, and the same tool, arguments and context."""

import math

import anyio
import pytest

from toolcase import Call, CancellationToken, ExecutionContext, Registry, Stage, ToolFailed, remaining
from toolcase.events import AttemptStarted, UsageReported
from toolcase.runtime import Detached, RetryMiddleware, TimeoutMiddleware
from toolcase.testing import current_clock


class Apart:
    """Runs what is inside it detached, in a task of its own, and waits for it, or not."""

    stage = Stage.ACT

    def __init__(self, *, waits=True, patience=math.inf):
        self.waits, self.patience, self.heard, self.outcome = waits, patience, [], None

    async def __call__(self, call, inner):
        self.call = call
        self.run = Detached(call, patience=lambda: self.patience, notify=self.heard.append)

        async def work():
            try:
                self.outcome = await self.run.run(inner)
            except Exception as error:
                self.outcome = error

        task = call.host.spawn(work)
        if self.waits:
            await task.wait()
        return self.outcome


def apart(*inside, **settings):
    """A registry whose tools run so."""
    registry, middleware = Registry(clock=current_clock()), Apart(**settings)
    registry.use(middleware, only="parent")
    registry.use(*inside, only="parent")
    return registry, middleware


def test_who_waits_and_who_is_told_are_given_by_name():
    with pytest.raises(TypeError, match="positional"):
        Detached(None, lambda: math.inf, print)


async def test_gives_one_value_where_its_caller_streams_and_may_have_gone():
    registry, middleware = apart()

    @registry.tool
    async def parent():
        yield "a"
        yield "b"

    assert await registry.stream("parent").collect() == "ab"
    assert middleware.outcome == "ab"
    assert middleware.run.call.emit is None


async def test_gives_what_the_tool_gives_with_the_arguments_of_the_call():
    registry, middleware = apart()

    @registry.tool
    async def parent(a: int) -> int:
        return a + 1

    assert await registry.call("parent", a="1") == 2
    assert middleware.run.call.name == "parent"


async def test_counts_its_own_attempts_from_when_it_began():
    registry, middleware = apart()

    @registry.tool
    async def parent() -> None:
        await anyio.sleep(1)

    await anyio.sleep(5)
    await registry.call("parent")

    assert (middleware.run.call.info.attempts, middleware.call.info.attempts) == (1, 0)
    assert middleware.run.call.info.started == 5


async def test_an_error_of_ours_says_what_is_known_of_the_run():
    registry, middleware = apart(RetryMiddleware())

    @registry.tool
    async def parent() -> None:
        raise ToolFailed("no")

    await registry.call("parent")

    assert (middleware.outcome.info.tool, middleware.outcome.info.attempts) == ("parent", 1)


async def test_goes_on_after_the_call_and_is_the_parent_of_what_is_called_in_it():
    registry, middleware = apart(waits=False)
    seen = []

    @registry.tool
    async def child(call: Call) -> None:
        seen.append((call.parent, call.context.run_id, remaining(call)))

    @registry.tool
    async def parent() -> None:
        await anyio.sleep(9)
        await registry.call("child")

    await registry.execute("parent", timeout=5, context=ExecutionContext(run_id="r"))
    assert registry.inflight() == []
    await anyio.sleep(1)
    assert registry.inflight() == [middleware.run.call]
    await anyio.sleep(9)

    assert seen == [(middleware.run.call, "r", math.inf)]
    assert registry.inflight() == []


async def test_the_deadline_of_the_call_is_none_of_what_a_thread_calls_in_it():
    registry, middleware = apart(waits=False)

    @registry.tool
    async def child(call: Call) -> float:
        await anyio.sleep(9)
        return remaining(call)

    @registry.tool
    def parent() -> float:
        return registry.blocking().call("child")

    await registry.execute("parent", timeout=5)
    await anyio.sleep(20)

    assert middleware.outcome == math.inf


async def test_a_limit_in_it_is_armed_in_its_task():
    registry, middleware = apart(TimeoutMiddleware(3))

    @registry.tool
    async def parent() -> None:
        await anyio.sleep(9)

    await registry.execute("parent", timeout=5)

    assert (middleware.outcome.kind, current_clock().now) == ("attempt", 3)


@pytest.mark.parametrize(
    ("patience", "limit", "left"), [(2, 9, 2), (9, 2, 2), (math.inf, 2, 2), (3, math.inf, 3)]
)
async def test_what_remains_is_no_more_than_anybody_waits(patience, limit, left):
    registry, _ = apart(TimeoutMiddleware(limit), patience=patience)
    seen = []

    @registry.tool
    async def child(call: Call) -> None:
        seen.append(remaining(call))

    @registry.tool
    async def parent(call: Call) -> None:
        seen.append(remaining(call))
        await registry.call("child")
        await registry.execute("child", detached=True)

    await registry.call("parent")

    assert seen == [left, left, math.inf]


async def test_its_state_begins_with_that_of_the_call():
    registry, middleware = apart()

    async def guard(call, inner):
        call.state["user"] = "ada"
        return await inner(call)

    registry.use(guard)

    @registry.tool
    async def parent(call: Call) -> str:
        call.state["mine"] = 1
        return call.state["user"]

    assert await registry.call("parent") == "ada"
    assert "mine" not in middleware.call.state


async def test_what_is_told_in_it_is_handed_on():
    registry, middleware = apart(RetryMiddleware())
    used = UsageReported(tool="parent", tokens=5)

    @registry.tool
    async def parent(call: Call) -> None:
        call.notify(used)

    await registry.call("parent")

    assert middleware.heard == [AttemptStarted(tool="parent", number=1), used]


@pytest.mark.parametrize("token", [None, CancellationToken()])
async def test_has_a_token_of_its_own_if_the_call_has_one(token):
    registry, middleware = apart()

    @registry.tool
    async def parent() -> None: ...

    await registry.execute("parent", context=ExecutionContext(run_id="r", cancellation=token))

    own = middleware.run.call.context
    assert (own.run_id, own.span_id) == ("r", middleware.call.context.span_id)
    assert (own.cancellation is None) == (token is None)
    assert own.cancellation is not token or token is None


async def test_what_its_tool_uses_is_charged_to_the_call_of_which_it_was_made():
    registry, middleware = apart(waits=False)
    metered = []

    async def meter(call, inner):
        call.metered_by(metered.append)
        return await inner(call)

    registry.use(meter)
    ended = anyio.Event()

    @registry.tool
    async def parent(call: Call) -> None:
        await anyio.sleep(1)  # by then the first caller has gone
        call.report_usage(tokens=7)
        ended.set()

    await registry.call("parent")
    await ended.wait()

    assert [said.tokens for said in metered] == [7]
    assert middleware.call.info.usage.tokens == 7


async def test_what_remains_of_a_stream_in_it_is_no_more_than_anybody_waits():
    registry, middleware = apart()
    seen = []

    @registry.tool
    async def child(call: Call):
        seen.append(remaining(call))
        middleware.patience = 3
        yield 1
        seen.append(remaining(call))

    @registry.tool
    async def parent() -> list:
        return [chunk.content async for chunk in registry.stream("child")]

    await registry.call("parent")

    assert seen == [math.inf, 3]
