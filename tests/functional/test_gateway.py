"""The gateway from outside, through the official SDK and raw HTTP."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from conftest import SHARE_MOCK, Deployment, inside, until

pytestmark = SHARE_MOCK

HI: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def client(deployed: Deployment) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{deployed.url}/v1", api_key=deployed.key, max_retries=0) as made:
        yield made


def post(
    deployed: Deployment, body: bytes, path: str = "/v1/chat/completions", **headers: str
) -> tuple[int, dict[str, Any]]:
    given = {"Authorization": f"Bearer {deployed.key}", "Content-Type": "application/json", **headers}
    request = urllib.request.Request(deployed.url + path, body, given)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_whole_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="mock", messages=HI)
    assert answer.choices[0].message.content == "Hello."
    assert answer.usage and answer.usage.total_tokens == 9


def test_stream_hides_the_usage_that_the_client_did_not_ask_for(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="mock", messages=HI, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "w0 w1 w2 w3 w4 "
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_stream_shows_the_usage_that_the_client_asked_for(client: openai.OpenAI) -> None:
    options: Any = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="mock", messages=HI, stream=True, stream_options=options))
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens == 5


def test_models_are_listed_with_routes(client: openai.OpenAI) -> None:
    assert {"mock", "safe"} <= {model.id for model in client.models.list()}


def test_fallback_answers_and_each_attempt_counts_once(client: openai.OpenAI, deployed: Deployment) -> None:
    before = deployed.settled_usage()["requests"]
    assert client.chat.completions.create(model="safe", messages=HI).choices[0].message.content == "Hello."
    until(lambda: deployed.usage()["requests"] == before + 1)


def test_upstream_error_keeps_its_status(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="mock-error", messages=HI)


def test_missing_upstream_is_named(deployed: Deployment) -> None:
    status, answer = post(deployed, b'{"model":"gone","messages":[]}')
    assert status == 502 and "gone" in answer["error"]["message"]


def test_truncated_stream_is_an_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="finish_reason"):
        list(client.chat.completions.create(model="mock-truncated", messages=HI, stream=True))


def test_error_in_mid_stream_reaches_the_client(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="lost a worker"):
        list(client.chat.completions.create(model="mock-midstream-error", messages=HI, stream=True))


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "valid JSON"),
        (b"[]", 400, "object"),
        (b'{"messages":[]}', 400, "model"),
        (b'{"model":"mock"}', 400, "messages"),
        (b'{"model":"mock","messages":[],"n":0}', 400, "n must be"),
        (b'{"model":"mock","messages":[],"max_tokens":-1}', 400, "max_tokens"),
        (b'{"model":"nope","messages":[]}', 404, "Available: "),
        (b"\xff\xfe", 400, "valid JSON"),
        (b"[" * 100_000, 400, ""),
    ],
)
def test_bad_bodies_are_explained(deployed: Deployment, body: bytes, status: int, says: str) -> None:
    seen, answer = post(deployed, body)
    assert seen == status and says in answer["error"]["message"]
    assert answer["error"]["type"] == "invalid_request_error"


def test_body_over_the_limit(deployed: Deployment) -> None:
    body = b'{"model":"mock","messages":[],"x":"' + b"a" * (33 * 1024 * 1024) + b'"}'
    try:
        status, answer = post(deployed, body)
    except (ConnectionError, urllib.error.URLError):
        return  # refused by its declared length while it was still being sent
    assert status == 413 and "limit" in answer["error"]["message"]


def test_other_paths_and_methods(deployed: Deployment) -> None:
    assert post(deployed, b"{}", "/v1/nothing")[0] == 404
    assert post(deployed, b"{}", "/v1/models")[0] == 405
    assert post(deployed, b"a=b", **{"Content-Type": "text/plain"})[0] == 415


def test_no_key_and_wrong_key(deployed: Deployment) -> None:
    body = b'{"model":"mock","messages":[]}'
    assert post(deployed, body, Authorization="")[0] == 401
    status, answer = post(deployed, body, Authorization="Bearer stw_live_wrong")
    assert status == 401 and "stw_live_wrong" not in json.dumps(answer)


def test_a_stranger_is_refused_before_its_body_is_read(deployed: Deployment) -> None:
    host, port = deployed.url.removeprefix("http://").split(":")
    head = "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 30000000\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(f"{head}expect: 100-continue\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 401")


def test_a_revoked_key_stops_working_everywhere_within_a_second(deployed: Deployment) -> None:
    home = str(deployed.home)
    made = json.loads(inside("keys", "create", "--name", "short", "--home", home, "--json").stdout)
    body, bearer = b'{"model":"mock","messages":[]}', f"Bearer {made['key']}"
    until(lambda: all(post(deployed, body, Authorization=bearer)[0] == 200 for _ in range(8)), 2)
    inside("keys", "revoke", made["id"], "--home", home)
    until(lambda: all(post(deployed, body, Authorization=bearer)[0] == 401 for _ in range(8)), 2)


def test_requests_per_minute_hold_over_two_workers(deployed: Deployment) -> None:
    made = json.loads(
        inside("keys", "create", "--name", "few", "--rpm", "5", "--home", str(deployed.home), "--json").stdout
    )
    body, bearer = b'{"model":"mock","messages":[]}', f"Bearer {made['key']}"
    until(lambda: all(post(deployed, b"{", Authorization=bearer)[0] == 400 for _ in range(30)))
    statuses = [post(deployed, body, Authorization=bearer)[0] for _ in range(12)]
    assert statuses.count(200) == 5 and statuses.count(429) == 7


def test_usage_counts_every_settled_request(deployed: Deployment) -> None:
    before = deployed.settled_usage()
    for _ in range(3):
        post(deployed, b'{"model":"mock","messages":[]}')
    after = until(lambda: (u := deployed.usage())["requests"] == before["requests"] + 3 and u)
    assert after["output_tokens"] == before["output_tokens"] + 6


def test_a_client_that_hangs_up_is_settled(deployed: Deployment, client: openai.OpenAI) -> None:
    with client.chat.completions.create(model="mock", messages=HI, stream=True) as stream:
        next(iter(stream))
    until(lambda: "client_closed" in inside("tail", "--home", str(deployed.home)).stdout)


def test_content_is_nowhere_in_the_home(deployed: Deployment) -> None:
    secret = "the-patient-is-called-Quirin"
    body = json.dumps({"model": "mock", "messages": [{"role": "user", "content": secret}], "user": secret}).encode()
    before = deployed.settled_usage()["requests"]
    post(deployed, body)
    until(lambda: deployed.usage()["requests"] > before)
    files = [path for path in deployed.home.rglob("*") if path.is_file()]
    assert len(files) > 5 and not [path for path in files if secret.encode() in path.read_bytes()]


def test_chat_and_status_commands(deployed: Deployment) -> None:
    home = str(deployed.home)
    assert inside("chat", "hello", "--home", home, "--model", "mock").stdout == "w0 w1 w2 w3 w4 \n"
    assert inside("chat", "hello", "--home", home, "--model", "nope").returncode == 2
    assert inside("status", "--home", home).returncode in (0, 1)


def test_the_status_page_tells_a_dead_upstream_from_a_living_one(deployed: Deployment) -> None:
    token = (deployed.home / "run" / "console-token").read_text()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    opener.open(f"{deployed.console_url}/login", f"token={token}".encode(), timeout=60).close()
    with opener.open(f"{deployed.console_url}/api/snapshot", timeout=60) as answer:
        states = {model["name"]: model["state"] for model in json.load(answer)["models"]}
    assert states["mock"] == "ok" and states["gone"] == "down"
