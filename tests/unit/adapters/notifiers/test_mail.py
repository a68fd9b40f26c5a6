"""E-mail through a real SMTP server."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from steward.adapters.notifiers.mail import send_mail
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
    import socket

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
