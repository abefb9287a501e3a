"""What a host does with a registry: add, find, use, call, execute, narrow, listen."""

import asyncio
import contextlib
import contextvars
import gc
import logging

import anyio
import pytest

from toolcase import (
    Call,
    Denied,
    ExecutionContext,
    Registry,
    ToolError,
    ToolFailed,
    ToolTimeout,
    Unavailable,
    UnknownTool,
    tool,
)
from toolcase.call import running
from toolcase.events import LateCompletion, MiddlewareFailed
from toolcase.runtime import ExponentialBackoff, RetryMiddleware, RetryPolicy, TimeoutMiddleware
from toolcase.testing import Fail, Give, Hang, Recorder, Script, VirtualClock, current_clock


@tool
async def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture
def registry():
    registry = Registry()
    registry.add(add)
    return registry


class TestHolding:
    """Tools by name."""

    def test_finds_a_tool_by_name(self, registry):
        assert registry.get("add") is add

    def test_names_are_in_the_order_of_adding(self, registry):
        registry.add(Script(Give()).tool("b"), Script(Give()).tool("a"))

        assert registry.names() == ["add", "b", "a"]

    def test_an_unknown_name_gets_the_nearest_known_one(self, registry):
        with pytest.raises(UnknownTool, match="^no tool named 'ad'; did you mean 'add'\\?$"):
            registry.get("ad")

    def test_a_name_like_none_is_told_so(self, registry):
        with pytest.raises(UnknownTool, match="^no tool named 'zzz'; there is none like it$"):
            registry.get("zzz")

    def test_plain_functions_become_tools(self, registry):
        def subtract(a: int, b: int) -> int:
            """Take one from another."""
            return a - b

        registry.add(subtract)

        assert registry.get("subtract").description == "Take one from another."

    def test_a_name_that_is_taken_is_refused_and_nothing_is_added(self, registry):
        with pytest.raises(ValueError, match="there is a tool named 'add' already"):
            registry.add(Script(Give()).tool("new"), Script(Give()).tool("add"))

        assert registry.names() == ["add"]

    def test_the_same_name_twice_in_one_go_is_refused(self, registry):
        with pytest.raises(ValueError, match="'new' already"):
            registry.add(Script(Give()).tool("new"), Script(Give()).tool("new"))

    def test_the_decorator_adds_and_gives_the_tool(self, registry):
        @registry.tool
        def one() -> int:
            return 1

        @registry.tool(name="zwei", tags=["german"])
        def two() -> int:
            return 2

        assert registry.get("one") is one
        assert registry.get("zwei") is two
        assert two.tags == {"german"}


