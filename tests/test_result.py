"""How a call ended, as a value and as a text for models."""

import gc
import itertools
import json
import math
import weakref
from dataclasses import dataclass
from enum import Enum

import msgspec
import pydantic
import pytest

from toolcase import (
    Call,
    Denied,
    ErrorCode,
    ErrorInfo,
    ExecutionContext,
    Image,
    InvalidResult,
    Json,
    RateLimited,
    Registry,
    Resource,
    Text,
    ToolResult,
    ToolTimeout,
    tool,
)
from toolcase.result import bounded, byte_limit, describe
from toolcase.runtime import RetryMiddleware
from toolcase.testing import Fail, Script


class Level(str, Enum):  # noqa: UP042  as older programs write it
    LOW = "low"


@dataclass
class Point:
    x: int


class Model(pydantic.BaseModel):
    thing: object


class Row(msgspec.Struct, rename="camel", tag_field="kind", tag="row"):
    first_name: object


class Cell(msgspec.Struct):
    content: object


class Large(list):
    """Known by weak references."""


class Odd:
    """Nothing can be said of it."""

    def __repr__(self):
        raise RuntimeError("odd")


class Mute(ValueError):
    """Fails to say what it is."""

    def __str__(self):
        raise RuntimeError("mute")


class Empty(Exception):
    """Counts as false."""

    def __bool__(self):
        return False


def nested(depth):
    """A list that many levels deep."""
    value = []
    for _ in range(depth):
        value = [value]
    return value


def circle():
    """A list that holds itself."""
    value = []
    value.append(value)
    return value


def failed(**facts):
    """A result that is an error."""
    return ToolResult(tool="add", error=ErrorInfo(**{"code": ErrorCode.DENIED, "message": "no", **facts}))


ODD = [
    math.nan,
    [math.inf],
    10**5_000,
    "\ud800",
    {"\ud800": ["\udfff"]},
    [b"\xff"],
    {Odd(): 1},
    Odd(),
    Cell(Odd()),
    Cell(circle()),
    circle(),
    nested(300),
    nested(100_000),
    {(1, 2): object()},
    [memoryview(b"ab")],
    itertools.count(),
    len,
    OSError("secret"),
    ExecutionContext(metadata={"a": 1}),
    Registry(),
]


class TestResult:
    """A value, or what went wrong."""

    def test_a_value_is_ok(self):
        result = ToolResult(tool="add", value=3)

        assert result.ok
        assert result.unwrap() == 3

    def test_unwrapping_a_failure_raises_the_exception_itself(self):
        error = Empty("why")

        with pytest.raises(Empty) as caught:
            failed(cause=error).unwrap()

        assert caught.value is error

    def test_unwrapping_a_failure_from_elsewhere_raises_its_message(self):
        result = failed()

        assert not result.ok
        with pytest.raises(Denied, match="no"):
            result.unwrap()

    def test_becomes_plain_json(self):
        result = ToolResult(tool="add", value=Point(1), attempts=2, duration=0.5)

        assert result.to_dict() == {
            "tool": "add",
            "ok": True,
            "value": {"x": 1},
            "error": None,
            "attempts": 2,
            "duration": 0.5,
        }

    def test_a_failure_becomes_plain_json_without_the_exception(self):
        data = failed(cause=OSError("secret")).to_dict()

        assert (data["ok"], data["error"]["message"]) == (False, "no")
        assert "secret" not in json.dumps(data)

    @pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
    def test_a_value_that_json_cannot_say_becomes_text(self, value):
        data = ToolResult(tool="add", value=value).to_dict()

        assert json.loads(json.dumps(data, allow_nan=False).encode()) == data

    def test_bytes_and_parts_become_plain_json_too(self):
        result = ToolResult(tool="add", value=[Image(b"ab"), b"ab"])

        assert result.to_dict()["value"] == [
            {"type": "image", "data": "YWI=", "media_type": "image/png"},
            "YWI=",
        ]

    @pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
    def test_there_is_a_text_for_models_of_every_value(self, value):
        text = ToolResult(tool="add", value=value).for_model()

        assert len(text) <= 16_000
        assert text.encode()
        assert "secret" not in text


