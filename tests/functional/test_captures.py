"""Captured exchanges in a running deployment: kept by a rule, sealed on disk, read back with what was consented to."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, inside, run, until
from steward.core.captures import CapturedContent, CapturedExchange
from steward.workflows.captures import open_home_captures

EMAIL, CANARY = "bob.ohara@example.com", "the-canary-Quirin-sings"
SETTINGS = """
models:
  - {{name: echo, backend: openai, url: '{scripted}'}}
  - {{name: mock, backend: openai, url: '{upstream}'}}
  - {{name: raw, backend: openai, url: '{scripted}', upstream_model: echo}}
privacy: {{profile: gdpr}}
capture:
  max_exchange_bytes: 4096
  rules:
    - {{purpose: training, route: echo, keep_days: 1}}
    - {{purpose: support, route: mock, keep_days: 2}}
    - {{purpose: evaluation, route: raw, text: as_sent}}
"""


@pytest.fixture(scope="module")
def capturing(scripted: str, upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("capturing")
    (folder / "steward.yaml").write_text(SETTINGS.format(scripted=scripted, upstream=upstream))
    deployment = Deployment(folder / "home", "--workers", "2", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()


def ask(deployment: Deployment, path: str, body: dict[str, Any], **headers: str) -> tuple[int, str, str]:
    """Status, body and x-request-id."""
    given = {"Authorization": f"Bearer {deployment.key}", "Content-Type": "application/json", **headers}
    request = urllib.request.Request(deployment.url + path, json.dumps(body).encode(), given)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode(), answer.headers["x-request-id"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers["x-request-id"]


def chat(deployment: Deployment, model: str, text: str, stream: bool = False, **headers: str) -> tuple[int, str, str]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "user": "anna", "stream": stream}
    return ask(deployment, "/v1/chat/completions", body, **headers)


def read(deployment: Deployment) -> dict[str, tuple[CapturedExchange, CapturedContent]]:
    rows = open_home_captures(deployment.home, 0.0, time.time() + 1, tenant=None, now=time.time())
    return {record.request_id: (record, content) for record, content in rows}


def test_a_masked_exchange_is_kept_with_consent_and_rests_sealed(capturing: Deployment) -> None:
    status, body, request_id = chat(capturing, "echo", f"{CANARY} {EMAIL}", **{"X-Steward-Training": "yes"})
    assert status == 200 and EMAIL in body  # the client gets what it sent
    record, content = until(lambda: read(capturing).get(request_id))
    assert (record.purpose, record.consent, record.form, record.complete) == ("training", True, "masked", True)
    assert record.expires_at == pytest.approx(record.at + 86_400) and record.subject is not None
    texts = content.request.decode() + content.answer[0].text
    assert texts.count(CANARY) == 2 and EMAIL not in texts and "anna" not in texts
    files = [path for path in [*capturing.home.rglob("*"), capturing.log] if path.is_file()]
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]


def test_without_consent_nothing_is_kept_for_training(capturing: Deployment) -> None:
    refused = [chat(capturing, "echo", "x")[2], chat(capturing, "echo", "x", **{"X-Steward-Training": "no"})[2]]
    last = chat(capturing, "echo", "x", **{"X-Steward-Training": "yes"})[2]
    rows = until(lambda: (kept := read(capturing)) and last in kept and kept)
    time.sleep(0.5)  # the other worker's, if there were any, came with the same drain
    assert not set(refused) & set(rows)


def test_a_stream_is_kept_as_it_was_sent_on(capturing: Deployment) -> None:
    _, body, request_id = chat(capturing, "mock", "hi", stream=True)
    sent = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]
    text = "".join(choice["delta"].get("content") or "" for event in sent for choice in event["choices"])
    record, content = until(lambda: read(capturing).get(request_id))
    assert record.streamed and record.complete and record.purpose == "support" and record.consent is None
    assert text and [piece.text for piece in content.answer] == [text]


def test_as_sent_is_what_the_client_sent_and_got(capturing: Deployment) -> None:
    request_id = chat(capturing, "raw", f"mail {EMAIL}")[2]
    record, content = until(lambda: read(capturing).get(request_id))
    assert record.form == "as_sent" and EMAIL in content.request.decode() and EMAIL in content.answer[0].text


def test_messages_are_kept_like_chats(capturing: Deployment) -> None:
    body = {"model": "mock", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    request_id = ask(capturing, "/v1/messages", body)[2]
    record, content = until(lambda: read(capturing).get(request_id))
    assert record.endpoint == "/v1/messages" and json.loads(content.request)["messages"] == body["messages"]
    assert content.answer[0].text


def test_the_command_line_opens_one_with_a_reason_that_is_recorded(capturing: Deployment) -> None:
    request_id = chat(capturing, "mock", "what of my parcel?")[2]
    until(lambda: read(capturing).get(request_id))
    home = str(capturing.home)
    refused = inside("trace", request_id, "--content", "--home", home)
    assert refused.returncode == 2 and "reason: empty" in refused.stderr
    shown = inside("trace", request_id, "--content", "--reason", "complaint 4711", "--home", home)
    assert "what of my parcel?" in shown.stdout and "Answer 1, content" in shown.stdout
    tail = inside("audit", "tail", "--home", home, "--json").stdout
    assert "content.read" in tail and request_id in tail and "parcel" not in tail


def test_a_consent_of_other_words_is_refused(capturing: Deployment) -> None:
    status, body, _ = chat(capturing, "echo", "x", **{"X-Steward-Training": "perhaps"})
    assert status == 400 and "X-Steward-Training must be yes or no, not 'perhaps'" in body


def test_what_is_not_kept_is_counted(capturing: Deployment) -> None:
    assert chat(capturing, "mock", "y" * 5000)[0] == 200

    def metrics() -> str:
        with urllib.request.urlopen(f"{capturing.console_url}/metrics", timeout=60) as answer:
            return str(answer.read().decode())

    until(lambda: 'steward_captures_total{purpose="support",result="too_long"} 1' in metrics())
    until(lambda: 'steward_captures_total{purpose="training",result="kept"}' in metrics())


def test_captured_exchanges_are_replayed_under_another_policy(capturing: Deployment, tmp_path: Path) -> None:
    request_id = chat(capturing, "raw", f"write to {EMAIL}")[2]
    until(lambda: read(capturing).get(request_id))
    policy = tmp_path / "policy.yaml"
    policy.write_text("privacy: {profile: gdpr, routes: {mock: {profile: off}}, actions: {email: block}}\n")
    arguments = ("--since", "7d", str(policy), "--home", str(capturing.home), "--json")
    result = json.loads(inside("guards", "replay", *arguments).stdout)
    assert result["blocked"] >= 1 and result["rows"] == result["allowed"] + result["rewritten"] + result["blocked"]
    assert result["median_ms"] > 0 and EMAIL not in json.dumps(result)
    assert request_id in {one["row"] for one in result["examples"]}
    nothing = inside("guards", "replay", "--since", "0s", str(policy), "--home", str(capturing.home))
    assert nothing.returncode == 2 and "no exchange was captured since then" in nothing.stderr
    assert inside("guards", "replay").returncode == 2


def test_masked_texts_without_masking_are_refused_before_anything_starts(tmp_path: Any) -> None:
    (tmp_path / "steward.yaml").write_text("capture: {rules: [{purpose: support}]}\n")
    result = run("up", "--home", str(tmp_path / "home"), cwd=tmp_path)
    assert result.returncode == 2 and "keeps masked texts, and privacy.profile is off" in result.stderr
