"""TLS of a whole deployment: by files and generated, with certificates of clients and upstreams, and new ones."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority
from conftest import ROOT, Deployment, inside, run, served, until
from steward.core.tls import UpstreamTls, build_upstream_context

BODY = {"model": "mock", "messages": [{"role": "user", "content": "hi"}]}


class TlsDeployment:
    """Over the slow mock, with mTLS for whoever has a certificate, and a console with TLS of its own."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.authority = Authority(folder)
        self.authority.server("server")
        tls = {"certificate": "server.pem", "key": "server-key.pem", "client_ca": "ca.pem"}
        settings = {
            "gateway": {"tls": tls},
            "console": {"tls": "auto"},
            "models": [{"name": "mock", "backend": "openai", "url": upstream}],
        }
        (folder / "steward.yaml").write_text(json.dumps(settings))
        self.steward = Deployment(folder / "home", "--workers", "2", "--config", str(folder / "steward.yaml"))

    def connect(self, pair: tuple[Path, Path] | None = None) -> http.client.HTTPSConnection:
        shown = {} if pair is None else {"certificate": str(pair[0]), "key": str(pair[1])}
        context = build_upstream_context(UpstreamTls(ca=str(self.authority.ca), **shown))
        port = int(self.steward.url.rpartition(":")[2])
        return http.client.HTTPSConnection("localhost", port, context=context, timeout=30)

    def ask(self, pair: tuple[Path, Path] | None = None, key: str | None = None) -> tuple[int, Any]:
        connection = self.connect(pair)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(BODY), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, slow_upstream: str) -> Iterator[TlsDeployment]:
    deployment = TlsDeployment(tmp_path_factory.mktemp("secured"), slow_upstream)
    yield deployment
    deployment.steward.stop()


def test_a_key_works_and_plain_http_does_not(secured: TlsDeployment) -> None:
    assert secured.ask(key=secured.steward.key)[0] == 200
    plain = http.client.HTTPConnection("localhost", int(secured.steward.url.rpartition(":")[2]), timeout=60)
    plain.request("GET", "/readyz")
    with pytest.raises((http.client.HTTPException, OSError)):
        plain.getresponse()
    plain.close()


def test_the_commands_of_this_machine_trust_its_own_certificates(secured: TlsDeployment) -> None:
    home = str(secured.steward.home)
    status = json.loads(inside("status", "--home", home, "--json").stdout)
    assert status["ready"] and status["standing"] == "operational" and status["gateway_url"].startswith("https://")
    said = inside("chat", "hi", "--home", home, "--json")
    assert said.returncode == 0 and json.loads(said.stdout)["answer"]
    shown = {item["use"]: item for item in json.loads(inside("tls", "show", "--home", home, "--json").stdout)}
    assert {"gateway", "console", "authority"} == set(shown) and all(item["valid"] for item in shown.values())


def test_a_certificate_is_a_principal_with_the_rights_of_its_grants(secured: TlsDeployment) -> None:
    pair = secured.authority.client("billing")
    status, body = secured.ask(pair)
    assert status == 403 and body["error"]["code"] == "certificate_without_role"
    home = str(secured.steward.home)
    grant = ("certificate:billing", "developer", "--at", "acme/shop", "--home", home)
    assert inside("access", "grant", *grant).returncode == 0
    until(lambda: secured.ask(pair)[0] == 200, 60)
    explained = inside("access", "explain", "certificate:billing", "infer@acme/shop", "--home", home)
    assert "certificate:billing has the role developer at acme/shop" in explained.stdout
    rows = until(lambda: [row for row in tail(home) if row["key_id"] == "certificate:billing"])
    assert rows[0]["outcome"] == "ok"
    assert inside("access", "remove", *grant).returncode == 0
    until(lambda: secured.ask(pair)[0] == 403, 60)
    assert secured.ask(pair, secured.steward.key)[0] == 200  # a key says who it is before the certificate does


def tail(home: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in inside("tail", "--home", home, "--json").stdout.splitlines()]


def test_no_certificate_and_one_of_strangers(secured: TlsDeployment, tmp_path: Path) -> None:
    assert secured.ask()[0] == 401
    stranger = Authority(tmp_path, "strangers").client("billing")
    with pytest.raises((ssl.SSLError, OSError)):
        secured.ask(stranger)


def test_a_new_certificate_is_served_without_dropping_a_stream(secured: TlsDeployment) -> None:
    connection = secured.connect()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {secured.steward.key}"}
    connection.request("POST", "/v1/chat/completions", json.dumps({**BODY, "stream": True}), headers)
    answer = connection.getresponse()
    first = answer.readline()
    before = serial(secured)
    secured.authority.server("server")
    until(lambda: serial(secured) != before)
    rest = answer.read()
    assert first.startswith(b"data: ") and rest.rstrip().endswith(b"data: [DONE]")
    connection.close()


def serial(secured: TlsDeployment) -> str:
    """Of the certificate that new connections get."""
    connection = secured.connect()
    connection.connect()
    found = str(connection.sock.getpeercert()["serialNumber"])
    connection.close()
    return found


def test_a_broken_certificate_leaves_the_old_one_in_use(secured: TlsDeployment) -> None:
    file = secured.authority.ca.with_name("server.pem")
    kept = file.read_bytes()
    file.write_text("half a certificate")
    assert secured.ask(key=secured.steward.key)[0] == 200
    file.write_bytes(kept)