class TestForModel:
    """Short, and cut visibly."""

    def test_gives_text_as_it_is(self):
        assert ToolResult(tool="add", value='say "hi" ü').for_model() == 'say "hi" ü'

    def test_says_what_went_wrong(self):
        assert failed().for_model() == "Error DENIED: no"

    def test_says_when_to_try_again(self):
        assert failed(retry_after=1.50).for_model() == "Error DENIED: no (try again after 1.5 s)"

    def test_gives_the_code_alone_where_there_is_no_message(self):
        assert failed(message="").for_model() == "Error DENIED"

    def test_cuts_at_16_000_characters_unless_told_otherwise(self):
        text = ToolResult(tool="add", value="x" * 16_001).for_model()

        assert len(text) == 16_000
        assert text.endswith("x... [cut: 16001 characters in all]")

    def test_does_not_cut_what_fits(self):
        assert ToolResult(tool="add", value="x" * 100).for_model(100) == "x" * 100

    @pytest.mark.parametrize(
        ("most", "text"),
        [
            (40, "xxxxxx... [cut: 100 characters in all]"[:40]),
            (10, "... [cut: "),
            (1, "."),
            (0, ""),
        ],
    )
    def test_stays_below_any_limit(self, most, text):
        cut = ToolResult(tool="add", value="x" * 100).for_model(most)

        assert cut.strip("x") == text.strip("x")
        assert len(cut) == max(most, 0)

    @pytest.mark.parametrize("most", [-1, math.inf, 1.5, True])
    def test_refuses_a_limit_that_is_no_count(self, most):
        with pytest.raises((TypeError, ValueError), match="max_chars must be"):
            ToolResult(tool="add").for_model(most)

    def test_joins_the_texts_of_parts_and_names_the_others(self):
        value = ["dear all", Image(b"ab"), Resource(uri="file:///a", text="b")]

        assert (
            ToolResult(tool="add", value=value).for_model()
            == "dear all\n<image/png, 2 bytes>\n<file:///a>\nb"
        )

    def test_a_cut_splits_no_surrogate_pair(self):
        result = ToolResult(tool="add", value="\ud83d\ude00" * 100)

        assert [result.for_model(most).encode() for most in range(120)]
        assert result.for_model(100) == "😀" * 100

    def test_cuts_errors_too(self):
        assert failed(message="x" * 100).for_model(60).endswith("[cut: 114 characters in all]")

    def test_joins_a_surrogate_pair_and_replaces_half_of_one(self):
        assert ToolResult(tool="add", value="\ud83d\ude00 \ud83d").for_model() == "😀 \ufffd"


@tool
def add(first: int): ...


CALL = Call("add", add, {}, ExecutionContext(), Registry())


class TestDescribe:
    """What is known of a failed call."""

    @pytest.fixture
    def call(self):
        return Call("add", add, {}, ExecutionContext(), Registry())

    @pytest.mark.parametrize(
        ("error", "message"),
        [
            (ValueError("bad"), "ValueError: bad"),
            (KeyError("k"), "KeyError: 'k'"),
            (ValueError(), "ValueError"),
            (Mute(), "Mute: <no message: it raised RuntimeError>"),
            (Denied("not you"), "not you"),
        ],
    )
    def test_says_what_is_meant_for_models(self, call, error, message):
        info = describe(error, call, 1.0)

        assert (info.message, info.correlation_id) == (message, "")

    @pytest.mark.parametrize(
        "error",
        [RuntimeError("secret"), OSError(2, "secret"), ExceptionGroup("secret", [OSError("secret")])],
    )
    def test_hides_what_is_not_behind_a_reference(self, call, error):
        info = describe(error, call, 1.0)

        assert info.message.startswith(type(error).__name__)
        assert info.correlation_id == call.info.correlation_id
        assert info.correlation_id in info.message
        assert "secret" not in info.message

    def test_exposes_nothing_where_there_is_no_tool(self):
        call = Call("ad", None, {}, ExecutionContext(), Registry())

        assert "secret" not in describe(ValueError("secret"), call, 1.0).message

    def test_says_what_the_call_knows(self, call):
        call.info.attempts, call.info.retry_after, call.info.outcome_unknown = 3, 5.0, True
        error = OSError()

        info = describe(error, call, 1.5)

        assert (info.code, info.tool, info.type) == (ErrorCode.TOOL_FAILED, "add", "OSError")
        assert (info.attempts, info.elapsed, info.retry_after, info.outcome_unknown) == (3, 1.5, 5.0, True)
        assert info.cause is error

    def test_says_what_an_error_of_ours_knows(self, call):
        call.info.retry_after = 5.0

        info = describe(RateLimited("full", retry_after=2), call, 1.0)

        assert (info.code, info.retryable, info.retry_after) == (ErrorCode.RATE_LIMITED, True, 2)

    def test_keeps_the_wait_of_the_call_where_the_error_says_none(self, call):
        call.info.retry_after = 5.0

        assert describe(ToolTimeout("slow"), call, 1.0).retry_after == 5.0

    def test_tells_earlier_failures_oldest_first(self, call):
        call.info.failed_before(ConnectionError("secret"))
        call.info.failed_before(ToolTimeout("slow"))

        info = describe(ValueError("bad"), call, 1.0)

        assert [(earlier.type, earlier.attempts) for earlier in info.earlier] == [
            ("ConnectionError", 1),
            ("ToolTimeout", 1),
        ]
        assert "secret" not in json.dumps(info.to_dict())

    def test_shows_no_notes_of_a_tools_exception(self, call):
        error = ValueError("bad")
        error.add_note("secret")

        assert describe(error, call, 1.0).message == "ValueError: bad"

    def test_says_of_several_failures_what_it_would_say_of_each(self, call):
        error = ExceptionGroup("secret", [ValueError("bad"), Denied("no"), OSError("secret")])
        reference = call.info.correlation_id

        info = describe(error, call, 1.0)

        hidden = f"OSError: details are not shown (reference {reference})"
        assert info.message == f"ExceptionGroup: ValueError: bad; no; {hidden}"
        assert info.correlation_id == reference

    def test_several_failures_that_may_be_shown_have_no_reference(self, call):
        info = describe(ExceptionGroup("secret", [ValueError("a")] * 7), call, 1.0)

        assert info.message == f"ExceptionGroup: {'ValueError: a; ' * 5}and 2 more"
        assert info.correlation_id == ""

    def test_groups_in_groups_are_hidden_below_a_few_levels(self, call):
        error = ValueError("secret")
        for _ in range(10_000):
            error = ExceptionGroup("secret", [error])

        message = describe(error, call, 1.0).message

        assert message.startswith("ExceptionGroup: ExceptionGroup: ExceptionGroup: ExceptionGroup: details")
        assert "secret" not in message

    def test_a_group_that_the_tool_exposes_says_its_own_message(self):
        exposing = Call("add", add.with_options(expose=(ExceptionGroup,)), {}, ExecutionContext(), Registry())

        info = describe(ExceptionGroup("both", [OSError("secret")]), exposing, 1.0)

        assert info.message == "ExceptionGroup: both (1 sub-exception)"

    def test_half_a_surrogate_pair_in_a_message_is_replaced(self, call):
        assert describe(Denied("\ud800"), call, 1.0).message == "\ufffd"


