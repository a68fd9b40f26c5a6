"""Tokens that an issuer made, and those that somebody else would like to have made (RFC 8725)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from steward.core.errors import Refused
from steward.core.issuers import IssuerPlan
from steward.security.tokens import TokenVerifier, is_token, read_keys
from tokens import AUDIENCE, EC, ED, ISSUER, OTHER_RSA, RSA, encode, make_token, publish

if TYPE_CHECKING:
    from steward.security.tokens import SigningKey

KEYS: dict[str, Any] = {"RS256": RSA, "PS256": RSA, "ES256": EC, "EdDSA": ED, "Ed25519": ED}


def verifier(
    alg: str = "RS256", now: float = 1000.0, keys: list[dict[str, Any]] | None = None, **more: Any
) -> TokenVerifier:
    issuer = IssuerPlan(name="corp", issuer=ISSUER, audience=AUDIENCE, algorithm=alg, **more)
    known = read_keys({"keys": keys if keys is not None else [publish(KEYS[alg])]}, alg)
    return TokenVerifier([issuer], lambda name, kid: known.get(kid), lambda: now)


def refused(text: str, *, by: TokenVerifier | None = None) -> str:
    with pytest.raises(Refused) as caught:
        (by or verifier()).verify(text)
    assert caught.value.status == 401 and text[:40] not in str(caught.value)
    return str(caught.value.code)


@pytest.mark.parametrize("alg", KEYS)
def test_a_token_says_who_its_bearer_is(alg: str) -> None:
    identity = verifier(alg).verify(make_token(KEYS[alg], alg))
    assert (identity.subject, identity.groups, identity.expires_at) == ("service:corp/ci", ("ml",), 1600.0)
    assert identity.issuer.name == "corp"


@pytest.mark.parametrize("aud", [AUDIENCE, ["other", AUDIENCE]])
def test_the_audience_may_be_one_of_several(aud: Any) -> None:
    assert verifier().verify(make_token(aud=aud)).subject == "service:corp/ci"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": None}, "unknown_issuer"),
        ({"iss": "https://idp.example/"}, "unknown_issuer"),
        ({"iss": "https://evil.example"}, "unknown_issuer"),
        ({"iss": [ISSUER]}, "unknown_issuer"),
        ({"aud": None}, "wrong_audience"),
        ({"aud": "other"}, "wrong_audience"),
        ({"aud": "steward2"}, "wrong_audience"),
        ({"aud": []}, "wrong_audience"),
        ({"aud": {"steward": 1}}, "wrong_audience"),
        ({"exp": None}, "malformed_token"),
        ({"exp": "1600"}, "malformed_token"),
        ({"exp": True}, "malformed_token"),
        ({"exp": -1}, "malformed_token"),
        ({"exp": 1e300}, "malformed_token"),
        ({"nbf": 1061}, "token_not_yet_valid"),
        ({"iat": 1061}, "token_not_yet_valid"),
        ({"nbf": 1300}, "token_not_yet_valid"),  # a clock that is five minutes ahead
        ({"nbf": "soon"}, "malformed_token"),
        ({"sub": None}, "malformed_token"),
        ({"sub": ""}, "malformed_token"),
        ({"sub": "a b"}, "malformed_token"),
        ({"sub": "x" * 151}, "malformed_token"),
        ({"sub": 7}, "malformed_token"),
    ],
)
def test_what_a_token_must_say(claims: dict[str, Any], code: str) -> None:
    assert refused(make_token(**claims)) == code


@pytest.mark.parametrize(
    ("now", "fits"), [(1600.0, True), (1659.9, True), (1660.0, False), (1900.0, False), (940.0, True)]
)
def test_a_token_expires_by_our_clock_with_a_minute_of_difference(now: float, fits: bool) -> None:
    if fits:
        verifier(now=now).verify(make_token())
    else:
        assert refused(make_token(), by=verifier(now=now)) == "expired_token"


def test_a_difference_of_five_minutes_is_told_in_seconds() -> None:
    with pytest.raises(Refused, match=r"begins 300 s from now \(nbf\); compare the clocks"):
        verifier().verify(make_token(nbf=1300))
    with pytest.raises(Refused, match="expired 300 s ago"):
        verifier(now=1900.0).verify(make_token())


def public_pem() -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return RSA.public_key().public_bytes(serialization.Encoding.PEM, form)


@pytest.mark.parametrize(
    "text",
    [
        make_token(alg="none"),
        make_token(alg="none", header={"alg": "None"}),
        make_token(public_pem(), "HS256"),  # the public key as a shared secret
        make_token(alg="PS256"),  # the right key, another algorithm
        make_token(EC, "ES256"),
        make_token(header={"alg": None}),
    ],
)
def test_the_algorithm_is_the_issuers_and_not_the_tokens(text: str) -> None:
    assert refused(text) == "wrong_algorithm"


def test_a_signature_of_another_key_is_refused() -> None:
    good = make_token()
    head, claims, signature = good.split(".")
    other = make_token(sub="admin").split(".")[1]
    cut = [
        make_token(OTHER_RSA),
        f"{head}.{other}.{signature}",
        f"{head}.{claims}.",
        f"{head}.{claims}.{signature[:-4]}",
    ]
    assert {refused(text) for text in cut} == {"invalid_signature"}


def test_an_edwards_signature_is_of_its_key_and_of_its_text() -> None:
    head, claims, signature = make_token(ED, "EdDSA").split(".")
    other = make_token(ED, "EdDSA", sub="admin").split(".")[1]
    wrong = [
        make_token(Ed25519PrivateKey.generate(), "EdDSA"),
        f"{head}.{other}.{signature}",
        f"{head}.{claims}.",
        f"{head}.{claims}.{signature[:-4]}",
        f"{head}.{claims}.{signature[:-1]}!",
    ]
    assert {refused(text, by=verifier("EdDSA")) for text in wrong} == {"invalid_signature"}
    assert refused(make_token(ED, "Ed25519"), by=verifier("EdDSA")) == "wrong_algorithm"
    assert refused(make_token(ED, "EdDSA")) == "wrong_algorithm"  # the issuer's is RS256


@pytest.mark.parametrize("crv", ["Ed448", "X25519", None])
def test_a_key_of_another_curve_than_ed25519_is_left_out(crv: str | None) -> None:
    assert read_keys({"keys": [publish(ED, crv=crv)]}, "EdDSA") == {}
    assert read_keys({"keys": [publish(EC)]}, "EdDSA") == {}


def test_a_key_that_is_not_published_is_unknown() -> None:
    assert refused(make_token(header={"kid": "two"})) == "unknown_signing_key"
    assert refused(make_token(header={"kid": "../../keys"})) == "unknown_signing_key"
    assert refused(make_token(header={"kid": 7})) == "malformed_token"


def test_a_key_in_the_token_itself_is_not_read() -> None:
    header = {"jwk": publish(OTHER_RSA), "jku": "https://evil.example/keys", "x5u": "https://evil.example/c"}
    assert refused(make_token(OTHER_RSA, header=header)) == "invalid_signature"


def test_one_key_alone_needs_no_id_and_of_two_an_id_is_needed() -> None:
    text = make_token(header={"kid": None})
    assert verifier().verify(text).subject == "service:corp/ci"
    two = verifier(keys=[publish(RSA), publish(OTHER_RSA, "two")])
    assert refused(text, by=two) == "unknown_signing_key"


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"b64": False, "crit": ["b64"]}, {"b64": False}])
def test_extensions_that_are_not_understood_are_refused(header: dict[str, Any]) -> None:
    assert refused(make_token(header=header)) == "malformed_token"


@pytest.mark.parametrize(
    "text",
    [
        "eyJ",
        "eyJhbGciOiJSUzI1NiJ9",
        "eyJhbGciOiJSUzI1NiJ9..",
        "a.b",
        "a.b.c.d",
        f"{encode(b'[]')}.{encode(b'{}')}.x",
        f"{encode(b'{}')}.{encode(b'7')}.x",
        f"{encode(b'{')}.{encode(b'{}')}.x",
        f"{encode(bytes([255, 254]))}.{encode(b'{}')}.x",
        f"{encode(b'{}')}.{encode(b'[' * 7000)}.x",
        "é.è.ê",
        make_token(note="x" * 13_000),
    ],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    assert refused(text) == "malformed_token"


@pytest.mark.parametrize("twice", ["iss", "sub", "exp"])
def test_a_name_that_stands_twice_is_refused(twice: str) -> None:
    claims = json.dumps({"iss": ISSUER, "aud": AUDIENCE, "sub": "ci", "exp": 1600})
    raw = claims[:-1] + f', "{twice}": {json.loads(claims)[twice]!r}'.replace("'", '"') + "}"
    assert refused(make_token(raw=raw)) == "malformed_token"


def test_a_token_is_checked_once_and_another_never_shares_its_place() -> None:
    asked = []
    key = read_keys({"keys": [publish(RSA)]}, "RS256")["one"]

    def find(name: str, kid: str | None) -> SigningKey:
        asked.append(kid)
        return key

    now = [1000.0]
    checking = TokenVerifier([IssuerPlan(name="c", issuer=ISSUER, audience=AUDIENCE)], find, lambda: now[0])
    one, two = make_token(), make_token(sub="other")
    assert [checking.verify(text).subject for text in (one, one, two)] == [
        "service:c/ci",
        "service:c/ci",
        "service:c/other",
    ]
    now[0] = 1659.9  # until the end of the minute that clocks may differ by
    assert checking.verify(one).subject == "service:c/ci" and len(asked) == 2
    now[0] = 1660.0
    assert refused(one, by=checking) == "expired_token"


def test_two_issuers_are_told_apart() -> None:
    issuers = [
        IssuerPlan(name="a", issuer=ISSUER, audience=AUDIENCE, tenant="acme"),
        IssuerPlan(name="b", issuer="https://b.example", audience=AUDIENCE, tenant="bravo"),
    ]
    keys = {"a": read_keys({"keys": [publish(RSA)]}, "RS256"), "b": read_keys({"keys": [publish(OTHER_RSA)]}, "RS256")}
    checking = TokenVerifier(issuers, lambda name, kid: keys[name].get(kid), lambda: 1000.0)
    assert checking.verify(make_token()).issuer.tenant == "acme"
    assert checking.verify(make_token(OTHER_RSA, iss="https://b.example")).issuer.tenant == "bravo"
    assert refused(make_token(OTHER_RSA), by=checking) == "invalid_signature"  # b's key in a's name


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"groups": ["a", "b"]}, ("a", "b")), ({"groups": "a"}, ("a",)), ({"groups": None}, ()),
        ({"groups": {"a": 1}}, ()), ({"groups": ["a", 7, None]}, ("a",)),
        ({"groups": [str(n) for n in range(300)]}, None),
    ],
)  # fmt: skip
def test_groups_are_texts_of_one_claim(claims: dict[str, Any], groups: tuple[str, ...] | None) -> None:
    found = verifier().verify(make_token(**claims)).groups
    assert len(found) == 200 if groups is None else found == groups


def test_another_claim_may_name_the_groups() -> None:
    assert verifier(groups_claim="roles").verify(make_token(roles=["x"])).groups == ("x",)


def test_keys_that_cannot_check_a_signature_are_left_out() -> None:
    keys = [
        publish(RSA, "rsa"), publish(EC, "ec"), publish(RSA, "enc", use="enc"), publish(RSA, "ps", alg="PS256"),
        {"kty": "oct", "k": encode(b"secret"), "kid": "oct"}, {"kty": "RSA", "kid": "broken", "n": "!"}, "text",
        publish(RSA, 7),
    ]  # fmt: skip
    assert set(read_keys({"keys": keys}, "RS256")) == {"rsa", None}
    assert set(read_keys({"keys": keys}, "ES256")) == {"ec", None}


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, "keys"])
def test_what_is_no_list_of_keys_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="no list of keys"):
        read_keys(document, "RS256")


def test_a_key_of_ours_is_no_token() -> None:
    assert is_token(make_token()) and not is_token("stw_live_x") and not is_token("")


def test_of_a_document_a_hundred_keys_are_read() -> None:
    keys = [publish(RSA, str(number)) for number in range(101)]
    assert list(read_keys({"keys": keys}, "RS256")) == [str(number) for number in range(100)]
