"""What may be reached: scheme, port, host, and every address behind it."""

import pytest

from toolcase import Denied
from toolcase_http import HttpSettings
from toolcase_http.guard import Guard, listed
from toolcase_http.urls import parse

PUBLIC = "93.184.215.14"


def guard(**settings) -> Guard:
    return Guard(HttpSettings(**settings))


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("https://example.com/", {}),
        ("https://example.com:443/", {}),
        ("http://example.com/", {"schemes": {"http"}}),
        ("https://example.com:8443/", {"ports": {8443}}),
        ("https://example.com/", {"hosts": ["example.com"]}),
        ("https://EXAMPLE.com./", {"hosts": ["example.com"]}),
        ("https://a.b.example.com/", {"hosts": ["*.example.com"]}),
        ("https://[2606:4700::1111]/", {"hosts": ["[2606:4700:0::1111]"]}),
    ],
)
def test_allows(url, settings):
    guard(**settings).check(parse(url))


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("http://example.com/", {}),
        ("ftp://example.com/", {}),
        ("file://example.com/etc/passwd", {}),
        ("https://example.com/", {"schemes": {"http"}}),
        ("https://example.com:8443/", {}),
        ("https://example.com:80/", {}),
        ("https://example.com:0/", {}),
        ("https://example.com:99999/", {}),
        ("https://example.com/", {"ports": {8443}}),
        ("https://example.com/", {"hosts": []}),
        ("https://example.com/", {"hosts": ["*.example.com"]}),
        ("https://notexample.com/", {"hosts": ["*.example.com", "example.com"]}),
        ("https://example.com.evil.example/", {"hosts": ["example.com"]}),
    ],
)
def test_denies(url, settings):
    with pytest.raises(Denied, match="allowed: "):
        guard(**settings).check(parse(url))


def test_allows_public_addresses():
    guard().check_addresses("a.example", [PUBLIC, "2606:4700::1111"])


@pytest.mark.parametrize("inner", ["127.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "no address", ""])
def test_denies_a_host_with_any_address_that_is_not_public_and_does_not_tell_it(inner):
    with pytest.raises(Denied, match=r"the host 'a\.example'") as denied:
        guard().check_addresses("a.example", [PUBLIC, inner])

    assert not inner or inner not in str(denied.value)


def test_an_allowed_host_does_not_lift_the_guard_on_addresses():
    with pytest.raises(Denied):
        guard(hosts=["a.example"]).check_addresses("a.example", ["10.0.0.1"])


def test_an_allowed_network_opens_that_network_alone():
    opened = guard(networks=["10.1.0.0/16", "fd00:1::/32"])

    opened.check_addresses("a.example", ["10.1.2.3", "fd00:1::7", PUBLIC])

    for other in ("10.2.0.1", "::ffff:10.1.2.3", "fd00:2::1"):
        with pytest.raises(Denied):
            opened.check_addresses("a.example", [other])


def test_of_many_only_the_first_are_listed():
    assert listed(f"{n:02}" for n in range(12)).endswith("08, 09 and 2 more")
