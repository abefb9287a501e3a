"""Each call has a span, under the right parent, with what happened and without what nobody should read."""

import json
import logging
from decimal import Decimal

import anyio
import pytest
from opentelemetry import trace

from toolcase import (
    Call,
    Denied,
    ExecutionContext,
    InvalidArguments,
    RateLimited,
    Registry,
    Stage,
    ToolFailed,
)
from toolcase.events import CallAdmitted, CallRejected, CallWaiting, CircuitChanged, UsageReported
from toolcase.observability import configure_tracing
from toolcase.runtime import ConstantBackoff, RetryMiddleware, RetryPolicy, TracingMiddleware
from toolcase.testing import Fail, Give, Hang, Script

STEADY = RetryMiddleware(RetryPolicy(backoff=ConstantBackoff(seconds=2, jitter=False)))
SECRET = "s3cret-key"
CALLER = ExecutionContext(trace_id="ab" * 16, span_id="cd" * 8)


@pytest.fixture
def tracing():
    with configure_tracing("memory", set_global=False) as tracing:
        yield tracing


def traced(tracing, *steps, used=(), **settings):
    """A registry whose calls are traced, with one tool."""
    registry = Registry()
    registry.use(TracingMiddleware(tracing.provider, **settings), *used)
    registry.add(Script(*steps or [Give()]).tool("t"))
    return registry


def only(tracing):
    (span,) = tracing.spans
    return span


def named(tracing, name):
    (span,) = (span for span in tracing.spans if span.name == f"execute_tool {name}")
    return span


class TestOneSpan:
    """What the span of a call says."""

    async def test_has_the_name_and_the_attributes_of_the_convention(self, tracing):
        registry = traced(tracing)

        @registry.tool
        async def add(a: int) -> int:
            """Add one."""
            return a + 1

        await registry.call("add", a=1)

        span = only(tracing)
        assert (span.name, span.status, span.parent_id) == ("execute_tool add", "unset", None)
        assert span.attributes == {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "add",
            "gen_ai.tool.type": "function",
            "gen_ai.tool.description": "Add one.",
            "toolcase.attempts": 1,
        }

    async def test_is_of_kind_internal(self, tracing):
        kinds = []

        class Kinds:
            def on_start(self, span, parent_context=None):
                kinds.append(span.kind)

            def on_end(self, span): ...
            def shutdown(self): ...
            def _on_ending(self, span): ...

        tracing.provider.add_span_processor(Kinds())

        await traced(tracing, Give()).call("t")

        assert kinds == [trace.SpanKind.INTERNAL]

    async def test_says_of_which_conversation_it_is(self, tracing):
        registry = traced(tracing, Give())

        await registry.execute("t", context=ExecutionContext(session_id="talk-7"))

        assert only(tracing).attributes["gen_ai.conversation.id"] == "talk-7"

    async def test_says_which_call_of_a_model_it_is_and_its_children_are_none(self, tracing):
        registry = traced(tracing, Give())
        context = ExecutionContext(metadata={"gen_ai.tool.call.id": "call_1"})

        @registry.tool
        async def parent() -> None:
            await registry.call("t")

        await registry.execute("parent", context=context)

        assert named(tracing, "parent").attributes["gen_ai.tool.call.id"] == "call_1"
        assert "gen_ai.tool.call.id" not in named(tracing, "t").attributes

    async def test_a_name_that_is_no_tool_is_no_name_of_a_span(self, tracing):
        registry = traced(tracing)

        await registry.execute("made\nup" * 100)

        span = only(tracing)
        assert span.name == "execute_tool"
        assert span.attributes["gen_ai.tool.name"].startswith(r"made\nup")
        assert span.attributes["gen_ai.tool.name"].endswith("... [cut: 800 characters in all]")
        assert len(span.attributes["gen_ai.tool.name"]) == 200

    async def test_ends_once_however_the_call_ends(self, tracing):
        registry = traced(tracing, Give(1), Fail(OSError()), Fail(Denied()), Hang())

        for _ in range(4):
            await registry.execute("t", timeout=3)

        assert [span.status for span in tracing.spans] == ["unset", "error", "error", "error"]


