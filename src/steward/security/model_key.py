"""The key that signs versions of models: derived from the root key, or one of the operator's own.

ECDSA with SHA-2, as OpenSSF model signing checks it (its curves are P-256, P-384 and P-521); Ed25519, which the first
signatures had, is still read, and signs where an operator brings such a key.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from steward.core.errors import InputError

PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey
# Each curve's hash, as Sigstore's PublicKeyDetails pairs them
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SEC 2, 2.4.2
_MAKE: Final = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out model-key.pem"


class ModelKey:
    """Signs. `hint` names the public key: the SHA-256 of its PEM."""

    def __init__(self, private: PrivateKey) -> None:
        self._private = private
        self.public: PublicKey = private.public_key()
        self.hint = hint_of(self.public)

    def sign(self, message: bytes) -> bytes:
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.sign(message)
        return self._private.sign(message, ec.ECDSA(_HASHES[self._private.curve.name]))

    def public_pem(self) -> bytes:
        return _encode(self.public)


def make_model_key(seed: bytes) -> ModelKey:
    """A P-256 key. `seed`: 32 random bytes; 64 are made of them, so that no scalar is likelier (FIPS 186-5, A.2.1)."""
    scalar = int.from_bytes(hashlib.sha512(seed).digest()) % (_P256_ORDER - 1) + 1
    return ModelKey(ec.derive_private_key(scalar, ec.SECP256R1()))


def load_model_key(pem: bytes) -> ModelKey:
    """:raises InputError: no private key of a kind that signs, without a passphrase"""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InputError(f"no private key; expected PEM without a passphrase, as this makes: {_MAKE}") from None
    if isinstance(key, Ed25519PrivateKey) or (
        isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _HASHES
    ):
        return ModelKey(key)
    raise InputError(f"the key is neither of P-256, P-384 or P-521 nor Ed25519; make one: {_MAKE}")


def load_public_key(pem: bytes) -> PublicKey:
    """:raises InputError: no public key of a kind that signs"""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise InputError("no public key; expected PEM, as `steward model sign` writes beside the signature") from None
    if isinstance(key, Ed25519PublicKey) or (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _HASHES):
        return key
    raise InputError("the public key is neither of P-256, P-384 or P-521 nor Ed25519")


def hint_of(public: PublicKey) -> str:
    return hashlib.sha256(_encode(public)).hexdigest()


def _encode(public: PublicKey) -> bytes:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def is_signed_by(public: PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        if isinstance(public, Ed25519PublicKey):
            public.verify(signature, message)
        else:
            public.verify(signature, message, ec.ECDSA(_HASHES[public.curve.name]))
    except InvalidSignature:
        return False
    return True
