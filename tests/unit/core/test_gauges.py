from typing import Any

import pytest

from steward.core.gauges import GaugeRow, GaugeSample, count_verdicts, merge_samples


def test_samples_merge_into_minutes_hours_and_days() -> None:
    samples = [
        GaugeSample(at, "m", "waiting", value) for at, value in ((61.0, 4.0), (60.0, 2.0), (119.9, 3.0), (120.0, 9.0))
    ]
    rows = {(row.resolution_s, row.start): row for row in merge_samples(samples)}
    minute = rows[60, 60]
    assert (minute.count, minute.total, minute.least, minute.most, minute.last) == (3, 9.0, 2.0, 4.0, 3.0)
    assert (rows[60, 120].count, rows[60, 120].last) == (1, 9.0)
    assert set(rows) == {(60, 60), (60, 120), (3600, 0), (86400, 0)}
    hour = rows[3600, 0]
    assert (hour.count, hour.total, hour.least, hour.most, hour.last) == (4, 18.0, 2.0, 9.0, 9.0)


def test_subjects_and_metrics_stay_apart_in_one_order() -> None:
    rows = merge_samples([GaugeSample(0.0, subject, metric, 1.0) for subject in "ba" for metric in ("y", "x")])
    keys = [(row.subject, row.metric) for row in rows if row.resolution_s == 60]
    assert keys == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    assert merge_samples([]) == []


def settled(guards: str, at: float = 61.0, key: str = "k") -> dict[str, Any]:
    return {"settled_at": at, "guards": guards, "key_id": key}


def minutes(rows: list[GaugeRow]) -> dict[tuple[int, str, str], float]:
    return {(row.start, row.subject, row.metric): row.total for row in rows if row.resolution_s == 60}


@pytest.mark.parametrize(
    ("receipt", "expected"),
    [
        ("pii=allow", {"guard_checks": 1}),
        ("pii@2.1f3a=block", {"guard_checks": 1, "guard_blocks": 1}),
        ("pii:answer=rewrite", {"guard_checks": 1, "guard_rewrites": 1}),
        ("pii@1=allow(warned: two numbers)", {"guard_checks": 1, "guard_warnings": 1}),
        ("pii@1=allow(observed: x, y=z)", {"guard_checks": 1, "guard_warnings": 1}),
        ("pii@1=allow(failed)", {"guard_checks": 1, "guard_failures": 1}),
        ("pii@1=allow(off)", {}),
        ("unread=input_audio+image", {}),
        ("", {}),
    ],
)
def test_a_receipt_counts_by_what_its_guard_said(receipt: str, expected: dict[str, float]) -> None:
    rows = count_verdicts([settled(receipt)])
    assert minutes(rows) == {(60, "pii", metric): value for metric, value in expected.items()}


def test_verdicts_add_up_by_minute_hour_and_day_without_copies_of_requests() -> None:
    requests = [settled("a=block", at) for at in (61.0, 62.0, 130.0)] + [
        settled("a=allow, b=block"),
        settled("a=block", 61.0, "shadow"),
    ]
    rows = count_verdicts(requests)
    assert minutes(rows) == {
        (60, "a", "guard_blocks"): 2, (60, "a", "guard_checks"): 3, (60, "b", "guard_blocks"): 1,
        (60, "b", "guard_checks"): 1, (120, "a", "guard_blocks"): 1, (120, "a", "guard_checks"): 1,
    }  # fmt: skip
    (day,) = [row for row in rows if (row.resolution_s, row.subject, row.metric) == (86400, "a", "guard_blocks")]
    assert (day.start, day.count, day.total, day.last) == (0, 3, 3.0, 1.0)
    keys = [(row.resolution_s, row.start, row.subject, row.metric) for row in rows]
    assert keys == sorted(keys)


def test_a_verdict_is_counted_as_one_each_time() -> None:
    """Each is 1, so that the least, the most and the last are, too; three of them add up to 3."""
    rows = [row for row in count_verdicts([settled("pii=allow")] * 3) if row.resolution_s == 60]
    (row,) = rows
    assert (row.count, row.total, row.least, row.most, row.last) == (3, 3.0, 1.0, 1.0, 1.0)
