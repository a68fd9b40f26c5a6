from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from steward.core.errors import InputError, Unavailable
from steward.core.identity import Principal, operator
from steward.gateway.prompts import PromptExample
from steward.workflows.keys import list_keys, open_keys
from steward.workflows.playground import Playground, build_messages, read_answer
from steward.workflows.serve.deployment import find_deployment

ANSWER = {
    "model": "m",
    "choices": [{"message": {"content": "hi"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}


def test_an_answer_is_read_with_its_receipt() -> None:
    answer = read_answer(json.dumps(ANSWER).encode(), 200, {"x-steward-guards": "privacy"}, 1.5)
    assert (answer.text, answer.model, answer.input_tokens, answer.output_tokens) == ("hi", "m", 3, 1)
    assert (answer.guards, answer.duration_s, answer.problem) == ("privacy", 1.5, "")


def test_an_answer_without_text_or_usage_is_one() -> None:
    body = json.dumps({"choices": [{"message": {"content": None}}]}).encode()
    answer = read_answer(body, 200, {}, 0.0)
    assert (answer.text, answer.input_tokens, answer.guards) == ("", None, "")


def test_a_refusal_is_told_in_the_gateways_words() -> None:
    answer = read_answer(b'{"error": {"message": "no budget left"}}', 429, {}, 0.0)
    assert (answer.problem, answer.status, answer.text) == ("no budget left", 429, "")
    assert read_answer(b'{"error": {"message": "too long"}}', 400, {}, 0.0).problem == "too long"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices": []}', b'{"error": "x"}'])
def test_what_is_no_answer_is_said_to_be_none(body: bytes) -> None:
    for status in (200, 500):
        with pytest.raises(Unavailable, match=f"status {status}"):
            read_answer(body, status, {}, 0.0)


def test_a_prompt_stands_before_the_question() -> None:
    messages = build_messages("be", [PromptExample("a", "b")], "c")
    assert [(one["role"], one["content"]) for one in messages] == [
        ("system", "be"), ("user", "a"), ("assistant", "b"), ("user", "c"),
    ]  # fmt: skip
    assert build_messages(None, (), "c") == [{"role": "user", "content": "c"}]
    with pytest.raises(InputError, match="write a question"):
        build_messages(None, (), " \n")


class Gateway:
    """It answers each request with the next of `statuses`, the last one for ever."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.seen: list[str] = []  # the keys that asked


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions"
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert asked["temperature"] == 0 and asked["model"] == "m"
            gateway.seen.append(self.headers["authorization"].removeprefix("Bearer "))
            status = gateway.statuses.pop(0) if len(gateway.statuses) > 1 else gateway.statuses[0]
            body = json.dumps(ANSWER if status == 200 else {"error": {"message": "no"}}).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "run").mkdir()
    state = {"pid": os.getpid(), "gateway_url": f"http://127.0.0.1:{server.server_port}"}
    (tmp_path / "run" / "state.json").write_text(json.dumps(state))
    with open_keys(find_deployment(tmp_path), 1.0):
        pass
    yield gateway
    server.shutdown()
    server.server_close()


ME, QUESTION = operator(7), build_messages(None, (), "c")


@pytest.mark.parametrize(("known_after", "status", "asked"), [(3, 200, 4), (99, 401, 6)])
def test_a_new_key_is_tried_until_all_workers_know_it(
    tmp_path: Path, gateway: Gateway, known_after: int, status: int, asked: int
) -> None:
    """Five seconds at most. Here each wait takes one."""
    gateway.statuses = [401] * known_after + [200]
    now = [0.0]

    def wait(seconds: float) -> None:
        assert seconds == 0.2
        now[0] += 1.0

    answer = Playground(tmp_path, lambda: 1.0, lambda: now[0], wait).ask("m", QUESTION, actor=ME)
    assert (answer.status, len(gateway.seen), len(set(gateway.seen))) == (status, asked, 1)


def test_another_refusal_than_of_the_key_is_final(tmp_path: Path, gateway: Gateway) -> None:
    gateway.statuses = [429]
    assert Playground(tmp_path, lambda: 1.0).ask("m", QUESTION, actor=ME).problem == "no"
    assert len(gateway.seen) == 1


def test_a_key_lasts_an_hour_and_may_do_nothing_but_ask(tmp_path: Path, gateway: Gateway) -> None:
    """It is used until a minute before its end, so that no question is cut off by it."""
    now = [1000.0]
    playground = Playground(tmp_path, lambda: now[0])
    for at, keys_so_far in [(1000.0, 1), (4539.0, 1), (4540.0, 2), (4541.0, 2)]:
        now[0] = at
        assert playground.ask("m", QUESTION, actor=ME).status == 200
        assert len(set(gateway.seen)) == keys_so_far, at
    playground.ask("m", QUESTION, actor=Principal(kind="person", id="anna", rights=ME.rights))
    assert len(set(gateway.seen)) == 3  # somebody else's
    shown = sorted(list_keys(tmp_path, actor=ME), key=lambda view: view.expires_at or 0.0)
    assert [view.expires_at for view in shown] == [4600.0, 8140.0, 8141.0]
    assert {"infer"} <= set(shown[0].rights) and not {"keys.manage", "usage.read"} & set(shown[0].rights)
    assert shown[0].name == f"playground of {ME.id}"


def test_an_answer_says_how_long_it_took(tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([50_000.0, 50_002.5])
    monkeypatch.setattr("steward.workflows.playground.time", SimpleNamespace(perf_counter=lambda: next(seconds)))
    assert Playground(tmp_path, lambda: 1.0).ask("m", QUESTION, actor=ME).duration_s == 2.5


def test_who_has_a_long_name_may_ask_too(tmp_path: Path, gateway: Gateway) -> None:
    """A key's name has 200 characters at most, and a provider's name for a person more."""
    anna = Principal(kind="person", id="a" * 255, rights=ME.rights)
    assert Playground(tmp_path, lambda: 1.0).ask("m", QUESTION, actor=anna).status == 200
    (view,) = list_keys(tmp_path, actor=ME)
    assert view.name == "playground of " + "a" * 186


def test_of_too_many_keys_the_oldest_is_forgotten(
    tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steward.workflows.playground.MOST_KEYS", 2)
    playground = Playground(tmp_path, lambda: 1.0)
    for name in ("anna", "bert", "cora", "cora", "bert", "anna"):
        playground.ask("m", QUESTION, actor=Principal(kind="person", id=name, rights=ME.rights))
    anna, bert, cora, *rest = gateway.seen
    assert rest[:2] == [cora, bert] and rest[2] not in (anna, bert, cora)


def test_nobody_that_answers_is_said(tmp_path: Path, gateway: Gateway) -> None:
    state = {"pid": os.getpid(), "gateway_url": "http://127.0.0.1:9"}
    (tmp_path / "run" / "state.json").write_text(json.dumps(state))
    with pytest.raises(Unavailable, match=r"the gateway at http://127\.0\.0\.1:9 does not answer"):
        Playground(tmp_path, lambda: 1.0).ask("m", QUESTION, actor=ME)
