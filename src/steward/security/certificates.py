"""Certificates: a local authority and what it signs, and what a certificate says of itself.

The authority may sign certificates of servers and nothing else. Keys are P-256, which every TLS client knows.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from steward.core.errors import InputError

CA_DAYS: Final = 3650
LEAF_DAYS: Final = 90
RENEW_DAYS: Final = 30  # of validity left at which a certificate is replaced
CLOCK_SKEW: Final = datetime.timedelta(hours=1)  # of a client whose clock is behind
MOST_NAMES: Final = 100


class KeyPair(msgspec.Struct, frozen=True):
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class CertificateInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a certificate says, for people to compare."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: float  # seconds since the epoch
    not_after: float
    sha256: str  # of the certificate, as browsers show it
    key: str  # such as "P-256" or "RSA 2048"

    def days_left(self, now: float) -> float:
        return (self.not_after - now) / 86400


def make_authority(name: str, now: float) -> KeyPair:
    """A local authority for ten years, which signs no further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    builder = _begin(subject, subject, key.public_key(), now, CA_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return _finish(builder.sign(key, hashes.SHA256()), key)


def make_leaf(authority: KeyPair, names: Sequence[str], now: float) -> KeyPair:
    """A server's certificate for these names and addresses, for `LEAF_DAYS`.

    :raises InputError: no name, or too many
    """
    if not 0 < len(names) <= MOST_NAMES:
        raise InputError(f"{len(names)} names for a certificate; expected 1 to {MOST_NAMES}")
    issuer, signing = x509.load_pem_x509_certificate(authority.certificate), _read_key(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    builder = _begin(subject, issuer.subject, key.public_key(), now, LEAF_DAYS)
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    leaf = _finish(builder.sign(signing, hashes.SHA256()), key)
    return KeyPair(leaf.certificate + authority.certificate, leaf.key)


def describe_certificate(pem: bytes) -> CertificateInfo:
    """Of the first certificate in a file. :raises InputError: there is none"""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise InputError("no certificate in PEM") from error
    public = certificate.public_key()
    size = getattr(public, "key_size", "")
    kind = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}.get(
        getattr(getattr(public, "curve", None), "name", ""), ""
    )
    return CertificateInfo(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=_list_names(certificate),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        sha256=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        key=kind or f"{type(public).__name__.removesuffix('PublicKey').strip('_')} {size}".strip(),
    )


def must_renew(info: CertificateInfo, names: Iterable[str], now: float) -> bool:
    """Whether a generated certificate should be replaced: it ends soon, or lacks one of `names`."""
    return info.days_left(now) < RENEW_DAYS or not set(names) <= set(info.names)


def _begin(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: float, days: int
) -> x509.CertificateBuilder:
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - CLOCK_SKEW)
        .not_valid_after(moment + datetime.timedelta(days=days))
    )


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _finish(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM), private)


def _read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError("the authority's key is not a P-256 key; make a new one: steward tls init --new-authority")
    return key


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _list_names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names)
