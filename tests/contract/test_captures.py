"""Captured exchanges in the store: taken in once, read by tenant, swept when their time is over."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.sql import SqlStore
from steward.core.captures import CapturedExchange

CAPTURED = CapturedExchange(
    request_id="req_a", at=100.0, key_id="k", tenant="one", project="p", endpoint="/v1/chat/completions", route="m",
    model="m", streamed=True, subject="s1", conversation="c", purpose="training", consent=True, form="masked",
    rules_version="v", expires_at=200.0, complete=True, sealed=b"x",
)  # fmt: skip


def captured(**changes: Any) -> CapturedExchange:
    return msgspec.structs.replace(CAPTURED, **changes)


def test_a_captured_exchange_comes_back_as_it_was_spooled_once(store: SqlStore) -> None:
    for offset in (1, 1):  # as where a keeper was killed after the commit
        store.ledger.drain("w", "s", offset, [CAPTURED])
    assert store.captures.list_captures(0, 1e9, 9, tenant="one") == [CAPTURED]
    assert store.captures.list_captures(0, 1e9, 9, tenant="two") == []


def test_captures_are_read_by_purpose_consent_expiry_and_place(store: SqlStore) -> None:
    other = captured(request_id="req_b", at=101.0, purpose="support", consent=None, expires_at=300.0)
    store.ledger.drain("w", "s", 1, [CAPTURED, other])
    read = store.captures.list_captures
    assert read(0, 1e9, 9, tenant=None, purpose="support") == [other]
    assert read(0, 1e9, 9, tenant=None, consent=True) == [CAPTURED]
    assert read(0, 1e9, 9, tenant=None, now=200.0) == [other]
    assert read(0, 1e9, 1, tenant=None) == [CAPTURED]
    assert read(0, 1e9, 9, tenant=None, after=(100.0, "req_a")) == [other]
    assert read(101.0, 1e9, 9, tenant=None) == [other]
    assert read(0, 101.0, 9, tenant=None) == [CAPTURED]


def test_a_capture_is_found_by_its_request_within_its_tenant(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, [CAPTURED])
    find = store.captures.find
    assert find("req_a", tenant="one") == find("req_a", tenant=None) == CAPTURED
    assert find("req_a", tenant="two") is None and find("req_b", tenant=None) is None


def test_the_newest_of_a_purpose_come_first(store: SqlStore) -> None:
    later = captured(request_id="req_b", at=101.0)
    support = captured(request_id="req_c", at=102.0, purpose="support")
    store.ledger.drain("w", "s", 1, [CAPTURED, later, support, captured(request_id="req_d", expires_at=150.0)])
    newest = store.captures.list_newest
    assert newest(9, tenant="one", purpose="training", now=150.0) == [later, CAPTURED]
    assert newest(1, tenant=None, purpose="training", now=150.0) == [later]
    assert newest(9, tenant="two", purpose="training", now=150.0) == []


def test_captures_are_counted_by_what_they_have_in_common(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, [CAPTURED, captured(request_id="req_b", at=150.0, expires_at=150.5)])
    (count,) = store.captures.counts(tenant="one")
    assert (count.count, count.oldest, count.newest, count.next_expiry) == (2, 100.0, 150.0, 150.5)
    assert store.captures.counts(tenant="two") == []


def test_what_is_held_outlives_its_time(store: SqlStore) -> None:
    other = captured(request_id="req_b", subject="s2")
    late = captured(request_id="req_c", expires_at=200.5)
    store.ledger.drain("w", "s", 1, [CAPTURED, other, late])
    columns = "(id, tenant, subject, reason, created_at, created_by)"
    with store.database.write() as connection:
        connection.execute(sa.text(f"INSERT INTO holds {columns} VALUES ('h', 'one', 's1', 'r', 1, 'a')"))
    swept = store.captures.delete_expired(200.0)
    assert (swept.deleted, swept.held) == (1, 1)
    assert store.captures.list_captures(0, 1e9, 9, tenant=None) == [CAPTURED, late]
    with store.database.write() as connection:
        connection.execute(sa.text("UPDATE holds SET released_at = 2"))
    assert store.captures.delete_expired(200.0).deleted == 1
