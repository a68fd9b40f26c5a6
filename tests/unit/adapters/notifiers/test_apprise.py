"""Apprise, through its own client, to an HTTP server and an SMTP server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from http_receiver import Receiver
from steward.adapters.notifiers.apprise import send_apprise
from steward.core.errors import InputError, Unavailable
from steward.core.secret import Secret


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


def find_url(receiver: Receiver) -> Secret:
    return Secret(f"json://user:secret-word@127.0.0.1:{receiver.server_address[1]}/hook")


def test_subject_text_and_whether_it_is_bad_arrive(receiver: Receiver) -> None:
    send_apprise(find_url(receiver), "[PAGE] disk-filling", "97 % of <disk> & more\n", is_bad=True)
    send_apprise(find_url(receiver), "[RESOLVED] disk-filling", "over", is_bad=False)
    sent = [body for _, _, body in receiver.seen]
    assert [(one["title"], one["message"].strip(), one["type"]) for one in sent] == [
        ("[PAGE] disk-filling", "97 % of <disk> & more", "failure"),
        ("[RESOLVED] disk-filling", "over", "success"),
    ]


def test_no_proxy_of_the_environment_is_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "example.com")
    monkeypatch.delenv("NO_PROXY", raising=False)
    send_apprise(find_url(receiver), "s", "t")
    assert len(receiver.seen) == 1
    assert (os.environ["no_proxy"], "NO_PROXY" in os.environ) == ("example.com", False)


@pytest.mark.parametrize("status", [302, 400, 500])
def test_a_service_that_refuses_is_unavailable_and_its_url_is_not_named(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(Unavailable) as refused:
        send_apprise(find_url(receiver), "s", "t")
    assert "secret-word" not in str(refused.value) and len(receiver.seen) == 1


@pytest.mark.parametrize("url", ["garbage", "no-such-service://x", ""])
def test_a_url_of_no_service_is_named_as_the_mistake(url: str) -> None:
    with pytest.raises(InputError, match="none that Apprise knows"):
        send_apprise(Secret(url), "s", "t")


def test_a_missing_extra_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(InputError, match=r"needs the extra `apprise`; .*pip install .*\[apprise\]"):
        send_apprise(Secret("json://localhost"), "s", "t")