class TestCall:
    """The value, or the error raised."""

    async def test_gives_the_value(self, registry):
        assert await registry.call("add", a=1) == 3

    async def test_a_tool_may_have_a_parameter_called_name(self, registry):
        @registry.tool
        async def greet(name: str) -> str:
            return f"hello {name}"

        assert await registry.call("greet", name="you") == "hello you"

    async def test_the_tools_own_error_is_unchanged(self, registry):
        error = OSError("its own")
        registry.add(Script(Fail(error)).tool("t"))

        with pytest.raises(OSError) as caught:
            await registry.call("t")

        assert caught.value is error
        assert caught.value.__cause__ is None
        assert not hasattr(error, "__notes__")
        assert caught.traceback[-1].name == "play"

    async def test_our_errors_say_what_is_known(self, registry):
        registry.use(RetryMiddleware(RetryPolicy(backoff=ExponentialBackoff(base=1, jitter=False))))
        registry.add(Script(Fail(Unavailable("down", retry_after=4), after=3)).tool("t"))

        with pytest.raises(Unavailable) as caught:
            await registry.call("t")

        info = caught.value.info
        assert (info.code, info.message, info.tool) == ("UNAVAILABLE", "down", "t")
        assert (info.attempts, info.retryable, info.retry_after) == (3, True, 4)
        assert info.elapsed == pytest.approx(3 * 3 + 2 * 4)
        assert [earlier.message for earlier in info.earlier] == ["down", "down"]
        assert info.cause is caught.value

    async def test_an_error_keeps_what_was_known_where_it_arose(self, registry):
        registry.add(Script(Fail(ToolFailed("deep"))).tool("child"))

        @registry.tool
        async def parent() -> None:
            await registry.call("child")

        with pytest.raises(ToolFailed) as caught:
            await registry.call("parent")

        assert caught.value.info.tool == "child"

    async def test_a_signature_that_cannot_make_a_tool_says_so_at_the_call(self, registry):
        async def broken(a: "Nowhere") -> None:  # noqa: F821
            """Cannot be read."""

        registry.add(broken)

        with pytest.raises(TypeError, match="cannot read the annotations of tool 'broken'"):
            await registry.call("broken")
        assert (await registry.execute("broken")).error.code == "TOOL_FAILED"

    async def test_an_error_object_that_is_raised_again_says_what_is_known_of_the_new_call(self, registry):
        registry.add(*(Script(Fail(SHARED, after=1)).tool(name) for name in ("first", "second")))

        for name in ("first", "second"):
            with pytest.raises(ToolFailed) as caught:
                await registry.call(name)
            await anyio.sleep(1)

        assert caught.value.info.tool == "second"

    async def test_an_error_of_ours_leaves_no_circle(self, registry):
        class Ours(ToolFailed):
            pass

        @registry.tool
        async def fail() -> None:
            raise Ours("x")

        gc.collect()
        gc.disable()
        try:
            with contextlib.suppress(Ours):
                await registry.call("fail")
            assert not any(isinstance(found, Ours) for found in gc.get_objects())
        finally:
            gc.enable()


SHARED = ToolFailed("one object for all")


