"""The key that signs versions: RFC 8032's own test vector, and what is no key."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from steward.core.errors import InputError
from steward.security.model_key import hint_of, is_signed_by, load_model_key, load_public_key, make_model_key

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")


def test_the_first_vector_of_rfc_8032() -> None:
    key = make_model_key(SEED)
    assert key.public.public_bytes_raw().hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


def test_another_key_or_message_is_refused() -> None:
    key, other = make_model_key(SEED), make_model_key(bytes(32))
    signature = key.sign(b"m")
    assert is_signed_by(key.public, signature, b"m")
    assert not is_signed_by(key.public, signature, b"n") and not is_signed_by(other.public, signature, b"m")


def test_the_public_key_travels_as_pem() -> None:
    key = make_model_key(SEED)
    assert hint_of(load_public_key(key.public_pem())) == key.hint


@pytest.mark.parametrize("load", [load_model_key, load_public_key])
def test_what_is_no_key_is_named(load: object) -> None:
    assert callable(load)
    with pytest.raises(InputError, match="expected PEM"):
        load(b"hello")


def test_a_key_of_another_kind_is_refused_and_one_of_openssl_read() -> None:
    pem = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    own, other = Ed25519PrivateKey.from_private_bytes(SEED), generate_private_key(SECP256R1())
    assert load_model_key(own.private_bytes(*pem)).hint == make_model_key(SEED).hint
    with pytest.raises(InputError, match="the key is not Ed25519"):
        load_model_key(other.private_bytes(*pem))
    with pytest.raises(InputError, match="the public key is not Ed25519"):
        load_public_key(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
