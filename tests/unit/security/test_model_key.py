"""The key that signs versions: the test vectors of RFC 6979 and RFC 8032, and what is no key."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from steward.core.errors import InputError
from steward.security.model_key import (
    ModelKey,
    hint_of,
    is_signed_by,
    load_model_key,
    load_public_key,
    make_model_key,
)

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PRIVATE = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_the_first_vector_of_rfc_8032() -> None:
    key = ModelKey(Ed25519PrivateKey.from_private_bytes(SEED))
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert key.sign(b"") == signature and is_signed_by(key.public, signature, b"")


def test_the_vector_of_rfc_6979_for_p256_and_sha256() -> None:
    """Appendix A.2.5, message "sample"."""
    public = ec.EllipticCurvePublicNumbers(
        0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
        0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299,
        ec.SECP256R1(),
    ).public_key()
    signature = encode_dss_signature(
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    )
    assert is_signed_by(public, signature, b"sample") and not is_signed_by(public, signature, b"simple")


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_a_key_of_openssl_signs_and_another_key_or_message_is_refused(curve: ec.EllipticCurve) -> None:
    key = load_model_key(ec.generate_private_key(curve).private_bytes(*PRIVATE))
    signature = key.sign(b"m")
    assert is_signed_by(load_public_key(key.public_pem()), signature, b"m")
    assert not is_signed_by(key.public, signature, b"n")
    assert not is_signed_by(make_model_key(bytes(32)).public, signature, b"m")


def test_the_homes_key_follows_from_its_seed_and_is_named_by_its_pem() -> None:
    key = make_model_key(SEED)
    assert key.hint == make_model_key(SEED).hint != make_model_key(bytes(32)).hint
    assert key.hint == hint_of(load_public_key(key.public_pem())) == hashlib.sha256(key.public_pem()).hexdigest()
    assert isinstance(key.public, ec.EllipticCurvePublicKey) and key.public.curve.name == "secp256r1"


@pytest.mark.parametrize("load", [load_model_key, load_public_key])
def test_what_is_no_key_is_named(load: object) -> None:
    assert callable(load)
    with pytest.raises(InputError, match="expected PEM"):
        load(b"hello")


@pytest.mark.parametrize("other", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256K1())])
def test_a_key_of_another_kind_is_refused(other: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(InputError, match="neither of P-256"):
        load_model_key(other.private_bytes(*PRIVATE))
    with pytest.raises(InputError, match="neither of P-256"):
        load_public_key(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.parametrize("seed", [SEED, bytes(32)])
def test_the_homes_scalar_is_that_of_fips_186_5(seed: bytes) -> None:
    """A.2.1: d = (c mod (n - 1)) + 1, with c of at least 64 bits more than n; n of P-256 in SP 800-186, 3.2.1.3."""
    order = 115792089210356248762697446949407573529996955224135760342422259061068512044369
    scalar = int.from_bytes(hashlib.sha512(seed).digest(), "big") % (order - 1) + 1
    expected = ec.derive_private_key(scalar, ec.SECP256R1()).public_key()
    public = make_model_key(seed).public
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.public_numbers() == expected.public_numbers()
