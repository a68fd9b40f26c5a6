"""Traffic from the series that are still kept."""

from pathlib import Path
from typing import Any

from steward.adapters.stores.sql import SqlStore
from steward.core.records import Admitted, Settled
from steward.core.series import HOUR_S, MINUTE_S, SeriesFilter
from steward.monitoring.traffic import Traffic
from steward.workflows.traffic import CHECK_S, TrafficReader


def fill(store: SqlStore, *moments: float) -> None:
    records: list[Any] = []
    for at in moments:
        name = f"r{at}"
        records.append(
            Admitted(request_id=name, at=at, key_id="k", project="p", endpoint="/v1/x", route="r", streamed=False)
        )
        records.append(Settled(request_id=name, at=at + 1, outcome="ok", status=200, model="m", duration_s=1.0))
    store.ledger.drain("w", "s", 1, records)


NOW = 200_000.0


def read_traffic(store: SqlStore, since: float, until: float, step_s: int, **more: Any) -> Traffic:
    return TrafficReader().read(store, NOW, since, until, step_s, **more)


def test_points_begin_on_a_whole_step_and_hold_what_fits(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    store.migrate()
    fill(store, 3700.0, 3710.0, 4000.0)
    traffic = read_traffic(store, 3650.0, 4100.0, 300, tenant="default", dimensions=("model",), detailed="model")
    assert traffic.starts == (3600, 3900) and [point.requests for point in traffic.points] == [2, 1]
    assert [point.requests for point in traffic.groups["model"][0].points] == [2, 1]
    nothing = read_traffic(store, 3650.0, 4100.0, 300, tenant="default", where=SeriesFilter(model="x"))
    assert nothing.total.requests == 0
    assert read_traffic(store, 3650.0, 4100.0, 300, tenant="acme").total.requests == 0
    store.close()


def test_where_minutes_are_gone_hours_tell(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    store.migrate()
    fill(store, 3700.0, 90_000.0)
    store.series.delete_before(MINUTE_S, 80_000)
    traffic = read_traffic(store, 3600.0, 7200.0, 60, tenant=None)
    assert (traffic.step_s, traffic.total.requests) == (HOUR_S, 1)
    assert read_traffic(store, 90_000.0, 91_000.0, 60, tenant=None).step_s == MINUTE_S
    store.close()


def test_minutes_that_were_never_there_are_not_gone(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    store.migrate()
    assert read_traffic(store, 0.0, 600.0, 60, tenant=None).step_s == MINUTE_S  # nothing is kept at all
    fill(store, 7230.0)
    # the minute and the hour in which the first request came both begin with it: nothing was deleted before
    assert read_traffic(store, 3600.0, 7800.0, 60, tenant=None).step_s == MINUTE_S
    store.series.delete_before(MINUTE_S, 90_000)
    assert read_traffic(store, 3600.0, 7800.0, 60, tenant=None).step_s == HOUR_S  # hours alone are left
    store.close()


def open_store(folder: Path) -> SqlStore:
    store = SqlStore(f"sqlite:///{folder / 's.db'}")
    store.migrate()
    return store


def test_a_step_that_has_ended_is_kept_until_its_sums_change(tmp_path: Path) -> None:
    store, reader = open_store(tmp_path), TrafficReader()
    fill(store, 3700.0)

    def count(now: float) -> int:
        return reader.read(store, now, 3600.0, 7200.0, 300, tenant=None, dimensions=("key",)).total.requests

    assert count(NOW) == 1
    fill(store, 3710.0)  # late, into a step that is kept
    assert count(NOW + CHECK_S / 2) == 1
    assert count(NOW + CHECK_S) == 2
    assert count(NOW + CHECK_S) == read_traffic(store, 3600.0, 7200.0, 300, tenant=None).total.requests
    store.close()


def test_a_step_that_goes_on_is_read_each_time(tmp_path: Path) -> None:
    store, reader = open_store(tmp_path), TrafficReader()
    for number in range(3):
        fill(store, 3900.0 + number)
        assert reader.read(store, 3960.0, 3600.0, 3960.0, 300, tenant=None).total.requests == number + 1
    store.close()


def test_a_part_of_a_step_is_not_kept_as_the_whole(tmp_path: Path) -> None:
    store, reader = open_store(tmp_path), TrafficReader()
    fill(store, 3610.0, 3850.0)
    shown = [reader.read(store, NOW, 3600.0, until, 300, tenant=None).total.requests for until in (3700.0, 3900.0)]
    assert shown == [1, 2]
    store.close()


def test_what_is_kept_is_bounded_and_told_apart_by_its_filter(tmp_path: Path) -> None:
    store, reader = open_store(tmp_path), TrafficReader(most=3)
    fill(store, 3610.0, 3910.0, 4210.0)
    for _ in range(2):  # each step has a model, a route and a key: one fits
        assert reader.read(store, NOW, 3600.0, 4500.0, 300, tenant=None).total.requests == 3
        other = reader.read(store, NOW, 3600.0, 4500.0, 300, tenant=None, where=SeriesFilter(model="x"))
        assert other.total.requests == 0
    store.close()
