"""From a person's objection to a person's decision: kept sealed, decided once, and a case to be tested with."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, inside, until
from gateway_client import post

WORDS = "the-answer-insulted-Quirin"
WISH = "a-person-should-call-me"


def appeal(deployed: Deployment) -> str:
    """The id of a new appeal, once it is listed."""
    request_id = post(deployed, "/v1/chat/completions", {"model": "mock", "messages": []})[2]
    status, receipt, _ = post(deployed, "/v1/appeals", {"request_id": request_id, "ground": WORDS, "wish": WISH})
    assert status == 202 and receipt["object"] == "appeal" and receipt["request_id"] == request_id
    until(lambda: [one for one in list_appeals(deployed) if one["id"] == receipt["id"]])
    return str(receipt["id"])


def list_appeals(deployed: Deployment, *arguments: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(call(deployed, "list", *arguments, "--json").stdout)
    return listed


def call(deployed: Deployment, *arguments: str, code: int = 0) -> Any:
    done = inside("appeals", *arguments, "--home", str(deployed.home))
    assert done.returncode == code, done.stderr
    return done


def test_an_appeal_is_decided_by_a_person(deployed: Deployment, tmp_path: Path) -> None:
    name = appeal(deployed)
    (one,) = [one for one in list_appeals(deployed) if one["id"] == name]
    assert (one["state"], one["model"], one["outcome"]) == ("open", "mock", None)
    files = [path for path in [*deployed.home.rglob("*"), deployed.log] if path.is_file()]
    assert not [path for path in files if WORDS.encode() in path.read_bytes()]

    assert "reason" in call(deployed, "show", name, code=2).stderr
    words = json.loads(call(deployed, "show", name, "--reason", "ticket 7", "--json").stdout)
    assert (words["ground"], words["wish"], words["reason"]) == (WORDS, WISH, None)

    items = tmp_path / "items.jsonl"
    answer = ("answer", name, "--outcome", "upheld", "--words", "The answer was rude, and we are sorry.")
    case = ("--item", str(items), "--expected", "A friendly answer.")
    assert "was not captured" in call(deployed, *answer, *case, code=2).stderr
    decided = json.loads(call(deployed, *answer, *case, "--question", "Who am I?", "--json").stdout)
    assert (decided["outcome"], decided["item"]) == ("upheld", str(items))
    assert json.loads(items.read_text()) == {"id": name, "question": "Who am I?", "answer": "A friendly answer."}
    assert items.stat().st_mode & 0o077 == 0

    assert "a decision stays" in call(deployed, *answer, code=2).stderr
    assert name not in [one["id"] for one in list_appeals(deployed)]
    (one,) = [one for one in list_appeals(deployed, "--all") if one["id"] == name]
    assert one["state"] == "upheld" and one["decided_by"].startswith("operator:")
    after = json.loads(call(deployed, "show", name, "--reason", "ticket 7", "--json").stdout)
    assert after["reason"] == "The answer was rude, and we are sorry."
    acts = inside("audit", "tail", "--home", str(deployed.home), "--json").stdout
    assert "appeals.decide" in acts and f"appeal:{name}" in acts and "rude" not in acts


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "appeal_none", "--reason", "why not"), "appeal_none"),
        (("answer", "appeal_none", "--outcome", "upheld", "--words", "a good long reason"), "appeal_none"),
        (("answer", "appeal_none", "--outcome", "upheld", "--words", "short"), "a sentence"),
        (("answer", "appeal_none", "--outcome", "upheld", "--words", "long enough", "--expected", "x"), "--item"),
    ],
)
def test_what_cannot_be_done_says_why(deployed: Deployment, arguments: tuple[str, ...], said: str) -> None:
    assert said in call(deployed, *arguments, code=2).stderr


def test_bodies_that_are_wrong_are_refused_by_name(deployed: Deployment) -> None:
    status, error, _ = post(deployed, "/v1/appeals", {"request_id": "req_1", "ground": "bad"})
    assert status == 400 and error["error"]["param"] == "request_id"


def test_what_a_model_made_says_so(deployed: Deployment) -> None:
    """EU AI Act, Article 50(2): marked in a machine-readable way."""
    headers = {"Authorization": f"Bearer {deployed.key}", "Content-Type": "application/json"}
    for path, body in (
        ("/v1/chat/completions", {"model": "mock", "messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/chat/completions", {"model": "mock", "messages": [{"role": "user", "content": "hi"}], "stream": True}),
        ("/v1/messages", {"model": "mock", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/responses", {"model": "mock", "input": "hi"}),
    ):
        request = urllib.request.Request(deployed.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.headers["x-ai-generated"] == "true", path
    with urllib.request.urlopen(f"{deployed.url}/healthz", timeout=60) as answer:
        assert "x-ai-generated" not in answer.headers
