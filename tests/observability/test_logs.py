"""Logs are one line each, say in which trace they were written, and give nothing away."""

import io
import json
import logging

import pytest
import structlog

from toolcase import Denied, Registry, Secrets
from toolcase.observability import configure_logging, configure_tracing
from toolcase.runtime import LoggingMiddleware, TracingMiddleware
from toolcase.testing import Fail, Give, Script

SECRET = "s3cret-key"
STEERS = "one\r\ntwo\x1b[2J\u202e\u2028"
ESCAPED = r"one\r\ntwo\x1b[2J\u202e\u2028"


@pytest.fixture(autouse=True)
def as_before():
    """Nothing of what a test configures is left."""
    logger = logging.getLogger("toolcase")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logger.handlers[:], logger.level, logger.propagate = before


def logged(level="INFO", **settings):
    """A logger, and what reads its lines."""
    stream = io.StringIO()
    configure_logging(level, stream=stream, **settings)
    return structlog.get_logger("toolcase"), lambda: stream.getvalue().splitlines()


def records(lines):
    return [json.loads(line) for line in lines()]


class TestLines:
    """How a record looks."""

    def test_is_text_with_the_time_the_level_and_the_event_first(self):
        log, lines = logged()

        log.info("call.ended", tool="t", note="two words", n=1, none=None, empty="", pairs={"a": [1]})

        (line,) = lines()
        time, _, rest = line.partition(" ")
        assert time.endswith("Z")
        assert rest == 'info     call.ended tool=t note="two words" n=1 none=null empty="" pairs={"a": [1]}'

    def test_is_one_object_of_json_where_that_is_asked_for(self):
        log, lines = logged(json=True)

        log.warning("call.failed", tool="t", attempts=2)

        (record,) = records(lines)
        assert record.pop("timestamp").endswith("Z")
        assert record == {"level": "warning", "event": "call.failed", "tool": "t", "attempts": 2}

    def test_says_what_the_host_has_bound(self):
        log, lines = logged(json=True)

        with structlog.contextvars.bound_contextvars(request="r1"):
            log.info("e")

        assert records(lines)[0]["request"] == "r1"

    @pytest.mark.parametrize("json_lines", [False, True])
    def test_escapes_what_breaks_a_line_or_steers_a_terminal(self, json_lines):
        log, lines = logged(json=json_lines)

        log.info(STEERS, **{STEERS: [STEERS, {STEERS: STEERS}]})

        (line,) = lines()
        assert line.isprintable()
        assert line.replace("\\\\", "\\").count(ESCAPED) == 5

    def test_no_value_looks_like_another_field(self):
        log, lines = logged()

        log.info("e", tool="t level=error")

        assert lines()[0].endswith('tool="t level=error"')

    @pytest.mark.parametrize("level", ["WARNING", "warning", logging.WARNING, 25])
    def test_what_is_below_the_level_is_left_out(self, level):
        log, lines = logged(level)

        log.info("quiet")
        logging.getLogger("toolcase").info("quiet")
        log.warning("loud")

        assert [line.split()[2] for line in lines()] == ["loud"]

    def test_goes_to_standard_error(self, capsys):
        configure_logging()

        structlog.get_logger("toolcase").info("hello")

        assert "hello" in capsys.readouterr().err

    def test_said_again_it_replaces_what_it_said(self):
        _, before = logged()
        log, lines = logged(json=True)

        log.info("e")
        logging.getLogger("toolcase").info("e")

        assert before() == []
        assert len(records(lines)) == 2


class TestSettings:
    """What it refuses."""

    @pytest.mark.parametrize(
        ("level", "error", "said"),
        [
            ("LOUD", ValueError, "level must be one of CRITICAL, .*, or a number; got 'LOUD'"),
            (None, TypeError, "level must be the name of a level or a number, got None"),
            (True, TypeError, "level must be the name of a level or a number, got True"),
        ],
    )
    def test_a_level_that_is_none(self, level, error, said):
        with pytest.raises(error, match=said):
            configure_logging(level)


