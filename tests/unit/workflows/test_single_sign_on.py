"""The whole flow against a provider that the test plays, honest and not."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

import msgspec
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


def alter(sealed: str) -> str:
    """With another last byte."""
    return sealed[:-2] + ("00" if sealed[-2:] != "00" else "11")


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
        cookie = {"cookie": alter(cookie), "other cookie": "zz", "no cookie": ""}[change]
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


class DeviceProvider(Provider):
    """A provider at which devices wait for a code to be entered."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.discovery = DISCOVERY | {"device_authorization_endpoint": f"{ISSUER}/device"}
        self.says: list[dict[str, Any]] = []
        self.prompt: dict[str, Any] = {
            "device_code": "dc", "user_code": "ABCD-EFGH", "verification_uri": f"{ISSUER}/activate", "expires_in": 300,
        }  # fmt: skip

    def fetch(self, url: str) -> Any:
        return {"keys": [publish(RSA)]} if url.endswith("/keys") else self.discovery

    def post(self, url: str, form: dict[str, str]) -> Any:
        if url in self.down:
            raise TimeoutError("slow")
        assert form["client_id"] == "console"
        if url.endswith("/device"):
            assert form["scope"] == "openid profile groups"
            return self.prompt
        assert (form["grant_type"], form["device_code"]) == ("urn:ietf:params:oauth:grant-type:device_code", "dc")
        answer = self.says.pop(0)
        if "error" in answer:
            body = io.BytesIO(json.dumps(answer).encode())
            raise HTTPError(url, 400, "Bad Request", Message(), body)
        return {"id_token": make_token(**{"aud": "console", "sub": "anna", "exp": 2000} | answer)}


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[DeviceProvider]:
    provider = DeviceProvider(tmp_path)
    yield provider
    provider.store.close()


def test_a_device_waits_until_its_code_was_entered(devices: DeviceProvider) -> None:
    prompt = devices.sso.begin_device()
    assert (prompt.user_code, prompt.verification_uri, prompt.interval, prompt.expires_in) == (
        "ABCD-EFGH", f"{ISSUER}/activate", 5.0, 300.0,
    )  # fmt: skip
    assert b"dc" not in bytes.fromhex(prompt.device)
    devices.says = [{"error": "authorization_pending"}, {"error": "slow_down"}, {"groups": ["ml"]}]
    assert devices.sso.finish_device(prompt.device) == 0.0
    assert devices.sso.finish_device(prompt.device) == 5.0  # RFC 8628, section 3.5
    ended = devices.sso.finish_device(prompt.device)
    assert not isinstance(ended, float)
    who = devices.people.find(ended.token)
    assert who is not None and (who.actor, who.tenant) == ("person:corp/anna", "acme")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"error": "access_denied"}, "refused_by_provider"), ({"error": "expired_token"}, "refused_by_provider"),
        ({"aud": "x"}, "wrong_audience"), ({"iss": "https://evil.example"}, "unknown_issuer"),
        ({"groups": ["none"]}, "no_role"),
    ],
)  # fmt: skip
def test_a_device_that_may_not_sign_in_is_told_why(devices: DeviceProvider, answer: dict[str, Any], code: str) -> None:
    prompt = devices.sso.begin_device()
    devices.says = [{"groups": ["ml"]} | answer]
    with pytest.raises(Refused) as caught:
        devices.sso.finish_device(prompt.device)
    assert caught.value.code == code


def test_a_code_is_good_for_as_long_as_the_provider_says_and_for_this_console_alone(devices: DeviceProvider) -> None:
    prompt, cookie = devices.sso.begin_device(), devices.sso.send()[1]
    for device in ("", "zz", alter(prompt.device), cookie):
        with pytest.raises(Refused, match="begun elsewhere"):
            devices.sso.finish_device(device)
    devices.now += 300.0
    with pytest.raises(Refused, match="nobody entered the code in time"):
        devices.sso.finish_device(prompt.device)
    devices.prompt["expires_in"] = 1e9
    assert devices.sso.begin_device().expires_in == PENDING_S


