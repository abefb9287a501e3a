"""Settings that make no sense are refused when they are made."""

import pytest
from pydantic import ValidationError

from toolcase_http import HttpSettings


def test_by_default_only_https_on_its_own_port():
    settings = HttpSettings()

    assert settings.schemes == {"https"}
    assert settings.open_ports() == {443}


def test_where_http_is_allowed_its_port_is():
    assert HttpSettings(schemes={"http", "https"}).open_ports() == {80, 443}


@pytest.mark.parametrize(
    "wrong",
    [
        {"schemes": ["ftp"]},
        {"ports": [0]},
        {"ports": [65_536]},
        {"hosts": ["*"]},
        {"hosts": ["a/b"]},
        {"hosts": ["https://example.com"]},
        {"hosts": ["127.1"]},
        {"hosts": ["example.com:8443"]},
        {"hosts": ["a.*.example"]},
        {"networks": ["10.0.0.1/8"]},
        {"headers": {"https://api.example/path": {"X-Key": "long enough"}}},
        {"headers": {"ftp://api.example": {"X-Key": "long enough"}}},
        {"headers": {"https://me@api.example": {"X-Key": "long enough"}}},
        {"headers": {"api.example": {"X Key": "long enough"}}},
        {"headers": {"api.example": {"Host": "long enough"}}},
        {"headers": {"api.example": {"Proxy-Authorization": "long enough"}}},
        {"request_headers": ["content-length"]},
        {"request_headers": ["a:b"]},
        {"user_agent": "two\nlines"},
        {"user_agent": "space "},
        {"headers": {"a.example": {"X-Key": "s3cret"}, "https://A.example:443": {"X-Key": "other-s3cret"}}},
        {"headers": {"a.example": {"X-Key": "s3cret", "x-key": "other-s3cret"}}},
        {"certificates": "no/such/file.pem"},
        {"max_bytes": 0},
        {"max_body_bytes": -1},
        {"max_redirects": -1},
        {"max_redirects": 21},
        {"max_connections": 0},
        {"connect_seconds": 0},
        {"read_seconds": float("inf")},
        {"total_seconds": float("nan")},
        {"max_byte": 1},
    ],
    ids=str,
)
def test_refuses(wrong):
    with pytest.raises(ValidationError):
        HttpSettings(**wrong)


@pytest.mark.parametrize("value", ["line\nbreak of s3cret", "s3c", "sécret", " s3cret"])
def test_a_secret_that_cannot_be_sent_or_masked_is_refused_without_being_shown(value):
    with pytest.raises(ValidationError) as refused:
        HttpSettings(headers={"api.example": {"X-Key": value}})

    assert value not in str(refused.value)


def test_a_secret_is_not_in_the_repr():
    assert "s3cret" not in repr(HttpSettings(headers={"api.example": {"X-Key": "s3cret"}}))


def test_hosts_and_names_of_headers_are_held_in_one_spelling():
    settings = HttpSettings(hosts=["Bücher.Example.", "*.Example.com"], request_headers=["X-Trace"])

    assert settings.hosts == ("xn--bcher-kva.example", "*.example.com")
    assert settings.request_headers == {"x-trace"}


def test_a_host_with_secret_headers_means_https_unless_it_says_otherwise():
    value = {"X-Key": "s3cret"}
    settings = HttpSettings(headers={"api.example": value, "http://intranet.example:8080": value})

    assert list(settings.secret_headers()) == [
        ("https", "api.example", 443),
        ("http", "intranet.example", 8080),
    ]
