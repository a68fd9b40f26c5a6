"""The certificates of a home: which files a port is served with, and the ones that are generated.

`home/tls` holds a local authority (`ca.pem`, its key beside it) and one certificate that it signed for both ports. The
authority stays when the certificate is renewed, so that clients that trust it need no change.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from steward.configuration.tls import TlsConfig
from steward.core.errors import InputError
from steward.core.files import SHARED, hold_lock, make_private_folder, write_file
from steward.core.tls import ServerTls, build_server_context
from steward.security.certificates import (
    CertificateInfo,
    KeyPair,
    describe_certificate,
    make_authority,
    make_leaf,
    must_renew,
)
from steward.settings import Settings

EVERYWHERE: Final = ("0.0.0.0", "::", "")


class CertificateView(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate file, for `steward tls show`."""

    use: str  # gateway, console, authority, generated
    file: str
    names: tuple[str, ...]
    subject: str
    issuer: str
    key: str
    sha256: str
    not_before: float
    not_after: float
    days_left: int
    valid: bool


class GeneratedTls(msgspec.Struct, frozen=True, kw_only=True):
    """What `steward tls init` made: the file that clients must trust, and the certificate of the ports."""

    ca: str
    certificate: str
    names: tuple[str, ...]
    not_after: float
    new_authority: bool


def tls_folder(home: Path) -> Path:
    return home / "tls"


def plan_tls(settings: Settings, home: Path) -> tuple[ServerTls | None, ServerTls | None]:
    """What the gateway and the console are served with; None is plain HTTP.

    The console takes the gateway's where it has none of its own and is open to other machines.
    :raises InputError: a port that is open to other machines without TLS, or files that cannot be used
    """
    gateway, console = settings.gateway, settings.console
    shared = console.tls
    if shared is None and not is_loopback(console.host) and gateway.tls is not None:
        shared = gateway.tls.model_copy(update={"client_ca": None, "client_required": False})
    return (
        _plan_port("gateway", gateway.host, gateway.tls, home),
        _plan_port("console", console.host, shared, home),
    )


def _plan_port(section: str, host: str, tls: TlsConfig | None, home: Path) -> ServerTls | None:
    if tls is not None and tls.is_on:
        return _make_server_tls(tls, host, home)
    if is_loopback(host) or (tls is not None and tls.insecure_http):
        return None
    raise InputError(
        f"{section}.host: {host} serves other machines, and keys would cross the network in the clear; choose one of "
        f"two ways: TLS here ({section}.tls: auto for a generated certificate, or {section}.tls.certificate and "
        f"{section}.tls.key), or a proxy in front that speaks TLS (--insecure-http, or {section}.tls.insecure_http: "
        "true)"
    )


def plan_pages(host: str, tls: TlsConfig, home: Path, now: float) -> ServerTls | None:
    """What the pages of a command are served with; None is plain HTTP. What is generated lies in `home`/tls.

    :raises InputError: other machines reach `host`, and nothing says how, or files that cannot be used
    """
    if tls.is_on:
        served = _make_server_tls(tls, host, home)
        renew_generated(home, (served,), now)
        return served
    if is_loopback(host) or tls.insecure_http:
        return None
    raise InputError(
        f"--host {host} serves other machines, and what these pages show would cross the network in the clear; choose "
        "one of two ways: TLS here (--tls for a generated certificate, or --certificate FILE --key FILE), or a proxy "
        "in front that speaks TLS (--insecure-http)"
    )


def _make_server_tls(tls: TlsConfig, host: str, home: Path) -> ServerTls:
    folder = tls_folder(home)
    served = ServerTls(
        certificate=_absolute(tls.certificate) or str(folder / "certificate.pem"),
        key=_absolute(tls.key) or str(folder / "key.pem"),
        client_ca=_absolute(tls.client_ca),
        client_required=tls.client_required,
        names=tuple(sorted({*list_names(host), *tls.names})) if tls.auto else (),
    )
    if not tls.auto:
        build_server_context(served)
    return served


