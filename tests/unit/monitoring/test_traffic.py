"""Rows of series as totals, points and groups; the right values are counted by hand."""

from collections.abc import Iterable
from typing import Any

import pytest

from steward.core.histogram import RELATIVE_ERROR, encode_buckets, observe
from steward.core.series import HISTOGRAMS, SUMS, SeriesRow, SeriesTotal
from steward.monitoring.traffic import (
    MOST_GROUPS_SHOWN,
    Traffic,
    TrafficSums,
    add_keys,
    build_traffic,
    choose_row_resolution,
    collect_spans,
)


def row(start: int, model: str = "m", key: str = "k", seconds: tuple[float, ...] = (), **sums: float) -> SeriesRow:
    buckets: dict[int, int] = {}
    for value in seconds:
        observe(buckets, value)
    histograms = tuple(encode_buckets(buckets) if name == "total_s" else b"" for name in HISTOGRAMS)
    return SeriesRow(start, model, "r", key, tuple(sums.get(name, 0.0) for name in SUMS), histograms)


def build(rows: Iterable[SeriesRow], since: int, until: float, step_s: int, *groups: Any) -> Traffic:
    return build_traffic(collect_spans(rows, since, step_s), since, until, step_s, *groups)


def test_points_add_up_to_the_total() -> None:
    rows = [
        row(0, requests=3, judged=2, failed=1, usd=0.5, seconds=(1.0, 2.0)),
        row(60, requests=1, judged=1, usd=0.25, seconds=(3.0,)),
        row(180, model="n", requests=5, judged=5),
    ]
    traffic = build(rows, 0, 300, 120)
    assert traffic.starts == (0, 120, 240)
    assert [point.requests for point in traffic.points] == [4, 5, 0]
    total = traffic.total
    assert (total.requests, total.judged, total.failed, total.left, total.usd) == (9, 8, 1, 1, 0.75)
    assert total.error_rate == 1 / 8
    assert total.p50_s == pytest.approx(2.0, rel=RELATIVE_ERROR)
    assert total.p95_s == pytest.approx(2.0, rel=RELATIVE_ERROR)
    assert total.p99_s == pytest.approx(2.0, rel=RELATIVE_ERROR)  # rank 0.99 * 2 lies below the third value


def test_nothing_is_nothing_and_no_zero() -> None:
    traffic = build([], 0, 60, 60, ("model",))
    assert traffic.total == TrafficSums() and traffic.total.error_rate is None and traffic.total.satisfaction is None
    assert traffic.groups == {"model": ()}


def test_groups_come_by_size_and_have_the_same_points() -> None:
    rows = [
        row(0, "a", requests=1),
        row(60, "b", requests=5),
        row(0, "b", requests=1),
        row(60, "a", requests=1),
    ]
    groups = build(rows, 0, 120, 60, ("model", "key"), "model").groups
    assert [(group.name, group.sums.requests) for group in groups["model"]] == [("b", 6), ("a", 2)]
    assert [point.requests for point in groups["model"][0].points] == [1, 5]
    assert "key" not in groups  # rows without keys know none


def test_of_very_many_groups_the_largest_are_kept() -> None:
    rows = [row(0, f"m{number}", requests=number) for number in range(MOST_GROUPS_SHOWN + 5)]
    groups = build(rows, 0, 60, 60, ("model",)).groups["model"]
    assert len(groups) == MOST_GROUPS_SHOWN + 1 and groups[0].name == f"m{MOST_GROUPS_SHOWN + 4}"
    assert (groups[-1].name, groups[-1].sums.requests) == ("other", 10)  # 0 + 1 + 2 + 3 + 4
    assert sum(group.sums.requests for group in groups) == sum(range(MOST_GROUPS_SHOWN + 5))


def test_what_the_store_calls_other_is_the_last_and_joins_the_rest() -> None:
    rows = [row(0, "other", requests=9000), *(row(0, f"m{number}", requests=2) for number in range(MOST_GROUPS_SHOWN))]
    names = [group.name for group in build(rows[:3], 0, 60, 60, ("model",)).groups["model"]]
    assert names == ["m0", "m1", "other"]
    many = build([*rows, row(0, "n", requests=1)], 0, 60, 60, ("model",), "model").groups["model"]
    assert len(many) == MOST_GROUPS_SHOWN + 1 and (many[-1].name, many[-1].sums.requests) == ("other", 9001)
    assert many[-1].points == () and len(many[0].points) == 1


def test_of_many_keys_the_largest_have_percentiles_and_points() -> None:
    rows = [row(0, key="a", requests=5, seconds=(2.0, 4.0)), row(60, key="a", requests=2), row(0, key="b", requests=1)]
    traffic = build([*rows, row(0, key="c", requests=3)], 0, 120, 60)
    largest = [SeriesTotal(key="a", requests=7.0), SeriesTotal(key="c", requests=3.0)]
    first, second, rest = add_keys(traffic, largest, rows[:2], True, True).groups["key"]
    assert (first.name, first.sums.requests, [point.requests for point in first.points]) == ("a", 7, [5, 2])
    assert first.sums.p50_s == pytest.approx(2.0, rel=RELATIVE_ERROR)  # the lower of 2 and 4
    assert (second.name, second.sums.requests, second.sums.p50_s) == ("c", 3, None)
    assert (rest.name, rest.sums.requests, rest.points) == ("other", 1, ())  # 11 in all


def test_keys_that_are_all_shown_have_no_rest() -> None:
    traffic = build([row(0, requests=2)], 0, 60, 60)
    (only,) = add_keys(traffic, [SeriesTotal(key="k", requests=2.0)], (), False, False).groups["key"]
    assert (only.name, only.sums.requests, only.points) == ("k", 2, ())


def test_rows_after_the_end_are_left_out() -> None:
    assert build([row(600, requests=1)], 0, 60, 60).total.requests == 0


def test_satisfaction_is_of_ratings() -> None:
    assert build([row(0, rated=4, satisfied=3)], 0, 60, 60).total.satisfaction == 0.75


@pytest.mark.parametrize(("step_s", "resolution_s"), [(60, 60), (300, 60), (3600, 3600), (7200, 3600), (86400, 86400)])
def test_a_point_is_made_of_the_longest_rows(step_s: int, resolution_s: int) -> None:
    assert choose_row_resolution(step_s) == resolution_s


def test_the_first_token_is_told_by_its_95th_percentile() -> None:
    """Of 100 values 1 to 100 ms, rank 0.95 x 99 = 94.05 lies at the 95th."""
    buckets: dict[int, int] = {}
    for number in range(1, 101):
        observe(buckets, number / 1000.0)
    histograms = tuple(encode_buckets(buckets) if name == "ttft_s" else b"" for name in HISTOGRAMS)
    rows = [SeriesRow(0, "m", "r", "k", tuple(0.0 for _ in SUMS), histograms)]
    assert build(rows, 0, 60, 60).total.ttft_p95_s == pytest.approx(0.095, rel=RELATIVE_ERROR)


def test_as_many_groups_as_are_shown_leave_no_rest() -> None:
    rows = [row(0, f"m{number}", requests=1) for number in range(MOST_GROUPS_SHOWN)]
    names = [group.name for group in build(rows, 0, 60, 60, ("model",)).groups["model"]]
    assert len(names) == MOST_GROUPS_SHOWN and "other" not in names
