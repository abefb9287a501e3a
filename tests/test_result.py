"""How a call ended, as a value and as a text for models."""

import itertools
import json
import math
from dataclasses import dataclass
from enum import Enum

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolcase import (
    Call,
    Denied,
    ErrorCode,
    ErrorInfo,
    ExecutionContext,
    RateLimited,
    Registry,
    ToolError,
    ToolResult,
    ToolTimeout,
    tool,
)
from toolcase.result import as_text, describe, plain


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
        with pytest.raises(ToolError, match="no"):
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
            (-1, ""),
        ],
    )
    def test_stays_below_any_limit(self, most, text):
        cut = ToolResult(tool="add", value="x" * 100).for_model(most)

        assert cut.strip("x") == text.strip("x")
        assert len(cut) == max(most, 0)

    def test_cuts_errors_too(self):
        assert failed(message="x" * 100).for_model(60).endswith("[cut: 114 characters in all]")

    def test_joins_a_surrogate_pair_and_replaces_half_of_one(self):
        assert ToolResult(tool="add", value="\ud83d\ude00 \ud83d").for_model() == "😀 \ufffd"


class TestText:
    """A value for a reader of text."""

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("a", "a"),
            (Level.LOW, "low"),
            (b"abc", "<3 bytes>"),
            (bytearray(2), "<2 bytes>"),
            (memoryview(bytes(8)).cast("I"), "<8 bytes>"),
            (None, "null"),
            ({"a": [1, 2.5, True]}, '{"a":[1,2.5,true]}'),
            (math.nan, '"NaN"'),
            (Point(1), '{"x":1}'),
            (Model(thing=1), '{"thing":1}'),
            (Row([Point(1)]), '{"kind":"row","firstName":[{"x":1}]}'),
            ([Odd(), object], '["<Odd>","<type>"]'),
            (["ü\ud800"], '["ü\ufffd"]'),
            (Model(thing=Odd()), '{"thing":"<Odd>"}'),
            (10**5_000, "1" + "0" * 5_000),
            (circle(), '"<list>"'),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_says_it_in_json_if_it_is_no_text(self, value, text):
        assert as_text(value) == text

    def test_leaves_an_iterator_as_it_is(self):
        values = iter([1, 2])

        assert as_text(values) == '"<list_iterator>"'
        assert list(values) == [1, 2]

    @pytest.mark.parametrize(
        ("value", "data"),
        [
            (b"ab", "YWI="),
            (math.inf, "Infinity"),
            (["\ud800", math.nan], ["\ufffd", "NaN"]),
            (10**5_000, "<int>"),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_the_same_as_data(self, value, data):
        assert plain(value) == data


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_data_stays_as_it_is(value):
    assert plain(value) == value


@tool
def add(first: int): ...


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
        [RuntimeError("secret"), OSError(2, "secret"), ExceptionGroup("secret", [KeyError("secret")])],
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
