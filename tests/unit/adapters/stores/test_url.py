"""Which URLs lead to a store (libpq's connection URIs, PostgreSQL documentation, section 34.1.1.2)."""

from __future__ import annotations

import pytest

from steward.adapters.stores.database import Database
from steward.adapters.stores.url import check_server_url
from steward.core.errors import InputError


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@h:5432/d",
        "postgresql:///d?host=/var/run/postgresql",
        "postgresql+psycopg://h/d",
        "postgresql://h:65535/d",
    ],
)
def test_a_servers_url_is_taken_as_it_is(url: str) -> None:
    assert check_server_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://u:secret@h/d",
        "mysql://u:secret@h/d",
        "postgresql://u:secret@h:54x2/d",
        "postgresql://u:secret@h:0/d",
        "postgresql://u:secret@h:65536/d",
        "postgresql:h",
        "secret",
        "",
    ],
)
def test_another_is_refused_without_its_password(url: str) -> None:
    for check in (check_server_url, Database):
        with pytest.raises(InputError) as caught:
            check(url)
        assert "secret" not in str(caught.value) and "expected postgresql://" in str(caught.value)
