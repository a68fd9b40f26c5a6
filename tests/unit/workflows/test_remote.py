from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from steward.core.errors import InputError, Unavailable
from steward.workflows.remote import (
    RemoteSession,
    begin_device,
    call,
    finish_device,
    load_session,
    save_session,
    session_file,
    sign_in,
    sign_out,
)
from steward.workflows.single_sign_on import DevicePrompt

SESSION = RemoteSession("https://c.example", "anna", "sts_secret", 100.0)


def test_a_session_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "steward" / "session.json"
    save_session(SESSION, file)
    assert load_session(file, 99.9) == SESSION and file.stat().st_mode & 0o777 == 0o600
    assert "secret" not in repr(SESSION)


def test_what_cannot_be_used_says_how_to_sign_in(tmp_path: Path) -> None:
    file = tmp_path / "session.json"
    with pytest.raises(InputError, match="signed in nowhere; sign in with: steward login"):
        load_session(file, 0.0)
    save_session(SESSION, file)
    with pytest.raises(InputError, match=r"at https://c\.example is over"):
        load_session(file, 100.0)
    file.chmod(0o640)
    with pytest.raises(InputError, match="mode 0640 lets others use your session; run: chmod 600"):
        load_session(file, 0.0)
    file.write_text("half")
    with pytest.raises(InputError, match="not readable"):
        load_session(file, 0.0)


@pytest.mark.parametrize("url", ["http://c.example", "c.example", "ftp://localhost", "https://"])
def test_a_password_does_not_cross_the_network_in_the_clear(url: str) -> None:
    with pytest.raises(InputError, match="expected https://HOST") as caught:
        sign_in(url, "anna", "pa55word", "", 0.0)
    assert "pa55word" not in str(caught.value)


def test_a_console_that_does_not_answer_is_named() -> None:
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9: no answer"):
        sign_in("http://127.0.0.1:9", "anna", "pa55word", "", 0.0)


def test_where_the_session_stands() -> None:
    assert session_file({"XDG_CONFIG_HOME": "/x"}) == Path("/x/steward/session.json")
    assert session_file({}) == Path.home() / ".config" / "steward" / "session.json"


class Console(BaseHTTPRequestHandler):
    """Signs in whose password is "right", and answers the API with what it was asked."""

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["content-length"] or 0)).decode()
        if self.path.endswith("/login"):
            form = dict(parse_qsl(text))
            if form["password"] == "right":
                cookies = ("other=1; Path=/", "steward_console=sts_token; HttpOnly")
                self.reply(303, b"", [("set-cookie", one) for one in cookies])
            else:
                self.reply(int(form["password"]), b"")
        elif self.path.endswith("/logout"):
            self.reply(303 if self.headers["cookie"] == "steward_console=sts_token" else 500, b"")
        else:
            self.answer(text)

    def do_GET(self) -> None:
        self.answer("")

    def answer(self, text: str) -> None:
        if (status := self.path.rpartition("/")[2]).isdigit():
            body = b'{"message": "No."}' if status != "418" else b"<html>"
            return self.reply(int(status), body)
        names = ("authorization", "x-steward-project", "content-type")
        seen = {"path": self.path, "method": self.command, "body": text, **{name: self.headers[name] for name in names}}
        return self.reply(200, json.dumps(seen).encode())

    def reply(self, status: int, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        for name, value in (*headers, ("content-length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Console)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_session_lasts_eight_hours(url: str) -> None:
    session = sign_in(f"{url}/", "anna", "right", "", 1000.0, "web")
    assert session == RemoteSession(url, "anna", "sts_token", 1000.0 + 8 * 3600, "web")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "wrong name, password or code"),
        (403, "you have no role there"),
        (429, "too many attempts"),
        (503, "its store does not answer"),
        (404, "it answered 404; is this the address of a console?"),
    ],
)
def test_why_nobody_was_signed_in(url: str, status: int, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"{url}: {words}")):
        sign_in(url, "anna", str(status), "", 0.0)


