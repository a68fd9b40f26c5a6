"""What a key may be used for, on a running gateway: models, rights, networks, a period; and its rotation."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Deployment, inside, until

INFERENCE = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages")


@pytest.fixture(scope="module")
def deployment(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("terms")
    models = [{"name": name, "backend": "openai", "url": upstream, "direct": True} for name in ("small", "big")]
    routes = [{"name": "guided", "targets": [{"model": "small"}], "prompt": {"system": "Be brief."}}]
    gateway = {"workers": 1, "trusted_proxies": ["127.0.0.1/32"]}
    tree = {"home": "home", "models": models, "routes": routes, "gateway": gateway}
    (folder / "steward.yaml").write_text(json.dumps(tree))
    running = Deployment(folder / "home")
    yield running
    running.stop()


def create(deployment: Deployment, *options: str, name: str = "k") -> dict[str, Any]:
    return command(deployment, "keys", "create", "--name", name, *options)


def command(deployment: Deployment, *words: str) -> Any:
    done = inside(*words, "--home", str(deployment.home), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ask(deployment: Deployment, key: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    data = json.dumps(body).encode() if body is not None else None
    sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers}
    request = urllib.request.Request(f"{deployment.url}{path}", data, sent)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status), json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def chat(model: str) -> dict[str, Any]:
    return {
        "model": model,
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "hi"}],
        "input": "hi",
        "prompt": "hi",
    }


def known(deployment: Deployment, made: dict[str, Any]) -> dict[str, Any]:
    """The key, once the worker knows it."""
    until(lambda: ask(deployment, made["key"], "/v1/none")[0] == 404 and seen(deployment, made))
    return made


def seen(deployment: Deployment, made: dict[str, Any]) -> bool:
    return ask(deployment, made["key"], "/v1/models")[1].get("error", {}).get("code") != "invalid_api_key"


def test_a_key_sees_and_uses_its_models_only(deployment: Deployment) -> None:
    key = known(deployment, create(deployment, "--models", "small,later"))["key"]
    assert [model["id"] for model in ask(deployment, key, "/v1/models")[1]["data"]] == ["small"]
    assert ask(deployment, key, "/v1/models/small")[0] == 200
    assert ask(deployment, key, "/v1/chat/completions", chat("small"))[0] == 200
    for path in INFERENCE:
        answers = [ask(deployment, key, path, chat(name)) for name in ("big", "none", "guided")]
        assert [status for status, _ in answers] == [404, 404, 404], path
        texts = [
            json.dumps(body).replace(name, "X")
            for name, (_, body) in zip(("big", "none", "guided"), answers, strict=True)
        ]
        assert "Available: small." in texts[0] and "or this key may not use it" in texts[0]
        assert len({text.partition("request_id")[0] for text in texts}) == 1, path  # no telling which of them exists
    for name in ("big", "none", "guided"):
        assert ask(deployment, key, f"/v1/models/{name}")[0] == 404


@pytest.mark.parametrize(
    ("rights", "statuses"),
    [
        ("infer", (200, 403, 403)),
        ("feedback", (403, 400, 403)),  # the body is empty
        ("models.read", (403, 403, 200)),
        ("usage.read", (403, 403, 403)),
    ],
)
def test_a_key_does_what_its_rights_say(deployment: Deployment, rights: str, statuses: tuple[int, int, int]) -> None:
    made = create(deployment, "--rights", rights)
    until(lambda: seen(deployment, made))
    found = (
        ask(deployment, made["key"], "/v1/chat/completions", chat("small"))[0],
        ask(deployment, made["key"], "/v1/feedback", {})[0],
        ask(deployment, made["key"], "/v1/models")[0],
    )
    assert found == statuses
    if found[0] == 403:
        _, body = ask(deployment, made["key"], "/v1/chat/completions", chat("small"))
        assert body["error"]["code"] == "insufficient_permissions" and "'infer'" in body["error"]["message"]


def test_a_key_expires_and_says_so(deployment: Deployment) -> None:
    made = create(deployment, "--expires", "3s")
    until(lambda: seen(deployment, made), 3)
    _, body = until(lambda: (found := ask(deployment, made["key"], "/v1/models"))[0] == 401 and found, 60)
    assert body["error"]["code"] == "expired_api_key" and time.time() >= made["expires_at"]


def test_a_key_is_not_valid_before_its_start(deployment: Deployment) -> None:
    made = create(deployment, "--starts", "1h")
    until(lambda: seen(deployment, made))
    assert ask(deployment, made["key"], "/v1/models")[1]["error"]["code"] == "api_key_not_yet_valid"


def test_new_keys_last_90_days_and_the_first_has_no_end(deployment: Deployment) -> None:
    made, now = create(deployment), time.time()
    assert abs(made["expires_at"] - now - 90 * 86400) < 60
    ends = {key["name"]: key["expires_at"] for key in command(deployment, "keys", "list")}
    assert ends["first"] is None


def test_a_key_is_refused_from_elsewhere(deployment: Deployment) -> None:
    made = create(deployment, "--networks", "10.0.0.0/8,2001:db8::/32")
    until(lambda: seen(deployment, made))
    for forwarded, status in (
        ("10.1.2.3", 200),
        ("8.8.8.8, 10.1.2.3", 200),  # the client says that it stands for another
        ("10.1.2.3, 8.8.8.8", 403),  # the client says that it is within
        ("8.8.8.8", 403),
        ("nonsense", 403),
        ("2001:db8::7", 200),
    ):
        assert ask(deployment, made["key"], "/v1/models", **{"X-Forwarded-For": forwarded})[0] == status, forwarded
    status, body = ask(deployment, made["key"], "/v1/models")  # from the proxy itself
    assert status == 403 and "may not be used from 127.0.0.1" in body["error"]["message"]


def test_a_rotated_key_goes_on_and_its_limit_is_one(deployment: Deployment) -> None:
    old = known(deployment, create(deployment, "--rpm", "2", name="turned"))
    assert ask(deployment, old["key"], "/v1/chat/completions", chat("small"))[0] == 200
    new = known(deployment, command(deployment, "keys", "rotate", "turned"))
    assert new["replaces"] == old["id"] and new["key"] != old["key"]
    assert ask(deployment, new["key"], "/v1/chat/completions", chat("small"))[0] == 200
    assert [ask(deployment, key["key"], "/v1/chat/completions", chat("small"))[0] for key in (old, new)] == [429, 429]
    command(deployment, "keys", "rotate", "turned", "--overlap", "0s")
    until(lambda: ask(deployment, new["key"], "/v1/models")[0] == 401, 60)


def test_a_key_tells_when_it_was_last_used(deployment: Deployment) -> None:
    made = known(deployment, create(deployment))
    assert command(deployment, "keys", "show", made["id"])["last_used_at"] is None
    before = time.time()
    ask(deployment, made["key"], "/v1/chat/completions", chat("small"))
    at = until(lambda: command(deployment, "keys", "show", made["id"])["last_used_at"], 60)
    assert before - 1 <= at <= time.time()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--expires", "soon"), "expected a span such as 30d"),
        (("--rights", "infr"), "did you mean 'infer'"),
        (("--models", ","), "none given"),
        (("--networks", "10.0.0.1/8"), "did you mean 10.0.0.0/8"),
        (("--tenant", "A B"), "tenant 'A B'"),
    ],
)
def test_terms_that_cannot_be_read_end_with_2(deployment: Deployment, options: tuple[str, str], says: str) -> None:
    done = inside("keys", "create", "--name", "k", *options, "--home", str(deployment.home))
    assert done.returncode == 2 and says in done.stderr
