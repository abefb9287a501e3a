"""Traces cross from process to process in W3C headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolcase import ExecutionContext, Registry
from toolcase.observability import configure_tracing, continue_trace, trace_headers
from toolcase.runtime import TracingMiddleware

TRACE, SPAN = "ab" * 16, "cd" * 8
HEADER = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def tracing():
    with configure_tracing("memory", set_global=False) as tracing:
        yield tracing


class TestIn:
    """From a request."""

    @pytest.mark.parametrize("name", ["traceparent", "Traceparent", "TRACEPARENT"])
    def test_the_header_gives_the_ids(self, name):
        context = continue_trace({name: HEADER})

        assert (context.trace_id, context.span_id, context.metadata) == (TRACE, SPAN, {})

    def test_the_rest_of_the_context_stays(self):
        given = ExecutionContext(scope_id="acme", parent_span_id="ef" * 8, metadata={"a": 1})

        context = continue_trace({"traceparent": HEADER}, given)

        assert (context.scope_id, context.metadata, context.parent_span_id) == ("acme", {"a": 1}, None)

    @pytest.mark.parametrize(
        "headers", [{}, {"traceparent": "nonsense"}, {"traceparent": f"00-{'0' * 32}-{SPAN}-01"}]
    )
    def test_wrong_headers_change_nothing(self, headers):
        given = ExecutionContext(scope_id="acme")

        assert continue_trace(headers, given) is given
        assert continue_trace(headers) == ExecutionContext()

    @given(st.text())
    def test_no_header_raises(self, text):
        continue_trace({"traceparent": text, "tracestate": text})

    def test_an_earlier_trace_is_forgotten(self):
        first = continue_trace({"traceparent": f"00-{TRACE}-{SPAN}-00", "tracestate": "a=1"})

        assert continue_trace({"traceparent": HEADER}, first).metadata == {}


class TestOut:
    """To another service."""

    def test_a_context_goes_out_as_it_came_in(self):
        headers = {"traceparent": HEADER, "tracestate": "vendor=1,other=2"}

        assert trace_headers(continue_trace(headers)) == headers

    def test_what_the_caller_does_not_record_is_not_recorded_further_on(self):
        headers = {"traceparent": f"00-{TRACE}-{SPAN}-00"}

        assert trace_headers(continue_trace(headers)) == headers

    @pytest.mark.parametrize(
        "context", [None, ExecutionContext(), ExecutionContext(trace_id="7", span_id=SPAN)]
    )
    def test_without_ids_there_are_no_headers(self, context):
        assert trace_headers(context) == {}

    @pytest.mark.parametrize("metadata", [{"trace_flags": "x"}, {"trace_flags": 1}, {"tracestate": 1}])
    def test_metadata_of_a_hosts_own_are_no_flags(self, metadata):
        context = ExecutionContext(trace_id=TRACE, span_id=SPAN, metadata=metadata)

        assert trace_headers(context) == {"traceparent": HEADER}

    async def test_a_tool_tells_of_its_own_span(self, tracing):
        registry, seen = Registry(), []
        registry.use(TracingMiddleware(tracing.provider))

        @registry.tool
        async def fetch(context: ExecutionContext) -> None:
            seen.append(trace_headers(context))
            with tracing.tracer().span("request"):
                seen.append(trace_headers(context))

        await registry.execute("fetch", context=continue_trace({"traceparent": HEADER}))

        own, whole = tracing.spans
        assert seen == [
            {"traceparent": f"00-{TRACE}-{whole.span_id}-01"},
            {"traceparent": f"00-{TRACE}-{own.span_id}-01"},
        ]

    async def test_what_the_caller_does_not_record_is_not_recorded_here(self, tracing):
        registry, seen = Registry(), []
        registry.use(TracingMiddleware(tracing.provider))

        @registry.tool
        async def fetch(context: ExecutionContext) -> None:
            seen.append(trace_headers(context)["traceparent"])

        await registry.execute("fetch", context=continue_trace({"traceparent": f"00-{TRACE}-{SPAN}-00"}))

        assert tracing.spans == ()
        assert seen[0].startswith(f"00-{TRACE}-")
        assert seen[0].endswith("-00")