class TestSecrets:
    """What is registered stays in the host."""

    @pytest.fixture
    def registry(self):
        registry = Registry()
        registry.secrets.add("s3cret-key")
        return registry

    async def test_they_are_masked_in_all_that_is_made_of_a_value(self, registry):
        value = {"token": 'a "s3cret-key"', "s3cret-key": [1]}
        registry.tool(lambda: value, name="get")

        result = await registry.execute("get")

        assert result.value is value
        assert result.for_model() == '{"token":"a \\"[redacted]\\"","[redacted]":[1]}'
        assert result.content == (Json({"token": 'a "[redacted]"', "[redacted]": [1]}),)
        assert result.to_dict()["value"] == {"token": 'a "[redacted]"', "[redacted]": [1]}

    async def test_they_are_masked_in_parts_but_not_in_bytes(self, registry):
        picture = Image(b"s3cret-key")
        parts = [Text("s3cret-key"), Resource(uri="db://s3cret-key", text="s3cret-key"), picture]
        registry.tool(lambda: parts, name="get")

        result = await registry.execute("get")

        masked = Resource(uri="db://[redacted]", text="[redacted]")
        assert result.content == (Text("[redacted]"), masked, picture)
        assert "s3cret-key" not in result.for_model()

    @pytest.mark.parametrize("kind", [ValueError, Denied])
    async def test_they_are_masked_in_errors(self, registry, kind):
        error = kind("for s3cret-key")
        registry.tool(Script(Fail(error)).tool("get"), name="get")

        result = await registry.execute("get")

        assert result.error.message.endswith("for [redacted]")
        assert "s3cret-key" not in f"{result.for_model()} {result.content} {result.to_dict()}"
        assert (result.error.cause, str(error)) == (error, "for s3cret-key")

    async def test_they_are_masked_in_earlier_errors(self, registry):
        call = Call("add", add, {}, ExecutionContext(), registry)
        call.info.failed_before(Denied("for s3cret-key"))

        assert describe(Denied("no"), call, 1.0).earlier[0].message == "for [redacted]"

    @pytest.mark.parametrize("value", ["s3cret-key", "x" * 50 + "s3cret-key" + "y" * 50])
    async def test_they_are_masked_in_wrong_arguments_that_are_shown_even_where_cut(self, registry, value):
        registry.add(add)

        result = await registry.execute("add", {"first": value})

        assert "got '" in result.error.message
        assert "s3cre" not in result.error.message

    async def test_they_are_masked_in_a_name_that_was_called(self, registry):
        result = await registry.execute("s3cret-key")

        assert "s3cret-key" not in f"{result.for_model()} {result.to_dict()} {result.error.tool}"

    async def test_they_are_masked_before_a_text_is_cut(self, registry):
        registry.tool(lambda: "x" * 10 + "s3cret-key" * 9, name="get")

        result = await registry.execute("get")

        assert "s3cre" not in "".join(result.for_model(most) for most in range(120))

    async def test_one_that_is_registered_later_is_masked_too(self, registry):
        registry.tool(lambda: "late-key", name="get")

        result = await registry.execute("get")
        registry.secrets.add("late-key")

        assert result.for_model() == "[redacted]"

    async def test_they_are_no_part_of_the_outcome(self, registry):
        registry.tool(lambda: 3, name="get")

        result = await registry.execute("get")

        same = ToolResult(tool="get", value=3, attempts=1, duration=result.duration)
        assert (result, hash(result), repr(result)) == (same, hash(same), repr(same))
        assert "ecrets" not in repr(result)
        assert result != ToolResult(tool="get", value=4, attempts=1, duration=result.duration)
        assert (result == "get", result != "get") == (False, True)
        assert not result != same  # noqa: SIM202  the other operator


