"""What goes to a provider and what may come back; RFC 7636's own example for the challenge."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from steward.core.errors import Refused
from steward.core.issuers import SignInPlan
from steward.security.oidc import PendingSignIn, begin, build_request, challenge, check_answer, check_id_token
from steward.security.tokens import read_keys
from tokens import EC, ISSUER, OTHER_RSA, RSA, make_token, publish

PLAN = SignInPlan(name="corp", issuer=ISSUER, client_id="console", redirect_uri="https://c.example/cb")
PENDING = PendingSignIn("state", "nonce", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", 600.0)
KEYS = read_keys({"keys": [publish(RSA)]}, "RS256")


def test_the_request_has_pkce_state_and_nonce() -> None:
    parts = urlsplit(build_request("https://idp.example/auth?x=1", PLAN, PENDING))
    assert {name: values[0] for name, values in parse_qs(parts.query).items()} == {
        "x": "1", "response_type": "code", "client_id": "console", "redirect_uri": "https://c.example/cb",
        "scope": "openid profile groups", "state": "state", "nonce": "nonce", "code_challenge_method": "S256",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    }  # fmt: skip
    assert parts.netloc == "idp.example" and challenge(PENDING.verifier) in parts.query


def test_each_sign_in_has_secrets_of_its_own() -> None:
    one, two = begin(0.0, 600.0), begin(0.0, 600.0)
    values = {one.state, one.nonce, one.verifier, two.state, two.nonce, two.verifier}
    assert len(values) == 6 and all(len(value) == 43 for value in values) and one.expires_at == 600.0


def test_a_browser_that_comes_back_brings_a_code() -> None:
    assert check_answer({"state": "state", "code": "c"}, PLAN, PENDING, 599.9) == "c"
    assert check_answer({"state": "state", "code": "c", "iss": ISSUER}, PLAN, PENDING, 0.0) == "c"


@pytest.mark.parametrize(
    ("query", "pending", "now", "code"),
    [
        ({"state": "state", "code": "c"}, None, 0.0, "expired_sign_in"),
        ({"state": "state", "code": "c"}, PENDING, 600.0, "expired_sign_in"),
        ({"state": "other", "code": "c"}, PENDING, 0.0, "wrong_state"),
        ({"code": "c"}, PENDING, 0.0, "wrong_state"),
        ({"state": "étát", "code": "c"}, PENDING, 0.0, "wrong_state"),
        ({"state": "state", "code": "c", "iss": "https://evil.example"}, PENDING, 0.0, "unknown_issuer"),
        ({"state": "state", "error": "access_denied"}, PENDING, 0.0, "refused_by_provider"),
        ({"state": "state", "code": "c", "error": "x"}, PENDING, 0.0, "refused_by_provider"),
        ({"state": "state"}, PENDING, 0.0, "refused_by_provider"),
    ],
)
def test_what_else_comes_back_is_refused(
    query: dict[str, str], pending: PendingSignIn | None, now: float, code: str
) -> None:
    with pytest.raises(Refused) as caught:
        check_answer(query, PLAN, pending, now)
    assert (caught.value.status, caught.value.code) == (401, code)


def id_token(key: Any = RSA, alg: str = "RS256", **claims: Any) -> str:
    return make_token(key, alg, **{"aud": "console", "nonce": "nonce", "sub": "anna"} | claims)


def test_an_id_token_says_who_it_is() -> None:
    identity = check_id_token(id_token(), PLAN, "nonce", KEYS.get, 1000.0)
    assert identity == ("person:corp/anna", ("ml",))
    several = id_token(aud=["console", "other"], azp="console")
    assert check_id_token(several, PLAN, "nonce", KEYS.get, 1000.0).subject == "person:corp/anna"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (id_token(nonce="other"), "wrong_nonce"),
        (id_token(nonce=None), "wrong_nonce"),
        (id_token(aud="other"), "wrong_audience"),
        (id_token(aud=["console", "other"]), "wrong_audience"),
        (id_token(azp="other"), "wrong_audience"),
        (id_token(iss="https://evil.example"), "unknown_issuer"),
        (id_token(exp=900), "expired_token"),
        (id_token(iat=1061), "token_not_yet_valid"),
        (id_token(alg="none"), "wrong_algorithm"),
        (id_token(EC, "ES256"), "wrong_algorithm"),
        (id_token(OTHER_RSA), "invalid_signature"),
        (id_token(header={"kid": "two"}), "unknown_signing_key"),
        (id_token(header={"crit": ["x"]}), "wrong_algorithm"),
        (id_token(sub="a b"), "malformed_token"),
        ("eyJ", "malformed_token"),
    ],
)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        check_id_token(text, PLAN, "nonce", KEYS.get, 1000.0)
    assert (caught.value.status, caught.value.code) == (401, code)
