"""Signing in at an identity provider: sends browsers there, and takes them back."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from steward.core.errors import InputError, Refused, Unavailable
from steward.core.fetch import open_url
from steward.core.issuers import IssuerPlan, SignInPlan
from steward.core.secret import resolve
from steward.security.oidc import PendingSignIn, begin, build_request, check_answer, check_id_token
from steward.security.rootkey import derive
from steward.security.seal import encode_owner, seal, unseal
from steward.security.tokens import refuse_token
from steward.workflows.people import People, SignedIn
from steward.workflows.serve.issuer_keys import FETCH_S, MAX_BYTES, IssuerKeys, discover, fetch_json

PENDING_S: Final = 600.0
FRESH_S: Final = 300.0  # that a discovery document is believed
_OWNER: Final = encode_owner("pending sign-in")

Fetch = Callable[[str], Any]
Post = Callable[[str, dict[str, str]], Any]


class SingleSignOn:
    """One provider. Every call may block."""

    def __init__(
        self,
        home: Path,
        plan: SignInPlan,
        people: People,
        root: bytes,
        fetch: Fetch | None = None,
        post: Post | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.plan, self._people, self._clock = plan, people, clock
        self._fetch, self._post = fetch or fetch_json, post or post_form
        self._key = derive(root, "pending sign-ins")
        issuer = IssuerPlan(
            name=f"{plan.name}-sign-in", issuer=plan.issuer, audience=plan.client_id, algorithm=plan.algorithm
        )
        self._keys, self._keys_name = IssuerKeys(home, [issuer], self._fetch), issuer.name
        self._discovered: tuple[float, dict[str, str]] | None = None
        self._lock = threading.Lock()

    @property
    def session_s(self) -> float:
        """How long those who have signed in stay so at most."""
        return self._people.limits.longest_s

    def send(self) -> tuple[str, str]:
        """The address to send a browser to, and what its cookie must keep.

        :raises Unavailable: the provider does not answer
        """
        pending = begin(self._clock(), PENDING_S)
        address = build_request(self._find("authorization_endpoint"), self.plan, pending)
        return address, seal(self._key, msgspec.json.encode(pending), _OWNER).hex()

    def take_back(self, query: Mapping[str, str], cookie: str) -> SignedIn:
        """:raises Refused: 401 or 403, with what is wrong :raises Unavailable: the provider does not answer"""
        pending = self._open(cookie)
        code = check_answer(query, self.plan, pending, self._clock())
        assert pending is not None
        text = self._exchange(code, pending.verifier)
        identity = check_id_token(text, self.plan, pending.nonce, self._find_key, self._clock())
        return self._people.begin(identity.subject, self.plan.tenant, "oidc", identity.groups)

    def _open(self, cookie: str) -> PendingSignIn | None:
        try:
            text = unseal(self._key, bytes.fromhex(cookie), _OWNER)
            return msgspec.json.decode(text, type=PendingSignIn)
        except (InputError, ValueError, msgspec.MsgspecError):
            return None

    def _exchange(self, code: str, verifier: str) -> str:
        """The ID token for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.plan.redirect_uri,
            "client_id": self.plan.client_id,
            "code_verifier": verifier,
        }
        if self.plan.client_secret is not None:
            form["client_secret"] = resolve(self.plan.client_secret).reveal().strip()
        try:
            answer = self._post(self._find("token_endpoint"), form)
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self.plan.issuer}: its token endpoint refused or does not answer") from error
        text = answer.get("id_token") if isinstance(answer, dict) else None
        if not isinstance(text, str):
            raise refuse_token("the provider gave no ID token; is `openid` among the scopes?", "no_id_token")
        return text

    def _find(self, name: str) -> str:
        with self._lock:
            now = self._clock()
            if self._discovered is None or now - self._discovered[0] > FRESH_S:
                try:
                    self._discovered = (now, discover(self.plan.issuer, self._fetch))
                except (OSError, ValueError) as error:
                    raise Unavailable(f"{self.plan.issuer}: it does not answer") from error
            found = self._discovered[1].get(name)
        if found is None:
            raise Unavailable(f"{self.plan.issuer}: its discovery document has no {name}")
        return found

    def _find_key(self, kid: str | None) -> Any:
        """Waits for keys that are not known yet."""
        try:
            return self._keys.find(self._keys_name, kid)
        except Refused:
            self._keys.fetch_now(self._keys_name)
        try:
            return self._keys.find(self._keys_name, kid)
        except Refused as error:
            raise Unavailable(f"{self.plan.issuer}: its keys cannot be fetched") from error


def post_form(url: str, form: dict[str, str]) -> Any:
    """:raises OSError: no answer, or not 200 :raises ValueError: not JSON, or too long"""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    request = urllib.request.Request(url, urlencode(form).encode(), headers)
    with open_url(request, FETCH_S) as answer:
        data = answer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{url}: more than {MAX_BYTES:,} bytes")
    return json.loads(data)
