import math
import ssl

import pytest

from steward.core.errors import InputError
from steward.loadtest.config import LoadConfig
from steward.loadtest.request import InFlightRequest, build_head, build_tls_context, classify_connect_error


def head(path="/v1/chat/completions", host="h:1", **fields):
    return build_head(LoadConfig(url="http://h:1", model="m", **fields), path, host).decode()


def test_a_head_ends_where_the_length_follows():
    lines = head(headers=(("X-A", "b"),)).split("\r\n")
    assert lines[0] == "POST /v1/chat/completions HTTP/1.1" and lines[1] == "Host: h:1" and "X-A: b" in lines
    assert "Accept: text/event-stream" in lines and lines[-1] == "Content-Length: "
    assert "Accept: */*" in head(stream=False) and "Host: h\r\n" in head(host="user:secret@h")


def test_a_key_is_sent_as_bearer(monkeypatch):
    monkeypatch.setenv("LOAD_KEY", "s3cret")
    assert "Authorization: Bearer s3cret\r\n" in head(key="env:LOAD_KEY") and "Authorization" not in head()


@pytest.mark.parametrize("name, value", [("", "b"), ("x", "b\r\nc: d"), ("x\n", "b"), ("x:y", "b"), ("x", "b\0")])
def test_a_header_that_would_split_the_request_is_refused(name, value):
    with pytest.raises(InputError, match="expected NAME: VALUE on one line"):
        head(headers=((name, value),))


def test_certificates():
    config = LoadConfig(url="https://h", model="m", insecure=True)
    assert build_tls_context(config).verify_mode == ssl.CERT_NONE
    with pytest.raises(InputError, match="expected certificates in PEM format"):
        build_tls_context(LoadConfig(url="https://h", model="m", ca_file=__file__))


@pytest.mark.parametrize(
    "error, cause",
    [
        (ssl.SSLError(), "tls"),
        (ConnectionRefusedError(), "refused"),
        (TimeoutError(), "timeout"),
        (OSError(), "no_connection"),
    ],
)
def test_causes_of_no_connection(error, cause):
    assert classify_connect_error(error) == cause


def test_a_new_request():
    found = InFlightRequest(3, 1, 2.5)
    assert (found.number, found.turn, found.intended, found.in_flight, found.retried) == (3, 1, 2.5, 0, False)
    assert math.isnan(found.sent_at) and math.isnan(found.connect_s) and found.messages == []
