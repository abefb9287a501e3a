"""Statuses that say "not now", and a retry that comes back when the server said."""

import pytest

from loopback import Names, answer
from toolcase.runtime import ExponentialBackoff, RetryMiddleware, RetryPolicy
from toolcase.testing import current_clock
from wire import PUBLIC, Wire, registry_of

NOON = "Sun, 06 Nov 2022 12:00:00 GMT"
STEADY = RetryPolicy(max_attempts=2, backoff=ExponentialBackoff(base=1, jitter=False))


def retried(*scripts, **settings):
    """A registry with a retry, and the network on which each connection gives the next of these answers."""
    wire = Wire([[each] if isinstance(each, bytes) else list(each) for each in scripts], **settings)
    return registry_of(Names({"a.example": [PUBLIC]}), wire, RetryMiddleware(STEADY)), wire


async def get(registry, tool="http_get", **more):
    return await registry.execute(tool, {"url": "https://a.example/"}, **more)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (408, "UNAVAILABLE"),
        (425, "UNAVAILABLE"),
        (429, "RATE_LIMITED"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "UNAVAILABLE"),
    ],
)
async def test_a_status_that_says_not_now_is_an_error_and_tried_again(status, code):
    registry, wire = retried(answer(status))

    result = await get(registry)

    assert (result.error.code, result.error.retryable, len(wire.streams)) == (code, True, 2)
    assert f"'a.example' answered {status} " in result.error.message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 500, 501])
async def test_any_other_status_is_an_answer(status):
    registry, wire = retried(answer(status, body=b"because"))

    result = await get(registry)

    assert (result.value.head.status, result.value.head.ok, len(wire.streams)) == (status, False, 1)
    assert result.for_model().endswith("\nbecause")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "40"},
        {"retry_after": "Sun, 06 Nov 2022 12:00:40 GMT", "date": NOON},
        {"retry_after": "Sunday, 06-Nov-22 12:00:40 GMT", "date": NOON},
        {"retry_after": "Sun Nov  6 12:00:40 2022", "date": NOON},
    ],
    ids=["seconds", "date", "RFC 850", "asctime"],
)
async def test_a_retry_waits_for_as_long_as_the_server_said(status, headers):
    registry, _ = retried(answer(status, **headers), answer(body=b"ok"))

    result = await get(registry)

    assert (result.ok, current_clock().now) == (True, pytest.approx(40))


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": ""},
        {"retry_after": "soon"},
        {"retry_after": "-40"},
        {"retry_after": "4e1"},
        {"retry_after": "9" * 5_000},
        {"retry_after": "Sun, 06 Nov 2022 12:00:40 GMT"},
        {"retry_after": "Sun, 06 Nov 2022 12:00:40 GMT", "date": "today"},
        {"retry_after": "Sun, 06 Nov 2022 11:00:00 GMT", "date": NOON},
        {"retry_after": "Sun, 99 Nov 2022 12:00:40 GMT", "date": NOON},
        {"retry_after": "Sun, 06 Nov 9999999999999 12:00:40 GMT", "date": NOON},
        {"retry_after": f"Sun, 06 Nov 2022 12:00:40 +{'9' * 20}", "date": NOON},
    ],
    ids=[
        "none",
        "word",
        "negative",
        "float",
        "huge",
        "no date",
        "bad date",
        "past",
        "no day",
        "year",
        "zone",
    ],
)
async def test_what_says_nothing_of_use_leaves_the_usual_wait(headers):
    registry, _ = retried(answer(503, **headers), answer(body=b"ok"))

    result = await get(registry)

    assert (result.ok, current_clock().now) == (True, pytest.approx(1))


async def test_a_wait_that_is_too_long_is_told_and_not_waited_for():
    registry, wire = retried(answer(429, retry_after=3_600))

    result = await get(registry)

    assert (result.error.retry_after, len(wire.streams), current_clock().now) == (3_600, 1, 0)
    assert "(try again after 3600 s)" in result.for_model()


class TestPost:
    """Is not idempotent: it is sent again only where that cannot do harm."""

    async def test_that_may_have_arrived_is_not_sent_again(self):
        registry, wire = retried([])

        result = await get(registry, "http_post")

        assert (len(wire.streams), result.error.outcome_unknown) == (1, True)

    async def test_that_was_not_sent_is(self):
        registry, wire = retried(answer(), refuses=(PUBLIC,))

        result = await get(registry, "http_post")

        assert (len(wire.dialled), result.error.type, result.error.outcome_unknown) == (2, "NotSent", False)

    async def test_with_a_key_of_its_own_is_sent_again_with_that_key(self):
        registry, wire = retried([], answer(201))

        result = await get(registry, "http_post", idempotency_key="order 17")

        assert result.value.head.status == 201
        assert [b"idempotency-key: order 17\r\n" in stream.sent for stream in wire.streams] == [True, True]
