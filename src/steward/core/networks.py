"""Networks that people write, and the address of a client behind proxies.

Only `X-Forwarded-For` is read, and only as far as trusted proxies wrote it: each proxy appends the address that it saw,
so the list is read from its end, and the first address that is no trusted proxy is the client. Whatever stands before
that was written by the client and is not believed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache

from steward.core.errors import InputError
from steward.core.excerpts import cut_text

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_network(text: str) -> Network:
    """A network or one address.

    :raises InputError: neither, or an address with bits set behind its prefix

    >>> str(parse_network("10.0.0.7"))
    '10.0.0.7/32'
    """
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError as error:
        hint = ""
        with suppress(ValueError):
            hint = f"; did you mean {ipaddress.ip_network(text.strip(), strict=False)}?"
        raise InputError(
            f"network {cut_text(text)!r}: expected one such as 10.0.0.0/8 or 2001:db8::/32{hint}"
        ) from error


@lru_cache(maxsize=4096)
def parse_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """:raises InputError: as `parse_network`"""
    return tuple(parse_network(text) for text in texts)


def find_client(hops: Iterable[str], trusted: Sequence[Network]) -> Address | None:
    """The client's address: the first of `hops`, nearest first, that is no trusted proxy; the last where all are.

    None where it cannot be told: an entry that is no address.

    >>> str(find_client(["10.0.0.1", "203.0.113.9", "1.1.1.1"], parse_networks(("10.0.0.0/8",))))
    '203.0.113.9'
    """
    address = None
    for hop in hops:
        address = _parse_address(hop)
        if address is None or not is_within(address, trusted):
            return address
    return address


def is_within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)  # one of the other version is in none


def _parse_address(text: str) -> Address | None:
    """Of `1.2.3.4`, `1.2.3.4:567`, `2001:db8::1` and `[2001:db8::1]:567`; an IPv4 address within IPv6 is IPv4."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
