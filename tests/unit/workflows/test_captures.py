"""Captured exchanges are read page by page, each once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steward.core.captures import CapturedContent, CapturedExchange
from steward.core.errors import InputError
from steward.security.rootkey import derive
from steward.workflows.captures import PAGE, read_captures
from steward.workflows.sealing import make_capture_opener, make_capture_sealer

RECORD = CapturedExchange(
    request_id="req", at=100.0, key_id="k", project="p", endpoint="/v1/chat/completions", route="m", model="m",
    streamed=True, subject=None, conversation=None, purpose="training", consent=True, form="masked",
    rules_version="v", expires_at=200.0, complete=True, sealed=b"",
)  # fmt: skip


class Stored:
    def __init__(self, records: list[CapturedExchange]) -> None:
        self.records = records
        self.asked: list[tuple[float, float, dict[str, Any]]] = []

    def list_captures(self, since: float, until: float, limit: int, **asked: Any) -> list[CapturedExchange]:
        self.asked.append((since, until, asked))
        after = asked["after"]
        rows = [record for record in self.records if after is None or (record.at, record.request_id) > after]
        return rows[:limit]


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1, 2 * PAGE])
def test_every_exchange_comes_once(count: int) -> None:
    records = [msgspec.structs.replace(RECORD, request_id=f"r{number:05}") for number in range(count)]
    content = CapturedContent(b"{}", ())
    store = Stored(records)
    read = list(read_captures(store, lambda _: content, 1.0, 2.0, tenant="t", now=3.0, purpose="training"))  # type: ignore[arg-type]
    assert [record for record, _ in read] == records
    assert store.asked[0][:2] == (1.0, 2.0) and store.asked[0][2]["tenant"] == "t" and store.asked[0][2]["now"] == 3.0


def test_a_text_opens_as_that_of_its_own_exchange_only() -> None:
    root, content = derive(bytes(32), "test"), CapturedContent(b'{"a":1}', ())
    sealed = make_capture_sealer(root)(RECORD, msgspec.msgpack.encode(content))
    record = msgspec.structs.replace(RECORD, sealed=sealed)
    assert make_capture_opener(root)(record) == content
    with pytest.raises(InputError):
        make_capture_opener(root)(msgspec.structs.replace(record, request_id="other"))
