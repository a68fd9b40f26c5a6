"""People at a running console: the session of one is over within a second of whatever ends it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from pathlib import Path
from urllib.parse import urlencode

from conftest import SHARE_MOCK, SOON_S, STEWARD, Deployment, inside, until

pytestmark = SHARE_MOCK

GOOD = "correct horse battery"


def users(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = inside("users", *arguments, "--home", str(home))
    assert done.returncode == 0, done.stderr
    return done


def set_password(home: Path, name: str) -> None:
    command = [*STEWARD, "users", "password", name, "--stdin", "--home", str(home)]
    subprocess.run(command, input=f"{GOOD}\n", text=True, check=True, capture_output=True, timeout=60)


def sign_in(url: str, name: str) -> str:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login", urlencode({"name": name, "password": GOOD}), form)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 303
    cookies = [value.partition(";")[0] for name, value in answer.headers.items() if name.lower() == "set-cookie"]
    connection.close()
    return next(cookie for cookie in cookies if cookie.startswith("steward_console="))


def ask(url: str, path: str, cookie: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_a_person_signs_in_and_is_out_within_a_second_of_being_disabled(deployed: Deployment) -> None:
    home, url = deployed.home, deployed.console_url
    users(home, "add", "sia", "--role", "owner")
    set_password(home, "sia")
    cookie = sign_in(url, "sia")
    assert ask(url, "/", cookie)[0] == 200
    status, body = ask(url, "/api/v1/users", cookie)
    assert status == 200 and "sia" in {user["id"] for user in json.loads(body)}
    users(home, "disable", "sia")
    until(lambda: ask(url, "/api/v1/users", cookie)[0] == 401, SOON_S)
    log = inside("audit", "tail", "--home", str(home), "--json").stdout
    assert "people.sign_in" in log and GOOD not in log and GOOD not in deployed.log.read_text()


def test_an_authenticator_app_is_enrolled_and_taken_away(deployed: Deployment) -> None:
    home = deployed.home
    users(home, "add", "tom", "--role", "viewer")
    refused = inside("users", "totp", "tom", "--home", str(home))
    assert refused.returncode == 2 and "steward users password tom" in refused.stderr
    set_password(home, "tom")
    made = json.loads(inside("users", "totp", "tom", "--home", str(home), "--json").stdout)
    assert made["uri"].startswith("otpauth://totp/steward:tom?secret=" + made["secret"])
    assert "without codes" in users(home, "totp", "tom", "--off").stdout


def steward(home: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """A command of somebody else's machine: nothing but a folder for settings."""
    environment = {**os.environ, "XDG_CONFIG_HOME": str(home)}
    command = [*STEWARD, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, env=environment)


def test_somebody_administers_from_elsewhere_as_themselves(deployed: Deployment, tmp_path: Path) -> None:
    home, url = deployed.home, deployed.console_url
    users(home, "add", "una", "--role", "auditor")
    set_password(home, "una")
    assert "signed in nowhere" in steward(tmp_path, "api", "GET", "/users").stderr
    wrong = steward(tmp_path, "login", url, "--name", "una", "--stdin", text="wrong\n")
    assert wrong.returncode == 2 and "wrong name, password or code" in wrong.stderr
    assert steward(tmp_path, "login", url, "--name", "una", "--stdin", text=f"{GOOD}\n").returncode == 0
    file = tmp_path / "steward" / "session.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "una" in steward(tmp_path, "api", "GET", "/users").stdout
    listed = steward(tmp_path, "api", "GET", "/users", "--json")
    assert "una" in {user["id"] for user in json.loads(listed.stdout)}
    refused = steward(tmp_path, "api", "POST", "/users", "--data", '{"name": "eve"}')
    assert refused.returncode == 2 and "people.manage" in refused.stderr
    copy = file.read_bytes()
    assert steward(tmp_path, "logout").returncode == 0 and not file.exists()
    file.write_bytes(copy)
    file.chmod(0o600)
    ended = steward(tmp_path, "api", "GET", "/users")
    assert ended.returncode == 2 and "steward login" in ended.stderr