def _absolute(path: str | None) -> str | None:
    return str(Path(path).absolute()) if path is not None else None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it.

    >>> is_loopback("127.0.0.2"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def list_names(host: str) -> list[str]:
    """How clients may reach a port: this machine's names and addresses, and `host` where it is one of them."""
    names = {"localhost", "127.0.0.1", "::1"}
    if host not in EVERYWHERE:
        return sorted({*names, host})
    own = socket.gethostname()
    try:
        addresses = {str(item[4][0]).partition("%")[0] for item in socket.getaddrinfo(own, None)}
    except OSError:
        addresses = set()
    return sorted({*names, own, *addresses})


def ensure_generated(
    home: Path, names: Iterable[str], now: float, *, renew: bool = False, new_authority: bool = False
) -> GeneratedTls:
    """The authority and the certificate in `home/tls`, made or renewed where that is due; `renew` makes it due.

    :raises InputError: the authority cannot be read, or has ended
    """
    folder = tls_folder(home)
    make_private_folder(folder)
    with hold_lock(folder / "lock"):
        fresh = new_authority or not (folder / "ca.pem").exists() or _is_torn(folder / "ca.pem", folder / "ca-key.pem")
        if fresh:
            _write_pair(folder, "ca.pem", "ca-key.pem", make_authority(f"steward at {socket.gethostname()}", now))
        file = folder / "certificate.pem"
        there = file.exists() and (folder / "key.pem").exists() and not _is_torn(file, folder / "key.pem")
        known = _read_info(file) if there else None
        wanted = _order({*names, *(known.names if known is not None else ())})
        if fresh or renew or known is None or must_renew(known, wanted, now):
            authority = KeyPair(_read(folder / "ca.pem"), _read(folder / "ca-key.pem"))
            _check_authority(folder / "ca.pem", authority, now)
            _write_pair(folder, "certificate.pem", "key.pem", make_leaf(authority, wanted, now))
        info = _read_info(file)
    return GeneratedTls(
        ca=str(folder / "ca.pem"),
        certificate=str(file),
        names=info.names,
        not_after=info.not_after,
        new_authority=fresh,
    )


def renew_generated(home: Path, ports: Sequence[ServerTls | None], now: float | None = None) -> None:
    """Of the ports that are served with a generated certificate; nothing where none is."""
    names = {name for port in ports if port is not None for name in port.names}
    if names:
        ensure_generated(home, names, time.time() if now is None else now)


def list_certificates(home: Path, ports: Sequence[tuple[str, ServerTls | None]], now: float) -> list[CertificateView]:
    """Those of the ports, else what was generated, and the local authority.

    :raises InputError: a file cannot be read
    """
    files = {use: Path(port.certificate) for use, port in ports if port is not None}
    generated, authority = tls_folder(home) / "certificate.pem", tls_folder(home) / "ca.pem"
    if generated.exists() and generated not in files.values():
        files["generated"] = generated
    if authority.exists():
        files["authority"] = authority
    return [_view(use, file, now) for use, file in files.items()]


def _view(use: str, file: Path, now: float) -> CertificateView:
    info = _read_info(file)
    return CertificateView(
        use=use,
        file=str(file),
        **msgspec.structs.asdict(info),
        days_left=int(info.days_left(now)),
        valid=info.not_before <= now < info.not_after,
    )


def _order(names: Iterable[str]) -> list[str]:
    """Names before addresses: the first one is the certificate's subject."""
    return sorted(names, key=lambda name: (name[0].isdigit() or ":" in name, name == "localhost", name))


def _check_authority(file: Path, authority: KeyPair, now: float) -> None:
    if describe_certificate(authority.certificate).not_after <= now:
        raise InputError(f"{file}: this authority has ended; make a new one: steward tls init --new-authority")


def _write_pair(folder: Path, certificate: str, key: str, pair: KeyPair) -> None:
    """The key first: who sees the new certificate finds its key."""
    write_file(folder / key, pair.key, durable=True)
    write_file(folder / certificate, pair.certificate, durable=True, mode=SHARED)


def _is_torn(certificate: Path, key: Path) -> bool:
    """Whether writing a pair ended after its key, so that the two do not belong together."""
    if not (certificate.exists() and key.exists()):
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        return error.reason == "KEY_VALUES_MISMATCH"
    return False


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error


def _read_info(file: Path) -> CertificateInfo:
    try:
        return describe_certificate(_read(file))
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def read_certificate_ends(*ports: ServerTls | None) -> dict[str, float]:
    """When certificates end, by file; those that steward renews itself are left out."""
    ends = {}
    for path in {tls.certificate for tls in ports if tls is not None and not tls.names}:
        try:
            ends[path] = describe_certificate(Path(path).read_bytes()).not_after
        except (OSError, InputError):  # serving says so
            continue
    return ends