class TestSizes:
    """A result that is too large is none."""

    @pytest.mark.parametrize("most", [0, -1, 1.5, True, math.nan, "8"])
    def test_refuses_a_limit_that_is_no_count(self, most):
        with pytest.raises((TypeError, ValueError), match="max_result_bytes must be"):
            Registry(max_result_bytes=most)

    def test_infinity_is_no_limit(self):
        assert bounded("x" * 100, CALL, byte_limit(math.inf)) == "x" * 100

    @pytest.mark.parametrize(
        "value", [None, True, 10**99, 1.5, "x" * 10, b"x" * 10, ["x" * 6], Image(b"x" * 10)]
    )
    def test_what_fits_is_given_as_it_is(self, value):
        assert bounded(value, CALL, 10) is value

    @pytest.mark.parametrize(
        ("value", "size"),
        [
            ("x" * 11, "11"),
            ("ü" * 6, "12"),
            (b"x" * 11, "11"),
            (memoryview(bytes(16)).cast("I"), "16"),
            (Image(b"x" * 11), "11"),
            ([Text("x" * 6), b"x" * 6], "12"),
            (["x" * 11], "13"),
            (["\0\0"], "16"),
            ({"a": {"b": "c"}}, "15"),
            (Model(thing="x" * 11), "18"),
        ],
    )
    def test_what_is_larger_is_refused(self, value, size):
        with pytest.raises(InvalidResult) as caught:
            bounded(value, CALL, 10)

        assert str(caught.value) == (
            f"the result of 'add' is at least {size} bytes, more than max_result_bytes=10; "
            "return less, or raise the limit"
        )

    async def test_execute_gives_no_value_that_is_too_large_and_does_not_try_again(self):
        registry = Registry(max_result_bytes=10)
        registry.use(RetryMiddleware())
        registry.tool(lambda: "x" * 11, name="get", idempotent=True)

        result = await registry.execute("get")

        assert (result.error.code, result.value, result.attempts) == (ErrorCode.INVALID_RESULT, None, 1)
        assert not result.error.retryable

    async def test_what_is_too_large_is_kept_nowhere(self):
        registry = Registry(max_result_bytes=10)
        given = []

        @registry.tool
        async def get():
            value = Large("x" * 11)
            given.append(weakref.ref(value))
            return value

        result = await registry.execute("get")
        gc.collect()

        assert result.error.cause.__traceback__
        assert given[0]() is None

    async def test_unless_told_otherwise_8_mebibytes_are_the_most(self):
        registry = Registry()
        registry.tool(lambda size: "x" * size, name="get")

        fits = await registry.execute("get", {"size": 8_388_608})
        large = await registry.execute("get", {"size": 8_388_609})

        assert fits.ok
        assert "is at least 8,388,609 bytes, more than max_result_bytes=8388608" in large.error.message

    async def test_call_gives_python_values_of_any_size(self):
        registry = Registry(max_result_bytes=10)
        registry.tool(lambda: "x" * 11, name="get")

        assert await registry.call("get") == "x" * 11

    async def test_a_view_has_the_limit_too(self):
        registry = Registry(max_result_bytes=10)
        registry.tool(lambda: "x" * 11, name="get")

        assert not (await registry.view().execute("get")).ok
