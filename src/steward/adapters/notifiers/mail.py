"""E-mail over SMTP: smtp://HOST:PORT (STARTTLS where the server offers it) or smtps://HOST:PORT."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import urlsplit

from steward.core.errors import Unavailable
from steward.core.secret import Secret

TIMEOUT_S = 10.0


def send_mail(
    url: Secret,
    sender: str,
    to: tuple[str, ...],
    subject: str,
    text: str,
    user: str | None = None,
    password: Secret | None = None,
) -> None:
    """:raises Unavailable: the server cannot be reached, or refuses"""
    parts = urlsplit(url.reveal())
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(to), subject
    message.set_content(text)
    try:
        with _connect(parts.scheme, parts.hostname or "localhost", parts.port) as server:
            if user and password is not None:
                server.login(user, password.reveal())
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable(f"the mail server failed ({type(error).__name__})") from error


def _connect(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    """:raises OSError, smtplib.SMTPException:"""
    context = ssl.create_default_context()
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT_S, context=context)
    server = smtplib.SMTP(host, port or 25, timeout=TIMEOUT_S)
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=context)
    return server
