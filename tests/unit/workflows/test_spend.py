from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.identity import operator
from steward.core.records import Admitted, LedgerRecord, LimitSpec, Settled
from steward.gateway.limit_table import LimitTable
from steward.workflows import keys
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.spend import list_budgets, sum_spend

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC
DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    with keys.open_keys(find_deployment(tmp_path), NOW):
        pass
    return find_deployment(tmp_path).open_store()


def spend(store: SqlStore, rows: Sequence[tuple[str, float, float]]) -> None:
    """Key, days ago and US dollars of each request."""
    records: list[LedgerRecord] = []
    for number, (key, days_ago, usd) in enumerate(rows):
        at = NOW - days_ago * DAY
        records += [
            Admitted(
                request_id=f"r{number}", at=at, key_id=key, project="p", endpoint="/v1/completions", route="r",
                streamed=False,
            ),
            Settled(request_id=f"r{number}", at=at, outcome="ok", status=200, model="m", usd=usd),
        ]  # fmt: skip
    store.ledger.drain("w", "s", 1, records)


def test_groups_are_named_and_the_dearest_comes_first(tmp_path: Path, store: SqlStore) -> None:
    web = keys.create(tmp_path, "web", LimitSpec(), NOW, actor=operator(0), team="shop")
    spend(store, [(web.id, 0, 1.0), ("gone", 0, 3.0), (web.id, 1, 1.0)])

    def sums(by: str, since: float = 0.0) -> list[tuple[str, float, float]]:
        rows = sum_spend(store.series, store.keys, by, since, NOW, tenant=None)  # type: ignore[arg-type]
        return [(row.name, row.requests, row.usd) for row in rows]

    assert sums("key") == [("gone", 1, 3.0), ("web", 2, 2.0)]
    assert sums("team") == [("no team", 1, 3.0), ("shop", 2, 2.0)]
    assert sums("model") == [("m", 3, 5.0)] and sums("route", NOW) == [("r", 2, 4.0)]
    today = int(NOW // DAY * DAY)
    assert sums("day") == [(str(today - 86400), 1, 1.0), (str(today), 2, 4.0)]


def test_a_rotated_key_counts_with_the_one_that_it_replaced(tmp_path: Path, store: SqlStore) -> None:
    old = keys.create(tmp_path, "web", LimitSpec(usd_per_day=10.0, usd_per_month=100.0), NOW, actor=operator(0))
    new = keys.rotate(tmp_path, old.id, NOW, actor=operator(0))
    spend(store, [(old.id, 0, 3.0), (old.id, 1, 4.0), (old.id, 20, 50.0), (new.id, 0, 1.0)])
    day, month = sorted(
        list_budgets(store.series, store.keys, LimitTable(), NOW, 9, tenant=None).rows, key=lambda row: row.period
    )
    assert (day.id, day.spent, day.left, day.forecast) == (old.id, 4.0, 6.0, None)
    assert (month.spent, month.left) == (8.0, 92.0)  # the day before is January too, 20 days ago is not
    assert month.forecast is not None and month.forecast.days == 14


def test_what_the_settings_give_holds_for_keys_without_their_own(tmp_path: Path, store: SqlStore) -> None:
    keys.create(tmp_path, "own", LimitSpec(usd_per_day=1.0), NOW, actor=operator(0))
    keys.create(tmp_path, "none", LimitSpec(), NOW, actor=operator(0))
    ended = keys.create(tmp_path, "ended", LimitSpec(), NOW, actor=operator(0))
    keys.revoke(tmp_path, ended.id, NOW, actor=operator(0))
    limits = LimitTable(
        default=LimitSpec(usd_per_day=5.0),
        teams={"shop": LimitSpec(usd_per_month=7.0), "free": LimitSpec(concurrent=1)},
        models={"r": LimitSpec(usd_per_day=9.0)},
    )
    spend(store, [("x", 0, 9.0)])
    rows, total = list_budgets(store.series, store.keys, limits, NOW, 9, tenant=None)
    assert total == 4
    assert {(row.scope, row.name, row.budget) for row in rows} == {
        ("key", "own", 1.0), ("key", "none", 5.0), ("team", "shop", 7.0), ("model", "r", 9.0),
    }  # fmt: skip
    assert (rows[0].name, rows[0].left) == ("r", 0.0)
    assert list_budgets(store.series, store.keys, limits, NOW, 1, tenant=None) == (rows[:1], 4)


def test_the_first_day_of_a_month_is_its_own(tmp_path: Path, store: SqlStore) -> None:
    web = keys.create(tmp_path, "web", LimitSpec(usd_per_month=100.0), NOW, actor=operator(0))
    spend(store, [(web.id, 14, 2.0), (web.id, 14.5, 30.0)])  # 1 January 08:00, and 31 December
    (month,) = list_budgets(store.series, store.keys, LimitTable(), NOW, 9, tenant=None).rows
    assert (month.spent, month.left) == (2.0, 98.0)
