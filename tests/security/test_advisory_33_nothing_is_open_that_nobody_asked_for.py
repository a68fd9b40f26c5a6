"""Advisory 33, langwatch#3702 and #3705: a whole proxy mounted behind one path, open because no key was set."""

from __future__ import annotations

from pathlib import Path

import pytest

from admin_client import app_of
from console_client import ask
from source_facts import SOURCE, list_calls, scans_source
from steward.core.errors import Refused
from steward.security.authenticator import KeyAuthenticator


class Sender:
    def __init__(self, **headers: str) -> None:
        self.headers = headers
        self.certificate = None

    def list_hops(self) -> list[str]:
        return ["127.0.0.1"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": ""}, {"authorization": "Bearer "}, {"authorization": "Bearer null"}, {"x-api-key": ""},
     {"authorization": "Bearer sk-1234"}, {"authorization": "Basic Og=="}, {"x-api-key": "undefined"}],
)  # fmt: skip
def test_without_any_key_everybody_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Refused) as error:
        KeyAuthenticator(lambda key: None).authenticate(Sender(**headers))
    assert error.value.status == 401


def test_a_home_without_keys_administers_nothing(tmp_path: Path) -> None:
    for path in ("/api/v1/keys", "/api/v1/audit", "/api/v1/usage"):
        assert ask(app_of(tmp_path), "GET", path, client="127.0.0.1", host="localhost")[0] == 401


@scans_source
def test_nothing_is_mounted_whole() -> None:
    mounts = [
        (path, call) for path, call in list_calls() if call.rpartition(".")[2] in ("Mount", "mount", "include_router")
    ]
    assert mounts == []
    makers = {path for path, call in list_calls() if call in ("Starlette", "FastAPI", "Flask")}
    assert makers == {SOURCE / "console" / "shell.py"}
