"""Which addresses belong to the public internet: a table of our own, because that of `ipaddress` has holes.

The rows follow the IANA registries of special-purpose addresses, for IPv4 and for IPv6 (RFC 6890 and what
updated it), and add what these leave out. A row stands here whether or not its addresses are reachable from
elsewhere: none of them is where a page is to be found.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOT_PUBLIC_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network; on many systems 0.0.0.0 is the host itself (RFC 791, RFC 1122)
            "10.0.0.0/8",  # private (RFC 1918)
            "100.64.0.0/10",  # shared by the customers of a carrier: CGNAT (RFC 6598)
            "127.0.0.0/8",  # loopback (RFC 1122)
            "168.63.129.16/32",  # what serves the machines of the cloud Azure from below
            "169.254.0.0/16",  # link-local, and the metadata services of clouds (RFC 3927)
            "172.16.0.0/12",  # private (RFC 1918)
            "192.0.0.0/24",  # protocol assignments, DS-Lite, NAT64 discovery (RFC 6890, RFC 7335)
            "192.0.2.0/24",  # documentation (RFC 5737)
            "192.31.196.0/24",  # AS112, a sink for reverse look-ups (RFC 7535)
            "192.52.193.0/24",  # multicast tunnels: AMT (RFC 7450)
            "192.88.99.0/24",  # relays of 6to4, given up (RFC 7526)
            "192.168.0.0/16",  # private (RFC 1918)
            "192.175.48.0/24",  # AS112 (RFC 7534)
            "198.18.0.0/15",  # measurements (RFC 2544)
            "198.51.100.0/24",  # documentation (RFC 5737)
            "203.0.113.0/24",  # documentation (RFC 5737)
            "224.0.0.0/4",  # multicast (RFC 5771)
            "240.0.0.0/4",  # reserved, with the broadcast address 255.255.255.255 (RFC 1112, RFC 919)
        ),
    )
)

# The one block of IPv6 from which global unicast addresses are given out (RFC 4291, RFC 3587). Outside lie
# loopback ::1 and ::, IPv4 in disguise (::/96, ::ffff:0:0/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard
# 100::/64, segment routing 5f00::/16, unique local fc00::/7, link-local fe80::/10, site-local fec0::/10,
# multicast ff00::/8, and all that nobody was given yet.
GLOBAL_6 = IPv6Network("2000::/3")

NOT_PUBLIC_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, which carries IPv4, ORCHID (RFC 2928, RFC 4380)
            "2001:db8::/32",  # documentation (RFC 3849)
            "2002::/16",  # 6to4, which carries IPv4 inside (RFC 3056)
            "2620:4f:8000::/48",  # AS112 (RFC 7534)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)


def is_public(address: Address) -> bool:
    """Whether the address is one that anybody on the internet may be reached at.

    An IPv6 address that carries an IPv4 address is not, whatever it carries, and neither is one with a scope.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    if address.scope_id is not None or address not in GLOBAL_6:
        return False
    return not any(address in network for network in NOT_PUBLIC_6)
