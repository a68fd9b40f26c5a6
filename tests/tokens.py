"""Tokens for tests, made with `cryptography` alone: the code that checks them uses another library."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER, AUDIENCE = "https://idp.example", "steward"
RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
CLAIMS: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ci", "exp": 1600, "iat": 1000, "groups": ["ml"]}


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int | None = None) -> str:
    return encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def publish(key: Any, kid: str = "one", **more: Any) -> dict[str, Any]:
    """Its public half as a JSON Web Key."""
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = public.public_numbers()
        found = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        found = {"kty": "OKP", "crv": "Ed25519", "x": encode(public.public_bytes_raw())}
    else:
        numbers = public.public_numbers()
        found = {"kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}
    return {"kid": kid, "use": "sig", **found, **more}


def sign(key: Any, alg: str, data: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if alg == "RS256":
        return bytes(key.sign(data, padding.PKCS1v15(), hashes.SHA256()))
    if alg == "PS256":
        return bytes(key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()))
    if alg == "ES256":
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return hmac.new(key, data, hashlib.sha256).digest() if alg == "HS256" else b""


def make_token(
    key: Any = RSA, alg: str = "RS256", header: dict[str, Any] | None = None, raw: str | None = None, **claims: Any
) -> str:
    """`claims` replace those of `CLAIMS`, and None removes one; `raw` is the payload as it is."""
    values = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    head = {"alg": alg, "kid": "one", "typ": "JWT"} | (header or {})
    head = {name: value for name, value in head.items() if value is not None}
    signed = f"{encode(json.dumps(head).encode())}.{encode((raw or json.dumps(values)).encode())}"
    return f"{signed}.{encode(sign(key, alg, signed.encode()))}"
