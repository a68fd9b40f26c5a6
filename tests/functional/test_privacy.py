"""The privacy guard around a real gateway: an upstream that echoes never sees what the client gets back."""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
import pytest

from conftest import Deployment, inside
from steward.privacy.guard import DETECTORS

EMAIL, CARD, ADDRESS = "bob.o'hara@example.com", "4111 1111 1111 1111", "192.0.2.44"
TEXT = f'Ask "{EMAIL}" and, from {ADDRESS}, pay {CARD}.\n\tEMAIL_ is not a token; EMAIL_7F3K2Q9ABC neither. I'
PRIVATE = (EMAIL, CARD, ADDRESS)


class Echo(BaseHTTPRequestHandler):
    """Answers with the last message, as text or, where there are tools, as the arguments of a call."""

    protocol_version = "HTTP/1.1"
    seen: list[bytes] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append(body)
        request = json.loads(body)
        text = request["messages"][-1]["content"]
        if not request.get("stream"):
            self._send(json.dumps(whole(text, "tools" in request)).encode(), "application/json")
            return
        events = [*pieces(text, "tools" in request, request.get("n", 1)), "[DONE]"]
        data = "".join(f"data: {event}\n\n" for event in events).encode()
        self._send(data, "text/event-stream")

    def _send(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self._send(b'{"object":"list","data":[{"id":"echo"}]}', "application/json")

    def log_message(self, *_: object) -> None:
        return


def whole(text: str, tools: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if tools else text}
    if tools:
        function = {"name": "f", "arguments": json.dumps({"text": text})}
        message["tool_calls"] = [{"id": "c1", "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if tools else "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "echo", "choices": [choice], "usage": usage}


def pieces(text: str, tools: bool, choices: int) -> Iterator[str]:
    """Three characters a chunk, the choices interleaved."""
    shown = json.dumps({"text": text}) if tools else text
    for start in range(0, len(shown), 3):
        for index in range(choices):
            piece = shown[start : start + 3]
            call = {"index": 0, "function": {"arguments": piece}}
            if start == 0:
                call |= {"id": "c1", "type": "function", "function": {"name": "f", "arguments": piece}}
            yield chunk(index, {"tool_calls": [call]} if tools else {"content": piece}, None)
    for index in range(choices):
        yield chunk(index, {}, "stop")


def chunk(index: int, delta: dict[str, Any], reason: str | None) -> str:
    choice = {"index": index, "delta": delta, "finish_reason": reason}
    return json.dumps(
        {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "echo", "choices": [choice]}
    )


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def guarded(echo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "steward.yaml").write_text(
        f"models: [{{name: echo, backend: openai, url: '{echo}'}}]\n"
        "privacy: {profile: gdpr, actions: {phone: block}}\n"
    )
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()


@pytest.fixture(scope="module")
def client(guarded: Deployment) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{guarded.url}/v1", api_key=guarded.key, max_retries=0) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_private_upstream() -> Iterator[None]:
    Echo.seen.clear()
    yield
    assert not [value for value in PRIVATE for body in Echo.seen if value in body.decode()]


SAID: Any = [{"role": "system", "content": f"You help {EMAIL}."}, {"role": "user", "content": TEXT}]
TOOLS: Any = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def test_whole_answer_comes_back_and_the_header_names_the_guard(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="echo", messages=SAID)
    assert raw.parse().choices[0].message.content == TEXT
    assert re.fullmatch(
        rf"privacy@{DETECTORS}\.[0-9a-f]{{6}}=rewrite, privacy:answer=allow", raw.headers["x-steward-guards"]
    )
    sent = json.loads(Echo.seen[0])["messages"]
    first, again = (re.findall(r"EMAIL_[0-9A-Z]{10}\b", item["content"])[0] for item in sent)
    assert first == again


def test_streams_of_two_choices_come_back(client: openai.OpenAI) -> None:
    texts = {0: "", 1: ""}
    for event in client.chat.completions.create(model="echo", messages=SAID, stream=True, n=2):
        for choice in event.choices:
            texts[choice.index] += choice.delta.content or ""
            assert TEXT.startswith(texts[choice.index])
    assert texts == {0: TEXT, 1: TEXT}


def test_tool_call_arguments_come_back(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="echo", messages=SAID, tools=TOOLS)
    call: Any = (answer.choices[0].message.tool_calls or [])[0]
    assert json.loads(call.function.arguments) == {"text": TEXT}


def test_streamed_tool_call_arguments_come_back(client: openai.OpenAI) -> None:
    arguments = ""
    for event in client.chat.completions.create(model="echo", messages=SAID, tools=TOOLS, stream=True):
        for choice in event.choices:
            for call in choice.delta.tool_calls or []:
                arguments += (call.function and call.function.arguments) or ""
    assert json.loads(arguments) == {"text": TEXT}


def test_tokens_follow_the_conversation(client: openai.OpenAI) -> None:
    def sent(conversation: str) -> str:
        client.chat.completions.create(
            model="echo", messages=SAID, extra_headers={"X-Steward-Conversation": conversation}
        )
        return str(json.loads(Echo.seen[-1])["messages"][0]["content"])

    assert sent("one") == sent("one") != sent("two")


def test_a_blocked_kind_is_refused_without_repeating_it(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "call +49 30 23125 123"}])
    assert "phone number" in str(caught.value) and "23125" not in str(caught.value)
    assert caught.value.code == "content_policy_violation" and Echo.seen == []


