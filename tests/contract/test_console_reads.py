"""What the console reads of the store: searches, one exchange, and series by a filter; on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.records import Admitted, Attempt, ExchangeFilter, Feedback, Outcome, Settled
from steward.core.series import HISTOGRAMS, MINUTE_S, SUMS, SeriesFilter
from steward.core.traces import TracePolicy

Open = Callable[[], SqlStore]


def exchange(name: str, at: float, outcome: Outcome = "ok", model: str = "m", **more: Any) -> list[Admitted | Settled]:
    admitted = Admitted(
        request_id=name, at=at, project="p", endpoint="/v1/chat/completions", route="r", streamed=True,
        **({"key_id": "k"} | more),
    )  # fmt: skip
    attempt = Attempt(model, 200, None, at, 1.0)
    settled = Settled(
        request_id=name, at=at + 1, outcome=outcome, status=200, model=model, duration_s=2.0, attempts=(attempt,),
        guards=("pii=allow", "words=flag"), masked={"email": 2}, units={"images": 1.0},
    )  # fmt: skip
    return [admitted, settled]


@pytest.fixture
def store(open_store: Open) -> SqlStore:
    opened = open_store()
    opened.migrate()
    opened.ledger.keep_traces(TracePolicy(sample=0.0, slow_s=99.0))
    records: list[Any] = [
        *exchange("a", 100.0),
        *exchange("b", 200.0, "upstream_error", model="n"),
        *exchange("c", 300.0, key_id="other", subject="s", conversation="c"),
        *exchange("d", 400.0, tenant="acme"),
        Feedback(id="f", at=150.0, key_id="k", project="p", request_id="a", score=-1.0, label="wrong", sealed=b"x"),
    ]
    opened.ledger.drain("w", "s", 1, records)
    return opened


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ({}, "dcba"),
        ({"since": 150.0, "until": 400.0}, "cb"),
        ({"key_id": "other"}, "c"),
        ({"subject": "s"}, "c"),
        ({"subject": "s", "conversation": "another"}, ""),
        ({"model": "n"}, "b"),
        ({"outcome": "upstream_error"}, "b"),
        ({"kept_for": "error"}, "b"),
        ({"kept_for": "flagged", "key_id": "other"}, "c"),
        ({"route": "r", "model": "m"}, "dca"),
    ],
)
def test_a_search_finds_what_meets_all_conditions(store: SqlStore, conditions: dict[str, Any], names: str) -> None:
    wanted = ExchangeFilter(**({"since": 0.0, "until": 1000.0} | conditions))
    matches = store.exchanges.find(wanted, 10, tenant=None)
    assert "".join(row.request_id for row in matches.rows) == names and matches.looked_at is None


def test_a_search_is_of_one_tenant_and_no_longer_than_asked(store: SqlStore) -> None:
    wanted = ExchangeFilter(since=0.0, until=1000.0)
    assert [row.request_id for row in store.exchanges.find(wanted, 10, tenant="acme").rows] == ["d"]
    assert [row.request_id for row in store.exchanges.find(wanted, 2, tenant="default").rows] == ["c", "b"]


def test_one_exchange_is_shown_with_what_was_said_of_it(store: SqlStore) -> None:
    one = store.exchanges.show("a", tenant="default")
    assert one is not None and one.attempts == (Attempt("m", 200, None, 100.0, 1.0),)
    assert (one.guards, one.masked, one.units) == (("pii=allow", "words=flag"), {"email": 2}, {"images": 1.0})
    (said,) = one.feedback
    assert (said.score, said.label, said.has_content, said.matched) == (-1.0, "wrong", True, True)
    assert store.exchanges.show("a", tenant="acme") is None and store.exchanges.show("x", tenant=None) is None


def test_series_are_read_by_a_filter_and_without_histograms_that_nobody_wants(store: SqlStore) -> None:
    def read(**where: str) -> list[Any]:
        return store.series.read(MINUTE_S, 0, 1000, tenant="default", where=SeriesFilter(**where), histograms=())

    assert [row.start for row in read()] == [60, 120, 180, 300]  # the rating is of its own minute
    assert [row.model for row in read(model="n")] == ["n"]
    assert [row.key for row in read(key="other", route="r")] == ["other"] and read(route="x") == []
    assert {row.histograms for row in read()} == {(b"",) * len(HISTOGRAMS)}
    assert read()[0].sums[SUMS.index("requests")] == 1.0
    (whole,) = store.series.read(MINUTE_S, 0, 100, tenant="default", histograms=("total_s",))
    assert [bool(encoded) for encoded in whole.histograms] == [name == "total_s" for name in HISTOGRAMS]
