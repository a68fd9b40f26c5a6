"""Origins and patterns, compared as browsers send them (WHATWG Fetch, section 3.3)."""

import pytest

from steward.core.errors import Refused
from steward.gateway.cors import CorsPolicy, normalise_origin


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://A.example", "https://a.example"),
        (" https://a.example ", "https://a.example"),
        ("https://a.example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("https://*.a.example:443", "https://*.a.example"),
        ("http://[::1]:80", "http://[::1]"),
        ("NULL", "null"),
        ("*", "*"),
    ],
)
def test_normal_form(written: str, normal: str) -> None:
    assert normalise_origin(written) == normal


def test_a_path_gets_a_hint() -> None:
    with pytest.raises(ValueError, match="without a path or a slash at its end"):
        normalise_origin("https://a.example/")
    with pytest.raises(ValueError) as caught:
        normalise_origin("a.example")
    assert "without a path" not in str(caught.value)


def test_headers_by_origin() -> None:
    policy = CorsPolicy(("https://a.example",))
    vary = (b"vary", b"Origin")
    assert policy.headers(None) == policy.headers("https://b.example") == (vary,)
    assert policy.headers("https://a.example")[:2] == ((b"access-control-allow-origin", b"https://a.example"), vary)
    assert len(policy.headers("https://a.example")) == 3
    told = CorsPolicy(("https://a.example",), credentials=True).headers("https://a.example")
    assert told[-1] == (b"access-control-allow-credentials", b"true") and len(told) == 4
    assert CorsPolicy(("*",)).headers(None) == ()
    assert CorsPolicy(("*",)).headers("null")[0] == (b"access-control-allow-origin", b"*")
    assert CorsPolicy().headers("https://a.example") == (vary,)


def test_ports_of_patterns() -> None:
    policy = CorsPolicy(("https://*.a.example:*", "http://b.example:*"))
    assert policy.allows("https://x.a.example:8443") and policy.allows("https://x.a.example")
    assert policy.allows("http://b.example:1") and not policy.allows("http://x.b.example:1")
    assert not policy.allows("https://a.example:1") and not policy.allows("nonsense")


def test_a_pre_flight() -> None:
    told = dict(CorsPolicy(("*",), max_age_s=5).preflight("https://a.example", ("GET", "POST"), "A,b c,,d"))
    assert told == {
        b"access-control-allow-methods": b"GET, POST",
        b"access-control-allow-headers": b"a, d",
        b"access-control-max-age": b"5",
    }
    with pytest.raises(Refused, match=r"'https://a\.example' may not call") as caught:
        CorsPolicy().preflight("https://a.example", ("GET",), "")
    assert (caught.value.status, caught.value.code) == (403, "origin_not_allowed")
