"""The table of networks: what is public, and what only looks so."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolcase_http.networks import is_public


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.1", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1",
        "127.255.255.254", "168.63.129.16",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.171",
        "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.1.1", "192.175.48.1",
        "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
    ],
)  # fmt: skip
def test_an_ipv4_address_of_a_special_network_is_not_public(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.215.14", "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.1", "168.63.129.15",
        "168.63.129.17", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.0.1.1",
        "192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:4860:4860::8888",
        "2606:4700::1111", "2a00:1450::1", "2001:200::1",
    ],
)  # fmt: skip
def test_what_lies_beside_a_special_network_is_public(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
        "64:ff9b::a00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1", "100::1", "1fff::1", "2001::1",
        "2001:0:7f00:1::", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1",
        "2620:4f:8000::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "fc00::1", "fd12::1",
        "fe80::1", "fe80::1%eth0", "fec0::1",
        "ff02::1", "2606:4700::1111%eth0",
    ],
)  # fmt: skip
def test_an_ipv6_address_that_is_special_or_carries_another_is_not_public(address):
    assert not is_public(ip_address(address))


@given(st.ip_addresses())
def test_whatever_the_standard_library_holds_back_is_held_back_here(address):
    if not address.is_global:
        assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_is_public_inside_ipv6(address):
    carried = int(IPv4Address(address))
    disguises = (carried, 0xFFFF << 32 | carried, 0x64FF9B << 96 | carried, 0x2002 << 112 | carried << 80)

    assert not any(is_public(IPv6Address(disguise)) for disguise in disguises)
