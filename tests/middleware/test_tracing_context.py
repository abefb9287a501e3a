"""Spans hang together: in task groups, threads, and with callers and callees elsewhere."""

import asyncio
import logging
import threading

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from toolcase import Call, ExecutionContext, Registry, Stage
from toolcase.observability import configure_tracing
from toolcase.runtime import TracingMiddleware, compose
from toolcase.testing import Fail, Give, Script, cancel_at_every_await

CALLER = ExecutionContext(trace_id="ab" * 16, span_id="cd" * 8)


@pytest.fixture
def tracing():
    with configure_tracing("memory", set_global=False) as tracing:
        yield tracing


def traced(tracing, *steps, used=()):
    """A registry whose calls are traced, with one tool."""
    registry = Registry()
    registry.use(TracingMiddleware(tracing.provider), *used)
    registry.add(Script(*steps or [Give()]).tool("t"))
    return registry


def parents(tracing):
    """The tool of each span, and that of its parent."""
    tools = {span.span_id: span.attributes.get("gen_ai.tool.name", span.name) for span in tracing.spans}
    return sorted((tools[span.span_id], tools.get(span.parent_id)) for span in tracing.spans)


class TestParents:
    """A child call's span is below that of the call in whose body it was made."""

    async def test_in_the_branches_of_a_task_group(self, tracing):
        registry = traced(tracing, *[Give(after=1)] * 4)

        @registry.tool
        async def branch() -> None:
            await registry.call("t")

        @registry.tool
        async def top() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(registry.call, "branch")
                group.start_soon(registry.call, "branch")
                group.start_soon(registry.call, "t")

        await registry.call("top")

        expected = [("branch", "top"), ("branch", "top"), ("t", "branch"), ("t", "branch"), ("t", "top")]
        assert parents(tracing) == sorted([*expected, ("top", None)], key=str)
        assert len({span.trace_id for span in tracing.spans}) == 1

    @pytest.mark.real_time
    async def test_in_a_thread_that_calls_back(self, tracing):
        registry = traced(tracing, Give(1))

        @registry.tool
        def thread() -> int:
            return registry.blocking().call("t")

        await registry.call("thread")

        assert parents(tracing) == [("t", "thread"), ("thread", None)]

    @pytest.mark.real_time
    async def test_in_a_thread_that_came_without_context(self, tracing):
        registry = traced(tracing, Give(1))

        @registry.tool
        def thread(call: Call) -> None:
            from toolcase.call import running

            def work():
                running.set(call)
                registry.blocking().call("t")

            other = threading.Thread(target=work)
            other.start()
            other.join()

        await registry.call("thread")

        assert parents(tracing) == [("t", "thread"), ("thread", None)]

    async def test_calls_beside_each_other_are_in_traces_of_their_own(self, tracing):
        registry = traced(tracing, Give(after=1), Give(after=1))

        async with anyio.create_task_group() as group:
            group.start_soon(registry.call, "t")
            group.start_soon(registry.call, "t")

        assert parents(tracing) == [("t", None), ("t", None)]
        assert len({span.trace_id for span in tracing.spans}) == 2

    async def test_a_span_of_the_tools_own_stands_between(self, tracing):
        registry = traced(tracing, Give(1))

        @registry.tool
        async def top() -> None:
            with tracing.tracer().span("rank"):
                await registry.call("t")

        await registry.call("top")

        assert parents(tracing) == [("rank", "top"), ("t", "rank"), ("top", None)]

    async def test_after_a_call_the_span_around_it_is_current_again(self, tracing):
        registry = traced(tracing, Give(1), Fail(OSError()))

        with tracing.tracer().span("request") as span:
            await registry.call("t")
            await registry.execute("t")
            after = trace.get_current_span().get_span_context().span_id

        assert trace.format_span_id(after) == span.span_id
        assert parents(tracing) == [("request", None), ("t", "request"), ("t", "request")]


class TestIds:
    """The context of a call has the ids of its span."""

    async def test_for_the_tool_and_for_later_observers(self, tracing):
        seen = []

        async def observer(call, inner):
            seen.append(call.context)
            return await inner(call)

        observer.stage = Stage.OBSERVE
        registry = traced(tracing, used=[observer])

        @registry.tool
        async def tells(context: ExecutionContext) -> None:
            seen.append(context)

        await registry.call("tells")

        (span,) = tracing.spans
        assert [(one.trace_id, one.span_id) for one in seen] == [(span.trace_id, span.span_id)] * 2
        assert seen[0].parent_span_id is None

    async def test_a_childs_context_names_its_parent(self, tracing):
        registry = traced(tracing)
        seen = {}

        @registry.tool
        async def inner(context: ExecutionContext) -> None:
            seen["inner"] = context

        @registry.tool
        async def outer(context: ExecutionContext) -> None:
            seen["outer"] = context
            await registry.call("inner")

        await registry.execute("outer", context=ExecutionContext(scope_id="acme"))

        assert seen["inner"].parent_span_id == seen["outer"].span_id
        assert seen["inner"].scope_id == "acme"

    async def test_the_rest_of_the_context_stays(self, tracing):
        registry, seen = traced(tracing), []

        @registry.tool
        async def tells(context: ExecutionContext) -> None:
            seen.append(context)

        context = ExecutionContext(scope_id="acme", metadata={"a": 1})
        await registry.execute("tells", context=context, idempotency_key="k")

        (found,) = seen
        assert (found.scope_id, found.metadata, found.idempotency_key) == ("acme", {"a": 1}, "k")


