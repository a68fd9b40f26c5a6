"""The signing keys of identity providers: fetched in the background, kept over failures and restarts.

A provider that is down takes nothing away: the keys that were fetched last go on, in memory and in `home/run`, until
new ones come. A token with an unknown key id makes them be fetched again, at most every ten seconds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from steward.core.errors import Refused, Unavailable
from steward.core.fetch import open_url
from steward.core.files import make_private_folder, write_file
from steward.core.issuers import IssuerPlan
from steward.security.tokens import read_keys

if TYPE_CHECKING:
    from urllib.request import Request

    from steward.security.tokens import SigningKey

log = logging.getLogger(__name__)

FRESH_S: Final = 300.0  # between two looks at what an issuer publishes
PAUSE_S: Final = 10.0  # after one look, whatever came of it
FETCH_S: Final = 5.0
MAX_BYTES: Final = 256 * 1024
DISCOVERY: Final = "/.well-known/openid-configuration"

Fetch = Callable[[str], Any]  # an address → JSON; raises OSError or ValueError


class IssuerKeys:
    """The keys of some issuers. `refresh` is called often; `find` never waits."""

    def __init__(
        self,
        home: Path,
        issuers: Sequence[IssuerPlan],
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch, self._clock = fetch or fetch_json, clock
        self._each = {issuer.name: _Published(issuer, home / "run" / f"jwks-{issuer.name}.json") for issuer in issuers}

    def find(self, name: str, kid: str | None) -> SigningKey | None:
        """:raises Refused: 503, it is not known yet and will be looked for"""
        published = self._each[name]
        key = published.keys.get(kid)
        if key is None and (not published.keys or published.may_be_asked(self._clock())):
            published.wanted = True
            raise Refused(
                "The signing keys of this token's issuer are being fetched. Send the request again in a moment.",
                status=503,
                type="server_error",
                code="signing_keys_pending",
                headers=(("retry-after", "1"),),
            )
        return key

    def fetch_now(self, name: str) -> None:
        """Fetch the keys of one issuer, and wait for it."""
        published = self._each[name]
        published.asked_at = self._clock()
        published.fetch(self._fetch)

    async def refresh(self) -> None:
        """Fetch what is due, all at the same time; a failure is said once in the log."""
        now = self._clock()
        due = [each for each in self._each.values() if each.is_due(now)]
        for each in due:
            each.asked_at = now
        if due:
            await asyncio.gather(*(asyncio.to_thread(each.fetch, self._fetch) for each in due))


class _Published:
    """What one issuer published last."""

    def __init__(self, issuer: IssuerPlan, file: Path) -> None:
        self._issuer, self._file = issuer, file
        self.keys: dict[str | None, SigningKey] = {}
        self.asked_at = float("-inf")
        self.wanted = False
        self._problem = ""
        with suppress(OSError, ValueError):
            self.keys = read_keys(json.loads(file.read_bytes()), issuer.algorithm)

    def may_be_asked(self, now: float) -> bool:
        return now - self.asked_at >= PAUSE_S

    def is_due(self, now: float) -> bool:
        return now - self.asked_at >= (PAUSE_S if self.wanted or not self.keys else FRESH_S)

    def fetch(self, fetch: Fetch) -> None:
        try:
            document = fetch(find_jwks_url(self._issuer, fetch))
            keys = read_keys(document, self._issuer.algorithm)
            if not keys:
                raise ValueError(f"it publishes no key for {self._issuer.algorithm}")
        except (OSError, ValueError, Unavailable) as error:
            if str(error) != self._problem:
                log.error("keys of the issuer %s: %s; the last ones go on", self._issuer.name, error)
            self._problem = str(error)
            return
        self.keys, self.wanted, self._problem = keys, False, ""
        make_private_folder(self._file.parent)
        write_file(self._file, json.dumps(document).encode())


def find_jwks_url(issuer: IssuerPlan, fetch: Fetch) -> str:
    """As configured, else as the issuer's discovery document says. :raises Unavailable: it is another issuer's"""
    return issuer.jwks_url or discover(issuer.issuer, fetch)["jwks_uri"]


def discover(issuer: str, fetch: Fetch) -> dict[str, str]:
    """The texts of an issuer's discovery document (OpenID Connect Discovery 1.0, section 4).

    :raises Unavailable: it is another issuer's, or names an address that is not safe to ask
    """
    document = fetch(issuer.rstrip("/") + DISCOVERY)
    texts = {name: value for name, value in document.items() if isinstance(value, str)} if document else {}
    if texts.get("issuer") != issuer:
        raise Unavailable(f"{issuer}: its discovery document names another issuer")
    for name in ("jwks_uri", "authorization_endpoint", "token_endpoint", "device_authorization_endpoint"):
        if name in texts and not is_safe(texts[name]):
            raise Unavailable(f"{issuer}: its {name} does not begin with https://")
    if "jwks_uri" not in texts:
        raise Unavailable(f"{issuer}: its discovery document has no jwks_uri")
    return texts


def is_safe(url: str) -> bool:
    """HTTPS, or this machine itself.

    >>> is_safe("https://idp.example/x"), is_safe("http://127.0.0.1:1/"), is_safe("http://10.0.0.1"), is_safe("file:///")
    (True, True, False, False)
    """
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"))


def fetch_json(asked: str | Request) -> Any:
    """:raises OSError: no answer, or not 200 :raises ValueError: not JSON, or too long"""
    with open_url(asked, FETCH_S) as answer:
        data = answer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        url = asked if isinstance(asked, str) else asked.full_url
        raise ValueError(f"{url}: more than {MAX_BYTES:,} bytes")
    return json.loads(data)
