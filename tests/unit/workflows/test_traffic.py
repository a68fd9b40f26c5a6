"""Traffic from the series that are still kept."""

from pathlib import Path
from typing import Any

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.records import Admitted, Settled
from steward.core.series import HOUR_S, MINUTE_S, MOST_GROUPS, SeriesFilter
from steward.monitoring.traffic import Traffic
from steward.workflows.traffic import CHECK_S, TrafficReader, split_exactly


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


@pytest.mark.parametrize(("now", "seen"), [(3900.0, 2), (4019.0, 2), (4200.0, 1)])
def test_a_step_is_read_each_time_for_two_minutes_after_its_end(tmp_path: Path, now: float, seen: int) -> None:
    """What comes late is seen at once; later it is when the sums are compared again."""
    store, reader = open_store(tmp_path), TrafficReader()
    for moment in (3610.0, 3620.0):
        fill(store, moment)
        total = reader.read(store, now, 3600.0, 3900.0, 300, tenant=None).total
    assert total.requests == seen
    store.close()


@pytest.mark.parametrize(("until", "seen"), [(3600.0, 1), (3659.0, 1), (3660.0, 2), (3719.0, 2), (3720.0, 3)])
def test_the_minute_in_which_the_time_ends_is_the_last(tmp_path: Path, until: float, seen: int) -> None:
    store = open_store(tmp_path)
    fill(store, 3600.0, 3660.0, 3720.0)
    traffic = read_traffic(store, 3600.0, until, 300, tenant=None, dimensions=("key",))
    assert (traffic.total.requests, traffic.groups["key"][0].sums.requests) == (seen, seen)
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


def test_a_step_that_is_read_again_counts_once_of_what_is_kept(tmp_path: Path) -> None:
    store, reader = open_store(tmp_path), TrafficReader(most=2)  # the model and the route of one step

    def count(now: float) -> int:
        return reader.read(store, now, 3600.0, 3900.0, 300, tenant=None).total.requests

    fill(store, 3610.0)
    assert [count(NOW), count(NOW + 1.0)] == [1, 1]
    fill(store, 3620.0)
    assert count(NOW + 2.0) == 1  # as it is kept, until its sums are compared again
    store.close()


def add_version(store: SqlStore, name: str, at: float, version: str, key: str = "k", seconds: float = 1.0) -> None:
    admitted = Admitted(
        request_id=name, at=at, key_id=key, project="p", endpoint="/v1/x", route="r", streamed=False,
        prompt_version=version,
    )  # fmt: skip
    settled = Settled(request_id=name, at=at + 1, outcome="ok", status=200, model="m", duration_s=seconds)
    store.ledger.drain("w", f"s-{name}", 1, [admitted, settled])


def test_a_version_has_its_own_sums_and_stands_in_the_list(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number, version in enumerate(("p@1", "p@2", "p@2")):
        add_version(store, f"a{number}", 3700.0 + number, version)
    two = read_traffic(store, 3600.0, 7200.0, 300, tenant=None, where=SeriesFilter(prompt_version="p@2"))
    assert (two.total.requests, two.counted, two.groups) == (2, "", {})
    listed = TrafficReader().list_versions(store, NOW, 3600.0, 7200.0, 300, "default", SeriesFilter(model="m"))
    assert [(one.dimension, one.value, one.sums.requests) for one in listed] == [
        ("prompt_version", "p@1", 1.0),
        ("prompt_version", "p@2", 2.0),
    ]
    store.close()


def test_what_no_series_has_is_counted_from_requests_and_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    add_version(store, "a", 3700.0, "p@1", key="k1", seconds=2.0)
    add_version(store, "b", 3710.0, "p@1", key="k2")
    where = SeriesFilter(prompt_version="p@1", key="k1")
    traffic = read_traffic(store, 3600.0, 7200.0, 300, tenant=None, where=where, dimensions=("key", "model"))
    assert traffic.total.requests == 1 and [group.name for group in traffic.groups["key"]] == ["k1"]
    assert traffic.total.p50_s is not None and abs(traffic.total.p50_s - 2.0) < 0.03
    assert traffic.counted.startswith("a version together with") and traffic.counted_since is None
    rows, since = store.series.count_requests(60, 3600, 7200, 1, tenant=None, where=SeriesFilter())
    assert (sum(row.sums[0] for row in rows), since) == (1.0, 3710.0)  # the newest one alone
    store.close()


def test_a_key_of_a_day_with_too_many_is_counted_from_requests(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in range(2):
        add_version(store, f"a{number}", 3700.0, "p@1", key=f"k{number}")
    records: list[Any] = []
    for number in range(MOST_GROUPS + 2):
        name = f"b{number}"
        records.append(
            Admitted(request_id=name, at=3700.0, key_id=f"n{number:04d}", project="p", endpoint="/v1/x", route="r",
                     streamed=False)
        )  # fmt: skip
        records.append(Settled(request_id=name, at=3701.0, outcome="ok", status=200, model="m", duration_s=1.0))
    store.ledger.drain("w", "many", 1, records)
    last = f"n{MOST_GROUPS + 1:04d}"
    traffic = read_traffic(store, 3600.0, 7200.0, 300, tenant=None, where=SeriesFilter(key=last))
    assert (traffic.total.requests, traffic.counted) == (1, "one of more than 1,000 keys of a day")
    whole = read_traffic(store, 3600.0, 7200.0, 300, tenant=None, dimensions=("key",))
    assert whole.total.requests == MOST_GROUPS + 4 == sum(group.sums.requests for group in whole.groups["key"])
    assert whole.groups["key"][-1].name == "other"
    store.close()


def test_a_comparison_shows_the_keys_that_it_is_asked_for(tmp_path: Path) -> None:
    """The time before shows the keys of the time shown, though others had more requests then."""
    store = open_store(tmp_path)
    for number, key in enumerate(("busy", "busy", "asked")):
        add_version(store, f"a{number}", 3700.0 + number, "p@1", key=key)
    traffic = read_traffic(store, 3600.0, 7200.0, 300, tenant=None, dimensions=("key",), keys=["asked", "gone"])
    assert [(group.name, group.sums.requests) for group in traffic.groups["key"]] == [("asked", 1)]
    store.close()


def test_the_list_of_versions_goes_on_to_this_moment_and_ends_where_an_earlier_time_does(tmp_path: Path) -> None:
    """A time that ends within the last minute is shown with all that has come since."""
    store = open_store(tmp_path)
    add_version(store, "a", NOW - 10.0, "p@1")

    def count(until: float) -> int:
        return len(TrafficReader().list_versions(store, NOW, 172_800.0, until, 300, "default", SeriesFilter()))

    assert [count(until) for until in (NOW - 60.0, NOW - 61.0)] == [1, 0]
    store.close()


def test_a_span_of_hours_is_read_in_one_piece_where_no_day_is_whole() -> None:
    assert split_exactly(82_800, 180_005, 3600, False) == [
        (3600, 82_800, 86_400), (86_400, 86_400, 172_800), (3600, 172_800, 180_005),
    ]  # fmt: skip
    assert split_exactly(90_000, 93_700, 60, False) == [(3600, 90_000, 93_600), (60, 93_600, 93_700)]
    assert split_exactly(90_000, 90_000, 60, False) == []
