"""C1: an offer to go on in another protocol is declined, and the request answered (Java's HttpClient, `curl --http2`).

Others offer a web socket, TLS (RFC 2817) or several protocols, and heads arrive in any pieces.
"""

import pytest

from steward.processes.http_protocol import decline_upgrade

JDK = (
    b"POST /v1/chat/completions HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 2\r\nHost: a\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n\r\n{}"
)


def test_the_offer_is_taken_out_and_the_body_stays() -> None:
    declined = decline_upgrade(JDK)
    assert b"\r\nUpgrade:" not in declined and declined.endswith(b"\r\n\r\n{}") and b"Content-Length: 2" in declined


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\ncontent-length: 14\r\n\r\n\nUpgrade: h2c\r\n",
        b"GET / HTTP/1.1\r\nX-Upgrade: h2c\r\n\r\n",
        b"GET /?Upgrade: h2c HTTP/1.1\r\n\r\n",
    ],
)
def test_nothing_else_is_touched(data: bytes) -> None:
    assert decline_upgrade(data) == data


@pytest.mark.parametrize(
    "offer",
    [
        b"Upgrade: h2c",
        b"upgrade:h2c",
        b"UPGRADE : h2c",
        b"Upgrade: websocket",
        b"Upgrade: TLS/1.2",
        b"Upgrade: foo, h2c",
    ],
)
def test_an_offer_of_any_protocol_is_declined(offer: bytes) -> None:
    head = b"GET / HTTP/1.1\r\n" + offer + b"\r\nHost: a\r\n\r\n"
    assert decline_upgrade(head).lower().startswith(b"get / http/1.1\r\nx-declined-upgrade:")
