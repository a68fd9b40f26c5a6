"""Which URLs lead to a store. Pure, so that a configuration is checked without opening one."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from steward.core.errors import InputError

_SERVERS: Final = ("postgresql", "postgresql+psycopg")


def check_server_url(url: str) -> str:
    """The same URL of a PostgreSQL server.

    :raises InputError: it is none; what it holds is not repeated, since a password may stand in it

    >>> check_server_url("postgresql://db.example/steward")
    'postgresql://db.example/steward'
    """
    try:
        parts = urlsplit(url)
        known = parts.scheme in _SERVERS and "://" in url and parts.port != 0
    except ValueError:  # a port that is no number, or above 65,535
        known = False
    if not known:
        raise InputError(
            "store.url: what it leads to is no URL of a PostgreSQL server; expected "
            "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
        )
    return url
