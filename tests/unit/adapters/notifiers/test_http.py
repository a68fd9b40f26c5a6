"""JSON to a URL that answers as it likes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from http_receiver import Receiver
from steward.adapters.notifiers import http
from steward.adapters.notifiers.http import ask, post_bytes, post_json
from steward.core.errors import Unavailable
from steward.core.secret import Secret


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.shutdown()
    made.server_close()


def test_body_and_key_arrive(receiver: Receiver) -> None:
    post_json(receiver.url, {"a": 1}, Secret("k"))
    assert receiver.seen == [("/hook?token=s3cret", "Bearer k", {"a": 1})]
    ask(receiver.url)
    assert receiver.seen[1] == ("/hook?token=s3cret", None, None)


@pytest.mark.parametrize("status", [302, 307, 404, 500])
def test_another_answer_than_2xx_is_a_failure_and_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(Unavailable, match=f"it answered HTTP {status}") as caught:
        post_json(receiver.url, {}, Secret("k"))
    assert len(receiver.seen) == 1 and "s3cret" not in str(caught.value)


def test_no_server_and_no_url_are_failures_that_keep_the_secret() -> None:
    for url in ("http://127.0.0.1:1/s3cret", "nonsense s3cret"):
        with pytest.raises(Unavailable, match="it could not be reached") as caught:
            post_json(Secret(url), {}, timeout_s=2.0)
        assert "s3cret" not in str(caught.value)


def test_why_it_could_not_be_reached_is_said() -> None:
    with pytest.raises(Unavailable, match="Connection refused"):
        post_json(Secret("http://127.0.0.1:1/"), {}, timeout_s=2.0)
    with pytest.raises(Unavailable, match="not a URL"):
        post_json(Secret("nonsense"), {}, timeout_s=2.0)
    silent = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: silent.accept()[0].close(), daemon=True).start()
    with silent, pytest.raises(Unavailable, match=r"it could not be reached \(.*(Disconnected|[Rr]eset|Broken pipe)"):
        post_json(Secret(f"http://127.0.0.1:{silent.getsockname()[1]}/"), {}, timeout_s=5.0)


def test_a_receiver_that_accepts_and_never_answers_is_a_failure_in_time() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(Unavailable, match=r"it did not answer within 0\.2 s"),
    ):
        post_json(Secret(f"http://127.0.0.1:{silent.getsockname()[1]}/"), {}, timeout_s=0.2)


def test_each_call_waits_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def hang(request: object, timeout_s: float) -> None:
        waits.append(timeout_s)
        raise TimeoutError

    monkeypatch.setattr(http, "open_url", hang)
    url = Secret("http://hooks.example/")
    for call in (lambda: post_json(url, {}), lambda: post_bytes(url, b"", "text/plain", {}), lambda: ask(url)):
        with pytest.raises(Unavailable, match="within 10 s"):
            call()
    assert waits == [10.0] * 3
