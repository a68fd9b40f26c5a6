"""Many rows at once: which were new, and what a driver that is driven directly says when it fails."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from steward.adapters.stores.bulk_insert import insert_new
from steward.adapters.stores.database import is_among
from steward.adapters.stores.sql import SqlStore
from steward.adapters.stores.tables import feedback
from steward.core.errors import StewardError


def row(name: str, **changes: Any) -> dict[str, Any]:
    plain = dict.fromkeys(feedback.c.keys()) | {
        "id": name, "at": 1.5, "key_id": "k", "project": "p\t\\N", "request_id": "r", "score": -0.25, "label": "",
        "sealed": b"\x00\xff", "any_key": False, "kind": "explicit", "tenant": "t",
    }  # fmt: skip
    return plain | changes


def read(store: SqlStore) -> dict[str, dict[str, Any]]:
    with store.database.read() as connection:
        return {one["id"]: dict(one) for one in connection.execute(sa.select(feedback)).mappings()}


def test_new_rows_are_kept_as_they_are(store: SqlStore) -> None:
    rows = [row("a"), row("b", label="ü\n'", sealed=None, counted=True, score=1), row("c", subject="s")]
    with store.database.write() as connection:
        assert insert_new(connection, feedback, rows) == rows
        assert insert_new(connection, feedback, []) == []
    assert read(store) == {one["id"]: one for one in rows}


def test_columns_that_no_row_has_a_value_for_are_empty(store: SqlStore) -> None:
    rows = [row(name, sealed=None, any_key=True, label=None) for name in "ab"]
    with store.database.write() as connection:
        assert insert_new(connection, feedback, rows) == rows
        insert_new(connection, feedback, [row("c", person="p", counted=False, sealed=b"")])
    assert read(store) == {one["id"]: one for one in (*rows, row("c", person="p", counted=False, sealed=b""))}


def test_a_column_that_must_have_a_value_gets_no_other(store: SqlStore) -> None:
    with pytest.raises(StewardError), store.database.write() as connection:
        insert_new(connection, feedback, [row("a", kind=None)])  # which the table would call "explicit"
    assert read(store) == {}


def test_known_rows_stay_as_they_were_and_the_others_come_in(store: SqlStore) -> None:
    with store.database.write() as connection:
        insert_new(connection, feedback, [row("b", label="first")])
        fresh = insert_new(connection, feedback, [row("a"), row("b", label="second"), row("c")])
    assert [one["id"] for one in fresh] == ["a", "c"]
    assert {name: one["label"] for name, one in read(store).items()} == {"a": "", "b": "first", "c": ""}


def test_a_row_that_cannot_be_kept_takes_the_transaction_with_it(store: SqlStore) -> None:
    with pytest.raises(StewardError), store.database.write() as connection:
        insert_new(connection, feedback, [row("a")])
        insert_new(connection, feedback, [row("b"), row("c", project=None)])
    assert read(store) == {}


def test_one_of_many_values(store: SqlStore) -> None:
    with store.database.write() as connection:
        insert_new(connection, feedback, [row(name) for name in ('"', "ü", "x", "y")])
        chosen = sa.select(feedback.c.id).where(is_among(connection, feedback.c.id, ['"', "ü", "y", "none"]))
        assert set(connection.execute(chosen).scalars()) == {'"', "ü", "y"}
        assert connection.execute(sa.select(feedback.c.id).where(is_among(connection, feedback.c.id, []))).all() == []
