"""TLS of a server's port and of a model's server: which files, and the contexts that are made of them.

Versions and ciphers are Mozilla's intermediate configuration (server-side TLS 5.7) without its finite-field suites,
which only clients of before 2013 need. HTTP/1.1 alone is negotiated: docs/decisions/0026-tls.md.
"""

from __future__ import annotations

import ssl
import stat
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from steward.core.errors import InputError
from steward.core.files import FileStamp, read_mode, read_stamp

CIPHERS: Final = ":".join(
    f"ECDHE-{kind}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for kind in ("ECDSA", "RSA")
)
ALPN: Final = ["http/1.1"]


class ServerTls(msgspec.Struct, frozen=True, kw_only=True):
    """The files that a port is served with: absolute paths, PEM."""

    certificate: str
    key: str
    client_ca: str | None = None  # that clients' certificates are checked against; None: none is asked for
    client_required: bool = False  # whether a request without one is refused
    names: tuple[str, ...] = ()  # that a generated certificate must have; empty: the files are the user's

    def files(self) -> tuple[str, ...]:
        return tuple(path for path in (self.certificate, self.key, self.client_ca) if path)


class UpstreamTls(msgspec.Struct, frozen=True, kw_only=True):
    """What a model's server is checked against, and shown: absolute paths, PEM."""

    ca: str | None = None  # instead of the system's
    certificate: str | None = None
    key: str | None = None

    def files(self) -> tuple[str, ...]:
        return tuple(path for path in (self.ca, self.certificate, self.key) if path)


def build_server_context(tls: ServerTls) -> ssl.SSLContext:
    """:raises InputError: a file is missing, is not what it should be, or certificate and key do not belong together

    A client without a certificate gets through the handshake even where one is required: its requests are refused
    instead, but for those of health checks.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(ALPN)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    _load_chain(context, tls.certificate, tls.key)
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        _load_authorities(context, tls.client_ca)
    return context


def build_upstream_context(tls: UpstreamTls) -> ssl.SSLContext:
    """:raises InputError: as `build_server_context`"""
    context = ssl.create_default_context() if tls.ca is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.ca is not None:
        _load_authorities(context, tls.ca)
    if tls.certificate is not None:
        _load_chain(context, tls.certificate, tls.key or tls.certificate)
    return context


def build_pinned_context(certificate: Path) -> ssl.SSLContext:
    """For asking a server of this machine that serves exactly this certificate, whatever names it has.

    :raises InputError: it cannot be read
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    _load_authorities(context, str(certificate))
    return context


Files = TypeVar("Files", ServerTls, UpstreamTls)


class ReloadingContext:
    """The context of files that are replaced while it is used: the last that could be made of them.

    `find` looks at the files' stamps, so it costs a few microseconds; what has a context already keeps it.
    """

    def __init__(self, tls: Files, build: Callable[[Files], ssl.SSLContext]) -> None:
        """:raises InputError: as `build`"""
        self._files = [Path(path) for path in tls.files()]
        self._build: Callable[[], ssl.SSLContext] = partial(build, tls)
        self._seen = self._stamps()
        self.problem: str | None = None  # why the files that lie there are not used
        self._context = self._build()

    def find(self) -> ssl.SSLContext:
        """New files are used from here on; ones that do not fit, such as a key without its new certificate, are not."""
        stamps = self._stamps()
        if stamps != self._seen:
            self._seen = stamps
            try:
                self._context, self.problem = self._build(), None
            except InputError as error:
                self.problem = str(error)
        return self._context

    def _stamps(self) -> tuple[FileStamp, ...]:
        return tuple(read_stamp(path) for path in self._files)


def name_client(certificate: Mapping[str, Any] | None) -> str | None:
    """The name of a checked client certificate, as `SSLSocket.getpeercert` describes it: its first URI (SPIFFE), DNS
    name or e-mail address, else its common name. None: there is no certificate, or it has no name.

    >>> name_client({"subject": ((("commonName", "billing"),),)})
    'billing'
    >>> name_client({"subjectAltName": (("DNS", "a.example"), ("URI", "spiffe://example/billing"))})
    'spiffe://example/billing'
    """
    if not certificate:
        return None
    for kind in ("URI", "DNS", "email"):
        for given, value in certificate.get("subjectAltName", ()):
            if given == kind:
                return str(value)
    parts = (pair for part in certificate.get("subject", ()) for pair in part)
    return next((str(value) for name, value in parts if name == "commonName"), None)


def _load_chain(context: ssl.SSLContext, certificate: str, key: str) -> None:
    for path in (certificate, key):
        _check_file(Path(path))
    mode = read_mode(Path(key))
    if mode & stat.S_IRWXO:
        raise InputError(f"{key}: mode {mode:04o} lets everybody use the private key; run: chmod 600 {key}")
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        raise InputError(_explain_chain(certificate, key, error)) from error
    except ValueError as error:
        raise InputError(
            f"{key}: the private key is encrypted; store it without a passphrase: openssl pkey -in {key} -out plain.pem"
        ) from error


def _refuse_password() -> str:
    """OpenSSL would ask the terminal for it."""
    raise ValueError("encrypted")


def _explain_chain(certificate: str, key: str, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{certificate} and {key} do not belong together: the key is another certificate's"
    return f"{certificate}, {key}: expected a certificate (its own first, then the chain) and its key, in PEM"


def _load_authorities(context: ssl.SSLContext, path: str) -> None:
    _check_file(Path(path))
    try:
        context.load_verify_locations(path)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no certificate in it; expected one or more in PEM") from error


def _check_file(path: Path) -> None:
    """:raises InputError: it cannot be read"""
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
