"""Stand-ins for servers that take in adapters while they run."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LoraStandIn(ThreadingHTTPServer):
    """Answers as vLLM does: chats by any model that it lists, and the two endpoints of adapters.

    `fault`: "refuses" (500 to a load), "forgets" (says 200 and lists nothing), "fixed" (404: loading is off),
    "keeps" (500 to an unload); empty: none.
    """

    daemon_threads = True

    def __init__(self, base: str, fault: str = "") -> None:
        self.base, self.fault = base, fault
        self.adapters: dict[str, str] = {}
        self.asked: list[tuple[str, Any]] = []
        self.keys: list[str | None] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def list_acts(self) -> list[str]:
        """What was asked for but lists and chats: "load NAME" and "unload NAME"."""
        return [
            f"{path.split('/')[-1].split('_')[0]} {body['lora_name']}" for path, body in self.asked if "lora" in path
        ]

    def count_chats(self, model: str) -> int:
        return sum("chat" in path and body["model"] == model for path, body in self.asked)


class _Handler(BaseHTTPRequestHandler):
    server: LoraStandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        listed = [{"id": self.server.base, "root": self.server.base}]
        listed += [
            {"id": name, "root": root, "parent": self.server.base} for name, root in self.server.adapters.items()
        ]
        self._reply(200, {"object": "list", "data": listed})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body))
        self.server.keys.append(self.headers["authorization"])
        if self.path == "/v1/chat/completions":
            self._chat(body["model"])
        elif self.server.fault == "fixed":
            self._reply(404, {"detail": "Not Found"})
        elif self.path == "/v1/load_lora_adapter":
            self._load(body)
        elif self.server.fault == "keeps":
            self._reply(500, {"error": {"message": "busy"}})
        elif self.server.adapters.pop(body["lora_name"], None) is None:
            self._reply(404, {"error": {"message": "no such adapter"}})
        else:
            self._reply(200, "removed")

    def _load(self, body: dict[str, str]) -> None:
        if self.server.fault == "refuses":
            self._reply(500, {"error": {"message": "no room for another adapter"}})
            return
        if self.server.fault != "forgets":
            self.server.adapters[body["lora_name"]] = body["lora_path"]
        self._reply(200, "loaded")

    def _chat(self, model: str) -> None:
        if model not in (self.server.base, *self.server.adapters):
            self._reply(404, {"error": {"message": f"the model {model} does not exist", "type": "NotFoundError"}})
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": model}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        self._reply(200, {"id": "c", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage})

    def _reply(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
