"""Certificates for tests: an authority, and servers and clients that it signed."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from steward.core.files import write_file
from steward.security.certificates import KeyPair, make_authority, make_leaf


class Authority:
    """Writes `NAME.pem` and `NAME-key.pem` into a folder; `ca` is the file to trust."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder, self._pair = folder, make_authority(name, time.time())
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(self._pair.certificate)

    def server(self, name: str, *names: str, now: float | None = None) -> tuple[Path, Path]:
        return self._write(name, make_leaf(self._pair, names or ("localhost", "127.0.0.1"), now or time.time()))

    def client(self, name: str, *sans: x509.GeneralName) -> tuple[Path, Path]:
        """With this common name."""
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
        issuer = x509.load_pem_x509_certificate(self._pair.certificate)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(sans)), critical=False)
        signing = serialization.load_pem_private_key(self._pair.key, None)
        assert isinstance(signing, ec.EllipticCurvePrivateKey)
        certificate = builder.sign(signing, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        form = serialization.PrivateFormat.PKCS8
        private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        return self._write(name, KeyPair(certificate, private))

    def _write(self, name: str, pair: KeyPair) -> tuple[Path, Path]:
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}-key.pem"
        write_file(key, pair.key)
        write_file(certificate, pair.certificate)
        return certificate, key