class TestStandardLibrary:
    """The logger `toolcase` goes the same way."""

    def test_takes_the_same_form(self):
        _, lines = logged(json=True)

        logging.getLogger("toolcase").warning("no %s", STEERS)

        (record,) = records(lines)
        assert (record["level"], record["event"]) == ("warning", f"no {ESCAPED}")

    @pytest.mark.parametrize(
        ("number", "level"), [(1, "debug"), (15, "info"), (25, "warning"), (45, "critical"), (99, "critical")]
    )
    def test_a_level_of_the_hosts_own_is_the_next_one_above(self, number, level):
        _, lines = logged(1, json=True)

        logging.getLogger("toolcase").log(number, "odd")

        assert [(record["level"], record["event"]) for record in records(lines)] == [(level, "odd")]

    def test_has_its_traceback(self):
        _, lines = logged(json=True)

        logging.getLogger("toolcase").warning("broken", exc_info=OSError("disk full"))

        assert records(lines)[0]["exception"] == "OSError: disk full"

    def test_is_not_written_twice(self, capsys):
        logged()

        logging.getLogger("toolcase").warning("once")

        assert capsys.readouterr().err == ""

    def test_a_record_that_cannot_be_written_breaks_nothing(self, capsys):
        _, lines = logged()

        logging.getLogger("toolcase").warning("%d", "no number")

        assert lines() == []
        assert "no number" in capsys.readouterr().err

    async def test_has_what_a_registry_reports(self):
        _, lines = logged(json=True)
        registry = Registry()
        registry.secrets.add(SECRET)

        async def broken(call, inner):
            value = await inner(call)
            raise OSError(f"with {SECRET}") if value else None

        registry.use(broken)
        registry.add(Script(Give(1)).tool("t"))

        await registry.call("t")

        (record,) = records(lines)
        assert record["event"].startswith("GuardFailed in 't'")
        assert SECRET not in str(record)


class TestSecrets:
    """What nobody should read."""

    @pytest.mark.parametrize("json_lines", [False, True])
    def test_is_masked_by_value_and_by_key(self, json_lines):
        secrets = Secrets()
        secrets.add(SECRET)
        log, lines = logged(json=json_lines, secrets=secrets)

        log.info(f"with {SECRET}", note=[{"text": SECRET}], db_password="hunter2", **{SECRET: 1})
        log.warning("broken", exc_info=OSError(f"with {SECRET}"))

        text = "\n".join(lines())
        assert SECRET not in text
        assert "hunter2" not in text
        assert text.count("[redacted]") == 5

    async def test_of_the_running_calls_registry_are_masked(self):
        log, lines = logged()
        registry = Registry()
        registry.secrets.add(SECRET)

        @registry.tool
        async def says() -> None:
            log.info("in", note=SECRET)

        await registry.call("says")

        assert lines()[0].split()[3] == "note=[redacted]"

    async def test_are_masked_once_where_they_are_the_same(self):
        registry = Registry()
        log, lines = logged(secrets=registry.secrets)
        registry.secrets.add(SECRET)

        @registry.tool
        async def says() -> None:
            log.info("in", note=SECRET)

        await registry.call("says")

        assert lines()[0].split()[3] == "note=[redacted]"


class TestTracebacks:
    """They may have lines, but none that looks like a record."""

    def test_in_text_its_lines_are_indented(self):
        log, lines = logged()

        log.warning("broken", exc_info=OSError("full\n2026-01-01T00:00:00Z info     all.well"))

        assert lines()[1:] == ["    OSError: full", "    2026-01-01T00:00:00Z info     all.well"]

    def test_in_json_it_is_in_one_line(self):
        log, lines = logged(json=True)

        log.warning("broken", exc_info=OSError(STEERS))

        assert records(lines)[0]["exception"] == "OSError: one\\r\ntwo\\x1b[2J\\u202e\\u2028"


class TestTraces:
    """Which call a record belongs to."""

    @pytest.fixture
    def tracing(self):
        with configure_tracing("memory", set_global=False) as tracing:
            yield tracing

    async def test_a_record_has_the_ids_of_the_calls_span(self, tracing):
        log, lines = logged(json=True)
        registry = Registry()
        registry.use(TracingMiddleware(tracing.provider), LoggingMiddleware())

        @registry.tool
        async def says() -> None:
            log.info("in")

        await registry.call("says")

        (span,) = tracing.spans
        found = records(lines)
        assert [record["event"] for record in found] == ["call.started", "in", "call.ended"]
        assert {(record["trace_id"], record["span_id"]) for record in found} == {
            (span.trace_id, span.span_id)
        }

    async def test_inside_a_span_of_ones_own_those_of_that(self, tracing):
        log, lines = logged(json=True)

        with tracing.tracer().span("work") as span:
            log.info("in")

        assert records(lines)[0]["span_id"] == span.span_id

    async def test_without_tracing_those_of_the_context(self):
        log, lines = logged(json=True)
        registry = Registry()
        registry.use(LoggingMiddleware())

        @registry.tool
        async def says() -> None:
            log.info("in")

        await registry.call("says")

        assert len({record["span_id"] for record in records(lines)}) == 1

    def test_outside_of_all_there_are_none(self):
        log, lines = logged(json=True)

        log.info("out")

        assert "trace_id" not in records(lines)[0]


async def test_a_failed_call_is_one_record_with_its_reference():
    _, lines = logged(json=True)
    registry = Registry()
    registry.use(LoggingMiddleware(level=logging.DEBUG))
    registry.add(Script(Fail(OSError("disk full")), Fail(Denied("no"))).tool("t"))

    result = await registry.execute("t")

    (record,) = records(lines)
    assert record["correlation_id"] == result.error.correlation_id
    assert record["exception"].endswith("OSError: disk full")
