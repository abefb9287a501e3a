"""Connections go to addresses that were looked up once and checked, and nowhere else."""

import ssl

import anyio
import httpcore2
import pytest
import trustme

from loopback import ADDRESS, HERE, Names, StubResolver, answer, answering, serving
from toolcase import Denied, ToolTimeout, Unavailable
from toolcase.testing import current_clock
from toolcase_http import NotSent
from toolcase_http.resolver import SystemResolver
from wire import PUBLIC, Wire, tools_of

OK = [answer(body=b"ok")]
OTHER = "93.184.215.15"


class TestNames:
    """Are looked up once, and what was checked is dialled."""

    async def test_by_the_name_that_was_asked_for(self):
        async with serving({"/": OK[0]}) as server, answering([ADDRESS]) as names:
            tools = tools_of(
                StubResolver(names), schemes={"http"}, ports={server.port}, networks=[f"{ADDRESS}/32"]
            )

            got = await tools.http_get(server.url(host="a.example"))

        assert got.body.text == "ok"
        assert names.asked == ["a.example"]
        assert server.requests[0].headers["host"] == f"a.example:{server.port}"

    async def test_whose_second_answer_is_another_are_not_asked_twice(self):
        """DNS rebinding: the first answer passes the check, the second leads inside."""
        async with serving({"/": OK[0]}) as server, answering([ADDRESS], ["127.0.0.2"]) as names:
            tools = tools_of(
                StubResolver(names), schemes={"http"}, ports={server.port}, networks=[f"{ADDRESS}/32"]
            )

            assert (await tools.http_get(server.url(host="a.example"))).head.status == 200
            with pytest.raises(Denied):
                await tools.http_get(server.url(host="a.example"))

        assert (len(names.asked), server.connections) == (2, 1)

    async def test_with_one_inner_address_among_public_ones_are_refused(self):
        wire = Wire([OK])
        async with answering([PUBLIC, "10.0.0.1"]) as names:
            with pytest.raises(Denied) as denied:
                await tools_of(StubResolver(names), wire).http_get("https://a.example/")

        assert wire.dialled == []
        assert "10.0.0.1" not in str(denied.value)

    async def test_nothing_reaches_a_server_on_loopback(self):
        async with serving({"/": OK[0]}) as server, answering([ADDRESS]) as names:
            tools = tools_of(StubResolver(names), schemes={"http"}, ports={server.port})

            for host in ("a.example", ADDRESS, "[::1]", "[::ffff:127.0.0.1]", "127.0.0.2", "0.0.0.1"):
                with pytest.raises(Denied):
                    await tools.http_get(server.url(host=host))

        assert server.connections == 0

    @pytest.mark.parametrize("known", [{}, {"a.example": []}])
    async def test_without_an_address_nothing_was_sent(self, known):
        with pytest.raises(NotSent, match=r"no address is known for the host 'a\.example'"):
            await tools_of(Names(known), Wire([OK])).http_get("https://a.example/")

    async def test_that_are_addresses_are_not_looked_up(self):
        wire = Wire([OK])

        await tools_of(Names({}), wire).http_get(f"https://{PUBLIC}/")

        assert wire.dialled == [(PUBLIC, 443)]

    @pytest.mark.real_time
    async def test_are_looked_up_by_the_system_where_nobody_says_otherwise(self):
        assert ADDRESS in await SystemResolver().resolve("localhost", 443)


class TestSeveralAddresses:
    """Are tried in turn."""

    async def test_until_one_takes_the_connection(self):
        wire = Wire([OK], refuses=(PUBLIC,))

        got = await tools_of(Names({"a.example": [PUBLIC, OTHER]}), wire).http_get("https://a.example/")

        assert got.head.ok
        assert wire.dialled == [(PUBLIC, 443), (OTHER, 443)]

    async def test_on_real_sockets(self):
        async with serving({"/": OK[0]}, host="127.0.0.3") as server:
            names = Names({"a.example": ["127.0.0.2", "127.0.0.3"]})
            tools = tools_of(names, schemes={"http"}, ports={server.port}, networks=[HERE])

            assert (await tools.http_get(server.url(host="a.example"))).head.ok

    async def test_and_one_that_never_answers_leaves_time_for_the_others(self):
        wire = Wire([OK], silent=(PUBLIC,))
        tools = tools_of(Names({"a.example": [PUBLIC, OTHER]}), wire, connect_seconds=8)

        assert (await tools.http_get("https://a.example/")).head.ok
        assert current_clock().now == pytest.approx(4)

    async def test_and_when_none_takes_it_nothing_was_sent(self):
        wire = Wire([OK], refuses=(PUBLIC, OTHER))

        with pytest.raises(NotSent, match=r"no connection to 'a\.example', port 443"):
            await tools_of(Names({"a.example": [PUBLIC, OTHER]}), wire).http_get("https://a.example/")


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


