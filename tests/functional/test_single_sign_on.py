"""Signing in at npm's `oidc-provider`, as a browser would: code, PKCE, consent, and back to the console."""

from __future__ import annotations

import hashlib
import http.cookiejar
import json
import os
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urljoin

import pytest

from conftest import ROOT, STEWARD, Deployment, inside, run
from steward.core.files import hold_lock

SOURCE = ROOT / "tests" / "oidc"

pytestmark = pytest.mark.timeout(300)  # an environment is installed first


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def make_environment() -> Path:
    """`oidc-provider`, made here once under build/."""
    lock = SOURCE / "package-lock.json"
    folder = (
        ROOT
        / "build"
        / f"oidc-{hashlib.sha256(lock.read_bytes() + (SOURCE / 'provider.mjs').read_bytes()).hexdigest()[:12]}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder / "lock"):  # of several processes of tests, one installs
        if (folder / "ready").exists():
            return folder
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, folder / name)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True, timeout=200)
        shutil.copy(SOURCE / "provider.mjs", folder / "provider.mjs")
        (folder / "ready").touch()
    return folder


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[Deployment]:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder, port, own = tmp_path_factory.mktemp("sso"), free_port(), free_port()
    url = f"http://127.0.0.1:{own}"
    command = ["node", "provider.mjs", str(port), f"{url}/login/provider/callback"]
    log = (folder / "provider.log").open("w")
    provider = subprocess.Popen(command, cwd=make_environment(), stdout=subprocess.PIPE, stderr=log, text=True)
    assert provider.stdout is not None and provider.stdout.readline() == "ready\n"
    (folder / "secret").write_text("s3cret-of-the-client")
    (folder / "secret").chmod(0o600)
    sign_in = {
        "name": "corp", "issuer": f"http://127.0.0.1:{port}", "client_id": "steward", "url": url,
        "client_secret": f"file:{folder / 'secret'}",
    }  # fmt: skip
    models = [{"name": "mock", "backend": "openai", "url": upstream}]
    (folder / "steward.yaml").write_text(json.dumps({"models": models, "console": {"sign_in": sign_in}}))
    arguments = ("--workers", "1", "--console-port", str(own), "--config", str(folder / "steward.yaml"))
    deployment = Deployment(folder / "home", *arguments)
    grant = ("group:platform", "operator", "--home", str(deployment.home))
    assert inside("access", "grant", *grant).returncode == 0
    yield deployment
    deployment.stop()
    provider.terminate()
    provider.wait(60)
    provider.stdout.close()
    log.close()


class Browser:
    """Keeps cookies, follows redirects, fills in the provider's forms."""

    def __init__(self) -> None:
        jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar)
        )

    def open(self, url: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Status, final address and text."""
        try:
            with self._opener.open(url, urlencode(form).encode() if form else None, timeout=60) as answer:
                return answer.status, answer.url, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.url, error.read().decode()

    def sign_in(self, console: str, name: str) -> tuple[int, str, str]:
        page = self.open(f"{console}/login/provider")
        for _ in range(4):
            match = re.search(r'<form[^>]*action="([^"]+)"', page[2])
            prompt = re.search(r'name="prompt" value="(\w+)"', page[2])
            if match is None or prompt is None:
                return page
            form = {"prompt": prompt[1]} | ({"login": name, "password": "any"} if prompt[1] == "login" else {})
            page = self.open(urljoin(page[1], match[1]), form)
        raise AssertionError(page)


def test_somebody_signs_in_at_the_provider_and_has_the_roles_of_the_group(console: Deployment) -> None:
    assert "Sign in with corp" in Browser().open(f"{console.console_url}/login")[2]
    browser = Browser()
    status, _, text = browser.sign_in(console.console_url, "platform-anna")
    assert status == 200 and "You are signed in" in text
    assert browser.open(f"{console.console_url}/")[0] == 200
    status, _, text = browser.open(f"{console.console_url}/account")
    assert "corp/platform-anna" in text and "config.manage" in text and "Old password" not in text
    log = inside("audit", "tail", "--home", str(console.home), "--json").stdout
    assert "person:corp/platform-anna" in log and "s3cret" not in log + console.log.read_text()


def test_somebody_without_a_role_is_told_so(console: Deployment) -> None:
    browser = Browser()
    status, _, text = browser.sign_in(console.console_url, "guests-bert")
    assert status == 403 and "person:corp/guests-bert has no role here" in text
    assert "Sign in" in browser.open(f"{console.console_url}/account")[2]


def test_an_answer_that_nobody_asked_for_is_refused(console: Deployment) -> None:
    status, _, text = Browser().open(f"{console.console_url}/login/provider/callback?code=x&state=y")
    assert status == 401 and "begun elsewhere" in text


def test_a_role_that_is_taken_away_ends_what_it_gave(console: Deployment, tmp_path: Path) -> None:
    browser = Browser()
    browser.sign_in(console.console_url, "platform-carl")
    assert browser.open(f"{console.console_url}/api/v1/keys")[0] == 200
    grant = ("group:platform", "operator", "--home", str(console.home))
    assert inside("access", "remove", *grant).returncode == 0
    assert browser.open(f"{console.console_url}/api/v1/keys")[0] == 403
    assert inside("access", "grant", *grant).returncode == 0


def enter_code(page: tuple[int, str, str], browser: Browser, name: str) -> str:
    """Fill in every form that the provider shows, from its page for codes on."""
    for _ in range(6):
        form = re.search(r'<form[^>]*action="([^"]+)"', page[2])
        if form is None:
            return page[2]
        fields = dict(re.findall(r'<input[^>]*name="(\w+)"[^>]*value="([^"]*)"', page[2]))
        fields |= {"login": name, "password": "any"} if fields.get("prompt") == "login" else {}
        fields |= {"confirm": "yes"} if "xsrf" in fields else {}
        page = browser.open(urljoin(page[1], form[1]), fields)
    raise AssertionError(page)


def test_a_command_signs_in_by_a_code_that_is_entered_in_a_browser(console: Deployment, tmp_path: Path) -> None:
    command = [*STEWARD, "login", console.console_url, "--device", "--json"]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    login = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert login.stderr is not None
    said = login.stderr.readline() + login.stderr.readline()
    address = re.search(r"Or open (\S+)", said)
    assert address is not None and "enter the code" in said
    browser = Browser()
    enter_code(browser.open(address[1]), browser, "platform-dora")
    out, err = login.communicate(timeout=60)
    assert login.returncode == 0, err
    assert json.loads(out)["name"] == "corp/platform-dora" and "sts_" not in out + err + said
    asked = run("api", "GET", "/keys", "--json", XDG_CONFIG_HOME=str(tmp_path))
    assert asked.returncode == 0 and isinstance(json.loads(asked.stdout), list)
