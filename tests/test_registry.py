"""What a host does with a registry: add, find, use, call, execute, narrow, listen."""

import asyncio
import contextlib
import contextvars
import gc
import logging
import threading

import anyio
import anyio.to_thread
import pytest

from toolcase import (
    Call,
    Denied,
    ExecutionContext,
    Registry,
    ToolError,
    ToolFailed,
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

        with pytest.raises(TypeError, match="cannot make a schema of tool 'broken'"):
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

    @pytest.mark.parametrize("name", ["fail", "none"])
    async def test_a_result_without_a_value_leaves_no_circle(self, registry, name):
        @registry.tool
        async def fail() -> None:
            raise KeyError("x")

        await registry.execute(name)
        gc.collect()
        gc.disable()
        try:
            calls = calls_alive()
            await registry.execute(name)
            assert calls_alive() == calls
        finally:
            gc.enable()


def calls_alive():
    return sum(isinstance(found, Call) for found in gc.get_objects())


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

    async def begin():
        contextvars.copy_context().run(call.send, None)

    asyncio.run(begin())

    call.close()

    assert running.get() is None


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


class TestOneLoopAtATime:
    """A registry belongs to one event loop."""

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_a_second_loop_is_refused_while_the_first_runs(self, registry, backend):
        raised = []

        def second():
            try:
                anyio.run(registry.execute, "add", {"a": 1}, backend=backend)
            except RuntimeError as error:
                raised.append(str(error))

        async def first():
            await registry.call("add", a=1)
            thread = threading.Thread(target=second)
            thread.start()
            await anyio.to_thread.run_sync(thread.join)
            return await registry.call("add", a=2)

        assert anyio.run(first, backend=backend) == 4
        assert raised[0].startswith("this registry is in use on another event loop that still runs; make a")

    @pytest.mark.parametrize("first", ["asyncio", "trio"])
    @pytest.mark.parametrize("second", ["asyncio", "trio"])
    def test_a_loop_after_the_first_has_ended_is_welcome(self, registry, first, second):
        async def use():
            return await registry.call("add", a=1)

        assert anyio.run(use, backend=first) == 3
        assert anyio.run(use, backend=second) == 3

    async def test_entering_in_a_second_loop_is_refused(self, registry):
        await registry.call("add", a=1)
        raised = []

        async def enter():
            async with registry:
                pass

        def second():
            try:
                asyncio.run(enter())
            except RuntimeError as error:
                raised.append(error)

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()

        assert "in use on another event loop" in str(raised[0])

    def test_outside_any_loop_the_error_says_so(self, registry):
        with pytest.raises(RuntimeError, match="no running event loop"):
            registry.call("add", a=1).send(None)


class TestNesting:
    """How deep calls stand in calls."""

    @pytest.fixture
    def endless(self):
        registry = Registry(max_depth=3)

        @registry.tool
        async def a() -> None:
            await registry.call("b")

        @registry.tool
        async def b() -> None:
            await registry.call("a")

        return registry

    async def test_calls_that_nest_too_deep_are_denied_with_the_way_there(self, endless):
        error = (await endless.execute("a")).error

        assert error.code == "DENIED"
        assert error.message == (
            "calls nest 4 deep (a > b > a > b > a), more than max_depth=3; "
            "does a tool call itself without end?"
        )

    async def test_the_way_is_shortened(self):
        registry = Registry(max_depth=9)

        @registry.tool
        async def itself() -> None:
            await registry.call("itself")

        with pytest.raises(Denied, match=r"calls nest 10 deep \(itself( > itself){4}\)"):
            await registry.call("itself")

    async def test_a_detached_call_counts_too(self):
        registry, depths = Registry(max_depth=2), []

        @registry.tool
        async def itself(call: Call) -> None:
            depths.append((call.depth, call.parent))
            (await registry.execute("itself", detached=True)).unwrap()

        with pytest.raises(Denied):
            await registry.call("itself")

        assert depths == [(0, None), (1, None), (2, None)]

    async def test_none_may_be_nested(self):
        registry = Registry(max_depth=0)
        registry.add(Script(Give()).tool("child"))
        registry.tool(lambda: registry.blocking().call("child"), name="parent")

        with pytest.raises(Denied):
            await registry.call("parent")

    async def test_calls_in_a_row_nest_no_deeper(self, registry):
        @registry.tool
        async def parent() -> list[int]:
            return [await registry.call("add", a=n) for n in range(40)]

        assert len(await registry.call("parent")) == 40

    def test_a_depth_that_is_none_is_refused(self):
        with pytest.raises(ValueError, match="max_depth must be at least 0, got -1"):
            Registry(max_depth=-1)


class TestSpans:
    """Every call has its own span, in the trace of its caller."""

    @pytest.fixture
    def registry(self):
        registry = Registry()

        @registry.tool
        async def asks(context: ExecutionContext) -> ExecutionContext:
            return context

        @registry.tool
        async def parent(context: ExecutionContext) -> list[ExecutionContext]:
            return [context, await registry.call("asks"), await registry.call("asks")]

        return registry

    async def test_a_call_from_outside_has_the_context_that_it_was_given(self, registry):
        context = ExecutionContext(scope_id="s", trace_id="1" * 32, span_id="2" * 16)

        assert (await registry.execute("asks", context=context)).value is context

    async def test_a_context_without_a_trace_is_given_one(self, registry):
        context = ExecutionContext(scope_id="s")

        seen = (await registry.execute("asks", context=context)).value

        assert (len(seen.trace_id), len(seen.span_id), seen.parent_span_id) == (32, 16, None)
        assert seen.scope_id == "s"

    async def test_child_calls_are_in_their_parents_trace_with_spans_of_their_own(self, registry):
        outer, first, second = (await registry.execute("parent")).value

        assert outer.trace_id == first.trace_id == second.trace_id
        assert first.parent_span_id == second.parent_span_id == outer.span_id
        assert len({outer.span_id, first.span_id, second.span_id}) == 3

    async def test_a_child_call_with_its_parents_context_has_its_own_span_too(self, registry):
        @registry.tool
        async def hands_on(context: ExecutionContext) -> list[object]:
            return [context, (await registry.execute("asks", context=context)).value]

        outer, inner = await registry.call("hands_on")

        assert (inner.parent_span_id, inner.trace_id) == (outer.span_id, outer.trace_id)

    async def test_all_copies_of_a_call_have_the_same_span(self, registry):
        seen = []

        async def copies(call, inner):
            seen.append(call.copy().context)
            return await inner(call.copy())

        registry.use(copies)

        assert await registry.call("asks") is seen[0]

    async def test_a_key_stands_in_the_context_beside_the_span(self, registry):
        seen = (await registry.execute("asks", idempotency_key="k")).value

        assert seen.idempotency_key == "k"
        assert seen.span_id

    async def test_what_outlived_its_call_has_its_callers_trace(self, registry):
        contexts = []

        @registry.tool
        async def spawns(context: ExecutionContext) -> ExecutionContext:
            tasks.start_soon(later)
            return context

        async def later():
            await anyio.sleep(1)
            contexts.append(await registry.call("asks"))

        async with anyio.create_task_group() as tasks:
            outer = await registry.call("spawns")

        assert contexts[0].trace_id == outer.trace_id
        assert contexts[0].parent_span_id == outer.span_id

    async def test_a_detached_call_has_the_registrys_context(self, registry):
        @registry.tool
        async def alone(context: ExecutionContext) -> list[object]:
            return [context, (await registry.execute("asks", detached=True)).value]

        outer, inner = (await registry.execute("alone", context=ExecutionContext(scope_id="s"))).value

        assert (outer.scope_id, inner.scope_id) == ("s", None)
        assert outer.trace_id != inner.trace_id


class TestArgumentBytes:
    """JSON that is too large is refused before it is read."""

    @pytest.fixture
    def registry(self):
        registry = Registry(max_argument_bytes=20)
        registry.add(Script(Give("ran")).tool("t"))
        return registry

    @pytest.mark.parametrize(
        "given", [b'{"a": "12345678901"}', '{"a": "12345678901"}', '{"a": "123456789\u00fc"}']
    )
    async def test_as_many_as_allowed_are_read(self, registry, given):
        assert (await registry.execute("t", given)).value == "ran"

    @pytest.mark.parametrize(
        "given",
        [
            b'{"a": "123456789012"}',
            '{"a": "123456789012"}',
            '{"a": "1234567890\u00fc"}',
            b"{" * 21,
            "\ud800" * 21,
        ],
    )
    async def test_one_more_is_refused_unread(self, registry, given):
        recorder = Recorder()
        registry.use(recorder)

        result = await registry.execute("t", given)

        assert result.error.code == "INVALID_ARGUMENTS"
        assert result.error.message == (
            "the arguments of 't' are 21 bytes of JSON, more than max_argument_bytes=20; "
            "give less, or raise that limit"
        )
        assert recorder.records[0].call.given == {}

    async def test_a_mapping_is_not_measured(self, registry):
        assert (await registry.execute("t", {"a": "x" * 100})).value == "ran"

    async def test_a_mebibyte_is_the_default(self):
        registry = Registry()
        registry.add(Script(Give("ran")).tool("t"))
        text = '{"a": "' + "x" * (1024 * 1024 - 9) + '"}'

        assert (await registry.execute("t", text)).value == "ran"
        assert (await registry.execute("t", text + " ")).error.code == "INVALID_ARGUMENTS"

    def test_a_limit_that_is_none_is_refused(self):
        with pytest.raises(ValueError, match="max_argument_bytes must be at least 1, got 0"):
            Registry(max_argument_bytes=0)