class TestCallers:
    """The host's ids are the parent of a call that has no other."""

    async def test_a_call_joins_the_trace_of_its_caller(self, tracing):
        registry = traced(tracing, Give())

        await registry.execute("t", context=CALLER)

        (span,) = tracing.spans
        assert (span.trace_id, span.parent_id) == (CALLER.trace_id, CALLER.span_id)
        assert span.local_root

    async def test_with_an_idempotency_key_too(self, tracing):
        registry = traced(tracing, Give())

        await registry.execute("t", context=CALLER, idempotency_key="k")

        assert tracing.spans[0].parent_id == CALLER.span_id

    @pytest.mark.parametrize(
        ("trace_id", "span_id"),
        [
            ("run-7", "cd" * 8),
            ("ab" * 16, "7"),
            ("0" * 32, "cd" * 8),
            ("AB" * 16, "cd" * 8),
            ("ab" * 16, None),
        ],
    )
    async def test_ids_of_another_form_begin_a_trace(self, tracing, trace_id, span_id):
        registry = traced(tracing, Give())

        await registry.execute("t", context=ExecutionContext(trace_id=trace_id, span_id=span_id))

        (span,) = tracing.spans
        assert span.parent_id is None
        assert span.trace_id != trace_id

    async def test_the_current_span_is_nearer_than_the_callers(self, tracing):
        registry = traced(tracing, Give())

        with tracing.tracer().span("request") as span:
            await registry.execute("t", context=CALLER)

        assert tracing.spans[0].parent_id == span.span_id


class TestOff:
    """Without a provider nothing happens, and a late one is noticed."""

    async def test_nobody_is_asked_more_than_ten_times_a_second(self, monkeypatch):
        asked = []
        nobody = trace.NoOpTracerProvider()
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: asked.append(1) or nobody)
        registry = Registry()
        registry.use(TracingMiddleware())
        registry.add(Script(*[Give(after=0.01)] * 50).tool("t"))

        for _ in range(50):
            await registry.call("t")

        assert 5 <= len(asked) <= 6

    async def test_a_provider_that_is_set_later_is_noticed(self, tracing, monkeypatch):
        current = trace.NoOpTracerProvider()
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: current)
        registry = Registry()
        registry.use(TracingMiddleware())
        registry.add(Script(Give(after=0.1), Give()).tool("t"))
        await registry.call("t")

        current = tracing.provider
        await registry.call("t")

        assert len(tracing.spans) == 1

    async def test_events_are_let_go(self):
        registry = Registry()
        middleware = TracingMiddleware(trace.NoOpTracerProvider())
        registry.use(middleware)

        @registry.tool
        async def notes(call: Call) -> bool:
            call.notify(object())
            return call._state is None

        assert await registry.call("notes")

    async def test_what_the_sampler_drops_has_ids_and_nothing_else(self):
        registry, seen = Registry(), []
        registry.use(
            TracingMiddleware(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False), content=True)
        )

        @registry.tool
        async def tells(call: Call, fail: bool = False) -> None:
            seen.append((trace.get_current_span().get_span_context(), call.context.trace_id, call._state))
            call.notify(object())
            if fail:
                raise OSError

        await registry.call("tells")
        await registry.execute("tells", {"fail": True})

        for span, trace_id, state in seen:
            assert trace.format_trace_id(span.trace_id) == trace_id
            assert not span.trace_flags.sampled
            assert not state

    async def test_a_tracer_without_spans_leaves_the_context_alone(self):
        class Disabled(trace.TracerProvider):
            def get_tracer(self, *_, **__):
                return trace.NoOpTracer()

        registry = Registry()
        registry.use(TracingMiddleware(Disabled()))

        @registry.tool
        async def tells(call: Call) -> str:
            return call.context.span_id

        assert int(await registry.call("tells"), 16)

    async def test_works_without_a_registry(self, tracing):
        double = compose(TracingMiddleware(tracing.provider))(Script(Give(2)).tool("double"))

        await double()

        assert parents(tracing) == [("double", None)]


class TestOwnFaults:
    """A tracer that fails is reported, and the call goes on."""

    async def test_a_sampler_that_raises(self, caplog):
        class Broken:
            def get_description(self):
                return "broken"

            def should_sample(self, *_, **__):
                raise RuntimeError("no sampling today")

        registry = Registry()
        registry.use(TracingMiddleware(TracerProvider(sampler=Broken(), shutdown_on_exit=False)))
        registry.add(Script(Give(1)).tool("t"))

        with caplog.at_level(logging.WARNING, "toolcase"):
            assert await registry.call("t") == 1

        assert "no sampling today" in caplog.text


def test_cancelled_at_every_await_each_span_ends_once(backend, tracing):
    counted = []

    async def scenario():
        registry = traced(tracing, Give(1, after=1), Give(1, after=1))

        @registry.tool
        async def top() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(registry.call, "t")
                group.start_soon(registry.call, "t")

        tracing.exporter.clear()
        await registry.call("top")

    def check():
        spans = tracing.spans
        assert len({span.span_id for span in spans}) == len(spans)
        assert not trace.get_current_span().get_span_context().is_valid
        assert {span.status for span in spans} == {"unset"}
        counted.append(len(spans))

    cancel_at_every_await(scenario, backend=backend, check=check)

    assert counted


@pytest.mark.backends("asyncio")
def test_what_is_closed_from_outside_says_nothing_of_another_context(tracing, caplog, backend):
    registry, gate = traced(tracing), []

    @registry.tool
    async def waits() -> None:
        gate.append(asyncio.get_running_loop().create_future())
        await gate[0]

    call = None

    async def start():
        nonlocal call
        call = registry.call("waits")
        call.send(None)

    asyncio.run(start())
    with caplog.at_level(logging.DEBUG):
        call.close()

    assert not caplog.records
    assert tracing.spans[0].attributes["toolcase.cancelled"] is True
