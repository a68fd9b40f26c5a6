"""Advisory 2, CVE-2026-35030: what was known of a token was remembered by its first 20 characters."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.errors import Refused
from steward.core.identity import operator
from steward.core.records import LimitSpec
from steward.security.authenticator import KeyAuthenticator
from steward.security.keys import ID_BYTES
from steward.workflows import keys
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.worker_keys import WorkerKeys


class Sender:
    def __init__(self, key: str) -> None:
        self.headers = {"authorization": f"Bearer {key}"}
        self.certificate = None

    def list_hops(self) -> list[str]:
        return ["10.0.0.1"]


def make(home: Path, name: str, id_byte: int, secret_byte: int) -> str:
    def random(count: int) -> bytes:
        return bytes([id_byte if count == ID_BYTES else secret_byte]) * count

    return keys.create(home, name, LimitSpec(), 1.0, random, actor=operator(0)).key


def test_keys_that_begin_alike_are_told_apart_in_whatever_order_they_come(tmp_path: Path) -> None:
    first, other_home = make(tmp_path / "a", "one", 1, 2), make(tmp_path / "b", "two", 1, 3)
    second = make(tmp_path / "a", "three", 4, 2)
    known = WorkerKeys(find_deployment(tmp_path / "a"))
    authenticator = KeyAuthenticator(known.find)
    assert first[:20] == other_home[:20] and first != other_home
    for _ in range(2):
        caller = authenticator.authenticate(Sender(first))
        with pytest.raises(Refused):
            authenticator.authenticate(Sender(other_home))  # the same id, another secret
        assert authenticator.authenticate(Sender(second)).principal.id != caller.principal.id
