"""Contexts of real files; what they accept is tried in memory, without sockets."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority
from steward.core.errors import InputError
from steward.core.tls import (
    ReloadingContext,
    ServerTls,
    UpstreamTls,
    build_pinned_context,
    build_server_context,
    build_upstream_context,
    name_client,
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def server(pair: tuple[Path, Path], **more: Any) -> ServerTls:
    return ServerTls(certificate=str(pair[0]), key=str(pair[1]), **more)


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost"
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends of a connection in memory, the server's first. :raises ssl.SSLError:"""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(5):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[1], ends[0]


def trusting(authority: Authority, **more: Any) -> ssl.SSLContext:
    return build_upstream_context(UpstreamTls(ca=str(authority.ca), **more))


def test_the_newest_version_and_http_1_1_are_agreed_upon(authority: Authority) -> None:
    client = trusting(authority)
    client.set_alpn_protocols(["h2", "http/1.1"])
    _, seen = shake_hands(build_server_context(server(authority.server("a"))), client)
    assert (seen.version(), seen.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")


def test_with_1_2_only_forward_secret_authenticated_ciphers_are_offered(authority: Authority) -> None:
    context = build_server_context(server(authority.server("a")))
    names = {item["name"] for item in context.get_ciphers() if item["protocol"] == "TLSv1.2"}
    assert len(names) == 6 and all(
        name.startswith("ECDHE-") and ("GCM" in name or "POLY1305" in name) for name in names
    )


def test_no_version_before_1_2_is_spoken(authority: Authority) -> None:
    """sslyze tries them: tests/functional/test_tls.py."""
    context = build_server_context(server(authority.server("a")))
    assert (context.minimum_version, trusting(authority).minimum_version) == (ssl.TLSVersion.TLSv1_2,) * 2
    assert context.options & ssl.OP_NO_RENEGOTIATION and context.options & ssl.OP_NO_COMPRESSION


@pytest.mark.parametrize("name", ["other.example", "127.0.0.2"])
def test_an_upstream_under_another_name_is_refused(authority: Authority, name: str) -> None:
    context = build_server_context(server(authority.server("a")))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, trusting(authority), name)


def test_an_upstream_of_another_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|unable to get"):
        shake_hands(build_server_context(server(authority.server("a"))), trusting(other))


def test_an_upstream_whose_certificate_has_ended_is_refused(authority: Authority) -> None:
    ended = authority.server("old", "localhost", now=1_600_000_000.0)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake_hands(build_server_context(server(ended)), trusting(authority))


def test_a_clients_certificate_names_it(authority: Authority) -> None:
    certificate, key = authority.client("billing")
    context = build_server_context(server(authority.server("a"), client_ca=str(authority.ca)))
    ours, _ = shake_hands(context, trusting(authority, certificate=str(certificate), key=str(key)))
    assert name_client(ours.getpeercert()) == "billing"


def test_a_client_without_a_certificate_gets_through_the_handshake_without_a_name(authority: Authority) -> None:
    context = build_server_context(server(authority.server("a"), client_ca=str(authority.ca), client_required=True))
    ours, _ = shake_hands(context, trusting(authority))
    assert name_client(ours.getpeercert()) is None


def test_a_clients_certificate_of_another_authority_ends_the_handshake(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "strangers")
    certificate, key = stranger.client("billing")
    context = build_server_context(server(authority.server("a"), client_ca=str(authority.ca)))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, trusting(authority, certificate=str(certificate), key=str(key)))


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        (None, None),
        ({}, None),
        ({"subject": ((("countryName", "DE"),), (("commonName", "a"),))}, "a"),
        ({"subject": ((("commonName", "a"),),), "subjectAltName": (("DNS", "d"),)}, "d"),
        ({"subjectAltName": (("email", "e@x"), ("DNS", "d"))}, "d"),
        ({"subjectAltName": (("email", "e@x"), ("IP Address", "1.2.3.4"))}, "e@x"),
        ({"subjectAltName": (("DNS", "d"), ("URI", "spiffe://x/y"), ("URI", "spiffe://x/z"))}, "spiffe://x/y"),
        ({"subject": ((("countryName", "DE"),),)}, None),
    ],
)
def test_the_name_of_a_certificate(certificate: Any, name: str | None) -> None:
    assert name_client(certificate) == name


def test_a_pinned_certificate_is_trusted_under_any_name_and_no_other_is(authority: Authority) -> None:
    one, two = authority.server("one"), authority.server("two")
    shake_hands(build_server_context(server(one)), build_pinned_context(one[0]), "whatever")
    leaf = one[0].with_name("leaf.pem")
    leaf.write_bytes(one[0].read_bytes().split(b"-----END CERTIFICATE-----\n")[0] + b"-----END CERTIFICATE-----\n")
    shake_hands(build_server_context(server(one)), build_pinned_context(leaf), "whatever")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(build_server_context(server(two)), build_pinned_context(leaf), "whatever")


def test_files_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    one, two = authority.server("one"), authority.server("two")
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    empty.chmod(0o600)
    cases = [
        (server((tmp_path / "none.pem", one[1])), r"none\.pem: cannot be read \(No such file"),
        (server((one[0], two[1])), "do not belong together"),
        (server((empty, one[1])), "expected a certificate"),
        (server((one[0], empty)), "expected a certificate"),
        (server(one, client_ca=str(empty)), r"empty\.pem: no certificate in it"),
        (server(one, client_ca=str(tmp_path)), "cannot be read"),
    ]
    for tls, says in cases:
        with pytest.raises(InputError, match=says):
            build_server_context(tls)


@pytest.mark.parametrize(("mode", "fits"), [(0o600, True), (0o640, True), (0o644, False), (0o601, False)])
def test_a_key_that_everybody_can_read_is_refused(authority: Authority, mode: int, fits: bool) -> None:
    pair = authority.server("a")
    pair[1].chmod(mode)
    if fits:
        build_server_context(server(pair))
    else:
        with pytest.raises(InputError, match=f"mode {mode:04o}.*chmod 600"):
            build_server_context(server(pair))


def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.server("a")
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:x", "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True)
    locked.chmod(0o600)
    with pytest.raises(InputError, match="is encrypted; store it without a passphrase"):
        build_server_context(server((certificate, locked)))


def test_new_files_are_used_and_broken_ones_are_not(authority: Authority) -> None:
    one = authority.server("a")
    reloading = ReloadingContext(server(one), build_server_context)
    first = reloading.find()
    assert reloading.find() is first and reloading.problem is None
    key = one[1].read_bytes()
    one[1].write_text("half a key")
    assert reloading.find() is first and "expected a certificate" in str(reloading.problem)
    one[1].write_bytes(key)
    authority.server("a")
    assert reloading.find() is not first and reloading.problem is None


def test_files_that_are_gone_for_a_moment_leave_the_old_ones_in_use(authority: Authority) -> None:
    one = authority.server("a")
    reloading = ReloadingContext(server(one), build_server_context)
    first = reloading.find()
    one[0].unlink()
    assert reloading.find() is first and "No such file" in str(reloading.problem)


def test_the_named_authority_is_the_only_one_and_without_a_name_the_systems_are_trusted(authority: Authority) -> None:
    assert len(trusting(authority).get_ca_certs()) == 1
    own, usual = build_upstream_context(UpstreamTls()), ssl.create_default_context()
    assert own.cert_store_stats() == usual.cert_store_stats() and own.verify_mode == ssl.CERT_REQUIRED
