"""An HTTP server that answers as it is told to, and remembers what it was sent."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from steward.core.secret import Secret


class Receiver(ThreadingHTTPServer):
    def __init__(self) -> None:
        self.status, self.seen = 200, []  # type: tuple[int, list[tuple[str, str | None, Any]]]
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> Secret:
        return Secret(f"http://127.0.0.1:{self.server_address[1]}/hook?token=s3cret")


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _answer(self, body: Any) -> None:
        self.server.seen.append((self.path, self.headers["authorization"], body))
        self.send_response(self.server.status)
        self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()
