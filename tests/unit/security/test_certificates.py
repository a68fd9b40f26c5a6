"""What is in the certificates, read by `openssl`, which did not write them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from steward.core.errors import InputError
from steward.security.certificates import describe_certificate, make_authority, make_leaf, must_renew

NOW = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC
DAY = 86400.0


def show(pem: bytes) -> str:
    command = ["openssl", "x509", "-noout", "-text"]
    return " ".join(subprocess.run(command, input=pem, capture_output=True, check=True).stdout.decode().split())


def test_the_authority_signs_servers_and_no_further_authorities() -> None:
    text = show(make_authority("steward at here", NOW).certificate)
    assert "CA:TRUE, pathlen:0" in text and "X509v3 Key Usage: critical Certificate Sign, CRL Sign" in text
    assert "Not Before: Jan 15 07:00:00 2027 GMT Not After : Jan 12 08:00:00 2037 GMT" in text
    assert "Subject: CN = steward at here" in text and "P-256" in text


def test_a_leaf_names_its_server_for_ninety_days() -> None:
    text = show(make_leaf(make_authority("ca", NOW), ["a.example", "10.0.0.1", "::1"], NOW).certificate)
    assert "DNS:a.example, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1" in text
    assert "CA:FALSE" in text and "TLS Web Server Authentication" in text and "Digital Signature" in text
    assert "Not After : Apr 15 08:00:00 2027 GMT" in text and "Certificate Sign" not in text


def test_a_long_name_is_cut_where_a_common_name_ends_and_stands_whole_beside_it() -> None:
    """RFC 5280, appendix A.1: ub-common-name is 64."""
    name = ".".join(["a" * 30] * 3) + ".example"
    text = show(make_leaf(make_authority("ca", NOW), [name], NOW).certificate)
    assert f"Subject: CN = {name[:64]} " in text and f"DNS:{name}" in text


def test_the_chain_is_verified_by_openssl(tmp_path: Path) -> None:
    authority = make_authority("ca", NOW)
    leaf = make_leaf(authority, ["a.example"], NOW)
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    (tmp_path / "leaf.pem").write_bytes(leaf.certificate)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-attime", str(int(NOW)), "-CAfile"]
    ended = subprocess.run([*command, "ca.pem", "leaf.pem"], cwd=tmp_path, capture_output=True, text=True)
    assert ended.stdout.strip() == "leaf.pem: OK"


def test_what_a_certificate_says() -> None:
    info = describe_certificate(make_leaf(make_authority("ca", NOW), ["a.example", "10.0.0.1"], NOW).certificate)
    assert (info.subject, info.issuer, info.names) == ("CN=a.example", "CN=ca", ("a.example", "10.0.0.1"))
    assert (info.not_before, info.not_after) == (NOW - 3600, NOW + 90 * DAY) and info.key == "P-256"
    assert len(info.sha256) == 95 and info.sha256.count(":") == 31 and info.days_left(NOW) == 90.0


def test_the_fingerprint_is_openssls() -> None:
    pem = make_authority("ca", NOW).certificate
    command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256"]
    said = subprocess.run(command, input=pem, capture_output=True, check=True).stdout.decode()
    assert said.strip().rpartition("=")[2] == describe_certificate(pem).sha256


@pytest.mark.parametrize(
    ("days", "names", "due"),
    [(60.0, ["a"], False), (60.001, ["a"], True), (59.0, [], False), (0.0, ["b"], True), (91.0, ["a"], True)],
)
def test_when_a_certificate_is_replaced(days: float, names: list[str], due: bool) -> None:
    info = describe_certificate(make_leaf(make_authority("ca", NOW), ["a"], NOW).certificate)
    assert must_renew(info, names, NOW + days * DAY) is due


def test_a_certificate_without_names_is_described() -> None:
    assert describe_certificate(make_authority("ca", NOW).certificate).names == ()


@pytest.mark.parametrize("count", [0, 101])
def test_no_name_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="expected 1 to 100"):
        make_leaf(make_authority("ca", NOW), ["a"] * count, NOW)


def test_another_kind_of_key_cannot_sign() -> None:
    command = ["openssl", "genpkey", "-algorithm", "ed25519"]
    other = subprocess.run(command, capture_output=True, check=True).stdout
    with pytest.raises(InputError, match="not a P-256 key"):
        make_leaf(replace(make_authority("ca", NOW), key=other), ["a"], NOW)


def test_no_certificate_is_said() -> None:
    with pytest.raises(InputError, match="no certificate in PEM"):
        describe_certificate(b"hello")
