"""Spans of real calls arrive at a collector over HTTP, as a tree that can be read."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from toolcase import ExecutionContext, Registry
from toolcase.observability import configure_tracing
from toolcase.runtime import ConstantBackoff, RetryMiddleware, RetryPolicy, TracingMiddleware
from toolcase.testing import Fail, Give, Script

TRACE, CALLER = "ab" * 16, "cd" * 8


class Collector:
    """Takes in what an OTLP exporter posts; its attributes are what came."""

    def __init__(self):
        self.requests, self.spans = [], []
        collector = self

        class Take(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(self.path, dict(self.headers), body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_): ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}/v1/traces"

    def take(self, path, headers, body):
        self.requests.append((path, headers))
        message = ExportTraceServiceRequest.FromString(body)
        for resource in message.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)

    def tree(self, parent):
        """Below a span id: by name what is below each."""
        return sorted(
            (span.name, self.tree(span.span_id)) for span in self.spans if span.parent_span_id == parent
        )


@pytest.fixture
def collector(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, args=(0.01,))
    thread.start()
    yield collector
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


def view_of(tracing):
    """A view over real tools, as a host gives it to an agent."""
    registry = Registry()
    patient = RetryPolicy(backoff=ConstantBackoff(seconds=1, jitter=False))
    registry.use(TracingMiddleware(tracing.provider), RetryMiddleware(patient))
    registry.add(Script(Fail(ConnectionError()), Give("found"), Give("found")).tool("search"))

    @registry.tool
    async def answer(question: str) -> str:
        async with anyio.create_task_group() as group:
            group.start_soon(registry.call, "search")
            group.start_soon(registry.call, "search")
        return "42"

    return registry.view(context=ExecutionContext(trace_id=TRACE, span_id=CALLER))


async def test_the_calls_of_a_view_arrive_as_a_tree(collector):
    with configure_tracing("otlp", endpoint=collector.endpoint, set_global=False) as tracing:
        view = view_of(tracing)
        await view.call("answer", question="?")
        await view.execute("nobody")
        assert tracing.flush()

    assert collector.tree(bytes.fromhex(CALLER)) == [
        ("execute_tool", []),
        ("execute_tool answer", [("execute_tool search", []), ("execute_tool search", [])]),
    ]
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}


async def test_a_retry_is_an_event_of_its_call(collector):
    with configure_tracing("otlp", endpoint=collector.endpoint, set_global=False) as tracing:
        await view_of(tracing).call("answer", question="?")

    events = [[event.name for event in span.events] for span in collector.spans]
    assert sorted(events) == [[], [], ["toolcase.retry.scheduled", "toolcase.attempt.started"]]


async def test_the_arguments_do_not_leave_the_host(collector):
    with configure_tracing("otlp", endpoint=collector.endpoint, set_global=False) as tracing:
        await view_of(tracing).call("answer", question="who is zoe")

    assert collector.spans
    assert "zoe" not in str(collector.spans)


async def test_sends_the_headers_that_it_is_given_to_the_endpoint(collector):
    with configure_tracing(
        "otlp", endpoint=collector.endpoint, headers={"x-team": "tools"}, set_global=False
    ) as tracing:
        await view_of(tracing).execute("nobody")

    ((path, headers),) = collector.requests
    assert (path, headers["x-team"]) == ("/v1/traces", "tools")
