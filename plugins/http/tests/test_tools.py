"""The tools as a caller sees them."""

import pytest

from loopback import Names, answer
from toolcase import InvalidArguments, Json, Text, ToolFailed
from toolcase_http import Head
from wire import PUBLIC, Wire, registry_of, tools_of

URL = "https://a.example/"


def asked(*answers, **settings):
    """A registry with the tools, and the network under it."""
    wire = Wire([[each] for each in answers])
    return registry_of(Names({"a.example": [PUBLIC]}), wire, **settings), wire


@pytest.mark.parametrize(
    ("name", "effects"),
    [
        ("http_get", (True, True, False)),
        ("http_head", (True, True, False)),
        ("http_json", (True, True, False)),
        ("http_post", (None, False, True)),
    ],
)
def test_say_what_they_do(name, effects):
    tool = getattr(tools_of(), name)

    assert (tool.read_only, tool.idempotent, tool.destructive) == effects
    assert "call" not in tool.input_schema["properties"]
    assert all("description" in field for field in tool.input_schema["properties"].values())


async def test_get_gives_the_head_and_then_the_body():
    registry, _ = asked(
        answer(body=b"<p>hi", content_type="text/html", etag='"7"', server="x", set_cookie="a=b")
    )

    result = await registry.execute("http_get", {"url": URL})

    assert result.value.body == Text("<p>hi")
    assert result.for_model() == (
        '{"status":200,"url":"https://a.example/",'
        '"headers":{"content-length":"5","content-type":"text/html","etag":"\\"7\\""}}\n<p>hi'
    )


async def test_get_says_of_a_picture_only_what_it_is():
    registry, _ = asked(answer(body=b"\x89PNG", content_type="image/png"))

    result = await registry.execute("http_get", {"url": URL})

    assert result.for_model().endswith("\n<image/png, 4 bytes>")


async def test_a_long_header_is_cut():
    registry, _ = asked(answer(link="x" * 1_001))

    result = await registry.execute("http_get", {"url": URL})

    assert result.value.head.headers["link"] == "x" * 1_000 + "..."


async def test_head_gives_the_head():
    registry, wire = asked(answer(404, content_length=12, content_encoding="br"))

    result = await registry.execute("http_head", {"url": URL, "headers": {"Accept": "text/css"}})

    headers = {"content-length": "12", "content-type": "text/plain"}
    assert result.value == Head(status=404, url=URL, headers=headers)
    assert wire.streams[0].sent.startswith(b"HEAD / ")
    assert b"accept: text/css\r\n" in wire.streams[0].sent


async def test_json_gives_data():
    registry, wire = asked(answer(body=b'{"a": [1]}', content_type="application/json"))

    result = await registry.execute("http_json", {"url": URL})

    assert result.value.body == Json({"a": [1]})
    assert b"accept: application/json\r\n" in wire.streams[0].sent


async def test_json_that_is_none_fails_where_the_status_says_that_all_is_well():
    with pytest.raises(ToolFailed, match="sent 'text/plain' that is no JSON; use http_get"):
        await tools_of(Names({"a.example": [PUBLIC]}), Wire([[answer(body=b"hi")]])).http_json(URL)


@pytest.mark.parametrize(("status", "body"), [(404, b"no such item"), (204, b"")])
async def test_json_gives_the_text_where_no_data_is_to_be_expected(status, body):
    registry, _ = asked(answer(status, body=body))

    result = await registry.execute("http_json", {"url": URL})

    assert (result.value.head.status, result.value.body) == (status, Text(body.decode()))


@pytest.mark.parametrize(
    ("given", "kind", "body"),
    [
        ({}, b"text/plain; charset=utf-8", b""),
        ({"text": "é"}, b"text/plain; charset=utf-8", "é".encode()),
        ({"text": "a,b", "media_type": "text/csv"}, b"text/csv; charset=utf-8", b"a,b"),
        ({"json": {"a": [1]}}, b"application/json", b'{"a":[1]}'),
        ({"json": 0, "media_type": "application/ld+json"}, b"application/ld+json", b"0"),
    ],
)
async def test_post_sends_text_or_data(given, kind, body):
    registry, wire = asked(answer(201, body=b"made", location="/1"))

    result = await registry.execute("http_post", {"url": URL, **given})

    assert (result.value.head.status, result.value.head.headers["location"]) == (201, "/1")
    assert b"content-type: %b\r\n" % kind in wire.streams[0].sent
    assert wire.streams[0].sent.endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": "a", "json": 1}, "text and json are both given"),
        ({"media_type": "text"}, "'text' is no media type"),
        ({"media_type": "text/plain\r\nX-Evil: 1"}, "is no media type"),
    ],
)
async def test_post_refuses_what_makes_no_sense(given, said):
    with pytest.raises(InvalidArguments, match=said):
        await tools_of().http_post(URL, **given)


class TestIdempotencyKey:
    """Names one effect, and is told to the server."""

    async def test_is_sent(self):
        registry, wire = asked(answer())

        await registry.execute("http_post", {"url": URL}, idempotency_key="order-17")

        assert b"idempotency-key: order-17\r\n" in wire.streams[0].sent

    async def test_of_a_parent_is_not(self):
        registry, wire = asked(answer())

        @registry.tool
        async def order_twice() -> None:
            for _ in range(2):
                await registry.call("http_post", url=URL)

        await registry.execute("order_twice", {}, idempotency_key="order-17")

        assert [b"idempotency-key" in stream.sent for stream in wire.streams] == [False, False]

    @pytest.mark.parametrize("key", ["a\r\nb", " a"])
    async def test_that_would_break_its_line_is_refused(self, key):
        registry, wire = asked(answer())

        result = await registry.execute("http_post", {"url": URL}, idempotency_key=key)

        assert (result.error.code, wire.dialled) == ("INVALID_ARGUMENTS", [])


async def test_what_is_refused_is_said_to_a_model_in_words():
    registry, _ = asked(answer())

    said = [
        (await registry.execute("http_get", {"url": url})).for_model()
        for url in ("http://a.example/", "https://127.0.0.1/", "https://127.1/")
    ]

    assert said == [
        "Error DENIED: 'http' URLs are not fetched here; allowed: https",
        "Error DENIED: the host '127.0.0.1' leads into a network that is not reached from here",
        "Error INVALID_ARGUMENTS: '127.1' is no host; write it out, as 'example.com' or '192.0.2.1'",
    ]
