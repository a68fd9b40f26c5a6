from __future__ import annotations

import ssl
import stat
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority
from steward.configuration.tls import TlsConfig
from steward.core.errors import InputError
from steward.core.tls import ServerTls
from steward.settings import Settings
from steward.workflows.tls import (
    ensure_generated,
    is_loopback,
    list_certificates,
    list_names,
    plan_pages,
    plan_tls,
    renew_generated,
)

NOW = 1_800_000_000.0
DAY = 86400.0


def plan(home: Path, gateway: Any, console: Any = None) -> tuple[ServerTls | None, ServerTls | None]:
    return plan_tls(Settings.model_validate({"gateway": gateway, "console": console or {}}), home)


def test_loopback_stays_plain(tmp_path: Path) -> None:
    assert plan(tmp_path, {"host": "127.0.0.2"}) == (None, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "llm.example", ""])
def test_other_machines_are_not_served_in_the_clear_without_a_word(tmp_path: Path, host: str) -> None:
    for settings in ({"gateway": {"host": host}}, {"gateway": {}, "console": {"host": host}}):
        section = "console" if "console" in settings else "gateway"
        with pytest.raises(InputError, match=rf"(?s){section}\.host.*{section}\.tls: auto.*--insecure-http"):
            plan_tls(Settings.model_validate(settings), tmp_path)


def test_insecure_http_says_that_a_proxy_does_it_for_both_ports(tmp_path: Path) -> None:
    tls = {"insecure_http": True}
    assert plan(tmp_path, {"host": "0.0.0.0", "tls": tls}, {"host": "0.0.0.0"}) == (None, None)


def test_auto_names_the_files_in_the_home(tmp_path: Path) -> None:
    gateway, console = plan(tmp_path, {"host": "llm.example", "tls": {"auto": True, "names": ["extra.example"]}})
    assert gateway is not None and console is None
    assert gateway.certificate == str(tmp_path / "tls" / "certificate.pem")
    assert gateway.names == ("127.0.0.1", "::1", "extra.example", "llm.example", "localhost")


def test_the_console_takes_the_gateways_when_it_is_open_and_has_none(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).server("a")
    ca = str(tmp_path / "ca.pem")
    tls = {"certificate": str(certificate), "key": str(key), "client_ca": ca, "client_required": True}
    gateway, console = plan(tmp_path, {"tls": tls}, {"host": "0.0.0.0"})
    assert gateway == ServerTls(certificate=str(certificate), key=str(key), client_ca=ca, client_required=True)
    assert console == ServerTls(certificate=str(certificate), key=str(key))
    assert plan(tmp_path, {"tls": tls})[1] is None  # on loopback it stays plain
    assert plan(tmp_path, {}, {"tls": tls}) == (None, gateway)


