"""The content of feedback opens only as the content of its own record, under the root key that sealed it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steward.core.errors import InputError
from steward.core.records import Feedback
from steward.workflows.sealing import make_opener, make_sealer

ROOT = bytes(32)
RECORD = Feedback(id="fb_1", at=1.0, key_id="k", project="p", request_id="req_1", score=1.0)


def sealed(root: bytes = ROOT) -> Feedback:
    return msgspec.structs.replace(RECORD, sealed=make_sealer(root)(RECORD, b"words"))


def test_it_opens_under_the_same_root() -> None:
    assert make_opener(ROOT)(sealed()) == b"words" and b"words" not in (sealed().sealed or b"")


@pytest.mark.parametrize("changes", [{"id": "fb_2"}, {"request_id": "req_2"}, {"project": "q"}, {"sealed": None}])
def test_it_does_not_open_as_anothers(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        make_opener(ROOT)(msgspec.structs.replace(sealed(), **changes))


def test_it_does_not_open_under_another_root() -> None:
    with pytest.raises(InputError):
        make_opener(b"\1" * 32)(sealed())
