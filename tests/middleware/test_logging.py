"""One record at the start, one at the end."""

import logging

import anyio
import pytest
import structlog

from toolcase import Denied, Registry
from toolcase.runtime import LoggingMiddleware
from toolcase.testing import Fail, Give, Hang, Script


def logged(step, *, level=logging.NOTSET, **settings):
    """A registry with one tool and what is logged of its calls."""
    records = []

    def keep(_, method, event):
        records.append({"level": method, **event})
        raise structlog.DropEvent

    wrapper = structlog.make_filtering_bound_logger(level)
    logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[keep], wrapper_class=wrapper)
    registry = Registry()
    registry.use(LoggingMiddleware(logger, **settings))
    registry.add(Script(step).tool("t"))
    return registry, records


async def test_says_when_a_call_starts_and_ends():
    registry, records = logged(Give(1, after=2))

    await registry.call("t")

    assert records == [
        {"level": "info", "event": "call.started", "tool": "t"},
        {"level": "info", "event": "call.ended", "tool": "t", "attempts": 1, "duration": pytest.approx(2)},
    ]


async def test_says_how_a_call_failed_and_how_to_find_it():
    error = OSError("disk full")
    registry, records = logged(Fail(error))

    result = await registry.execute("t")

    assert records[1] == {
        "level": "warning",
        "event": "call.failed",
        "tool": "t",
        "attempts": 1,
        "duration": 0.0,
        "code": "TOOL_FAILED",
        "error": "OSError",
        "message": "disk full",
        "correlation_id": result.error.correlation_id,
        "exc_info": error,
    }


@pytest.mark.parametrize(
    ("error", "code"), [(Denied("not you"), "DENIED"), (ValueError("not this"), "TOOL_FAILED")]
)
async def test_an_error_that_may_be_shown_has_no_traceback(error, code):
    registry, records = logged(Fail(error))

    await registry.execute("t")

    assert (records[1]["code"], records[1]["message"]) == (code, str(error))
    assert not {"exc_info", "correlation_id"} & set(records[1])


async def test_an_unknown_tool_is_a_failure_too():
    registry, records = logged(Give())

    await registry.execute("nobody")

    assert (records[1]["tool"], records[1]["code"], records[1]["attempts"]) == ("nobody", "UNKNOWN_TOOL", 0)


async def test_a_cancelled_call_is_no_failure():
    registry, records = logged(Hang())

    with anyio.move_on_after(3):
        await registry.call("t")

    assert [record["event"] for record in records] == ["call.started", "call.cancelled"]
    assert records[1]["level"] == "info"


async def test_arguments_are_left_out_unless_asked_for():
    silent, silent_records = logged(Give())
    open_, open_records = logged(Give(), arguments=True)
    for registry in (silent, open_):
        registry.tool(lambda letter: letter, name="echo")
        await registry.call("echo", letter="dear all")

    assert "dear all" not in str(silent_records)
    assert open_records[0]["arguments"] == {"letter": "dear all"}


@pytest.mark.parametrize("given", [b'{"letter": "dear all"}', '{"letter": "dear all"}'])
async def test_arguments_that_came_as_json_are_shown_as_data(given):
    registry, records = logged(Give(), arguments=True)
    registry.tool(lambda letter: letter, name="echo")

    await registry.execute("echo", given)

    assert records[0]["arguments"] == {"letter": "dear all"}


@pytest.mark.parametrize(("arguments", "shown"), [(False, False), (True, True)])
async def test_the_values_of_wrong_arguments_are_left_out_too(arguments, shown):
    registry, records = logged(Give(), arguments=arguments)

    @registry.tool
    async def post(letter: str) -> None:
        """Send it."""

    await registry.execute("post", {"letter": ["dear all"]})

    assert records[1]["message"].startswith("invalid arguments for 'post': argument 'letter' should be")
    assert ("got ['dear all']" in records[1]["message"]) is shown


async def test_arguments_that_are_none_are_logged_as_they_are():
    registry, records = logged(Give(), arguments=True)

    await registry.execute("t", [1, 2])

    assert [record["event"] for record in records] == ["call.started", "call.failed"]
    assert records[0]["arguments"] == [1, 2]


async def test_logs_at_the_level_it_is_given():
    registry, records = logged(Give(), level=logging.DEBUG)
    quiet = LoggingMiddleware(registry._used[0].middleware.logger, level=logging.DEBUG)
    other = Registry()
    other.use(quiet)
    other.add(Script(Give()).tool("t"))

    await other.call("t")

    assert {record["level"] for record in records} == {"debug"}


async def test_below_the_loggers_level_only_failures_are_logged():
    registry, records = logged(Fail(OSError("disk full")), level=logging.WARNING)
    registry.add(Script(Give()).tool("fine"), Script(Hang()).tool("slow"))

    await registry.call("fine")
    await registry.execute("t")
    with anyio.move_on_after(3):
        await registry.call("slow")

    assert [(record["event"], record["tool"]) for record in records] == [("call.failed", "t")]


async def test_uses_the_structlog_that_the_host_configured(capsys):
    middleware = LoggingMiddleware()  # made before structlog is configured, as modules do
    registry = Registry()
    registry.use(middleware)
    registry.add(Script(Give()).tool("t"))

    with structlog.testing.capture_logs() as records:
        await registry.call("t")

    assert [record["event"] for record in records] == ["call.started", "call.ended"]


async def test_binds_its_logger_once():
    registry, _ = logged(Give())
    middleware = registry._used[0].middleware

    await registry.call("t")
    bound = middleware._bound
    await registry.call("t")

    assert bound is not None
    assert middleware._bound is bound