class Tls:
    """A server's side of TLS, which keeps the names that it was asked for."""

    def __init__(self, authority, name):
        self.asked = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self.context)
        self.context.sni_callback = lambda _, asked, __: self.asked.append(asked)


class TestTls:
    """Is with the name, whatever address is dialled."""

    @pytest.fixture
    def trusted(self, authority, tmp_path):
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        return tmp_path / "ca.pem"

    async def fetch(self, server, **settings):
        tools = tools_of(Names({"a.example": [ADDRESS]}), ports={server.port}, networks=[HERE], **settings)
        return await tools.http_get(server.url(host="a.example"))

    async def test_asks_for_the_name_and_takes_its_certificate(self, authority, trusted):
        tls = Tls(authority, "a.example")
        async with serving({"/": OK[0]}, tls=tls.context) as server:
            got = await self.fetch(server, certificates=trusted)

        assert got.head.url == server.url(host="a.example")
        assert tls.asked == ["a.example"]

    async def test_takes_no_certificate_of_another_name_nor_of_the_address(self, authority, trusted):
        for name in ("b.example", ADDRESS):
            async with serving({"/": OK[0]}, tls=Tls(authority, name).context) as server:
                with pytest.raises(NotSent, match=r"certificate of 'a\.example' is not valid") as failed:
                    await self.fetch(server, certificates=trusted)

            assert not failed.value.retryable
            assert server.requests == []

    async def test_takes_no_certificate_of_an_authority_that_nobody_trusts(self, authority):
        async with serving({"/": OK[0]}, tls=Tls(authority, "a.example").context) as server:
            with pytest.raises(NotSent, match="is not valid: "):
                await self.fetch(server)

    async def test_is_not_done_without(self):
        wire = Wire([OK], speaks_tls=False)

        with pytest.raises(NotSent, match="no secure connection"):
            await tools_of(Names({"a.example": [PUBLIC]}), wire).http_get("https://a.example/")

        assert wire.streams[0].sent == b""


class TestTime:
    """Each wait has its limit."""

    def tools(self, *script, **settings):
        return tools_of(Names({"a.example": [PUBLIC]}), Wire([list(script)]), **settings)

    async def test_for_a_connection(self):
        wire = Wire([OK], silent=(PUBLIC,))

        with pytest.raises(NotSent):
            await tools_of(Names({"a.example": [PUBLIC]}), wire, connect_seconds=3).http_get(
                "https://a.example/"
            )

        assert current_clock().now == pytest.approx(3)

    async def test_for_a_name_to_be_looked_up(self):
        class Slow:
            async def resolve(self, host, port):
                await anyio.sleep(99)

        with pytest.raises(NotSent):
            await tools_of(Slow(), Wire([OK]), connect_seconds=3).http_get("https://a.example/")

        assert current_clock().now == pytest.approx(3)

    async def test_for_the_next_bytes(self):
        with pytest.raises(ToolTimeout, match="said nothing") as late:
            await self.tools(99.0, *OK, read_seconds=4).http_get("https://a.example/")

        assert (late.value.kind, current_clock().now) == ("idle", pytest.approx(4))

    async def test_for_all_of_it_however_steadily_it_drips(self):
        script = [answer(content_length=1_000), *[3.0, b"x"] * 1_000]

        with pytest.raises(ToolTimeout, match="took longer than 10 s") as late:
            await self.tools(*script, read_seconds=4, total_seconds=10).http_get("https://a.example/")

        assert (late.value.kind, current_clock().now) == ("attempt", pytest.approx(10))

    async def test_for_a_place_in_the_pool(self):
        wire = Wire([[20.0, *OK]])
        tools = tools_of(
            Names({"a.example": [PUBLIC]}), wire, max_connections=1, connect_seconds=2, read_seconds=50
        )

        async with tools.fetcher.running(), anyio.create_task_group() as tasks:
            tasks.start_soon(tools.http_get, "https://a.example/")
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(NotSent, match="in time"):
                await tools.http_get("https://a.example/")

        assert len(wire.streams) == 1


@pytest.mark.parametrize(
    "script",
    [
        [],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"],
        [httpcore2.ReadError("reset by 10.0.0.1")],
        [b"SSH-2.0-OpenSSH\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"],
        [b"HTTP/1.1 101 Switching Protocols\r\n\r\n"],
    ],
    ids=["nothing", "half", "reset", "no HTTP", "endless headers", "two lengths", "another protocol"],
)
async def test_an_answer_that_is_none_makes_the_server_unavailable(script):
    tools = tools_of(Names({"a.example": [PUBLIC]}), Wire([script]))

    with pytest.raises(Unavailable, match=r"connection to 'a\.example' broke") as broken:
        await tools.http_get("https://a.example/")

    assert broken.value.retryable
    assert not isinstance(broken.value, NotSent)
    assert "10.0.0.1" not in str(broken.value)
