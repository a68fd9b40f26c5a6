"""The whole flow against a provider that the test plays, honest and not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from steward.core.access import Place
from steward.core.errors import Refused, Unavailable
from steward.core.identity import operator
from steward.core.issuers import SignInPlan
from steward.security.oidc import challenge
from steward.workflows import access
from steward.workflows.people import People
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.single_sign_on import PENDING_S, SingleSignOn
from tokens import ISSUER, RSA, make_token, publish

PLAN = SignInPlan(name="corp", issuer=ISSUER, client_id="console", redirect_uri="https://c.example/cb", tenant="acme")
DISCOVERY = {
    "issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys", "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": f"{ISSUER}/token",
}  # fmt: skip


class Provider:
    def __init__(self, home: Path) -> None:
        access.grant_role(home, "group:ml", "viewer", Place("acme"), 1.0, actor=operator(7))
        self.now = 1000.0
        self.claims: dict[str, Any] = {}
        self.down: set[str] = set()
        self.query: dict[str, str] = {}
        self.store = find_deployment(home).open_store()
        deployment = find_deployment(home)
        self.people = People(deployment, self.store, lambda: self.now)
        self.sso = SingleSignOn(home, PLAN, self.people, deployment.root_key(), self.fetch, self.post, lambda: self.now)

    def fetch(self, url: str) -> Any:
        if url in self.down:
            raise OSError("down")
        return {"keys": [publish(RSA)]} if url.endswith("/keys") else DISCOVERY

    def post(self, url: str, form: dict[str, str]) -> Any:
        if url in self.down:
            raise TimeoutError("slow")
        assert (url, form["grant_type"], form["redirect_uri"]) == (
            f"{ISSUER}/token",
            "authorization_code",
            PLAN.redirect_uri,
        )
        if form["code"] != "good" or challenge(form["code_verifier"]) != self.query["code_challenge"]:
            raise OSError("400")
        claims = {"aud": "console", "sub": "anna", "nonce": self.query["nonce"], "exp": 2000} | self.claims
        return {"id_token": make_token(**claims)} if self.claims is not NO_TOKEN else {"access_token": "x"}

    def send(self) -> tuple[str, str]:
        """The state and the cookie of a sign-in that begins."""
        address, cookie = self.sso.send()
        assert address.startswith(f"{ISSUER}/auth?")
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        return self.query["state"], cookie


NO_TOKEN: dict[str, Any] = {"no": "token"}


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    made = Provider(tmp_path)
    yield made
    made.store.close()


def test_somebody_comes_back_with_a_session_of_the_groups_roles(provider: Provider) -> None:
    state, cookie = provider.send()
    signed_in = provider.sso.take_back({"state": state, "code": "good"}, cookie)
    who = provider.people.find(signed_in.token)
    assert who is not None and (who.actor, who.tenant) == ("person:corp/anna", "acme")
    assert "usage.read" in who.rights and "infer" not in who.rights


def test_the_cookie_hides_what_it_keeps(provider: Provider) -> None:
    state, cookie = provider.send()
    assert state.encode() not in bytes.fromhex(cookie)


@pytest.mark.parametrize("change", ["state", "cookie", "other cookie", "no cookie", "late", "another's"])
def test_a_sign_in_that_was_begun_elsewhere_is_refused(provider: Provider, change: str) -> None:
    state, cookie = provider.send()
    if change == "state":
        state = "x" * 43
    elif change == "late":
        provider.now += PENDING_S
    elif change == "another's":
        state, _ = provider.send()
    else:
        cookie = {"cookie": cookie[:-2] + "00", "other cookie": "zz", "no cookie": ""}[change]
    with pytest.raises(Refused) as caught:
        provider.sso.take_back({"state": state, "code": "good"}, cookie)
    assert caught.value.code in ("wrong_state", "expired_sign_in")


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"nonce": "x"}, "wrong_nonce"), ({"aud": "x"}, "wrong_audience"),
        ({"iss": "https://x.example"}, "unknown_issuer"),
        ({"exp": 900}, "expired_token"), ({"groups": ["other"]}, "no_role"), (NO_TOKEN, "no_id_token"),
    ],
)  # fmt: skip
def test_what_the_provider_says_is_checked(provider: Provider, claims: dict[str, Any], code: str) -> None:
    provider.claims = claims
    state, cookie = provider.send()
    with pytest.raises(Refused) as caught:
        provider.sso.take_back({"state": state, "code": "good"}, cookie)
    assert caught.value.code == code


def test_a_code_of_somebody_else_is_refused_by_the_provider(provider: Provider) -> None:
    state, cookie = provider.send()
    with pytest.raises(Unavailable, match="token endpoint refused"):
        provider.sso.take_back({"state": state, "code": "stolen"}, cookie)


@pytest.mark.parametrize("what", ["/.well-known/openid-configuration", "/token", "/keys"])
def test_a_provider_that_is_down_is_named(provider: Provider, what: str) -> None:
    provider.down = {ISSUER + what}
    with pytest.raises(Unavailable, match=ISSUER):
        state, cookie = provider.send()
        provider.sso.take_back({"state": state, "code": "good"}, cookie)
