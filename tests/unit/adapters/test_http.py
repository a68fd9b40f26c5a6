"""The four timeouts apart, against servers that are slow in one way each; connections, framing and TLS."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from steward.adapters.engines.http import HttpEngine
from steward.adapters.engines.http_answer import HttpAnswer
from steward.core.errors import InputError, TimedOut, Unavailable
from steward.core.timeouts import Timeouts

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answered(serve: Serve, timeouts: Timeouts, reads_every_s: float = 0.0, streamed: bool = True) -> list[bytes]:
    """The pieces of one answer from a server that behaves like `serve`."""

    async def go() -> list[bytes]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                await serve(reader, writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        engine = HttpEngine(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", timeouts=timeouts)
        pieces = []
        try:
            answer = await engine.call("/v1/chat/completions", b"{}", streamed=streamed)
            while piece := await answer.read_piece():
                pieces.append(piece)
                await asyncio.sleep(reads_every_s)
            return pieces
        finally:
            await engine.close()
            server.close()

    return asyncio.run(go())


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def head_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    await reader.read()


async def one_piece(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"a")
    await reader.read()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    for _ in range(100):
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


async def late_but_steady(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.4)
    writer.write(HEAD)
    await asyncio.sleep(0.4)
    for _ in range(4):
        writer.write(b"a")
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("serve", "streamed", "timeouts", "says"),
    [
        (silent, True, Timeouts(5, 0.2, 5, 5), "did not begin to answer in time"),
        (head_only, True, Timeouts(5, 0.3, 5, 5), "no first byte of its answer within 0.3 s"),
        (one_piece, True, Timeouts(5, 5, 0.2, 5), r"no next byte of its answer within 0.2 s"),
        (dripping, False, Timeouts(5, 5, 5, 0.3), "its answer did not end in time"),
    ],
)
def test_each_timeout_is_its_own(serve: Serve, streamed: bool, timeouts: Timeouts, says: str) -> None:
    with pytest.raises(TimedOut, match=says):
        answered(serve, timeouts, streamed=streamed)


def test_a_first_byte_may_take_longer_than_the_pause_between_chunks() -> None:
    assert b"".join(answered(late_but_steady, Timeouts(5, 3, 0.3, 5))) == b"aaaa"


def test_a_slow_reader_is_no_slow_upstream() -> None:
    assert len(b"".join(answered(late_but_steady, Timeouts(5, 3, 0.3, 9), reads_every_s=0.5))) == 4


def test_connecting_has_its_own_timeout() -> None:
    """A listener whose backlog is full drops further SYNs (Linux), so that connecting hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)

        async def go() -> None:
            engine = HttpEngine(f"http://127.0.0.1:{address[1]}", timeouts=Timeouts(0.2, 5, 5, 5))
            try:
                await engine.call("/v1/chat/completions", b"{}")
            finally:
                await engine.close()

        with pytest.raises(TimedOut, match="did not accept a connection in time"):
            asyncio.run(go())
        for client in waiting:
            client.close()


def test_nobody_there_is_no_timeout() -> None:
    async def go() -> None:
        engine = HttpEngine("http://127.0.0.1:9")
        try:
            await engine.call("/v1/chat/completions", b"{}")
        finally:
            await engine.close()

    with pytest.raises(Unavailable, match="connection failed") as caught:
        asyncio.run(go())
    assert not isinstance(caught.value, TimedOut)


# -- connections -----------------------------------------------------------------------------------


