"""What rows of series say."""

from __future__ import annotations

import pytest

from steward.core.errors import UnknownName
from steward.core.gauges import GaugeRow
from steward.core.histogram import encode_buckets, observe
from steward.core.series import HISTOGRAMS, SUMS, SeriesRow
from steward.monitoring.metric_answer import (
    MetricAnswer,
    MetricPoint,
    answer_gauges,
    answer_query,
    choose_resolution,
    list_records,
)
from steward.monitoring.metric_query import parse_query

DAY, HOUR = 86400, 3600


def row(start: int, model: str = "m", key: str = "k", latencies: tuple[float, ...] = (), **sums: float) -> SeriesRow:
    buckets: dict[int, int] = {}
    for value in latencies:
        observe(buckets, value)
    histograms = tuple(encode_buckets(buckets) if name == "ttft_s" else b"" for name in HISTOGRAMS)
    return SeriesRow(start, model, "r", key, tuple(sums.get(name, 0.0) for name in SUMS), histograms)


def ask(text: str, rows: list[SeriesRow], until: float = 180.0) -> MetricAnswer:
    return answer_query(parse_query(text), rows, 60, 0, until, {"k": "ci"})


def values(answer: MetricAnswer) -> list[tuple[dict[str, str], float | None, int]]:
    return [(group.labels, group.value, group.count) for group in answer.groups]


def test_quantiles_over_the_span_are_of_all_its_values() -> None:
    answer = ask("ttft p50", [row(0, latencies=(1.0,)), row(60, latencies=(3.0, 5.0))])
    (group,) = answer.groups
    assert group.value == pytest.approx(3.0, rel=0.01)
    assert [point.count for point in group.points] == [1, 2, 0]
    assert group.points[0].value == pytest.approx(1.0, rel=0.01)
    assert group.points[2] == MetricPoint(120, None, 0)
    assert (answer.relative_error, answer.unit, answer.resolution_s) == (0.01, "s", 60)


