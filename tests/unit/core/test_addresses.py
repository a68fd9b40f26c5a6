"""What counts as a user or a password in an address: the userinfo before the host (RFC 3986, section 3.2.1)."""

from __future__ import annotations

import pytest

from steward.core.addresses import has_credentials, hide_url_secrets, refuse_credentials
from steward.core.errors import InputError


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pass@host/v1",
        "https://token@host",
        "HTTPS://user:pass@host",
        " http://user:pass@host",
        "http://user:pass@host:19l00/v1",
        "http://us@er:pass@host",
        "http:\\\\user:pass@host",
        "smtp://user:pass@host:25",
        "rediss+x://:pass@host",
    ],
)
def test_a_user_before_the_host_is_refused_and_not_repeated(url: str) -> None:
    assert has_credentials(url)
    with pytest.raises(InputError) as caught:
        refuse_credentials(url, "use --key")
    assert str(caught.value) == ("the URL holds a user name or password, which would be printed with it; use --key")


@pytest.mark.parametrize(
    "url", ["http://host/v1", "http://host/@user", "http://host?mail=a@b.c", "http://host#a@b", "env:NAME", "starter"]
)
def test_an_at_sign_elsewhere_is_none(url: str) -> None:
    assert not has_credentials(url) and refuse_credentials(url, "") == url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host/v1?key=a?b#c", "http://host/v1?…"),
        ("http://host/v1#a?key=b", "http://host/v1#…"),
        ("http://host/v1?key=a\nb", "http://host/v1?…"),
        ("http://host/v1", "http://host/v1"),
        ("env:HOOK?x", "env:HOOK?x"),
    ],
)
def test_nothing_of_a_query_or_fragment_is_shown(url: str, shown: str) -> None:
    assert hide_url_secrets(url) == shown