def test_the_console_is_strict_about_tls_and_its_cookie(secured: TlsDeployment) -> None:
    ca = secured.steward.home / "tls" / "ca.pem"
    port = int(secured.steward.console_url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=str(ca))
    context.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
    token = (secured.steward.home / "run" / "console-token").read_text()
    form = {"Content-Type": "application/x-www-form-urlencoded", "Host": "steward.example"}
    connection.request("POST", "/login", f"token={token}", form)
    answer = connection.getresponse()
    answer.read()
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-steward_console=") and "Secure" in cookie and "HttpOnly" in cookie
    assert answer.headers["strict-transport-security"] == "max-age=63072000"
    connection.request("GET", "/", headers={"Cookie": cookie.partition(";")[0], "Host": "localhost"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200 and answer.headers["strict-transport-security"] is None
    connection.close()


def test_other_machines_are_not_served_in_the_clear(tmp_path: Path) -> None:
    ended = run("up", "--port", "0", "--console-port", "0", cwd=tmp_path, STEWARD_GATEWAY__HOST="0.0.0.0")
    assert ended.returncode == 2
    assert "gateway.tls: auto" in ended.stderr and "--insecure-http" in ended.stderr
    assert not (tmp_path / ".steward" / "run").exists()


def test_auto_makes_an_authority_that_clients_can_trust(tmp_path: Path, upstream: str) -> None:
    settings = {
        "gateway": {"host": "0.0.0.0", "tls": "auto"},
        "models": [{"name": "mock", "backend": "openai", "url": upstream}],
    }
    (tmp_path / "steward.yaml").write_text(json.dumps(settings))
    deployment = Deployment(tmp_path / "home", "--workers", "1", "--config", str(tmp_path / "steward.yaml"))
    try:
        port = int(deployment.url.rpartition(":")[2])
        context = ssl.create_default_context(cafile=str(deployment.home / "tls" / "ca.pem"))
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=30)
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {deployment.key}"})
        assert connection.getresponse().status == 200
        connection.close()
        assert f"--cacert {deployment.home / 'tls' / 'ca.pem'} https://localhost:{port}" in deployment.log.read_text()
    finally:
        deployment.stop()


def test_insecure_http_serves_other_machines_plainly(tmp_path: Path, upstream: str) -> None:
    settings = {
        "gateway": {"host": "0.0.0.0"},
        "models": [{"name": "mock", "backend": "openai", "url": upstream}],
    }
    (tmp_path / "steward.yaml").write_text(json.dumps(settings))
    arguments = ("--workers", "1", "--insecure-http", "--config", str(tmp_path / "steward.yaml"))
    deployment = Deployment(tmp_path / "home", *arguments)
    assert deployment.url.startswith("http://0.0.0.0:")
    deployment.stop()


def test_an_upstream_is_checked_and_shown_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.server("upstream")
    authority.client("gateway")
    files = [str(tmp_path / name) for name in ("upstream.pem", "upstream-key.pem", "ca.pem")]
    url = served("tests/tls_upstream.py", *files)
    address = next(url).replace("http://127.0.0.1", "https://localhost")
    own = {"certificate": "gateway.pem", "key": "gateway-key.pem"}
    cases = {"good": {"ca": "ca.pem", **own}, "nameless": {"ca": "ca.pem"}, "unchecked": own}
    models = [{"name": name, "backend": "openai", "url": address, "tls": tls} for name, tls in cases.items()]
    (tmp_path / "steward.yaml").write_text(json.dumps({"models": models}))
    deployment = Deployment(tmp_path / "home", "--workers", "1", "--config", str(tmp_path / "steward.yaml"))
    try:
        said = {name: ask_plainly(deployment, name) for name in cases}
        assert {name: status for name, (status, _) in said.items()} == {"good": 200, "nameless": 502, "unchecked": 502}
        assert "certificate is not valid" in said["unchecked"][1]
    finally:
        deployment.stop()
        next(url, None)


def ask_plainly(deployment: Deployment, model: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", int(deployment.url.rpartition(":")[2]), timeout=30)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {deployment.key}"}
    connection.request("POST", "/v1/chat/completions", json.dumps({**BODY, "model": model}), headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


# What Mozilla's intermediate configuration leaves out and Python before 3.15 cannot turn off: two curves that are
# stronger than the ones on its list.
CURVES = {"X448", "secp521r1"}


def test_sslyze_finds_nothing_against_mozillas_intermediate_configuration(secured: TlsDeployment) -> None:
    """It needs an older `cryptography` than steward and so an environment of its own: `make sslyze`."""
    scanner = os.environ.get("SSLYZE") or shutil.which("sslyze") or str(ROOT / "build" / "sslyze" / "bin" / "sslyze")
    if not Path(scanner).exists():
        pytest.skip("sslyze is not installed; run: make sslyze")
    place = f"127.0.0.1:{secured.steward.url.rpartition(':')[2]}"
    report = secured.steward.home.parent / "sslyze.json"
    command = [scanner, "--certinfo_ca_file", str(secured.authority.ca), "--mozilla_config=intermediate"]
    ended = subprocess.run([*command, "--json_out", str(report), place], capture_output=True, text=True, timeout=120)
    scanned = json.loads(report.read_text())["server_scan_results"][0]["scan_result"]
    for old in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        assert scanned[f"{old}_cipher_suites"]["result"]["accepted_cipher_suites"] == [], old
    lines = ended.stdout.partition("COMPLIANCE AGAINST")[2].splitlines()
    complaints = [line.strip() for line in lines if line.strip().startswith("* ")]
    of_curves = [line for line in complaints if line.startswith("* tls_curves")]
    assert complaints == of_curves, ended.stdout
    curves = {name.strip(" '") for line in of_curves for name in line.partition("{")[2].partition("}")[0].split(",")}
    assert "intermediate" in ended.stdout and curves <= CURVES
