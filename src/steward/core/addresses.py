"""A user name and a password are no part of an address: addresses stand in settings, messages, reports and proofs."""

from __future__ import annotations

import re
from typing import Final

from steward.core.errors import InputError

_WITH_USER: Final = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:[\\/]{0,2}([^/?#]*)@")


def has_credentials(url: str) -> bool:
    """Whether `url` names a user, with or without a password, before its host (RFC 3986, section 3.2.1).

    >>> has_credentials("https://anna:secret@example.com/v1"), has_credentials("https://example.com/@anna")
    (True, False)
    """
    return _WITH_USER.match(url) is not None


def refuse_credentials(url: str, instead: str) -> str:
    """The same URL. `instead` says where a secret belongs here; what stands in the URL is not repeated.

    :raises InputError: it names a user or a password
    """
    if has_credentials(url):
        raise InputError(f"the URL holds a user name or password, which would be printed with it; {instead}")
    return url
