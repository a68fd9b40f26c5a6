"""Why a gateway is not ready, and when the first key's file is worth a warning."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from steward.cli.status import is_answering, warn_of_first_key
from steward.workflows.gateway_probe import find_problem


class _Probe(BaseHTTPRequestHandler):
    replies: dict[str, tuple[int, bytes]] = {  # noqa: RUF012
        "/ok/readyz": (200, b"{}"),
        "/keys/readyz": (503, b'{"error": {"message": "Not ready: keys.cache: cannot be read."}}'),
        "/odd/readyz": (502, b"<html>"),
    }

    def do_GET(self) -> None:
        status, body = self.replies[self.path]
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
