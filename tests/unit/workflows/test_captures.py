"""Captured exchanges are read page by page, each once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steward.core.captures import CapturedContent, CapturedExchange
from steward.workflows.captures import PAGE, read_captures

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


def test_what_was_erased_is_left_out() -> None:
    records = [msgspec.structs.replace(RECORD, request_id=f"r{number}") for number in range(3)]
    content, store = CapturedContent(b"{}", ()), Stored(records)
    read = read_captures(
        store, lambda record: None if record.request_id == "r1" else content, 1.0, 2.0, tenant="t", now=3.0
    )
    assert [record.request_id for record, _ in read] == ["r0", "r2"]
