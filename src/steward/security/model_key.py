"""The Ed25519 key that signs versions of models: derived from the root key, or one of the operator's own."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from steward.core.errors import InputError


class ModelKey:
    """Signs. `hint` names the public key: the SHA-256 of its 32 bytes."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key()
        self.hint = hint_of(self.public)

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    def public_pem(self) -> bytes:
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def make_model_key(seed: bytes) -> ModelKey:
    """`seed`: 32 bytes."""
    return ModelKey(Ed25519PrivateKey.from_private_bytes(seed))


def load_model_key(pem: bytes) -> ModelKey:
    """:raises InputError: no Ed25519 private key without a passphrase"""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InputError(
            "no private key; expected PEM of Ed25519, as openssl genpkey -algorithm ed25519 makes"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError("the key is not Ed25519; make one: openssl genpkey -algorithm ed25519 -out model-key.pem")
    return ModelKey(key)


def load_public_key(pem: bytes) -> Ed25519PublicKey:
    """:raises InputError: no Ed25519 public key"""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise InputError("no public key; expected PEM, as `steward model sign` writes beside the signature") from None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError("the public key is not Ed25519")
    return key


def hint_of(public: Ed25519PublicKey) -> str:
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()


def is_signed_by(public: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True
