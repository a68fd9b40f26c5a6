"""S22: a rating counts for a request of the same key or subject, or with the right to rate those of the project.

Which ratings the store counts: `tests/contract/test_s22_ratings.py`.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from conftest import SHARE_MOCK, Deployment, inside, until
from steward.core.identity import KEY_RIGHTS, Caller, Principal, Right
from steward.gateway.feedback import accept_feedback

pytestmark = SHARE_MOCK

ANNA = "a" * 32


@pytest.mark.parametrize(("rights", "any_key"), [(KEY_RIGHTS, False), (KEY_RIGHTS | {"feedback.project"}, True)])
def test_the_right_is_the_keys_and_no_field_of_the_body(rights: frozenset[Right], any_key: bool) -> None:
    caller = Caller(principal=Principal(kind="key", id="k1", rights=rights))
    body = json.dumps({"request_id": f"req_{'0' * 24}", "score": 1}).encode()
    record, _ = accept_feedback(body, caller, "fb", 1.0, lambda *_: b"", ANNA)
    assert (record.any_key, record.subject, record.key_id) == (any_key, ANNA, "k1")


def post(deployed: Deployment, path: str, body: Any, key: str, subject: str = "") -> tuple[int, Any, str]:
    """Status, answer and x-request-id."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    headers |= {"X-Steward-Subject": subject} if subject else {}
    request = urllib.request.Request(deployed.url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer), answer.headers["x-request-id"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers["x-request-id"]


def test_keys_of_one_project_rate_one_request(deployed: Deployment) -> None:
    def make(name: str, *options: str) -> str:
        made = inside("keys", "create", "--name", name, "--home", str(deployed.home), "--json", *options)
        secret: str = json.loads(made.stdout)["key"]
        until(lambda: all(post(deployed, "/v1/feedback", {}, secret)[0] == 400 for _ in range(8)))
        return secret

    request_id = post(deployed, "/v1/chat/completions", {"model": "mock", "messages": []}, deployed.key, "anna")[2]
    stranger, collector = make("stranger"), make("collector", "--rights", "feedback,feedback.project")
    ids = {}
    for name, secret, subject in (
        ("stranger", stranger, ""),
        ("strangers-bob", stranger, "bob"),
        ("strangers-anna", stranger, "anna"),
        ("collector", collector, ""),
        ("owner", deployed.key, ""),
    ):
        status, answer, _ = post(deployed, "/v1/feedback", {"request_id": request_id, "score": 1}, secret, subject)
        assert status == 202
        ids[answer["id"]] = name

    def read_matches() -> dict[str, bool]:
        found = json.loads(inside("feedback", "--home", str(deployed.home), "--json").stdout)
        return {ids[row["id"]]: row["matched"] for row in found["last"] if row["id"] in ids}

    expected = {"stranger": False, "strangers-bob": False, "strangers-anna": True, "collector": True, "owner": True}
    until(lambda: read_matches() == expected)
