from __future__ import annotations

import pytest

from steward.core.errors import InputError
from steward.core.networks import find_client, is_within, parse_network, parse_networks

PROXIES = parse_networks(("10.0.0.0/8", "fd00::/8"))


def client(*hops: str) -> str:
    return str(find_client(hops, PROXIES))


def test_the_first_address_that_is_no_trusted_proxy_is_the_client() -> None:
    assert client("203.0.113.9") == "203.0.113.9"
    assert client("203.0.113.9", "198.51.100.1") == "203.0.113.9"  # a stranger's header
    assert client("10.0.0.1", "203.0.113.9", "198.51.100.1") == "203.0.113.9"
    assert client("10.0.0.1", "10.0.0.2", "fd00::1", "203.0.113.9") == "203.0.113.9"


def test_where_all_are_proxies_the_furthest_is_the_client() -> None:
    assert client("10.0.0.1", "10.0.0.2") == "10.0.0.2"


@pytest.mark.parametrize("hop", ["", "unknown", "1.2.3", "1.2.3.4.5", "[::1", "10.0.0.1; DROP", "_hidden", "１.2.3.4"])
def test_an_address_that_cannot_be_told_is_none(hop: str) -> None:
    found = find_client(["10.0.0.1", hop, "203.0.113.9"], PROXIES)
    assert found is None or str(found) == "::1"


def test_no_hops_are_no_client() -> None:
    assert find_client([], PROXIES) is None


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        (" 203.0.113.9 ", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:DB8::1", "2001:db8::1"),
    ],
)
def test_the_spellings_of_an_address(hop: str, address: str) -> None:
    assert client(hop) == address


def test_a_network_is_its_addresses_and_no_others() -> None:
    networks = parse_networks(("10.0.0.0/30", "2001:db8::/126"))
    inside = [find_client([text], ()) for text in ("10.0.0.0", "10.0.0.3", "2001:db8::3")]
    outside = [find_client([text], ()) for text in ("10.0.0.4", "9.255.255.255", "2001:db8::4")]
    assert all(address is not None and is_within(address, networks) for address in inside)
    assert not any(address is not None and is_within(address, networks) for address in outside)
    assert not any(address is not None and is_within(address, ()) for address in inside)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10.0.0.1/8", "did you mean 10.0.0.0/8"),
        ("ten", "expected one such as 10.0.0.0/8"),
        ("10.0.0.0/33", "10.0.0.0/33"),
    ],
)
def test_what_is_no_network_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_network(text)


def test_one_address_is_a_network() -> None:
    assert str(parse_network(" 2001:db8::1 ")) == "2001:db8::1/128"
