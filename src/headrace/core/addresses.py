"""Whether an IP address is one of the public internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NAT64 = ip_network("64:ff9b::/96")
_PLATFORM = (ip_network("168.63.129.16/32"), ip_network("192.0.0.0/24"))
"""Addresses that look public and are a cloud's own to its machines (the second has a cloud's metadata, 192.0.0.192)."""


def is_public(address: str) -> bool:
    """False for loopback, private, link-local (with every cloud's metadata), shared, reserved and multicast ones, for
    IPv6 addresses that carry one of those as IPv4 (mapped, 6to4, Teredo, NAT64), and for what is no address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return _public(found)
    if found.ipv4_mapped is not None:
        return _public(found.ipv4_mapped)
    if found in _NAT64:
        return _public(IPv4Address(int(found) & 0xFFFFFFFF))
    carried = [found.sixtofour, *(found.teredo or ())]
    return _public(found) and all(_public(inner) for inner in carried if inner is not None)


def _public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or any(address in each for each in _PLATFORM)
    )