def test_nothing_private_is_in_the_home(guarded: Deployment) -> None:
    files = [path for path in [*guarded.home.rglob("*"), guarded.log] if path.is_file()]
    assert not [path for path in files for value in PRIVATE if value.encode() in path.read_bytes()]


def test_processes_that_hold_content_dump_no_core(guarded: Deployment) -> None:
    for process in guarded.state()["processes"]:
        limits = Path(f"/proc/{process['pid']}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), process["name"]


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_disable_core_dumps_also_where_cores_go_to_a_program() -> None:
    """core(5): the limit does not hold for a core pattern that is a pipe; PR_GET_DUMPABLE (3) must be 0."""
    code = "import ctypes; from steward.processes.lifeline import disable_core_dumps; disable_core_dumps()"
    code += "; print(ctypes.CDLL(None).prctl(3))"
    assert ctypes.CDLL(None).prctl(3) == 1
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "0"


def test_k7_masked_values_are_counted_alike_everywhere(client: openai.OpenAI, guarded: Deployment) -> None:
    """In the answer's row, in usage and in `/metrics`; a long request is masked in another process."""
    home = ("--home", str(guarded.home), "--json")
    before = guarded.settled_usage()
    said: Any = [{"role": "user", "content": f"{EMAIL}, {EMAIL} and {CARD} {'x ' * 40_000}"}]
    client.chat.completions.create(model="echo", messages=said)
    client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "nobody"}])

    used = guarded.settled_usage()
    assert used["requests"] == before["requests"] + 2
    assert [row["masked"] for row in used["by"] if row["masked"]] == [used["masked"]]
    grown = {kind: count - before["masked"].get(kind, 0) for kind, count in used["masked"].items()}
    row, _ = (json.loads(line)["masked"] for line in inside("tail", "-n", "2", *home).stdout.splitlines())
    assert row == {"email": 2, "payment_card": 1} == {kind: count for kind, count in grown.items() if count}
    with urllib.request.urlopen(f"{guarded.console_url}/metrics", timeout=60) as answer:
        lines = re.findall(r'steward_masked_total\{.*kind="(\w+)".*\} (\d+)', answer.read().decode())
    assert dict(lines) == {kind: str(count) for kind, count in used["masked"].items()}
    assert "3 masked" in inside("tail", "-n", "2", "--home", str(guarded.home)).stdout
