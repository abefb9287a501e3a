"""URLs: one spelling for each host, and nothing in between."""

import pytest

from toolcase import InvalidArguments
from toolcase_http.urls import is_host, origin_of, parse, shown


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com:443/a?b#c", "https://example.com/a?b"),
        ("https://example.com./", "https://example.com/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://example。com/", "https://example.com/"),
        ("https://under_score.example/", "https://under_score.example/"),
        ("https://192.0.2.1./", "https://192.0.2.1/"),
        ("https://[2001:DB8:0:0::1]:8443/", "https://[2001:db8::1]:8443/"),
        ("https://example.com/a b", "https://example.com/a%20b"),
    ],
)
def test_reads_a_url(text, read):
    url = parse(text)

    assert f"{url.scheme}://{url.netloc.decode()}{url.raw_path.decode()}" == read


@pytest.mark.parametrize(
    "text",
    [
        "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://127.0.0.0x1/",
        "https://0177.0.0.1/", "https://1.2.3.4.5/", "https://127.0.0.1%20/",
        "https://%31%32%37.0.0.1/", "https://①②⑦.0.0.1/", "https://256.1.1.1/", "https://1.0x/",
    ],
)  # fmt: skip
def test_refuses_an_address_that_is_spelled_in_another_way(text):
    with pytest.raises(InvalidArguments):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "example.com", "/page", "//example.com/", "https://", "https:///page", "https://exa mple.com/",
        "https://a..b/", "https://-a.example/", "https://a-.example/", f"https://{'a' * 64}.example/",
        f"https://{'a.' * 130}example/", "https://example.com:port/", "https://[::1/", "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/", "https://evil.example\\.good.example/", "https://good.example\n/",
        "https://example.com/\r\nX: y", "https://example.com/\0", "https://example.com/\ud800",
        f"https://example.com/{'a' * 70_000}",
    ],
)  # fmt: skip
def test_refuses_what_is_no_whole_url(text):
    with pytest.raises(InvalidArguments):
        parse(text)


@pytest.mark.parametrize(
    "text",
    ["https://me:secret@example.com/", "https://me@example.com/", "https://good.example\\@evil.example/"],
)
def test_refuses_credentials_and_does_not_repeat_them(text):
    with pytest.raises(InvalidArguments, match="user name") as refused:
        parse(text)

    assert "secret" not in str(refused.value)


def test_a_log_is_not_told_what_stood_in_a_url_that_is_none():
    with pytest.raises(InvalidArguments) as refused:
        parse("https://me:secret@example.com:port/")

    assert "secret" not in refused.value.without_values


def test_a_relative_url_is_read_from_where_it_stands():
    base = parse("https://example.com/a/b")

    assert str(parse("../c?d", base)) == "https://example.com/c?d"
    assert parse("//other.example/", base).host == "other.example"


def test_the_same_place_is_one_origin():
    assert origin_of(parse("https://example.com/")) == ("https", "example.com", 443)
    assert origin_of(parse("http://Example.com:80/x")) == ("http", "example.com", 80)
    assert origin_of(parse("ftp://example.com/")) == ("ftp", "example.com", 0)


def test_a_name_that_ends_in_a_number_is_no_name():
    assert is_host("1.example")
    assert not is_host("example.1")


def test_shows_a_long_text_cut():
    assert shown("a" * 300) == repr("a" * 200 + "...")