class TestExecute:
    """The outcome as a value."""

    async def test_cancellation_passes_though_the_tool_fails_while_it_is_stopped(self, registry):
        reached = []

        async def fails():
            try:
                await anyio.sleep(99)
            finally:
                raise ValueError("while stopping")

        @registry.tool
        async def grouped() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(fails)
                await anyio.sleep(99)

        with anyio.move_on_after(1):
            reached.append(await registry.execute("grouped"))
            await anyio.sleep(99)

        assert current_clock().now == pytest.approx(1)

    async def test_a_group_of_errors_is_an_error_as_any_other(self, registry):
        error = ExceptionGroup("both", [OSError(), ValueError()])
        registry.add(Script(Fail(error)).tool("t"))

        assert (await registry.execute("t")).error.cause is error

    async def test_a_group_that_ends_the_program_is_no_result(self, registry):
        registry.add(Script(Fail(BaseExceptionGroup("both", [SystemExit(3)]))).tool("t"))

        with pytest.raises(BaseExceptionGroup):
            await registry.execute("t")

    async def test_a_retry_after_that_is_no_number_is_left_out(self, registry):
        class Odd(ToolFailed):
            retry_after = "soon"

        registry.add(Script(Fail(Odd("later"))).tool("t"))

        result = await registry.execute("t")

        assert result.error.retry_after is None
        assert result.for_model() == "Error TOOL_FAILED: later"

    async def test_earlier_failures_go_by_the_reference_of_their_call(self, registry):
        registry.use(RetryMiddleware())
        registry.add(Script(Fail(ConnectionError())).tool("t"))

        error = (await registry.execute("t")).error

        assert {earlier.correlation_id for earlier in error.earlier} == {error.correlation_id}

    @pytest.mark.parametrize("arguments", [{"a": 1, "b": 4}, b'{"a": 1, "b": 4}', '{"a": 1, "b": 4}'])
    async def test_takes_a_mapping_or_json(self, registry, arguments):
        result = await registry.execute("add", arguments)

        assert (result.ok, result.value, result.error) == (True, 5, None)
        assert (result.tool, result.attempts) == ("add", 1)

    async def test_takes_no_arguments_at_all(self, registry):
        registry.add(Script(Give(1)).tool("t"))

        assert (await registry.execute("t")).value == 1

    async def test_gives_an_error_as_a_value(self, registry):
        error = OSError("its own")
        registry.add(Script(Fail(error, after=2)).tool("t"))

        result = await registry.execute("t")

        assert not result.ok
        assert (result.error.code, result.error.cause) == ("TOOL_FAILED", error)
        assert (result.error.elapsed, result.duration) == (pytest.approx(2), pytest.approx(2))

    async def test_cancellation_passes_through(self, registry):
        registry.add(Script(Hang()).tool("t"))
        reached = []

        with anyio.move_on_after(1):
            reached.append(await registry.execute("t"))

        assert reached == []

    async def test_the_timeout_bounds_all_of_it(self, registry):
        steady = ExponentialBackoff(base=1, jitter=False)
        registry.use(RetryMiddleware(RetryPolicy(max_attempts=99, backoff=steady)), TimeoutMiddleware(2))
        registry.add(Script(Hang()).tool("t"))  # attempts at 0, 3 and 7 s

        result = await registry.execute("t", timeout=8)

        assert (result.error.code, result.error.cause.kind) == ("TIMEOUT", "total")
        assert current_clock().now == pytest.approx(8)

    async def test_the_timeout_bounds_guards_too(self, registry):
        async def slow(call, inner):
            await anyio.sleep(50)
            return await inner(call)

        registry.use(slow)

        result = await registry.execute("add", {"a": 1}, timeout=7)

        assert result.error.code == "TIMEOUT"

    @pytest.mark.parametrize(("timeout", "error"), [(0, ValueError), (-1, ValueError), (True, TypeError)])
    async def test_a_timeout_that_is_none_is_refused(self, registry, timeout, error):
        with pytest.raises(error, match="timeout must be"):
            await registry.execute("add", {"a": 1}, timeout=timeout)

    async def test_the_idempotency_key_reaches_the_tool(self, registry):
        @registry.tool
        async def key(context: ExecutionContext) -> str | None:
            return context.idempotency_key

        assert (await registry.execute("key", idempotency_key="k1")).value == "k1"
        assert (await registry.execute("key")).value is None

    async def test_the_context_reaches_the_tool(self, registry):
        @registry.tool
        async def scope(context: ExecutionContext) -> str | None:
            return context.scope_id

        result = await registry.execute("scope", context=ExecutionContext(scope_id="tenant"))

        assert result.value == "tenant"

    async def test_unwrap_gives_the_value_or_raises_the_error_itself(self, registry):
        error = OSError("its own")
        registry.add(Script(Fail(error)).tool("t"))

        assert (await registry.execute("add", {"a": 1})).unwrap() == 3
        with pytest.raises(OSError) as caught:
            (await registry.execute("t")).unwrap()
        assert caught.value is error

    async def test_text_that_is_empty_is_no_arguments(self, registry):
        registry.add(Script(Give(1)).tool("t"))

        assert (await registry.execute("t", "")).error.code == "INVALID_ARGUMENTS"

    async def test_a_retry_after_of_no_time_at_all_is_kept(self, registry):
        registry.add(Script(Fail(Unavailable("now", retry_after=0))).tool("t"))

        assert (await registry.execute("t")).error.retry_after == 0


