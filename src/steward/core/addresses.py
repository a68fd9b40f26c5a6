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


_LIKE_A_SECRET: Final = re.compile(
    r"(?=[^/]*[0-9])(?=[^/]*[A-Za-z])[^/]*[A-Za-z0-9]{20}[^/]*|[0-9]{17,20}|bot[0-9]+:[^/]*"
    r"|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"  # a UUID, as in the addresses of heartbeats
)
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


def is_address(text: str) -> bool:
    """Whether it is one URL, and nothing else.

    >>> is_address("https://hc-ping.com/a"), is_address("see https://hc-ping.com/a"), is_address("file:/a")
    (True, False, False)
    """
    return _ADDRESS.fullmatch(text) is not None


def hide_url_secrets(url: str) -> str:
    """`url` as it may be shown: without its query and fragment, and without parts of its path that look like tokens,
    as in the webhooks of Slack, Teams, Discord and Telegram and the heartbeats of Healthchecks. References such as
    env:NAME are no addresses.

    >>> hide_url_secrets("https://hooks.slack.com/services/T0ABC/B0ABC/a1B2c3D4e5F6g7H8i9J0k1L2")
    'https://hooks.slack.com/services/T0ABC/B0ABC/…'
    >>> hide_url_secrets("https://example.com/api/paas/v4?key=abc"), hide_url_secrets("env:HOOK")
    ('https://example.com/api/paas/v4?…', 'env:HOOK')
    """
    query = re.search(r"[?#]", url)
    plain, end = (url[: query.start()], f"{query[0]}…") if query else (url, "")
    scheme, separator, rest = plain.partition("://")
    if not separator:
        return url
    parts = ["…" if _LIKE_A_SECRET.fullmatch(part) else part for part in rest.split("/")]
    return f"{scheme}://{'/'.join(parts)}{end}"


def refuse_credentials(url: str, instead: str) -> str:
    """The same URL. `instead` says where a secret belongs here; what stands in the URL is not repeated.

    :raises InputError: it names a user or a password
    """
    if has_credentials(url):
        raise InputError(f"the URL holds a user name or password, which would be printed with it; {instead}")
    return url