def test_files_that_do_not_fit_are_refused_at_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = {"certificate": str(authority.server("a")[0]), "key": str(authority.server("b")[1])}
    with pytest.raises(InputError, match="do not belong together"):
        plan(tmp_path, {"tls": tls})


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("127.255.0.9", True), ("::1", True), ("localhost", True), ("localhost.example", False),
     ("0.0.0.0", False), ("::", False), ("", False), ("10.0.0.1", False)],
)  # fmt: skip
def test_what_only_this_machine_reaches(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


def test_the_names_of_a_port() -> None:
    assert list_names("llm.example") == ["127.0.0.1", "::1", "llm.example", "localhost"]
    assert {"127.0.0.1", "::1", "localhost"} < set(list_names("0.0.0.0"))


def test_what_is_generated_is_kept_until_it_is_due(tmp_path: Path) -> None:
    first = ensure_generated(tmp_path, ["10.0.0.1", "a.example"], NOW)
    assert first.new_authority and first.names == ("a.example", "10.0.0.1") and first.not_after == NOW + 90 * DAY
    assert ensure_generated(tmp_path, ["a.example"], NOW + 59 * DAY).not_after == first.not_after
    second = ensure_generated(tmp_path, ["a.example"], NOW + 61 * DAY)
    assert not second.new_authority and second.not_after == NOW + 151 * DAY and second.names == first.names


def test_another_name_is_added_and_the_authority_stays(tmp_path: Path) -> None:
    ensure_generated(tmp_path, ["a.example"], NOW)
    authority = (tmp_path / "tls" / "ca.pem").read_bytes()
    assert ensure_generated(tmp_path, ["b.example"], NOW).names == ("a.example", "b.example")
    assert (tmp_path / "tls" / "ca.pem").read_bytes() == authority
    assert ensure_generated(tmp_path, [], NOW, new_authority=True).new_authority
    assert (tmp_path / "tls" / "ca.pem").read_bytes() != authority


def test_private_keys_are_private(tmp_path: Path) -> None:
    ensure_generated(tmp_path, ["a"], NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").glob("*.pem")}
    assert modes == {"ca.pem": 0o644, "certificate.pem": 0o644, "ca-key.pem": 0o600, "key.pem": 0o600}


def test_an_authority_that_has_ended_is_named(tmp_path: Path) -> None:
    ensure_generated(tmp_path, ["a"], NOW)
    with pytest.raises(InputError, match="has ended; make a new one: steward tls init --new-authority"):
        ensure_generated(tmp_path, ["a"], NOW + 3650 * DAY)


def test_only_generated_certificates_are_renewed(tmp_path: Path) -> None:
    renew_generated(tmp_path, [None, ServerTls(certificate="c", key="k")], NOW)
    assert not (tmp_path / "tls").exists()
    renew_generated(tmp_path, [ServerTls(certificate="c", key="k", names=("a",)), None], NOW)
    assert (tmp_path / "tls" / "certificate.pem").exists()


def test_certificates_are_listed_with_their_use(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).server("a", "a.example", now=NOW)
    port = ServerTls(certificate=str(certificate), key=str(key))
    ensure_generated(tmp_path, ["b.example"], NOW - 100 * DAY)
    found = {item.use: item for item in list_certificates(tmp_path, [("gateway", port), ("console", None)], NOW)}
    assert sorted(found) == ["authority", "gateway", "generated"]
    assert found["gateway"].names == ("a.example",) and (found["gateway"].days_left, found["gateway"].valid) == (
        90,
        True,
    )
    assert (found["generated"].days_left, found["generated"].valid) == (-10, False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "rate.example"])
def test_pages_are_not_served_to_other_machines_in_the_clear(tmp_path: Path, host: str) -> None:
    with pytest.raises(InputError, match=r"--tls for a generated.*--certificate FILE --key FILE.*--insecure-http"):
        plan_pages(host, TlsConfig(), tmp_path, NOW)
    assert plan_pages(host, TlsConfig(insecure_http=True), tmp_path, NOW) is None
    assert plan_pages("127.0.0.1", TlsConfig(), tmp_path, NOW) is None


def test_pages_get_a_certificate_that_lies_there_before_they_are_served(tmp_path: Path) -> None:
    served = plan_pages("rate.example", TlsConfig(auto=True), tmp_path, NOW)
    assert served is not None and Path(served.certificate).parent == tmp_path / "tls"
    assert "rate.example" in ensure_generated(tmp_path, (), NOW).names
    assert stat.S_IMODE(Path(served.key).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("certificate", "key", "new_authority"), [("certificate.pem", "key.pem", False), ("ca.pem", "ca-key.pem", True)]
)
def test_k09_a_pair_that_was_torn_by_an_interrupt_is_made_anew(
    tmp_path: Path, certificate: str, key: str, new_authority: bool
) -> None:
    """The key is written first: an interrupt may leave it beside the certificate of the one before."""
    ensure_generated(tmp_path, ["localhost"], NOW)
    before = (tmp_path / "tls" / certificate).read_bytes()
    ensure_generated(tmp_path, ["localhost"], NOW, renew=True, new_authority=new_authority)
    (tmp_path / "tls" / certificate).write_bytes(before)
    mended = ensure_generated(tmp_path, ["localhost"], NOW)
    assert mended.new_authority is new_authority
    for pair in (("certificate.pem", "key.pem"), ("ca.pem", "ca-key.pem")):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*(tmp_path / "tls" / name for name in pair))
    assert ensure_generated(tmp_path, ["localhost"], NOW).new_authority is False
