"""Redirects, sizes, headers and connections."""

import contextlib
import gzip
import zlib

import anyio
import pytest

from loopback import HERE, answer, serving
from toolcase import Denied, InvalidArguments, ToolError, ToolFailed, Unavailable
from toolcase.testing import cancel_at_every_await, current_clock
from toolcase_http import NotSent
from wire import moved, tools_of, wired

BOMB = gzip.compress(b"\0" * 50_000_000)
EMPTY_BLOCKS = b"\x1f\x8b\x08" + b"\0" * 7 + b"\0\0\0\xff\xff" * 100_000
"""Valid gzip that unpacks to nothing at all."""


class TestSize:
    """Is counted as it comes."""

    async def test_up_to_the_limit(self):
        tools, _ = wired(answer(body=b"x" * 100), max_bytes=100)

        assert len((await tools.http_get("https://a.example/")).body.text) == 100

    @pytest.mark.parametrize(
        "script",
        [
            [answer(body=b"x" * 101)],
            [answer(content_length=None), *[b"x" * 50] * 3],
            [answer(body=BOMB, content_encoding="gzip")],
            [answer(content_length=len(BOMB), content_encoding="gzip"), BOMB[:4_000], 9_999.0],
            [answer(body=zlib.compress(b"\0" * 999), content_encoding="deflate")],
            [answer(content_length=None, content_encoding="gzip"), EMPTY_BLOCKS],
        ],
        ids=["announced", "as it comes", "bomb", "bomb at once", "deflate", "nothing inside"],
    )
    async def test_and_what_is_larger_is_not_read_to_its_end(self, script):
        tools, wire = wired(script, max_bytes=100)

        with pytest.raises(ToolFailed, match="larger than 100 bytes"):
            await tools.http_get("https://a.example/")

        assert wire.streams[0].closed

    async def test_that_is_announced_as_too_large_is_not_waited_for(self):
        tools, _ = wired([answer(content_length=101), 9.0, b"x" * 101], max_bytes=100)

        with pytest.raises(ToolFailed):
            await tools.http_get("https://a.example/")

        assert current_clock().now == 0

    async def test_of_a_head_says_nothing(self):
        tools, _ = wired(answer(content_length=10**12), max_bytes=100)

        assert (await tools.http_head("https://a.example/")).headers["content-length"] == str(10**12)

    async def test_of_what_is_sent(self):
        tools, wire = wired(answer(), max_body_bytes=10)

        await tools.http_post("https://a.example/", text="x" * 10)
        with pytest.raises(InvalidArguments, match="11 bytes, more than 10"):
            await tools.http_post("https://a.example/", text="x" * 11)

        assert len(wire.streams) == 1


async def test_asks_for_what_it_can_unpack():
    tools, wire = wired(answer(body=gzip.compress(b"hello"), content_encoding="GZip"))

    assert (await tools.http_get("https://a.example/")).body.text == "hello"
    assert b"accept-encoding: gzip, deflate\r\n" in wire.streams[0].sent


async def test_a_fragment_is_no_part_of_where_an_answer_came_from():
    tools, _ = wired(answer())

    assert (await tools.http_get("https://a.example/page#part")).head.url == "https://a.example/page"


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("br", "packed its answer as br"),
        ("gzip, gzip", "packed its answer as gzip, gzip"),
        ("gzip", "is damaged"),
    ],
)
async def test_what_cannot_be_unpacked_is_an_error(encoding, said):
    tools, _ = wired(answer(body=b"no gzip", content_encoding=encoding))

    with pytest.raises(ToolFailed, match=said):
        await tools.http_get("https://a.example/")