def test_the_api_is_asked_with_the_token_and_the_project(url: str) -> None:
    session = RemoteSession(url, "anna", "sts_token", 9.0, "web")
    seen = call(session, "GET", "/api/v1/keys")
    assert seen == {
        "path": "/api/v1/keys", "method": "GET", "body": "", "authorization": "Bearer sts_token",
        "x-steward-project": "web", "content-type": None,
    }  # fmt: skip
    seen = call(msgspec.structs.replace(session, project=None), "POST", "keys", b"{}")
    assert (seen["path"], seen["content-type"], seen["body"]) == ("/api/v1/keys", "application/json", "{}")
    assert seen["x-steward-project"] is None


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, InputError, "No."),
        (401, InputError, "No. Your session may be over; sign in with: steward login URL --name NAME"),
        (402, InputError, "No."),
        (418, InputError, "it answered 418"),
        (499, InputError, "No."),
        (500, Unavailable, "No."),
        (503, Unavailable, "No."),
    ],
)
def test_what_the_api_refuses_is_told_in_its_words(url: str, status: int, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as caught:
        call(RemoteSession(url, "anna", "t", 9.0), "GET", f"/api/v1/{status}")
    assert str(caught.value) == words


def test_a_session_is_forgotten_here_even_where_it_cannot_be_ended_there(url: str, tmp_path: Path) -> None:
    file = tmp_path / "session.json"
    session = RemoteSession(url, "anna", "sts_token", 9.0)
    save_session(session, file)
    sign_out(session, file)
    assert not file.exists()
    save_session(session, file)
    with pytest.raises(Unavailable, match="it answered 500; the session ends by itself"):
        sign_out(msgspec.structs.replace(session, token="sts_other"), file)
    assert not file.exists()
    with pytest.raises(Unavailable, match="no answer; the session ends by itself"):
        sign_out(msgspec.structs.replace(session, url="http://127.0.0.1:9"), file)


class DeviceConsole:
    """Answers what it is told to, in turn."""

    def __init__(self, answers: list[tuple[int, dict[str, Any]]]) -> None:
        console = self
        self.answers, self.asked = answers, [("", "")]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                console.asked.append((self.path, self.rfile.read(int(self.headers["content-length"])).decode()))
                status, answer = console.answers.pop(0)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


PROMPT = DevicePrompt(user_code="AB-CD", verification_uri="https://idp", interval=5.0, expires_in=60.0, device="dd")


def test_a_command_asks_as_seldom_as_it_is_told_until_the_code_was_entered() -> None:
    console = DeviceConsole(
        [(200, {"pending": True, "later_s": 0.0}), (200, {"pending": True, "later_s": 5.0}),
         (200, {"token": "sts_x", "name": "corp/anna", "expires_in": 100.0})]
    )  # fmt: skip
    waited: list[float] = []
    session = finish_device(console.url, PROMPT, "shop", lambda: sum(waited), waited.append)
    console.close()
    assert waited == [5.0, 5.0, 10.0] and console.asked[1] == ("/login/device/token", "device=dd")
    assert session == RemoteSession(console.url, "corp/anna", "sts_x", 120.0, "shop")


def test_a_command_gives_up_when_nobody_enters_the_code() -> None:
    console = DeviceConsole([(200, {"pending": True})] * 12)
    waited: list[float] = []
    with pytest.raises(InputError, match="nobody entered AB-CD in time"):
        finish_device(console.url, PROMPT, clock=lambda: sum(waited), wait=waited.append)
    console.close()
    assert sum(waited) == 60.0


def test_a_provider_that_names_no_pause_is_asked_once_a_second() -> None:
    console = DeviceConsole([(200, {"pending": True})] * 3)
    waited: list[float] = []
    hasty = msgspec.structs.replace(PROMPT, interval=0.2, expires_in=3.0)
    with pytest.raises(InputError, match="in time"):
        finish_device(console.url, hasty, clock=lambda: sum(waited), wait=waited.append)
    console.close()
    assert waited == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (404, "", "knows no identity provider; sign in with a password: steward login http"),
        (400, "corp does not offer it", "corp does not offer it"),
        (403, "person:corp/anna has no role here", "has no role here"),
    ],
)
def test_a_console_that_lets_no_device_in_says_why(status: int, message: str, said: str) -> None:
    console = DeviceConsole([(status, {"message": message})])
    with pytest.raises(InputError, match=said):
        begin_device(console.url)
    console.close()


def test_a_devices_session_does_not_cross_the_network_in_the_clear() -> None:
    with pytest.raises(InputError, match="expected https://HOST"):
        begin_device("http://c.example")