async def test_the_duration_is_in_whole_microseconds():
    registry, records = logged(Give(after=1 / 3))

    await registry.call("t")

    assert records[1]["duration"] == 0.333333


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (b"\xff{}", "<3 bytes, no JSON>"),
        ('{"password": "s3', "<16 characters, no JSON>"),
        ("[" * 100_000, "<100000 characters, no JSON>"),
    ],
)
async def test_arguments_that_are_no_json_have_no_keys_to_mask_by_and_are_not_shown(given, shown):
    registry, records = logged(Give(), arguments=True)

    await registry.execute("t", given)

    assert records[0]["arguments"] == shown


async def test_arguments_are_a_copy_of_what_the_caller_gave():
    registry, records = logged(Give(), arguments=True)
    given = {}

    await registry.execute("t", given)

    assert records[0]["arguments"] == given
    assert records[0]["arguments"] is not given


async def test_where_arguments_are_shown_the_message_says_which_value_was_wrong():
    registry, records = logged(Give(), arguments=True)
    registry.tool(anyio.sleep, name="nap")

    await registry.execute("nap", {"delay": "long"})

    assert records[1]["message"].endswith("got 'long'")


async def test_a_signature_that_can_make_no_tool_has_its_traceback_in_the_log():
    registry, records = logged(Give())

    @registry.tool
    async def broken(a: "Missing") -> None:  # noqa: F821
        """A parameter of a type that is nowhere."""

    result = await registry.execute("broken")

    assert records[1]["exc_info"] is result.error.cause
    assert records[1]["correlation_id"] == result.error.correlation_id


async def test_where_the_host_has_not_set_up_structlog_no_traceback_shows_arguments(capsys):
    structlog.reset_defaults()
    registry = Registry()
    registry.use(LoggingMiddleware())

    @registry.tool
    async def t(body: str) -> None:
        raise OSError("disk full")

    await registry.execute("t", {"body": "for nobody to read"})

    said = "".join(capsys.readouterr())
    assert "OSError: disk full" in said
    assert "for nobody to read" not in said


class TestSecrets:
    """What must not be read in a log."""

    @pytest.mark.parametrize("given", [{"db_password": "hunter2"}, b'{"db_password": "hunter2"}'])
    async def test_arguments_are_masked_by_the_name_of_their_key(self, given):
        registry, records = logged(Give(), arguments=True)

        await registry.execute("t", given)

        assert records[0]["arguments"] == {"db_password": "[redacted]"}

    @pytest.mark.parametrize("given", [{"to": "key s3cret-key"}, b'{"to": "key s3cret-key"}'])
    async def test_arguments_are_masked_by_their_value(self, given):
        registry, records = logged(Give(), arguments=True)
        registry.secrets.add("s3cret-key")

        await registry.execute("t", given)

        assert records[0]["arguments"] == {"to": "key [redacted]"}

    async def test_a_wrong_value_is_not_shown_where_an_argument_is_masked(self):
        registry, records = logged(Give(), arguments=True)
        registry.tool(anyio.sleep, name="nap")

        await registry.execute("nap", {"delay": {"password": "hunter2"}})

        assert records[1]["message"].startswith("invalid arguments for 'nap': argument 'delay' should be")
        assert "hunter2" not in str(records)

    @pytest.mark.parametrize("error", [Denied("for s3cret-key"), ValueError("for s3cret-key")])
    async def test_messages_are_masked(self, error):
        registry, records = logged(Fail(error))
        registry.secrets.add("s3cret-key")

        await registry.execute("t")

        assert records[1]["message"] == "for [redacted]"

    async def test_a_traceback_is_text_without_secrets(self):
        error = OSError("at s3cret-key")
        error.__cause__ = KeyError("from s3cret-key")
        error.add_note("sent s3cret-key")
        registry, records = logged(Fail(error))
        registry.secrets.add("s3cret-key")

        await registry.execute("t")

        assert "exc_info" not in records[1]
        assert "s3cret-key" not in str(records)
        for said in ("OSError: at [redacted]", "KeyError: 'from [redacted]'", "\nsent [redacted]"):
            assert said in records[1]["exception"]

    def test_structlog_writes_the_text_of_the_traceback(self):
        record = {"exception": "Traceback: [redacted]"}

        kept = structlog.processors.format_exc_info(None, "warning", dict(record))
        rendered = structlog.dev.ConsoleRenderer(colors=False)(None, "warning", dict(record))

        assert kept == record
        assert "Traceback: [redacted]" in rendered

    async def test_the_name_that_was_called_is_masked(self):
        registry, records = logged(Give())
        registry.secrets.add("s3cret-key")

        await registry.execute("s3cret-key")

        assert {record["tool"] for record in records} == {"[redacted]"}

    async def test_the_name_that_was_called_is_masked_when_only_failures_are_logged(self):
        registry, records = logged(Give(), level=logging.WARNING)
        registry.secrets.add("s3cret-key")

        await registry.execute("s3cret-key")

        assert records[0]["tool"] == "[redacted]"


STEERS = "one\r\ntwo\x1b[2J\u202e"
ESCAPED = "one\\r\\ntwo\\x1b[2J\\u202e"


class TestOneLine:
    """What callers say breaks no line and steers no terminal."""

    async def test_in_the_name_of_a_tool(self):
        registry, records = logged(Give())

        await registry.execute(STEERS)

        assert {record["tool"] for record in records} == {ESCAPED}

    async def test_in_arguments_and_their_names(self):
        registry, records = logged(Give(), arguments=True)

        await registry.execute("t", {STEERS: [STEERS, {"a": STEERS}, 5]})

        assert records[0]["arguments"] == {ESCAPED: [ESCAPED, {"a": ESCAPED}, 5]}

    async def test_in_messages(self):
        registry, records = logged(Fail(Denied(STEERS)))

        await registry.execute("t")

        assert records[1]["message"] == ESCAPED
