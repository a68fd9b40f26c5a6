"""Clients that send too much, too slowly or nothing, and clients that read nothing, on raw sockets."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest

from conftest import ROOT, Deployment, inside, until

SECONDS = 1.0  # for a request to arrive, and to take something of an answer


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("connections")
    command = [sys.executable, str(ROOT / "tests" / "faulty_upstream.py")]
    upstream = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert upstream.stdout is not None
    url = f"http://127.0.0.1:{upstream.stdout.readline().strip()}"
    times = f"receive_timeout_s: {SECONDS}, send_timeout_s: {SECONDS}, keep_alive_timeout_s: 4"
    lines = [f"gateway: {{{times}}}", "models:"]
    lines += [f"  - {{name: {name}, backend: openai, url: '{url}'}}" for name in ("good", "flood", "steady")]
    (folder / "steward.yaml").write_text("\n".join(lines))
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()
    upstream.terminate()
    upstream.wait(60)
    upstream.stdout.close()


def connect(one: Deployment, receive_buffer: int | None = None) -> socket.socket:
    made = socket.socket()
    if receive_buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.settimeout(60)
    made.connect(("127.0.0.1", int(one.url.rpartition(":")[2])))
    return made


def head(one: Deployment, length: int, *more: str) -> bytes:
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: x", f"authorization: Bearer {one.key}", *more]
    return "\r\n".join([*lines, f"content-length: {length}"]).encode() + b"\r\n\r\n"


def body(model: str, stream: bool = False) -> bytes:
    return json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}).encode()


def answer(made: socket.socket) -> tuple[int, dict[str, str]]:
    """Status and OpenAI's error of what comes until the server closes."""
    seen = b""
    while piece := made.recv(65536):
        seen += piece
    made.close()
    start, _, said = seen.partition(b"\r\n\r\n")
    assert b"x-request-id: req_" in start
    return int(seen.split(b" ")[1]), json.loads(said)["error"]


@pytest.mark.parametrize("size", [70_000, 400_000])
def test_huge_headers_are_refused(guarded: Deployment, size: int) -> None:
    with connect(guarded) as made:
        made.sendall(head(guarded, 2, f"x-big: {'a' * size}", "x-more: a")[: size + 150])
        status, error = answer(made)
    assert (status, error["code"]) == (431, "headers_too_large") and "65,536" in error["message"]


def test_many_headers_are_refused(guarded: Deployment) -> None:
    with connect(guarded) as made:
        made.sendall(head(guarded, 2, *(f"x-{number}: a" for number in range(10_000))))
        assert answer(made)[0] == 431


@pytest.mark.parametrize("sent", [b"GARBAGE\r\n\r\n", b"POST /v1/models HTTP/1.1\r\ncontent-length: a\r\n\r\n"])
def test_what_is_no_http_is_refused_in_the_clients_shape(guarded: Deployment, sent: bytes) -> None:
    with connect(guarded) as made:
        made.sendall(sent)
        status, error = answer(made)
    assert (status, error["code"], error["type"]) == (400, "malformed_http", "invalid_request_error")


def test_a_head_that_trickles_is_cut_off(guarded: Deployment) -> None:
    with connect(guarded) as made:
        started = time.monotonic()
        made.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n")
        for _ in range(4):
            made.sendall(b"x-slow: a\r\n")
            time.sleep(0.2)
        assert answer(made)[0] == 408
    assert time.monotonic() - started >= SECONDS


def test_a_connection_that_lies_idle_is_closed_after_the_time_of_the_settings(guarded: Deployment) -> None:
    with connect(guarded) as made:
        for _ in range(2):
            made.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert made.recv(65536).startswith(b"HTTP/1.1 200")
        answered = time.monotonic()
        assert made.recv(65536) == b""  # closed by the gateway
    assert time.monotonic() - answered >= 3.9


def test_a_body_that_trickles_is_cut_off_and_leaves_no_row(guarded: Deployment) -> None:
    before = guarded.settled_usage()["requests"]
    with connect(guarded) as made:
        made.sendall(head(guarded, 1000) + b"{")
        status, error = answer(made)
    assert (status, error["code"]) == (408, "request_timeout")
    assert guarded.usage()["requests"] == before


def test_what_the_connection_refuses_is_counted_once_and_by_its_reason(guarded: Deployment) -> None:
    def counted() -> dict[str, int]:
        with urllib.request.urlopen(f"{guarded.console_url}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        return {reason: int(n) for reason, n in re.findall(r'steward_turned_away_total{reason="(\w+)"} (\d+)', text)}

    time.sleep(2.5)  # what earlier tests had refused is in the store by then
    before = counted()
    for sent, code in (
        (b"GARBAGE\r\n\r\n", "malformed_http"),
        (head(guarded, 2, f"x-big: {'a' * 70_000}"), "headers_too_large"),
        (head(guarded, 1000) + b"{", "request_timeout"),  # in the body, which the gateway is waiting for
        (head(guarded, 1000)[:40], "request_timeout"),
    ):
        with connect(guarded) as made:
            made.sendall(sent)
            assert answer(made)[1]["code"] == code
    expected = Counter(before) + Counter(malformed_http=1, headers_too_large=1, request_timeout=2)
    until(lambda: sum(counted().values()) >= expected.total())
    time.sleep(1.5)  # and none comes after
    assert counted() == expected and "Fatal error" not in guarded.log.read_text()


def test_a_large_body_may_take_its_time(guarded: Deployment) -> None:
    """2,000 bytes a second are four times the least rate."""
    filler = b" " * 4000 + body("good")
    with connect(guarded) as made:
        made.sendall(head(guarded, len(filler), "connection: close"))
        for start in range(0, len(filler), 500):
            made.sendall(filler[start : start + 500])
            time.sleep(0.25)
        assert made.recv(100).startswith(b"HTTP/1.1 200")


def test_a_connection_on_which_nothing_comes_is_closed(guarded: Deployment) -> None:
    with connect(guarded) as made:
        assert made.recv(10) == b""


def test_a_reader_that_takes_nothing_is_cut_off_and_settled(guarded: Deployment) -> None:
    asked = body("flood", stream=True)
    with connect(guarded, receive_buffer=4096) as made:
        made.sendall(head(guarded, len(asked)) + asked)
        until(lambda: "client_closed" in rows(guarded))


def test_a_kept_connection_outlasts_both_times(guarded: Deployment) -> None:
    asked = body("good")
    with connect(guarded) as made:
        for _ in range(3):  # one connection, with pauses
            made.sendall(head(guarded, len(asked)) + asked)
            seen = b""
            while b'"x_field"' not in seen:
                piece = made.recv(65536)
                assert piece
                seen += piece
            assert seen.startswith(b"HTTP/1.1 200")
            time.sleep(SECONDS * 1.2)


def rows(one: Deployment) -> str:
    return inside("tail", "--home", str(one.home)).stdout
