"""Why a gateway is not ready, and when the first key's file is worth a warning."""

import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from steward.cli.main import app
from steward.cli.status import _show, ask_standing, is_answering, list_firing, say_alerts, warn_of_first_key
from steward.workflows.gateway_probe import find_problem


class _Probe(BaseHTTPRequestHandler):
    replies: dict[str, tuple[int, bytes]] = {  # noqa: RUF012
        "/ok/readyz": (200, b"{}"),
        "/keys/readyz": (503, b'{"error": {"message": "Not ready: keys.cache: cannot be read."}}'),
        "/odd/readyz": (502, b"<html>"),
        "/locked/api/status": (401, b"{}"),
        "/broken/api/status": (500, b"{}"),
    }

    def do_GET(self) -> None:
        said = json.dumps({"state": "ok", "sentence": self.headers["authorization"]}).encode()
        status, body = {**self.replies, "/console/api/status": (200, said)}.get(self.path, (404, b"<html>"))
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Probe)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_s19_status_repeats_why_the_gateway_is_not_ready(url: str) -> None:
    assert find_problem(f"{url}/ok") is None and is_answering(f"{url}/ok")
    assert find_problem(f"{url}/keys") == "Not ready: keys.cache: cannot be read."
    assert find_problem(f"{url}/odd") == "Not ready: the gateway answers with status 502."
    assert find_problem("http://127.0.0.1:1") == "Not ready: the gateway does not answer (URLError)."


@pytest.mark.parametrize(
    ("host", "warns"),
    [("127.0.0.1", False), ("[::1]", False), ("localhost", False), ("0.0.0.0", True), ("10.1.2.3", True)],
)
def test_s18_the_first_keys_file_is_warned_of_beyond_this_machine(tmp_path: Path, host: str, warns: bool) -> None:
    assert warn_of_first_key(tmp_path, f"http://{host}:8080") is None
    (tmp_path / "first-key").touch()
    found = warn_of_first_key(tmp_path, f"http://{host}:8080")
    assert (found is not None) == warns and (found or "rm").endswith(f"rm {tmp_path / 'first-key'}" if warns else "rm")


def test_five_alerts_are_named() -> None:
    assert say_alerts(None) == "not known, since the store does not answer" and say_alerts([]) == "none firing"
    assert say_alerts(["a"]) == "1 firing: a"
    assert say_alerts(list("abcdef")) == "6 firing: a, b, c, d, e"


def test_without_a_store_nobody_can_tell_what_fires(tmp_path: Path) -> None:
    assert list_firing(tmp_path) is None


def test_the_consoles_verdict_is_asked_for_with_its_token(tmp_path: Path, url: str) -> None:
    lost = {"state": "degraded", "sentence": "The console does not answer."}
    assert ask_standing(tmp_path, f"{url}/console") == lost  # no token
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "console-token").write_text("secret\n")
    assert ask_standing(tmp_path, f"{url}/console") == {"state": "ok", "sentence": "Bearer secret"}
    assert ask_standing(tmp_path, f"{url}/odd")["sentence"] == "The console fails with status 404."
    assert ask_standing(tmp_path, f"{url}/broken")["sentence"] == "The console fails with status 500."


def test_s19_a_damaged_token_of_the_console_is_named(url: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "console-token").write_text("")
    sentence = ask_standing(tmp_path, f"{url}/locked")["sentence"]
    assert str(tmp_path / "run" / "console-token") in sentence and "restart `steward up`" in sentence


def test_what_the_status_shows(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, Any] = {
        "started_at": 1000.0, "config_error": None, "gateway_url": "http://g", "console_url": "http://c",
        "models": ["a", "b"], "config_version": "7",
        "processes": [{"name": "keeper", "state": "ok", "pid": 12, "restarts": 3},
                      {"name": "worker-0", "state": "down", "pid": None, "restarts": 0}],
    }  # fmt: skip
    monkeypatch.setattr(time, "time", lambda: 1000.0 + 7260)
    _show(state, None, "All systems operational.", None, ["error-burn"])
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith("All systems operational. Up for 2 h 1 min. gateway http://g/v1 status page http://c")
    assert "models a, b settings version 7 alerts 1 firing: error-burn" in shown and "Warning" not in shown
    assert "keeper ok 12 3" in shown and "worker-0 down" in shown and "rejected" not in shown
    state["config_error"] = {"message": "no such model"}
    _show(state, "Not ready: so.", "Degraded.", "remove the key", None)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith("Not ready: so. Degraded.") and "Up for" not in shown
    assert "The last configuration change was rejected: no such model" in shown and "Warning: remove the key" in shown


def ask_status(home: Path, *words: str) -> tuple[int, str]:
    shown = CliRunner().invoke(app, ["status", "--home", str(home), *words], env={"COLUMNS": "200"})
    return shown.exit_code, shown.stdout


def test_a_script_sees_by_the_exit_code_that_nothing_answers(tmp_path: Path) -> None:
    """0 is for requests that are answered alone."""
    code, text = ask_status(tmp_path, "--json")
    assert (code, json.loads(text)) == (1, {"ready": False, "processes": []})
    code, text = ask_status(tmp_path)
    assert code == 1 and text.startswith("Not running: no steward is running in")


@pytest.mark.parametrize(("path", "code"), [("/ok", 0), ("/keys", 1)])
def test_a_script_sees_by_the_exit_code_whether_requests_are_answered(
    tmp_path: Path, url: str, path: str, code: int
) -> None:
    (tmp_path / "run").mkdir()
    state = {
        "pid": os.getpid(), "gateway_url": url + path, "console_url": f"{url}/console", "started_at": 1.0, "models": [],
        "config_error": None, "config_version": 1, "processes": [],
    }  # fmt: skip
    (tmp_path / "run" / "state.json").write_text(json.dumps(state))
    ended, text = ask_status(tmp_path, "--json")
    assert (ended, json.loads(text)["ready"]) == (code, code == 0)
    assert ask_status(tmp_path)[0] == code
