"""E-mail through a real SMTP server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes
from typing import Any, ClassVar

import pytest
from aiosmtpd.controller import Controller

from steward.adapters.notifiers import mail
from steward.adapters.notifiers.mail import PlainMailServer, send_mail
from steward.core.errors import Unavailable
from steward.core.secret import Secret


class Inbox:
    def __init__(self) -> None:
        self.received: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.received.append(envelope)
        return "250 OK" if b"refuse me" not in envelope.content else "554 no"


@pytest.fixture
def server() -> Iterator[tuple[str, Inbox]]:
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=0)
    # aiosmtpd's own check connects to the port that was asked for, so one that is free is found first
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        controller.port = free.getsockname()[1]
    controller.start()
    yield f"smtp://127.0.0.1:{controller.port}", inbox
    controller.stop()


def test_a_message_arrives(server: tuple[str, Inbox]) -> None:
    url, inbox = server
    send_mail(Secret(url), "s@x.example", ("a@x.example", "b@x.example"), "Überlast", "It is full.\n")
    (envelope,) = inbox.received
    message = message_from_bytes(envelope.content)
    assert envelope.rcpt_tos == ["a@x.example", "b@x.example"] and envelope.mail_from == "s@x.example"
    assert "berlast" in str(message["Subject"]) and "It is full." in message.get_payload(decode=True).decode()  # type: ignore[union-attr]


def test_a_server_that_refuses_or_is_gone_is_unavailable(server: tuple[str, Inbox]) -> None:
    url, _ = server
    with pytest.raises(Unavailable, match=r"the mail server failed \(SMTPDataError\)"):
        send_mail(Secret(url), "s@x.example", ("a@x.example",), "s", "refuse me")
    with pytest.raises(Unavailable, match=r"the mail server failed \(ConnectionRefusedError\)"):
        send_mail(Secret("smtp://127.0.0.1:1"), "s@x.example", ("a@x.example",), "s", "t")


class Server:
    """Notes where it was called and who logged in."""

    calls: ClassVar[list[tuple[Any, ...]]] = []

    def __init__(self, host: str, port: int, timeout: float, context: Any = None) -> None:
        self.calls.append((host, port, timeout, context is not None))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None: ...

    def ehlo(self) -> None: ...

    def has_extn(self, name: str) -> bool:
        return False

    def login(self, user: str, password: str) -> None:
        self.calls.append((user, password))

    def send_message(self, message: Any) -> None: ...


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("smtp://mail.example", ("mail.example", 25, 10.0, False)),  # RFC 5321
        ("smtp://mail.example:2525", ("mail.example", 2525, 10.0, False)),
        ("smtps://mail.example", ("mail.example", 465, 10.0, True)),  # RFC 8314
        ("smtps://mail.example:4650", ("mail.example", 4650, 10.0, True)),
        ("smtp:", ("localhost", 25, 10.0, False)),
    ],
)
def test_a_server_has_its_protocols_port(monkeypatch: pytest.MonkeyPatch, url: str, place: tuple[Any, ...]) -> None:
    monkeypatch.setattr(mail, "PlainMailServer", Server)
    monkeypatch.setattr(mail, "TlsMailServer", Server)
    monkeypatch.setattr(Server, "calls", [])
    send_mail(Secret(url), "s@x.example", ("a@x.example",), "s", "t")
    assert Server.calls == [place]


@pytest.mark.parametrize(("user", "password"), [("u", None), (None, Secret("p")), ("u", Secret("p"))])
def test_only_a_user_with_a_password_logs_in(
    monkeypatch: pytest.MonkeyPatch, user: str | None, password: Secret | None
) -> None:
    monkeypatch.setattr(mail, "PlainMailServer", Server)
    monkeypatch.setattr(Server, "calls", [])
    send_mail(Secret("smtp://h"), "s@x.example", ("a@x.example",), "s", "t", user, password)
    assert Server.calls[1:] == ([("u", "p")] if user and password else [])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "TimeoutError|SMTPServerDisconnected"),  # it accepts, and says nothing
        (b"\x00\xff\xfe garbage\r\n", "SMTPConnectError|SMTPServerDisconnected"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "SMTPConnectError|SMTPServerDisconnected"),
        (b"220-", "SMTPServerDisconnected|TimeoutError"),  # and the rest never comes
    ],
)
def test_a_server_that_speaks_no_smtp_is_unavailable_in_time(answer: bytes, error: str) -> None:
    def serve(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        accepted.sendall(answer)
        over.wait(30)
        accepted.close()

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        url = Secret(f"smtp://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(Unavailable, match=rf"the mail server failed \(({error})\)"):
            send_mail(url, "s@x.example", ("a@x.example",), "s", "t", timeout_s=0.2)
        over.set()
        thread.join(30)


def test_a_server_that_goes_on_for_ever_is_left() -> None:
    """Lines of one answer that never ends, each within the time that a socket waits."""

    def serve(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        with accepted, contextlib.suppress(OSError):
            while not over.wait(0.02):
                accepted.sendall(b"220-more\r\n")

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        url = Secret(f"smtp://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(Unavailable, match="the mail server failed"):
            send_mail(url, "s@x.example", ("a@x.example",), "s", "t", timeout_s=0.2)
        over.set()
        thread.join(30)


def test_replies_that_arrive_together_are_read_one_after_the_other() -> None:
    """RFC 2920: a server may send the replies to several commands in one piece."""
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(1.0)
        there.sendall(b"250-one\r\n250 more\r\n354 two\r\n")
        server = PlainMailServer()
        server.sock = here
        assert [server.getreply(), server.getreply()] == [(250, b"one\nmore"), (354, b"two")]
        server.sock = None
        server.close()
