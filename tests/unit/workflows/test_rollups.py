"""Rollups of a home from before there were any are made good in the background."""

from __future__ import annotations

from itertools import count
from math import inf
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from steward.adapters.stores.database import MIGRATIONS
from steward.adapters.stores.sql import SqlStore
from steward.adapters.stores.tables import counters, rollups
from steward.core.keys import KeyRecord
from steward.core.records import Admitted, Feedback, Settled
from steward.core.series import DAY_S, HOUR_S, MINUTE_S, RESOLUTIONS, SeriesFilter
from steward.workflows.rollups import RollupFill

NOW = 20 * DAY_S + 5000.0
FILTERS = (
    SeriesFilter(),
    SeriesFilter(project="p"),
    SeriesFilter(model_version="v1"),
    SeriesFilter(prompt_version="greet@2"),
    SeriesFilter(route_version="7"),
)


def fill(store: SqlStore) -> None:
    """Requests of two tenants on four days, and a rating."""
    records: list[Any] = []
    for number, day in enumerate((0, 17, 19, 20)):
        at = day * DAY_S + 3700.0 + number
        for tenant in ("default", "acme"):
            name = f"r{number}{tenant}"
            records.append(
                Admitted(
                    request_id=name, at=at, key_id=f"k-{tenant}", project="p", endpoint="/v1/x", route="r",
                    streamed=True, tenant=tenant, prompt_version="greet@2" if day > 0 else None, route_version=7,
                )
            )  # fmt: skip
            records.append(
                Settled(
                    request_id=name, at=at + 1, outcome="ok", status=200, model="m", model_version="v1",
                    duration_s=1.0 + number, ttft_s=0.25, input_tokens=10, output_tokens=5, usd=0.1,
                )
            )  # fmt: skip
    records.append(Feedback(id="f", at=19 * DAY_S + 3800.0, key_id="k-acme", tenant="acme", project="p",
                            request_id="r2acme", score=1.0))  # fmt: skip
    key = KeyRecord(id="", digest="", name="", created_at=0.0, project="p")
    store.keys.add(
        [msgspec.structs.replace(key, id=f"k-{one}", digest=one, name=one, tenant=one) for one in ("default", "acme")]
    )
    store.ledger.drain("w", "s", 1, records)


def read_all(store: SqlStore) -> list[Any]:
    until = int(NOW) + DAY_S
    return [
        store.series.read_rollup(resolution_s, 0, until, tenant=tenant, where=where)
        for resolution_s in RESOLUTIONS
        for tenant in (None, "default", "acme")
        for where in FILTERS
    ]


def forget_rollups(store: SqlStore) -> None:
    """As migration 0025 leaves a home that was served before."""
    with store.database.write() as connection:
        connection.execute(sa.delete(rollups))
        names = {f"rollups {one}": int(NOW) // one * one + one for one in RESOLUTIONS}
        rows = names | {"rollups of versions": 21 * DAY_S}
        connection.execute(sa.insert(counters), [{"name": name, "value": value} for name, value in rows.items()])


def test_an_old_home_is_made_good_and_read_from_series_until_then(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    store.migrate()
    fill(store)
    right = read_all(store)
    forget_rollups(store)
    waiting = store.series.read_rollup(DAY_S, 0, int(NOW), tenant=None)
    assert waiting is not None and sum(row.sums[0] for row in waiting) == 8.0  # from the series, by key
    assert store.series.read_rollup(DAY_S, 0, int(NOW), tenant=None, where=SeriesFilter(model_version="v1")) is None
    assert sum(one.requests for one in store.series.totals(DAY_S, 0, int(NOW), ["start"], tenant=None)) == 8.0
    job = RollupFill(store, clock=lambda: NOW)
    while not job.done:
        job.run()
    assert read_all(store) == right
    assert [store.rollups.complete_since(one) for one in (*RESOLUTIONS, None)] == [0, 0, 0, 0]
    store.close()


def test_what_an_older_release_took_in_is_found_by_its_sums(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    store.migrate()
    fill(store)
    right = read_all(store)
    with store.database.write() as connection:
        hour = sa.and_(rollups.c.resolution_s == HOUR_S, rollups.c.dimension == "", rollups.c.tenant == "")
        connection.execute(sa.update(rollups).where(hour).values(requests=0.0))
    assert list(store.rollups.find_differences(HOUR_S, 0, int(NOW))) == [3600 + day * DAY_S for day in (0, 17, 19, 20)]
    assert store.rollups.find_differences(MINUTE_S, 0, int(NOW)) == {}
    job = RollupFill(store, clock=lambda: NOW)
    while not job.done:
        job.run()
    assert read_all(store) == right
    store.close()


def test_a_run_ends_in_time_and_the_next_goes_on(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    store.migrate()
    fill(store)
    right = read_all(store)
    forget_rollups(store)
    ticks = count()
    job = RollupFill(store, clock=lambda: NOW, stopwatch=lambda: 0.2 * next(ticks))  # a run is over after a few looks
    job.run()
    assert not job.done and store.rollups.complete_since(MINUTE_S) > 0 and job.find_pause_s() == 0.0
    while not job.done:
        job.run()
    assert job.find_pause_s() == inf
    assert read_all(store) == right
    store.close()


def test_the_migration_says_since_when_rollups_are_whole(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 's.db'}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0024")
        names = [column["name"] for column in sa.inspect(connection).get_columns("series")]
        numbers = {name: 0.0 for name in names} | dict.fromkeys(("ttft_s", "total_s", "inter_token_s"), b"")
        numbers |= dict.fromkeys(("request_usd", "queued_s"), b"")
        of = {"tenant": "default", "model": "m", "route": "r", "key_id": "k", "requests": 3.0}
        rows = [numbers | of | {"resolution_s": one, "start": 5 * DAY_S} for one in RESOLUTIONS]
        table = sa.table("series", *map(sa.column, names))
        connection.execute(sa.insert(table), rows)
        command.upgrade(config, "head")
    engine.dispose()
    store = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    marks = [store.rollups.complete_since(one) for one in (*RESOLUTIONS, None)]
    assert marks == [5 * DAY_S + one for one in (*RESOLUTIONS, DAY_S)]
    kept = store.series.read_rollup(DAY_S, 0, 9 * DAY_S, tenant=None)
    assert kept is not None and [row.sums[0] for row in kept] == [3.0]
    job = RollupFill(store, clock=lambda: 6.0 * DAY_S)
    while not job.done:
        job.run()
    kept = store.series.read_rollup(HOUR_S, 0, 9 * DAY_S, tenant=None)
    assert kept is not None and [(row.sums[0], row.key) for row in kept] == [(3.0, "")]
    store.close()
