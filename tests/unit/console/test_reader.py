"""Numbers and times as their readers write them; separators are CLDR 46's."""

import pytest

from steward.console.reader import Reader, find_reader, find_zone


@pytest.mark.parametrize(
    ("language", "text"), [("en", "1,234,567.5"), ("de", "1.234.567,5"), ("fr", "1\u202f234\u202f567,5")]
)
def test_separators_are_the_languages(language: str, text: str) -> None:
    assert Reader(language=language).number(1234567.5, 1) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.5, "0.50"), (9.5, "9.5"), (9999, "9,999"), (10000, "10.0k"), (2.5e9, "2.50G")]
)
def test_large_numbers_have_three_figures(value: float, text: str) -> None:
    assert Reader().compact(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.0099, "9.9 ms"), (0.01, "10 ms"), (1, "1.0 s"), (9.99, "10.0 s"), (59, "59 s"), (60, "1 min")],
)
def test_durations_have_the_unit_that_fits(seconds: float, text: str) -> None:
    assert Reader().duration(seconds) == text


def test_summer_time_is_the_zones() -> None:
    assert Reader(zone="Europe/Berlin").moment(1_751_328_000) == "1 Jul 2025, 02:00"  # 2025-07-01T00:00Z
    assert Reader(zone="Europe/Berlin").moment(1_735_689_600) == "1 Jan 2025, 01:00"


@pytest.mark.parametrize("zone", ["../../etc/passwd", "/etc/localtime", "Nowhere/Land", "", "<b>", "Europe", "A" * 99])
def test_a_zone_that_is_none_is_utc(zone: str) -> None:
    assert find_zone(zone) is None and find_reader({"steward_zone": zone}, "").zone == "UTC"


def test_a_hostile_language_is_english() -> None:
    assert find_reader({}, "<script>;q=1").language == "en" and find_reader({}, "").language == "en"


def test_labels_of_days_are_utcs() -> None:
    assert Reader(zone="Asia/Tokyo").ticks([0, 86400], 86400) == ["1 Jan", "2 Jan"]
    assert Reader(zone="Asia/Tokyo").ticks([0, 3600], 3600) == ["09:00", "10:00"]
    assert Reader().ticks([0, 7200, 3 * 86400], 7200)[-1] == "4 Jan 00:00"