class TestChildCalls:
    """A verb used inside a tool."""

    async def test_inherit_context_and_know_their_parent(self, registry):
        seen = []

        @registry.tool
        async def child(call: Call) -> None:
            seen.append((call.parent.name, call.context.scope_id))

        @registry.tool
        async def parent() -> None:
            await registry.call("child")
            await registry.execute("child")

        await registry.execute("parent", context=ExecutionContext(scope_id="tenant"))

        assert seen == [("parent", "tenant")] * 2

    @pytest.mark.parametrize(
        "other", [ExecutionContext(scope_id="other"), ExecutionContext(scope_id="tenant", principal_id="p")]
    )
    async def test_are_refused_in_another_name_unless_detached(self, registry, other):
        @registry.tool
        async def parent(detached: bool) -> ToolError | int:
            result = await registry.execute("add", {"a": 1}, context=other, detached=detached)
            return result.value if result.ok else result.error.code

        tenant = ExecutionContext(scope_id="tenant")

        assert (await registry.execute("parent", {"detached": False}, context=tenant)).value == Denied.code
        assert (await registry.execute("parent", {"detached": True}, context=tenant)).value == 3

    async def test_a_refused_one_is_seen_by_observers(self, registry):
        recorder, other = Recorder(), ExecutionContext(scope_id="other")
        registry.use(recorder)

        @registry.tool
        async def parent() -> None:
            await registry.execute("add", {"a": 1}, context=other)

        await registry.call("parent")

        assert recorder.tools == ["parent", "add"]
        assert isinstance(recorder.records[1].error, Denied)

    async def test_may_have_another_context_of_the_same_caller(self, registry):
        @registry.tool
        async def parent() -> int:
            context = ExecutionContext(scope_id="tenant", session_id="new")
            return (await registry.execute("add", {"a": 1}, context=context)).unwrap()

        result = await registry.execute("parent", context=ExecutionContext(scope_id="tenant"))

        assert result.value == 3

    async def test_a_detached_one_has_no_parent(self, registry):
        seen = []

        @registry.tool
        async def child(call: Call) -> None:
            seen.append(call.parent)

        @registry.tool
        async def parent() -> None:
            await registry.execute("child", detached=True)

        await registry.call("parent")

        assert seen == [None]

    @pytest.mark.backends("asyncio")
    async def test_a_task_that_outlives_its_call_speaks_for_the_same_caller_on_its_own(self, registry):
        seen, tasks = [], []

        @registry.tool
        async def child(call: Call) -> None:
            seen.append((call.parent, call.context.scope_id))

        @registry.tool
        async def lets_go() -> None:
            tasks.append(asyncio.create_task(registry.call("child")))

        await registry.execute("lets_go", context=ExecutionContext(scope_id="tenant"))
        await tasks[0]

        assert seen == [(None, "tenant")]

    async def test_after_a_call_the_next_one_is_no_child_of_it(self, registry):
        recorder = Recorder()
        registry.use(recorder)
        registry.add(Script(Fail(OSError())).tool("t"))

        await registry.execute("t")
        await registry.call("add", a=1)

        assert [record.call.parent for record in recorder.records] == [None, None]


def test_a_call_that_is_closed_from_another_context_ends_quietly(registry):
    class Suspended:
        def __await__(self):
            yield

    @registry.tool
    async def wait() -> None:
        await Suspended()

    call = registry.call("wait")
    contextvars.copy_context().run(call.send, None)

    call.close()

    assert running.get() is None