class TestRedirects:
    """Are followed by us, and judged anew at each hop."""

    async def test_to_the_end(self):
        tools, wire = wired(moved(302, "/b"), moved(307, "https://b.example/c"), answer(body=b"here"))

        got = await tools.http_get("https://a.example/")

        assert (got.body.text, got.head.url) == ("here", "https://b.example/c")
        assert [stream.name for stream in wire.streams] == ["a.example", "a.example", "b.example"]

    @pytest.mark.parametrize("most", [0, 2])
    async def test_but_no_more_than_so_many(self, most):
        tools, wire = wired(moved(302, "/again"), max_redirects=most)

        with pytest.raises(ToolFailed, match=f"more than {most} redirects"):
            await tools.http_get("https://a.example/")

        assert len(wire.streams) == most + 1

    @pytest.mark.parametrize(
        "location",
        [
            "http://a.example/",
            "https://a.example:8443/",
            "https://c.example/",
            "ftp://a.example/",
            "https://[::1]/",
            "https://169.254.169.254/latest/meta-data",
            "//127.0.0.1/",
        ],
    )
    async def test_to_what_is_not_allowed_are_denied(self, location):
        allowed = ["a.example", "127.0.0.1", "169.254.169.254", "[::1]"]
        tools, wire = wired(moved(302, location), hosts=allowed, schemes={"http", "https"}, ports={443, 80})

        with pytest.raises(Denied):
            await tools.http_get("https://a.example/")

        assert len(wire.dialled) == 1

    @pytest.mark.parametrize("location", ["https://me:pw@b.example/", "https://127.1/", "https://[/"])
    async def test_to_what_is_no_url_fail(self, location):
        tools, _ = wired(moved(302, location))

        with pytest.raises(ToolFailed, match="redirects to where nobody can follow"):
            await tools.http_get("https://a.example/")

    @pytest.mark.parametrize("status", [300, 304])
    async def test_that_are_none_are_answers(self, status):
        tools, _ = wired(moved(status, "/b"))

        assert (await tools.http_get("https://a.example/")).head.status == status

    async def test_without_a_place_are_answers(self):
        tools, _ = wired(answer(302))

        assert (await tools.http_get("https://a.example/")).head.status == 302

    @pytest.mark.parametrize(
        ("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")]
    )
    async def test_change_the_method_as_browsers_do(self, status, method):
        tools, wire = wired(moved(status, "/b"), answer())

        await tools.http_post("https://a.example/", text="body")

        again = wire.streams[1].sent
        assert again.startswith(f"{method} /b".encode())
        assert (b"content-type" in again, again.endswith(b"body")) == ((method == "POST",) * 2)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_leave_head_as_it_is(self, status):
        tools, wire = wired(moved(status, "/b"), answer())

        await tools.http_head("https://a.example/")

        assert wire.streams[1].sent.startswith(b"HEAD /b")

    @pytest.mark.parametrize("location", ["https://b.example/", "https://a.example:8443/"])
    async def test_take_no_body_to_another_origin(self, location):
        tools, wire = wired(moved(307, location), ports={443, 8443})

        with pytest.raises(Denied, match="asks for the body there"):
            await tools.http_post("https://a.example/", text="private")

        assert len(wire.streams) == 1

    async def test_take_no_given_header_to_another_origin(self):
        tools, wire = wired(moved(302, "/b"), moved(302, "https://b.example/"), answer())

        await tools.http_get("https://a.example/", headers={"Accept-Language": "de"})

        assert [b"accept-language: de" in stream.sent for stream in wire.streams] == [True, True, False]

    async def test_after_which_nobody_is_there_do_not_say_that_nothing_was_sent(self):
        tools, _ = wired(moved(303, "https://gone.example/"))

        with pytest.raises(Unavailable, match=r"gone\.example") as failed:
            await tools.http_post("https://a.example/", text="done")

        assert not isinstance(failed.value, NotSent)