def test_a_provider_without_device_sign_in_is_named(provider: Provider) -> None:
    with pytest.raises(Refused, match=r"corp does not offer sign-in with a code.*steward login URL --name") as caught:
        provider.sso.begin_device()
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "change",
    [{"device_code": None}, {"verification_uri": "http://evil.example"}, {"expires_in": "soon"}, {"user_code": None}],
)
def test_a_providers_answer_that_cannot_be_used_is_none(devices: DeviceProvider, change: dict[str, Any]) -> None:
    devices.prompt = {name: value for name, value in (devices.prompt | change).items() if value is not None}
    with pytest.raises(Unavailable, match="gave no code"):
        devices.sso.begin_device()


@pytest.mark.parametrize("endpoint", ["device", "token"])
def test_a_provider_that_is_down_keeps_a_device_waiting(devices: DeviceProvider, endpoint: str) -> None:
    prompt = devices.sso.begin_device()
    devices.down.add(f"{ISSUER}/{endpoint}")
    with pytest.raises(Unavailable, match="does not answer"):
        devices.sso.begin_device() if endpoint == "device" else devices.sso.finish_device(prompt.device)


def test_a_providers_endpoints_are_asked_for_anew_after_five_minutes(provider: Provider) -> None:
    asked: list[str] = []

    def fetch(url: str) -> Any:
        asked.append(url)
        return DISCOVERY

    provider.sso._fetch = fetch
    for now, count in ((1000.0, 1), (1000.0, 1), (1300.0, 1), (1300.5, 2)):
        provider.now = now
        provider.send()
        assert len(asked) == count, now


def test_a_browser_has_ten_minutes(provider: Provider) -> None:
    state, cookie = provider.send()
    provider.now += 600.0
    with pytest.raises(Refused) as caught:
        provider.sso.take_back({"state": state, "code": "good"}, cookie)
    assert caught.value.code == "expired_sign_in"
    provider.now -= 0.1
    assert provider.sso.take_back({"state": state, "code": "good"}, cookie).token


def test_a_device_has_at_most_ten_minutes(devices: DeviceProvider) -> None:
    devices.prompt["expires_in"] = 601
    assert devices.sso.begin_device().expires_in == 600.0


def test_a_client_with_a_secret_sends_it_and_one_without_sends_none(
    devices: DeviceProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIENT_SECRET", " s3cret\n")
    sent: list[dict[str, str]] = []
    plain = devices.sso._post

    def post(url: str, form: dict[str, str]) -> Any:
        sent.append(form)
        return plain(url, form)

    devices.sso._post = post
    devices.sso.begin_device()
    devices.sso.plan = msgspec.structs.replace(PLAN, client_secret="env:CLIENT_SECRET")
    devices.sso.begin_device()
    assert [form.get("client_secret") for form in sent] == [None, "s3cret"]


@pytest.mark.parametrize("body", [b"[]", b'{"error_description": "x"}', b'{"error": 7}', b"<html>"])
def test_an_error_that_is_no_oauth_error_is_no_answer(devices: DeviceProvider, body: bytes) -> None:
    prompt = devices.sso.begin_device()

    def post(url: str, form: dict[str, str]) -> Any:
        raise HTTPError(url, 500, "Internal Server Error", Message(), io.BytesIO(body))

    devices.sso._post = post
    with pytest.raises(Unavailable, match="token endpoint does not answer"):
        devices.sso.finish_device(prompt.device)


@pytest.mark.parametrize("answer", [{}, {"id_token": 7}, {"error": "access_denied", "id_token": "x.y.z"}])
def test_a_device_is_let_in_by_an_id_token_alone(devices: DeviceProvider, answer: dict[str, Any]) -> None:
    prompt = devices.sso.begin_device()
    devices.sso._post = lambda url, form: answer
    with pytest.raises(Refused) as caught:
        devices.sso.finish_device(prompt.device)
    assert caught.value.code == "refused_by_provider"


def test_a_device_with_an_address_that_has_the_code_in_it_is_given_it(devices: DeviceProvider) -> None:
    assert devices.sso.begin_device().verification_uri_complete == ""
    devices.prompt["verification_uri_complete"] = f"{ISSUER}/activate?code=ABCD-EFGH"
    devices.prompt["interval"] = 7
    prompt = devices.sso.begin_device()
    assert (prompt.verification_uri_complete, prompt.interval) == (f"{ISSUER}/activate?code=ABCD-EFGH", 7.0)
    devices.prompt["verification_uri_complete"] = "http://evil.example"
    with pytest.raises(Unavailable):
        devices.sso.begin_device()