class TestFailures:
    """A failure has a type and words that may be read by anybody."""

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (RateLimited("slow down"), "RATE_LIMITED"),
            (ValueError("slow down"), "ValueError"),
            (json.JSONDecodeError("slow down", "", 0), "json.decoder.JSONDecodeError"),
            (ExceptionGroup("one", [ToolFailed("slow down")]), "TOOL_FAILED"),
        ],
    )
    async def test_has_a_type(self, tracing, error, kind):
        registry = traced(tracing, Fail(error))

        await registry.execute("t")

        span = only(tracing)
        assert (span.status, span.attributes["error.type"]) == ("error", kind)
        assert "slow down" in span.description

    async def test_what_models_are_not_shown_is_not_exported_and_can_be_found(self, tracing):
        registry = traced(tracing, Fail(OSError("at /home/zoe")))

        result = await registry.execute("t")

        span, reference = only(tracing), result.error.correlation_id
        assert span.description == f"OSError: details are not shown (reference {reference})"
        assert span.attributes["toolcase.correlation_id"] == reference
        assert "zoe" not in str(span)

    async def test_is_an_event_without_a_traceback(self, tracing):
        registry = traced(tracing, Fail(Denied("not you")))

        await registry.execute("t")

        (event,) = only(tracing).events
        assert event.name == "exception"
        assert event.attributes == {"exception.type": "Denied", "exception.message": "not you"}

    async def test_wrong_arguments_are_told_without_their_values(self, tracing):
        registry = traced(tracing)

        @registry.tool
        async def post(letter: str) -> None:
            """Send it."""

        await registry.execute("post", {"letter": ["dear all"]})

        span = only(tracing)
        assert span.attributes["error.type"] == InvalidArguments.code.value
        assert "argument 'letter' should be" in span.description
        assert "dear all" not in str(span)

    async def test_a_long_message_is_cut(self, tracing):
        registry = traced(tracing, Fail(Denied("no" * 1_000)))

        await registry.execute("t")

        assert len(only(tracing).description) == 500
        assert only(tracing).description.endswith("... [cut: 2000 characters in all]")

    async def test_a_message_stays_on_one_line(self, tracing):
        registry = traced(tracing, Fail(Denied("one\r\ntwo\x1b[2J\u202e")))

        await registry.execute("t")

        assert only(tracing).description == r"one\r\ntwo\x1b[2J\u202e"

    async def test_an_outcome_that_nobody_knows_is_said_to_be(self, tracing):
        registry = traced(tracing)

        @registry.tool(timeout=1)
        async def transfer() -> None:
            await anyio.sleep(9)

        await registry.execute("transfer")

        assert only(tracing).attributes["toolcase.outcome_unknown"] is True

    async def test_a_cancelled_call_is_no_error(self, tracing):
        registry = traced(tracing, Hang())

        with anyio.move_on_after(3):
            await registry.call("t")

        span = only(tracing)
        assert (span.status, span.attributes["toolcase.cancelled"]) == ("unset", True)
        assert "error.type" not in span.attributes


class TestContent:
    """Arguments and results, for those who ask for them."""

    async def test_is_left_out(self, tracing):
        registry = traced(tracing)
        registry.tool(lambda letter: letter, name="echo")

        await registry.call("echo", letter="dear all")

        assert "dear all" not in str(only(tracing))

    @pytest.mark.parametrize("given", [{"a": 1}, '{"a": 1}', b'{"a": 1}'])
    async def test_is_json_where_it_is_asked_for(self, tracing, given):
        registry = traced(tracing, content=True)
        registry.tool(lambda a: {"twice": 2 * a}, name="double")

        await registry.execute("double", given)

        attributes = only(tracing).attributes
        assert attributes["gen_ai.tool.call.arguments"] == '{"a":1}'
        assert attributes["gen_ai.tool.call.result"] == '{"twice":2}'

    async def test_of_a_failed_call_there_is_no_result(self, tracing):
        registry = traced(tracing, Fail(OSError()), content=True)

        await registry.execute("t")

        assert "gen_ai.tool.call.result" not in only(tracing).attributes

    @pytest.mark.parametrize(
        ("given", "shown"), [(b"\xff{", '"<2 bytes, no JSON>"'), ("{", '"<1 characters, no JSON>"')]
    )
    async def test_text_that_is_no_json_is_not_shown(self, tracing, given, shown):
        registry = traced(tracing, content=True)

        await registry.execute("t", given)

        assert only(tracing).attributes["gen_ai.tool.call.arguments"] == shown

    async def test_is_cut_visibly(self, tracing):
        registry = traced(tracing, Give("x" * 100), content=True, content_characters=40)

        await registry.call("t")

        shown = only(tracing).attributes["gen_ai.tool.call.result"]
        assert shown == '"xxxxxxx... [cut: 102 characters in all]'
        assert len(shown) == 40

    @pytest.mark.parametrize("characters", [0, 1.5])
    def test_can_not_be_cut_to_nothing(self, characters):
        with pytest.raises((TypeError, ValueError), match="content_characters must be"):
            TracingMiddleware(content_characters=characters)


class TestSecrets:
    """No secret is in any span."""

    async def test_whoever_says_it(self, tracing):
        registry = traced(tracing, used=[_Tells(), STEADY], content=True)
        registry.secrets.add(SECRET)

        @registry.tool(description=f"Uses {SECRET}.")
        async def leaky(text: str, db_password: str) -> str:
            if text == "fail":
                raise ConnectionError(f"with {SECRET}")
            return f"here is {SECRET}"

        context = ExecutionContext(session_id=SECRET, metadata={"gen_ai.tool.call.id": SECRET})
        for text in ("fine", "fail"):
            given = {"text": text, "db_password": "hunter2"}
            await registry.execute("leaky", given, context=context)
        await registry.execute(SECRET)
        await registry.execute("leaky", {"text": [SECRET]})

        assert len(tracing.spans) == 4
        assert SECRET not in str(tracing.spans)
        assert "hunter2" not in str(tracing.spans)


