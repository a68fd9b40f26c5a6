"""A service that answers each path with JSON, and remembers what it was asked last."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class JsonService:
    """`replies`: status and body by path."""

    def __init__(self, replies: Mapping[str, tuple[int, object]]) -> None:
        self.replies = replies
        self.address = ""
        self.asked: Any = None
        self.key: str | None = None  # the header `authorization`


@contextmanager
def serve_json(replies: Mapping[str, tuple[int, object]]) -> Iterator[JsonService]:
    service = JsonService(replies)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            service.asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            service.key = self.headers["authorization"]
            status, reply = service.replies[self.path]
            body = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
