"""Spans as lines of JSON, and as a waterfall that a person can read."""

import io
import json
import re

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from toolcase.observability import ConsoleExporter, JsonExporter, names

TRACE = 0xAB << 120


def span(number, parent=None, *, name="s", at=0.0, took=1.0, remote=False, trace_id=TRACE, **facts):
    """A finished span of that number, `at` seconds after the others began."""
    context = SpanContext(trace_id, number, is_remote=False, trace_flags=TraceFlags(1))
    above = None
    if parent is not None:
        above = SpanContext(trace_id, parent, is_remote=remote, trace_flags=TraceFlags(1))
    start = 1_700_000_000_000_000_000 + int(at * 1e9)
    return ReadableSpan(
        name,
        context,
        above,
        start_time=start,
        end_time=start + int(took * 1e9),
        resource=Resource({"service.name": "test"}),
        **facts,
    )


def written(*batches, **settings):
    """What the console shows of spans that end in this order."""
    stream = io.StringIO()
    exporter = ConsoleExporter(stream, **settings)
    for batch in batches:
        exporter.export([batch])
    return stream.getvalue(), exporter, stream


class TestConsole:
    """The waterfall."""

    def test_shows_each_span_below_its_parent_with_when_it_ran(self):
        text, _, _ = written(
            span(3, 2, name="leaf", at=0.5, took=0.25),
            span(2, 1, name="first", at=0, took=0.75),
            span(4, 1, name="second", at=0.75, took=0.25),
            span(1, name="top", took=1),
        )

        assert text.splitlines() == [
            f"trace {TRACE:032x}",
            "  top                                    |========================|    1000.0 ms",
            "    first                                |==================      |     750.0 ms",
            "      leaf                               |            ======      |     250.0 ms",
            "    second                               |                  ======|     250.0 ms",
        ]

    def test_waits_for_the_end_of_the_trace(self):
        text, exporter, stream = written(span(2, 1, name="child"))

        assert text == ""
        assert exporter.force_flush()
        assert stream.getvalue() == ""
        exporter.export([span(1, name="top")])
        assert "child" in stream.getvalue()

    def test_a_trace_of_a_caller_elsewhere_ends_here_with_its_first_span(self):
        text, _, _ = written(span(2, 9, name="top", remote=True))

        assert "  top" in text

    def test_shows_two_roots_of_one_trace_each_for_itself(self):
        text, _, _ = written(
            span(3, 1, name="of one"), span(4, 2, name="of two"), span(1, 9, name="one", remote=True)
        )

        assert "of one" in text
        assert "of two" not in text

    def test_says_what_is_worth_a_word(self):
        failed = Status(StatusCode.ERROR, "'t' took\nlonger")
        text, _, _ = written(
            span(2, 1, attributes={names.ATTEMPTS: 3, names.ERROR_TYPE: "TIMEOUT"}, status=failed),
            span(3, 1, attributes={names.ATTEMPTS: 1, names.CANCELLED: True}),
            span(4, 1, status=Status(StatusCode.ERROR)),
            span(1),
        )

        assert "ms  3 attempts  ERROR TIMEOUT 't' took\\nlonger\n" in text
        assert "ms  cancelled\n" in text
        assert "ms  ERROR\n" in text

    def test_a_name_steers_no_terminal(self):
        text, _, _ = written(span(1, name="a\x1b[2J\u202eb"))

        assert r"  a\x1b[2J\u202eb " in text

    def test_a_span_of_no_time_has_a_bar(self):
        text, _, _ = written(span(1, took=0))

        assert f"|={' ' * 23}|" in text

    def test_a_child_that_outlives_its_parent_stays_in_the_picture(self):
        text, _, _ = written(span(2, 1, name="late", at=5, took=9), span(1))

        assert f"late                                 |{' ' * 23}=|    9000.0 ms" in text

    def test_deep_levels_stay_in_reach(self):
        chain = [span(number, number - 1) for number in range(40, 1, -1)]

        text, _, _ = written(*chain, span(1))

        assert max(len(line) - len(line.lstrip()) for line in text.splitlines()) == 24

    def test_of_too_many_traces_the_oldest_is_written_as_it_is(self):
        traces = [
            [span(2, 1, name=f"child {number}", trace_id=TRACE + number), span(3, 2, trace_id=TRACE + number)]
            for number in range(3)
        ]

        text, exporter, _ = written(*(each for pair in traces for each in reversed(pair)), most_traces=2)

        assert text.splitlines()[0] == f"trace {TRACE:032x}, what was around it has not ended"
        assert re.findall("child .", text) == ["child 0"]
        assert len(exporter._waiting) == 2

    def test_of_too_many_spans_the_rest_are_counted(self):
        text, exporter, _ = written(*(span(number, 1) for number in range(2, 7)), span(1), most_spans=3)

        assert text.splitlines()[-1] == "  and 2 more spans"
        assert not exporter._waiting

    def test_what_waits_is_written_at_the_shutdown(self):
        _, exporter, stream = written(span(2, 1, name="child"))

        exporter.shutdown()
        exporter.shutdown()

        assert stream.getvalue().count("child") == 1

    @pytest.mark.parametrize("setting", ["most_traces", "most_spans"])
    def test_its_bounds_are_at_least_one(self, setting):
        with pytest.raises(ValueError, match=f"{setting} must be at least 1, got 0"):
            ConsoleExporter(**{setting: 0})

    def test_goes_to_standard_error(self, capsys):
        ConsoleExporter().export([span(1, name="top")])

        assert "top" in capsys.readouterr().err


class TestJson:
    """Lines for machines."""

    def test_is_one_line_per_span(self):
        stream = io.StringIO()
        exporter = JsonExporter(stream)

        exporter.export([span(2, 1, name="child", attributes={"a": (1, 2)}), span(1, name="top")])

        child, top = map(json.loads, stream.getvalue().splitlines())
        assert (child["name"], child["parent_id"], child["trace_id"]) == (
            "child",
            f"{1:016x}",
            f"{TRACE:032x}",
        )
        assert (child["duration"], child["status"], child["service"]) == (1.0, "unset", "test")
        assert child["attributes"] == {"a": [1, 2]}
        assert top["parent_id"] is None

    def test_escapes_what_breaks_a_line_or_steers_a_terminal(self):
        stream = io.StringIO()

        JsonExporter(stream).export([span(1, name="a\r\n\x1b\u202e\u2028b")])

        assert stream.getvalue().isascii()
        assert len(stream.getvalue().splitlines()) == 1
        assert json.loads(stream.getvalue())["name"] == "a\r\n\x1b\u202e\u2028b"

    def test_goes_to_standard_error(self, capsys):
        exporter = JsonExporter()

        exporter.export([span(1, name="top")])

        assert exporter.force_flush()
        assert json.loads(capsys.readouterr().err)["name"] == "top"


def test_a_span_that_has_no_times_is_read_all_the_same():
    stream = io.StringIO()

    JsonExporter(stream).export([ReadableSpan("bare", trace.INVALID_SPAN_CONTEXT)])

    assert json.loads(stream.getvalue())["duration"] == 0.0