class TestView:
    """Fewer tools, a fixed context and limit."""

    @pytest.fixture
    def registry(self):
        registry = Registry()
        registry.add(
            Script(Give("r")).tool("db_read", tags=["read"]),
            Script(Give("w")).tool("db_write", tags=["write"]),
            Script(Hang()).tool("web_read", tags=["read", "slow"]),
        )
        return registry

    @pytest.mark.parametrize(
        ("limits", "names"),
        [
            ({}, ["db_read", "db_write", "web_read"]),
            ({"only": "db_*"}, ["db_read", "db_write"]),
            ({"only": ["db_read", "web_*"]}, ["db_read", "web_read"]),
            ({"tags": ["read"]}, ["db_read", "web_read"]),
            ({"tags": "read"}, ["db_read", "web_read"]),
            ({"tags": ["read", "slow"]}, ["web_read"]),
            ({"only": "db_*", "tags": ["read"]}, ["db_read"]),
        ],
    )
    async def test_only_and_tags_limit_what_is_there(self, registry, limits, names):
        assert registry.view(**limits).names() == names

    async def test_what_it_does_not_show_is_unknown_and_not_hinted_at(self, registry):
        view = registry.view(only="db_read")

        with pytest.raises(UnknownTool, match="there is none like it"):
            await view.call("db_writ")
        with pytest.raises(UnknownTool):
            await view.call("db_write")
        with pytest.raises(UnknownTool):
            view.get("db_write")
        assert (await view.execute("db_write")).error.code == "UNKNOWN_TOOL"

    async def test_what_it_shows_can_be_called(self, registry):
        view = registry.view(only="db_*")

        assert await view.call("db_read") == "r"
        assert (await view.execute("db_write")).value == "w"
        assert view.get("db_read") is registry.get("db_read")

    async def test_its_context_is_that_of_the_calls(self, registry):
        @registry.tool
        async def scope(context: ExecutionContext) -> str | None:
            return context.scope_id

        view = registry.view(context=ExecutionContext(scope_id="tenant"))

        assert await view.call("scope") == "tenant"
        assert (await view.execute("scope")).value == "tenant"

    @pytest.mark.parametrize(("own", "given", "limit"), [(3, None, 3), (3, 9, 3), (9, 3, 3), (None, 3, 3)])
    async def test_the_smaller_limit_holds(self, registry, own, given, limit):
        result = await registry.view(timeout=own).execute("web_read", timeout=given)

        assert result.error.code == "TIMEOUT"
        assert current_clock().now == pytest.approx(limit)

    async def test_its_limit_holds_for_call_too(self, registry):
        with pytest.raises(ToolTimeout):
            await registry.view(timeout=3).call("web_read")

    async def test_a_key_reaches_the_tool(self, registry):
        @registry.tool
        async def key(context: ExecutionContext) -> str | None:
            return context.idempotency_key

        assert (await registry.view().execute("key", idempotency_key="k")).value == "k"

    def test_a_limit_that_is_none_is_refused(self, registry):
        with pytest.raises(ValueError, match="timeout must be above 0 seconds, got 0"):
            registry.view(timeout=0)

    async def test_is_no_policy_for_what_a_tool_calls_itself(self, registry):
        @registry.tool
        async def parent() -> str:
            return await registry.call("db_read")

        assert await registry.view(only="parent").call("parent") == "r"

    def test_what_it_does_not_show_is_not_hinted_at_by_get_either(self, registry):
        with pytest.raises(UnknownTool, match="there is none like it"):
            registry.view(only="web_*").get("db_writ")


class TestReports:
    """What happens outside any one call's chain."""

    EVENT = LateCompletion(tool="t", error=None, elapsed=1.5)

    def test_reach_the_listeners_until_they_are_taken_off(self, registry):
        heard = []
        remove = registry.on_event(heard.append)

        registry.report(self.EVENT)
        remove()
        registry.report(self.EVENT)

        assert heard == [self.EVENT]

    def test_a_listener_that_raises_is_logged_and_the_others_hear(self, registry, caplog):
        heard = []

        def deaf(event):
            raise RuntimeError("deaf")

        registry.on_event(deaf)
        registry.on_event(heard.append)

        registry.report(self.EVENT)

        assert heard == [self.EVENT]
        assert any("deaf" in (record.exc_text or "") for record in caplog.records)

    def test_a_middleware_whose_repr_raises_is_reported_all_the_same(self, registry, caplog):
        class Shy:
            def __repr__(self):
                raise RuntimeError("no name")

        heard, event = [], MiddlewareFailed(tool="t", middleware=Shy(), error=OSError())
        registry.on_event(heard.append)

        registry.report(event)

        assert heard == [event]

    def test_reach_the_log_of_the_standard_library(self, registry, caplog):
        registry.report(self.EVENT)

        assert [(r.name, r.levelno) for r in caplog.records] == [("toolcase", logging.WARNING)]
        assert "LateCompletion in 't'" in caplog.text

    def test_taking_one_listener_off_leaves_the_others(self, registry):
        first, second = [], []
        remove = registry.on_event(first.append)
        registry.on_event(second.append)

        remove()
        registry.report(self.EVENT)

        assert (first, second) == ([], [self.EVENT])


def test_its_clock_can_be_given():
    clock = VirtualClock()

    assert Registry(clock=clock).clock is clock
