from steward.core.gauges import GaugeSample, merge_samples


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
