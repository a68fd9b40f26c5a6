"""A stand-in for a fine-tuning API of OpenAI's shape, on loopback: files, jobs, events, cancel."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FineTuningServer:
    """`outcome`: how a job ends; it has one more event each time it is asked for."""

    def __init__(self, outcome: str = "succeeded", polls: int = 3, failures: int = 0) -> None:
        self.outcome, self.polls, self.failures = outcome, polls, failures
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.cancelled: list[str] = []
        self.keys: set[str] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self, b"")

            def do_POST(self) -> None:
                server.answer(self, self.rfile.read(int(self.headers["Content-Length"] or 0)))

            def log_message(self, *words: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    def __enter__(self) -> "FineTuningServer":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        self.keys.add(handler.headers["Authorization"])
        if handler.command == "GET" and self.failures:
            self.failures -= 1
            status, answer = 503, {"error": {"message": "try again"}}
        else:
            status, answer = self.decide(handler.command, handler.path.partition("?")[0].removeprefix("/v1"), body)
        data = json.dumps(answer).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def decide(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if path == "/files":
            name = f"file-{len(self.files) + 1}"
            self.files[name] = body
            return 200, {"id": name}
        if path == "/fine_tuning/jobs":
            asked = json.loads(body)
            if asked["model"] == "unknown":
                return 400, {"error": {"message": "no such model"}}
            name = f"ftjob-{len(self.jobs) + 1}"
            self.jobs[name] = {"id": name, "status": "running", "polls": 0, "asked": asked}
            return 200, self.jobs[name]
        job = self.jobs[path.split("/")[3]]
        if path.endswith("/cancel"):
            self.cancelled.append(job["id"])
            job["status"] = "cancelled"
        elif path.endswith("/events"):
            return 200, {"data": [self.make_event(number) for number in range(job["polls"], 0, -1)]}
        elif job["status"] == "running":
            job["polls"] += 1
            if job["polls"] >= self.polls:
                job["status"] = self.outcome
                job["trained_tokens"] = 2_000_000
                job["fine_tuned_model"] = "ft:gpt-x:1" if self.outcome == "succeeded" else None
                job["error"] = {"message": "bad rows"} if self.outcome == "failed" else None
        return 200, job

    def make_event(self, number: int) -> dict[str, Any]:
        data = {"step": number, "total_steps": self.polls, "train_loss": 1 / number}
        return {"id": f"ev-{number}", "created_at": number, "type": "metrics", "level": "info", "data": data}
