"""Feedback from a client's hands to `steward feedback`: joined, private, and the same project's only."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from typing import Any

from conftest import SHARE_MOCK, Deployment, inside, until
from gateway_client import post

pytestmark = SHARE_MOCK

COMMENT = "the-patient-is-called-Quirin"


def asked(deployed: Deployment) -> str:
    return post(deployed, "/v1/chat/completions", {"model": "mock", "messages": []})[2]


def report(deployed: Deployment, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(inside("feedback", "--home", str(deployed.home), "--json", *arguments).stdout)
    return found


def row_of(deployed: Deployment, feedback_id: str) -> dict[str, Any] | None:
    return next((row for row in report(deployed)["last"] if row["id"] == feedback_id and row["matched"]), None)


def test_feedback_is_joined_to_its_request(deployed: Deployment) -> None:
    request_id = asked(deployed)
    body = {"request_id": request_id, "score": 0.5, "label": "helpful"}
    status, answer, _ = post(deployed, "/v1/feedback", body)
    assert status == 202 and answer["request_id"] == request_id and answer["object"] == "feedback"
    row = until(lambda: row_of(deployed, answer["id"]))
    assert (row["model"], row["score"], row["label"], row["has_content"]) == ("mock", 0.5, "helpful", False)
    assert "helpful" in [label["name"] for label in report(deployed)["by_label"]]


def test_comment_and_correction_rest_sealed_and_open_on_request(deployed: Deployment) -> None:
    body = {"request_id": asked(deployed), "score": -1, "comment": COMMENT, "correction": f"{COMMENT}!"}
    answer = post(deployed, "/v1/feedback", body)[1]
    row = until(lambda: row_of(deployed, answer["id"]))
    assert row["has_content"] and COMMENT not in json.dumps(report(deployed))
    files = [path for path in [*deployed.home.rglob("*"), deployed.log] if path.is_file()]
    assert not [path for path in files if COMMENT.encode() in path.read_bytes()]
    assert (deployed.home / "root-key").stat().st_mode & 0o777 == 0o600
    content = next(item for item in report(deployed, "--show-content")["contents"] if item["id"] == answer["id"])
    assert (content["comment"], content["correction"]) == (COMMENT, f"{COMMENT}!")


def test_feedback_of_another_project_is_kept_apart(deployed: Deployment) -> None:
    request_id = asked(deployed)
    options = ("--name", "other", "--project", "another", "--home", str(deployed.home), "--json")
    made = json.loads(inside("keys", "create", *options).stdout)
    body = {"request_id": request_id, "score": -1, "label": "intruder"}
    until(lambda: all(post(deployed, "/v1/feedback", {}, made["key"])[0] == 400 for _ in range(8)))
    status, answer, _ = post(deployed, "/v1/feedback", body, made["key"])
    own = post(deployed, "/v1/feedback", body | {"label": "owner"})[1]
    until(lambda: row_of(deployed, own["id"]))
    found = until(lambda: (r := report(deployed)) and any(row["id"] == answer["id"] for row in r["last"]) and r)
    theirs = next(row for row in found["last"] if row["id"] == answer["id"])
    assert status == 202 and theirs["project"] == "another" and not theirs["matched"] and theirs["model"] is None
    assert "intruder" not in [label["name"] for label in found["by_label"]]


def test_feedback_that_was_accepted_survives_a_kill(deployed: Deployment) -> None:
    request_id = asked(deployed)
    answers = [post(deployed, "/v1/feedback", {"request_id": request_id, "score": 0.1})[1]["id"] for _ in range(20)]
    for process in deployed.state()["processes"]:
        if process["name"].startswith(("worker", "keeper")):
            os.kill(process["pid"], signal.SIGKILL)
    until(lambda: set(answers) <= {row["id"] for row in report(deployed, "-n", "500")["last"] if row["matched"]}, 30)
    rows = [row["id"] for row in report(deployed, "-n", "500")["last"]]
    assert len(rows) == len(set(rows))


def test_refusals(deployed: Deployment) -> None:
    body = {"request_id": "req_" + "0" * 24, "score": 1}
    assert post(deployed, "/v1/feedback", body, "stw_live_wrong")[0] == 401
    assert post(deployed, "/v1/feedback", body | {"score": 2})[1]["error"]["param"] == "score"
    with urllib.request.urlopen(f"{deployed.url}/healthz", timeout=60) as answer:
        assert answer.status == 200


def test_signals_are_taken_and_shown_as_rates(deployed: Deployment) -> None:
    request_id = asked(deployed)
    assert post(deployed, "/v1/feedback", {"request_id": request_id, "score": 1})[0] == 202
    status, answer, _ = post(deployed, "/v1/feedback", {"request_id": request_id, "kind": "copy"})
    assert status == 202 and answer["score"] is None and answer["kind"] == "copy"
    assert until(lambda: row_of(deployed, answer["id"]))["kind"] == "copy"
    (line,) = [row for row in report(deployed, "--by", "model")["satisfaction"] if row["name"] == "mock"]
    assert line["answered"] >= 1 and line["copy"]["value"] > 0 and line["ratings"] >= 1
    assert line["satisfaction"]["low"] < line["satisfaction"]["high"]
    assert "satisfied" in inside("feedback", "--home", str(deployed.home), "--by", "route").stdout
    status, refused, _ = post(deployed, "/v1/feedback", {"request_id": request_id, "kind": "judge", "score": 1})
    assert status == 403 and refused["error"]["param"] == "kind"