class TestHeaders:
    """Are the plugin's, the host's, and a few of the caller's."""

    async def test_that_are_allowed_are_sent(self):
        tools, wire = wired(answer(), request_headers={"X-Trace"}, user_agent="mine/1")

        await tools.http_get("https://a.example/", headers={"X-TRACE": "7"})

        assert b"x-trace: 7\r\n" in wire.streams[0].sent
        assert b"user-agent: mine/1\r\n" in wire.streams[0].sent

    @pytest.mark.parametrize(
        "name", ["Authorization", "Cookie", "Host", "X-Forwarded-For", "accept\r\nx", ""]
    )
    async def test_that_are_not_allowed_are_denied(self, name):
        tools, wire = wired(answer())

        with pytest.raises(Denied, match="may not be given; allowed: accept, "):
            await tools.http_get("https://a.example/", headers={name: "x"})

        assert wire.dialled == []

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "é", " a", "a "])
    async def test_that_would_break_their_line_are_refused(self, value):
        tools, wire = wired(answer())

        with pytest.raises(InvalidArguments, match="printable ASCII"):
            await tools.http_get("https://a.example/", headers={"Accept": value})

        assert wire.dialled == []

    async def test_keep_no_cookies(self):
        pages = {"/": answer(set_cookie="a=b"), "/moved": answer(302, location="/", set_cookie="c=d")}
        async with serving(pages) as server:
            tools = tools_of(schemes={"http"}, ports={server.port}, networks=[HERE])
            async with tools.fetcher.running():
                for path in ("/", "/moved", "/"):
                    await tools.http_get(server.url(path))

        assert not any("cookie" in request.headers for request in server.requests)


async def test_asks_no_environment(monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / ".netrc"))
    async with serving({"/": answer()}) as server:
        tools = tools_of(schemes={"http", "https"}, ports={server.port}, networks=[HERE])

        assert (await tools.http_get(server.url())).head.ok

    assert "authorization" not in server.requests[0].headers


class TestConnections:
    """Are kept while the registry is entered."""

    async def fetch_twice(self, server, **settings):
        tools = tools_of(schemes={"http"}, ports={server.port}, networks=[HERE], **settings)
        async with tools.fetcher.running():
            for _ in range(2):
                await tools.http_get(server.url())
        return tools

    async def test_for_the_next_call(self):
        async with serving({"/": answer(body=b"x")}) as server:
            await self.fetch_twice(server)

            assert (len(server.requests), server.connections) == (2, 1)

    async def test_and_no_longer(self):
        async with serving({"/": answer(body=b"x")}) as server:
            tools = await self.fetch_twice(server)
            await tools.http_get(server.url())

            assert server.connections == 2

    async def test_of_a_call_outside_of_it_end_with_the_call(self):
        tools, wire = wired(answer(body=b"x"))

        await tools.http_get("https://a.example/")

        assert wire.streams[0].closed

    async def test_of_one_registry_outlive_another(self):
        async with serving({"/": answer(body=b"x")}) as server:
            tools = tools_of(schemes={"http"}, ports={server.port}, networks=[HERE])
            first, second = tools.fetcher.running(), tools.fetcher.running()
            await first.__aenter__()
            async with second:
                await first.__aexit__(None, None, None)
                for _ in range(2):
                    await tools.http_get(server.url())

            assert server.connections == 1

    @pytest.mark.parametrize(
        "first", [moved(302, "/b"), answer(503, body=b"not read"), answer(body=b"x" * 9)]
    )
    async def test_that_are_not_read_to_the_end_make_room_for_the_next(self, first):
        tools, wire = wired(first, answer(), max_connections=1, max_bytes=5)

        async with tools.fetcher.running():
            with contextlib.suppress(ToolError):
                await tools.http_get("https://a.example/")
            await tools.http_get("https://b.example/")

        assert wire.streams[0].closed

    async def test_are_no_more_at_a_time_than_allowed(self):
        tools, _ = wired([1.0, answer(connection="close")], max_connections=2)

        async with tools.fetcher.running(), anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(tools.http_get, "https://a.example/")

        assert current_clock().now == pytest.approx(2)


def test_a_fetch_that_is_cancelled_anywhere_leaves_no_connection_open(backend):
    wires = []

    async def scenario():
        tools, wire = wired([moved(302, "https://b.example/")], [0.5, answer(content_length=2), 0.5, b"ok"])
        wires.append(wire)
        async with tools.fetcher.running():
            await tools.http_get("https://a.example/")

    def check():
        assert all(stream.closed for wire in wires for stream in wire.streams)

    cancel_at_every_await(scenario, backend=backend, check=check)
