"""Secret headers: where they are sent, and where nobody reads them."""

import pytest

from loopback import answer
from toolcase import ToolFailed
from wire import moved, wired


async def test_go_to_their_origin_alone():
    secret = {"api.example": {"Authorization": "Bearer s3cret-key"}}
    tools, wire = wired(
        moved(302, "https://api.example/"),
        moved(302, "https://api.example:8443/"),
        moved(302, "https://b.example/"),
        answer(),
        headers=secret,
        ports={443, 8443},
    )

    await tools.http_get("https://a.example/")

    sent = [b"authorization: Bearer s3cret-key\r\n" in stream.sent for stream in wire.streams]
    assert sent == [False, True, False, False]


async def test_are_not_sent_in_clear():
    secret = {"api.example": {"X-Key": "s3cret-key"}}
    tools, wire = wired(answer(), headers=secret, schemes={"http"})

    await tools.http_get("http://api.example/")

    assert b"s3cret" not in wire.streams[0].sent


async def test_replace_those_of_the_caller():
    secret = {"a.example": {"X-Key": "s3cret-key"}}
    tools, wire = wired(answer(), headers=secret, request_headers={"x-key"})

    await tools.http_get("https://a.example/", headers={"X-Key": "guess"})

    assert b"guess" not in wire.streams[0].sent


@pytest.mark.parametrize("kind", ["text/plain", "application/json", ""])
async def test_are_masked_in_what_comes_back(kind):
    told = answer(
        body=b'{"you sent": "s3cret-key"}',
        content_type=kind,
        location="/?s3cret-key",
        etag="Bearer s3cret-key",
    )
    tools, _ = wired(told, headers={"a.example": {"Authorization": "Bearer s3cret-key"}})

    for fetch in (tools.http_get, tools.http_json):
        assert "s3cret" not in repr(await fetch("https://a.example/"))


async def test_are_masked_in_where_a_server_leads():
    secret = {"a.example": {"X-Key": "s3cret-key"}}
    tools, _ = wired(moved(302, "https://b.example/?s3cret-key"), answer(), headers=secret)

    assert (await tools.http_get("https://a.example/")).head.url == "https://b.example/?[redacted]"


@pytest.mark.parametrize(
    "told",
    [
        answer(body=b"x", content_type="s3cret-key"),
        answer(body=b"x", content_encoding="s3cret-key"),
        moved(302, "https://b.example:s3cret-key/"),
    ],
    ids=["type", "encoding", "location"],
)
async def test_are_masked_in_errors(told):
    tools, _ = wired(told, headers={"a.example": {"X-Key": "s3cret-key"}})

    with pytest.raises(ToolFailed, match="redacted") as failed:
        await tools.http_json("https://a.example/")

    assert "s3cret" not in str(failed.value)