def test_groups_stand_with_the_most_requests_first() -> None:
    rows = [row(0, "a", requests=1), row(0, "b", requests=3), row(60, "a", requests=1), row(60, "", requests=1)]
    assert values(ask("requests by model", rows)) == [
        ({"model": "b"}, 3.0, 3), ({"model": "a"}, 2.0, 2), ({"model": "none"}, 1.0, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value", "count", "unit"),
    [
        ("concurrency", 0.5, 10, "requests"),  # 90 seconds of running in 180
        ("requests", 10.0, 10, "requests"),
        ("requests rate", 10 / 180, 10, "requests/s"),
        ("tokens", 30.0, 10, "tokens"),
        ("error rate", 0.25, 8, "share"),
        ("availability", 0.75, 8, "share"),
        ("satisfaction", 0.5, 2, "share"),
        ("usd", 1.5, 10, "USD"),
        ("ttft count", 0.0, 0, "requests"),
        ("ttft p95", None, 0, "s"),
    ],
)
def test_sums_and_shares(text: str, value: float | None, count: int, unit: str) -> None:
    sums = {
        "requests": 10, "judged": 8, "failed": 2, "input_tokens": 10, "output_tokens": 20, "usd": 1.5, "rated": 2,
        "satisfied": 1, "running_s": 90,
    }  # fmt: skip
    answer = ask(text, [row(60, **sums)])
    assert values(answer) == [({}, pytest.approx(value) if value is not None else None, count)]
    assert (answer.unit, answer.relative_error) == (unit, 0.01 if text == "ttft p95" else None)


def test_a_share_has_wilsons_interval_in_points_and_over_all() -> None:
    answer = ask("satisfaction", [row(0, rated=29), row(60, rated=263, satisfied=81)])
    (group,) = answer.groups
    ends = [(point.low, point.high) for point in group.points]
    assert ends[0] == pytest.approx((0.0, 0.1170), abs=1e-4)  # Newcombe 1998, table I
    assert ends[1] == pytest.approx((0.2553, 0.3662), abs=1e-4)  # the same table
    assert ends[2] == (None, None)  # nobody rated
    assert group.low is not None and group.high is not None and group.low < 81 / 292 < group.high
    records, names = list_records(answer)
    assert names == ("at", "value", "count", "low", "high") and set(records[0]) == set(names)


def test_a_sum_has_no_interval() -> None:
    answer = ask("requests", [row(0, requests=3)])
    assert (answer.groups[0].low, answer.groups[0].points[0].high) == (None, None)
    assert list_records(answer)[1] == ("at", "value", "count")


def test_a_share_of_nothing_is_not_known() -> None:
    assert values(ask("availability", [row(0, requests=1)])) == [({}, None, 0)]


@pytest.mark.parametrize(("statistic", "value"), [("min", 1.0), ("max", 5.0), ("mean", 3.0), ("p100", 5.0)])
def test_statistics_of_a_histogram(statistic: str, value: float) -> None:
    answer = ask(f"ttft {statistic}", [row(0, latencies=(1.0, 3.0, 5.0))])
    assert answer.groups[0].value == pytest.approx(value, rel=0.01)


def test_conditions_choose_rows_and_a_key_goes_by_name_or_id() -> None:
    rows = [row(0, "a", requests=1), row(0, "b", requests=2), row(0, "b", key="x", requests=4)]
    assert values(ask("requests where model = b and key = ci", rows)) == [({}, 2.0, 2)]
    assert values(ask("requests where key = k", rows)) == [({}, 3.0, 3)]
    assert values(ask("requests by key where model = b", rows)) == [({"key": "x"}, 4.0, 4), ({"key": "ci"}, 2.0, 2)]


def test_a_name_that_no_row_has() -> None:
    with pytest.raises(UnknownName, match="unknown model 'bb'; did you mean 'b'"):
        ask("requests where model = bb", [row(0, "b", requests=1)])


def test_nothing_at_all() -> None:
    answer = ask("requests where model = b", [])
    assert answer.groups == ()


def test_records_for_a_frame() -> None:
    records, columns = list_records(ask("requests by model", [row(0, requests=2)], until=90.0))
    assert columns == ("at", "model", "value", "count")
    assert records == [
        {"at": 0, "model": "m", "value": 2.0, "count": 2}, {"at": 60, "model": "m", "value": 0.0, "count": 0},
    ]  # fmt: skip


ALL = {60: 0, HOUR: 0, DAY: 0}


@pytest.mark.parametrize(
    ("span_s", "first", "resolution_s"),
    [
        (6 * HOUR, ALL, 60),
        (6 * HOUR + 1, ALL, HOUR),
        (14 * DAY, ALL, HOUR),
        (14 * DAY + 1, ALL, DAY),
        (HOUR, {60: None, HOUR: None, DAY: None}, 60),  # nothing yet
        (HOUR, {60: 99 * DAY, HOUR: 98 * DAY, DAY: 0}, 60),
        (HOUR, {60: None, HOUR: 98 * DAY, DAY: 0}, HOUR),  # minutes are no longer kept
        (2 * HOUR, {60: 100 * DAY - HOUR, HOUR: 98 * DAY, DAY: 0}, HOUR),  # not as far back
        (3 * DAY, {60: None, HOUR: 98 * DAY, DAY: 0}, DAY),
        (3 * DAY, {60: None, HOUR: 98 * DAY, DAY: 98 * DAY}, HOUR),  # younger than the span: nothing was lost
        (2 * HOUR, {60: 100 * DAY - 5400, HOUR: 100 * DAY - 7200, DAY: 99 * DAY}, 60),  # likewise, within its hour
    ],
)
def test_the_resolution_that_still_holds_the_span(
    span_s: float, first: dict[int, int | None], resolution_s: int
) -> None:
    until = 100.0 * DAY
    assert choose_resolution(until - span_s, until, first) == resolution_s


def gauge(start: int, subject: str, count: int, total: float, least: float, most: float, last: float) -> GaugeRow:
    return GaugeRow(
        resolution_s=60, start=start, subject=subject, metric="waiting", count=count, total=total, least=least,
        most=most, last=last,
    )  # fmt: skip


GAUGES = [
    gauge(0, "a", 4, 8.0, 1.0, 5.0, 2.0),
    gauge(60, "a", 1, 7.0, 7.0, 7.0, 7.0),
    gauge(0, "b", 1, 0.0, 0.0, 0.0, 0.0),
]


@pytest.mark.parametrize(
    ("text", "expected", "first"),
    [
        ("waiting by model", [("a", 3.0, 5), ("b", 0.0, 1)], 2.0),
        ("waiting max by model", [("a", 7.0, 5), ("b", 0.0, 1)], 5.0),
        ("waiting min by model", [("a", 1.0, 5), ("b", 0.0, 1)], 1.0),
        ("waiting last by model", [("a", 7.0, 5), ("b", 0.0, 1)], 2.0),
        ("waiting", [("", 2.5, 6)], 1.6),
        ("waiting by model where model = b", [("b", 0.0, 1)], 0.0),
        ("preemptions by model", [("a", 15.0, 5), ("b", 0.0, 1)], 8.0),
        ("preemptions rate by model where model = a", [("a", 15.0 / 180.0, 5)], 8.0 / 60.0),
    ],
)
def test_what_gauges_say(text: str, expected: list[tuple[str, float, int]], first: float) -> None:
    answer = answer_gauges(parse_query(text), GAUGES, 60, 0, 180.0)
    assert [(group.labels.get("model", ""), group.value, group.count) for group in answer.groups] == [
        (name, pytest.approx(value), count) for name, value, count in expected
    ]
    points = answer.groups[0].points
    assert points[0].value == pytest.approx(first) and points[2] == MetricPoint(120, None, 0)  # unknown, not 0
    assert answer.unit == (parse_query(text).metric.unit + ("/s" if "rate" in text else ""))


def test_nothing_measured_has_no_groups_and_an_unknown_name_is_named() -> None:
    assert answer_gauges(parse_query("waiting by model"), [], 60, 0, 180.0).groups == ()
    with pytest.raises(UnknownName, match="unknown model 'c'"):
        answer_gauges(parse_query("waiting where model = c"), GAUGES, 60, 0, 180.0)


def test_a_span_that_begins_now_has_one_point() -> None:
    (group,) = answer_query(parse_query("requests"), [row(0, requests=2)], 60, 0, 0.0, {}).groups
    assert [(point.at, point.count) for point in group.points] == [(0, 2)]


@pytest.mark.parametrize(("until", "rate"), [(0.0, 15.0), (1.0, 15.0), (1.5, 10.0), (2.0, 7.5)])
def test_a_rate_is_over_a_second_at_least(until: float, rate: float) -> None:
    """15 in all."""
    answer = answer_gauges(parse_query("preemptions rate where model = a"), GAUGES, 60, 0, until)
    assert answer.groups[0].value == rate and len(answer.groups[0].points) == 1
