"""What is configured is what is asked: no redirect is followed, and no proxy of the environment is used."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from certificates import Authority
from steward.core import fetch
from steward.core.fetch import MOST_BYTES, WHOLE_TIMES, open_timed, open_url


class Answers(BaseHTTPRequestHandler):
    """`/200` is answered with 200 and so on; 302 leads to `/200`."""

    def do_GET(self) -> None:
        status = int(self.path.rpartition("/")[2])
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/200")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_answer_is_read_though_the_environment_names_a_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with open_url(f"{url}/200", 10.0) as answer:
        assert (answer.status, answer.read()) == (200, b"ok")


@pytest.mark.parametrize("status", [302, 404, 500])
def test_any_other_status_is_an_error_and_a_redirect_too(url: str, status: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        open_url(f"{url}/{status}", 10.0)
    with caught.value as error:
        assert error.code == status


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:text/plain,a", "gopher://a/"])
def test_no_other_scheme_is_known(url: str) -> None:
    with pytest.raises(urllib.error.URLError, match="unknown url type"):
        open_url(url, 10.0)


@contextmanager
def serving(send: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server that reads one request, and answers by `send`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(65536)
            with suppress(OSError):  # the reader has left
                send(client)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        thread.join()
        listener.close()


def drip(start: bytes) -> Callable[[socket.socket], None]:
    """A byte now and then, for longer than anybody may wait."""

    def send(client: socket.socket) -> None:
        client.sendall(start)
        for _ in range(1000):
            client.sendall(b"a")
            time.sleep(0.02)

    return send


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 500 E\r\n\r\n"])
def test_an_answer_that_trickles_ends_in_time(start: bytes) -> None:
    began = time.monotonic()
    with serving(drip(start)) as url, pytest.raises(OSError) as caught:
        try:
            with open_url(url, 0.2) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            with error:
                error.read()
    assert isinstance(caught.value, TimeoutError)
    assert time.monotonic() - began < 15


def test_an_answer_without_end_is_cut_off() -> None:
    def send(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(2 * MOST_BYTES // 65536):
            client.sendall(b"a" * 65536)

    with serving(send) as url, pytest.raises(OSError, match="longer than 67,108,864 bytes"):
        with open_url(url, 10.0) as answer:
            answer.read()


@pytest.mark.parametrize("sent", [b"\0\1\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na", b""])
def test_what_is_no_whole_answer_is_an_oserror(sent: bytes) -> None:
    with serving(lambda client: client.sendall(sent)) as url, pytest.raises(OSError):
        open_url(url, 10.0).read()


def test_an_answer_has_three_times_its_timeout_and_64_mib() -> None:
    assert (WHOLE_TIMES, MOST_BYTES) == (3, 67_108_864)


def test_an_answer_may_take_three_timeouts_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(fetch, "time", SimpleNamespace(monotonic=lambda: clock.now))
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(10.0)
        there.sendall(b"ab")
        with open_timed(here) as answer:
            clock.now = 129.9
            assert answer.read(1) == b"a"
        here.settimeout(10.0)  # to read has shortened it
        with open_timed(here) as answer:
            clock.now += 30.0
            with pytest.raises(TimeoutError):
                answer.read(1)


@pytest.mark.parametrize("size", [4, 5])
def test_an_answer_of_the_greatest_length_is_read_and_a_byte_more_is_not(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MOST_BYTES", 4)
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(10.0)
        there.sendall(b"a" * size)
        there.shutdown(socket.SHUT_WR)
        with open_timed(here) as answer:
            if size == 4:
                assert answer.read() == b"aaaa"
            else:
                with pytest.raises(OSError, match="longer than 4 bytes"):
                    answer.read()


def test_the_named_authorities_are_trusted_and_the_systems_are_not(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.server("a")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = HTTPServer(("127.0.0.1", 0), Answers)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the client that does not trust it hangs up
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    url = f"https://localhost:{server.server_port}/200"
    try:
        with open_url(url, 10.0, authorities=str(authority.ca)) as answer:
            assert answer.read() == b"ok"
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            open_url(url, 10.0)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