class Server:
    """Answers each request on its connections with the next of `answers`; b"" closes the connection instead."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.connections = 0
        self.heads: list[bytes] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self._answers:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
                answer = self._answers.pop(0)
                if not answer:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def whole(body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%s\r\n%s" % (len(body), more, body)


def asked(server: Server, times: int, pause_s: float = 0.0, tls: ssl.SSLContext | None = None) -> list[bytes]:
    """The bodies of so many requests, one after the other, through one engine."""

    async def go() -> list[bytes]:
        listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=tls)
        port = listening.sockets[0].getsockname()[1]
        engine = HttpEngine(f"{'https' if tls else 'http'}://localhost:{port}/v1", timeouts=Timeouts(2, 2, 2, 5))
        try:
            found = []
            for _ in range(times):
                answer = await engine.call("/v1/chat/completions", b"{}", {"traceparent": "ä"})
                found.append(await answer.read())
                await asyncio.sleep(pause_s)
            return found
        finally:
            await engine.close()
            listening.close()

    return asyncio.run(go())


def test_a_connection_is_used_again() -> None:
    server = Server(whole(b"one"), whole(b"two"), whole(b"three"))
    assert asked(server, 3) == [b"one", b"two", b"three"]
    assert server.connections == 1 and server.heads[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\nhost: local")


def test_what_a_server_closed_meanwhile_is_asked_anew_once() -> None:
    server = Server(whole(b"one"), b"", whole(b"two"))
    assert asked(server, 2) == [b"one", b"two"] and server.connections == 2
    with pytest.raises(Unavailable, match="closed before the end of its answer"):
        asked(Server(whole(b"one"), b"", b""), 2)


def test_a_server_that_says_close_gets_a_new_connection() -> None:
    server = Server(whole(b"one", b"connection: close\r\n"), whole(b"two"))
    assert asked(server, 2) == [b"one", b"two"] and server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\nto the end",  # neither length nor chunks: RFC 9112, section 6.3, rule 8
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nto the end",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nto \r\n7;x=y\r\nthe end\r\n0\r\nt: u\r\n\r\n",
    ],
)
def test_bodies_end_in_each_way_that_http_knows(answer: bytes) -> None:
    assert asked(Server(answer), 1) == [b"to the end"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", "closed before the end"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nto ", "closed before the end"),
        (b"SMTP ready\r\n", "not valid HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000, "longer than 262,144 bytes"),
        (whole(b"a", b"content-length: 3\r\n"), "not valid HTTP/1.1"),  # two lengths: request smuggling
    ],
)
def test_what_is_no_answer_is_named(answer: bytes, says: str) -> None:
    with pytest.raises(Unavailable, match=says):
        asked(Server(answer), 1)


def test_more_than_was_asked_for_closes_the_connection() -> None:
    server = Server(whole(b"one") + whole(b"smuggled"), whole(b"two"))
    assert asked(server, 2, pause_s=0.05) == [b"one", b"two"] and server.connections == 2


def test_a_reader_that_takes_its_time_holds_the_server_up() -> None:
    """What is not taken does not pile up: the server's writes stop."""
    sent = 0

    async def pouring(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD)
        for _ in range(400):
            writer.write(b"a" * 65536)
            await writer.drain()
            sent += 65536

    async def go() -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await pouring(reader, writer)
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        engine = HttpEngine(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        answer = await engine.call("/v1/chat/completions", b"{}")
        await asyncio.sleep(0.5)
        held = sent
        total = 0
        while piece := await answer.read_piece():
            total += len(piece)
        await engine.close()
        server.close()
        assert total == 400 * 65536
        return held

    assert asyncio.run(go()) < 300 * 65536


def test_tls_is_checked_against_the_machines_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = self_signed(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with pytest.raises(Unavailable, match="its certificate is not valid"):
        asked(Server(whole(b"one")), 1, tls=context)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert asked(Server(whole(b"one"), whole(b"two")), 2, tls=context) == [b"one", b"two"]


def self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def test_a_name_that_nobody_has_is_told() -> None:
    async def go() -> None:
        await HttpEngine("http://nobody.invalid/v1").call("/v1/chat/completions", b"{}")

    with pytest.raises(Unavailable, match="connection failed"):
        asyncio.run(go())


def test_a_line_end_in_a_header_is_no_second_header() -> None:
    async def go() -> None:
        await HttpEngine("http://127.0.0.1:9").call("/v1/chat/completions", b"{}", {"traceparent": "a\r\nx-evil: b"})

    with pytest.raises(ValueError, match="line end"):
        asyncio.run(go())


class Source:
    """A connection whose answer is told by hand."""

    def __init__(self) -> None:
        self.transport, self.loop = None, asyncio.get_running_loop()
        self.looks: list[float] = []

    def watch_until(self, due: float) -> None:
        self.looks.append(due)

    def abort(self) -> None:
        pass


def test_only_who_waits_can_wait_too_long() -> None:
    async def go() -> None:
        source = Source()
        answer = HttpAnswer(source, Timeouts(first_byte_s=7.0), started=10.0, streamed=True)
        answer.start(200, {})
        assert answer.find_deadline() is None
        waiting = asyncio.create_task(answer.read_piece())
        await asyncio.sleep(0)
        assert answer.find_deadline() == 17.0 and source.looks == [17.0]
        waiting.cancel()
        await asyncio.wait([waiting])
        assert answer.find_deadline() is None
        answer.take(b"late")
        assert answer.find_deadline() is None and await answer.read_piece() == b"late"

    asyncio.run(go())


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080/v1", "localhost", "ftp://h/v1", "http://", "http://h:port", "http://h:0"]
)
def test_e15_a_url_that_no_request_could_reach_is_refused(url: str) -> None:
    """RFC 9110, 4.2: a scheme and a host."""
    with pytest.raises(InputError, match="expected http://HOST:PORT"):
        HttpEngine(url)
