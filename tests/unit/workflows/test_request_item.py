"""A request as an item. What was kept, what was not and what was erased is tried at the page of a request."""

from __future__ import annotations

from pathlib import Path

import pytest

from console_home import NOW, HomeConsole
from steward.core.errors import InputError, UnknownName
from steward.core.identity import operator
from steward.core.records import Admitted, Attempt, Settled
from steward.workflows.request_item import make_request_item


def test_an_answer_is_asked_for_before_anything_is_read(tmp_path: Path) -> None:
    console = HomeConsole(tmp_path)
    with pytest.raises(InputError, match="answer: empty"):
        make_request_item(tmp_path, console.store, "req_1", " \n", NOW, actor=operator(0, "r"), tenant=None)
    with pytest.raises(InputError, match="reason: empty"):
        make_request_item(tmp_path, console.store, "req_1", "a", NOW, actor=operator(0), tenant=None)
    with pytest.raises(UnknownName):
        make_request_item(tmp_path, console.store, "req_1", "a", NOW, actor=operator(0, "r"), tenant=None)
    assert not (tmp_path / "audit").exists()


def test_an_item_needs_what_was_asked(tmp_path: Path) -> None:
    console = HomeConsole(tmp_path)
    admitted = Admitted(
        request_id="req_1", at=NOW - 60, key_id="k", project="p", endpoint="/v1/audio/speech", route="r", streamed=False
    )
    settled = Settled(
        request_id="req_1", at=NOW - 59, outcome="ok", status=200, model="m", usd=None,
        attempts=(Attempt("m", 200, None, NOW - 60, 1.0),),
    )  # fmt: skip
    console.store.ledger.drain("w", "requests", 1, [admitted, settled])
    with pytest.raises(InputError, match="what was asked in req_1 is not kept, or holds no text of a person"):
        make_request_item(tmp_path, console.store, "req_1", "a", NOW, actor=operator(0, "r"), tenant=None)
