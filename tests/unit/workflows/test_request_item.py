"""A request as an item. What was kept, what was not and what was erased is tried at the page of a request."""

from __future__ import annotations

from pathlib import Path

import pytest

from console_home import NOW, HomeConsole
from steward.core.errors import InputError, UnknownName
from steward.core.identity import operator
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