class _Tells:
    """A middleware that says a secret in each of its events."""

    stage = Stage.ACT

    async def __call__(self, call, inner):
        call.notify(UsageReported(tool=call.name, model=SECRET))
        call.notify(CircuitChanged(tool=call.name, key=SECRET, before="closed", after=SECRET))
        return await inner(call)


class TestEvents:
    """What happens on the way is an event of the span."""

    async def test_attempts(self, tracing):
        registry = traced(tracing, Fail(ConnectionError()), Give(1), used=[STEADY])

        await registry.call("t")

        span = only(tracing)
        assert [(event.name, event.attributes) for event in span.events] == [
            (
                "toolcase.retry.scheduled",
                {"toolcase.attempt": 1, "toolcase.wait": 2, "error.type": "ConnectionError"},
            ),
            ("toolcase.attempt.started", {"toolcase.attempt": 2}),
        ]
        assert span.attributes["toolcase.attempts"] == 2

    async def test_the_end_of_attempts(self, tracing):
        registry = traced(tracing, *[Fail(ConnectionError())] * 3, used=[STEADY])

        await registry.execute("t")

        (event,) = [each for each in only(tracing).events if each.name == "toolcase.retries.exhausted"]
        assert event.attributes["toolcase.reason"] == "3 attempts were made"

    async def test_a_rejected_value_has_no_type(self, tracing):
        policy = RetryPolicy(retry_if_result=lambda value: value == 1)
        registry = traced(tracing, Give(1), Give(2), used=[RetryMiddleware(policy)])

        await registry.call("t")

        assert "error.type" not in only(tracing).events[0].attributes

    async def test_limits_breakers_and_usage(self, tracing):
        class Limits:
            stage = Stage.ACT

            async def __call__(self, call, inner):
                for make, facts in (
                    (CallWaiting, {"middleware": self}),
                    (CallAdmitted, {"middleware": self, "waited": 1.5}),
                    (CallRejected, {"middleware": self, "error": RateLimited()}),
                    (CircuitChanged, {"key": "zoe", "before": "closed", "after": "open", "error": OSError()}),
                    (UsageReported, {"tokens": 7, "cost": Decimal("0.10"), "turns": 1, "model": "m"}),
                    (UsageReported, {}),
                ):
                    call.notify(make(tool=call.name, **facts))
                return await inner(call)

        await traced(tracing, Give(), used=[Limits()]).call("t")

        limits = {"toolcase.middleware": "Limits"}
        assert [(event.name, event.attributes) for event in only(tracing).events] == [
            ("toolcase.call.waiting", limits),
            ("toolcase.call.admitted", limits | {"toolcase.wait": 1.5}),
            ("toolcase.call.rejected", limits | {"error.type": "RATE_LIMITED"}),
            (
                "toolcase.circuit.changed",
                {
                    "toolcase.circuit.before": "closed",
                    "toolcase.circuit.state": "open",
                    "error.type": "OSError",
                },
            ),
            (
                "toolcase.usage.reported",
                {
                    "toolcase.usage.tokens": 7,
                    "toolcase.usage.turns": 1,
                    "toolcase.usage.cost": "0.10",
                    "toolcase.usage.model": "m",
                },
            ),
            ("toolcase.usage.reported", {}),
        ]

    async def test_after_the_end_nothing_is_written(self, tracing, caplog):
        calls = []
        registry = traced(tracing)

        @registry.tool
        async def keeps(call: Call) -> None:
            calls.append(call)

        await registry.call("keeps")
        with caplog.at_level(logging.WARNING):
            calls[0].notify(UsageReported(tool="keeps", tokens=1))

        assert not caplog.records
        assert not only(tracing).events


class TestWhatIsLeft:
    """What a call leaves to those after it."""

    async def test_after_a_call_of_which_an_observer_outside_handed_on_a_copy_none_is_left(self, tracing):
        async def copies(call, inner):
            return await inner(call.copy())

        copies.stage = Stage.OBSERVE
        registry = Registry()
        registry.use(copies, TracingMiddleware(tracing.provider))
        registry.add(Script(Give(1)).tool("t"))

        await registry.call("t")

        assert not trace.get_current_span().get_span_context().is_valid

    async def test_of_a_trace_that_is_not_recorded_it_says_so_to_who_goes_on_with_it(self):
        registry = Registry()

        @registry.tool
        async def tells(context: ExecutionContext) -> ExecutionContext:
            return context

        with configure_tracing("memory", set_global=False, sample_ratio=0) as tracing:
            registry.use(TracingMiddleware(tracing.provider))

            result = await registry.execute("tells")
            await registry.execute("tells", context=result.value)

            assert tracing.spans == ()
