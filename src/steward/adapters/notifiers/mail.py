"""E-mail over SMTP: smtp://HOST:PORT (STARTTLS where the server offers it) or smtps://HOST:PORT."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import urlsplit

from steward.core.errors import Unavailable
from steward.core.fetch import open_timed
from steward.core.secret import Secret

TIMEOUT_S = 10.0


class PlainMailServer(smtplib.SMTP):
    """Bounds the whole of what the server says; a socket's own timeout begins anew at each byte."""

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = open_timed(self.sock)
        return super().getreply()


class TlsMailServer(PlainMailServer, smtplib.SMTP_SSL):
    """From the first byte on within TLS."""


def send_mail(
    url: Secret,
    sender: str,
    to: tuple[str, ...],
    subject: str,
    text: str,
    user: str | None = None,
    password: Secret | None = None,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """:raises Unavailable: the server cannot be reached, or refuses"""
    parts = urlsplit(url.reveal())
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(to), subject
    message.set_content(text)
    try:
        with _connect(parts.scheme, parts.hostname or "localhost", parts.port, timeout_s) as server:
            if user and password is not None:
                server.login(user, password.reveal())
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable(f"the mail server failed ({type(error).__name__})") from error


def _connect(scheme: str, host: str, port: int | None, timeout_s: float) -> smtplib.SMTP:
    """:raises OSError, smtplib.SMTPException:"""
    context = ssl.create_default_context()
    if scheme == "smtps":
        return TlsMailServer(host, port or 465, timeout=timeout_s, context=context)
    server = PlainMailServer(host, port or 25, timeout=timeout_s)
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=context)
    return server
