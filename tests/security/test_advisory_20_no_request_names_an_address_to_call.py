"""Advisory 20, mlflow#24179, langfuse#8522: webhooks to inner addresses, by a name that changed after the check."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

import pytest

from steward.adapters.notifiers.http import post_json
from steward.console.api import write_openapi
from steward.console.operations import list_operations
from steward.core.errors import Unavailable
from steward.core.secret import Secret


def test_no_operation_takes_an_address() -> None:
    document = write_openapi(list_operations(Path("nowhere")), "1")
    taken = [schema for name, schema in document["components"]["schemas"].items() if name.startswith(("New", "Given"))]
    names = {name for schema in taken for name in schema.get("properties", {})}
    assert taken and names.isdisjoint({"url", "webhook", "callback", "callback_url", "endpoint", "host", "uri"})


def test_a_receiver_cannot_lead_a_message_elsewhere() -> None:
    asked: list[str] = []

    class Redirecting(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(307)
            self.send_header("location", f"http://{self.headers['host']}/latest/meta-data")
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Redirecting)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        with pytest.raises(Unavailable, match="HTTP 307"):
            post_json(Secret(f"http://127.0.0.1:{server.server_port}/hook"), {"text": "x"})
    finally:
        server.shutdown()
        server.server_close()
    assert asked == ["/hook"]
