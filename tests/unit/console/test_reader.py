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


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (99.5, "99.5"), (100.4, "100"), (0.999, "1.00"), (1.5, "1.5"), (9999.4, "9,999"), (-0.5, "-0.50"),
     (-10000, "-10.0k"), (-2e6, "-2.00M"),
     (99_940, "99.9k"), (100_400, "100k"), (10_400_000, "10.4M"),
     (123_456, "123k"), (1e6, "1.00M"), (1e9, "1.00G"), (999e6, "999M"), (1e12, "1.00T"),
     (1e15, "1,000T")],
)  # fmt: skip
def test_compact_numbers_change_their_unit_at_each_thousand(value: float | None, text: str) -> None:
    assert Reader().compact(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "$0"),
        (0.0512, "$0.051"),
        (0.000004, "$0.0000040"),
        (1e-12, "$0.000000000"),  # nine digits at most
        (0.1, "$0.10"),
        (999.994, "$999.99"),
        (1000, "$1,000"),
    ],
)
def test_small_amounts_have_two_digits_that_say_something_and_large_ones_none(value: float | None, text: str) -> None:
    assert Reader().usd(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.999, "999 ms"), (10, "10 s"), (59.4, "59 s"), (61, "1 min 1 s"), (3599, "59 min 59 s"),
     (3600, "1 h"), (3660, "1 h 1 min"), (86399, "23 h 59 min"), (86400, "1 d"), (90000, "1 d 1 h")],
)  # fmt: skip
def test_durations_change_their_unit_at_each_minute_hour_and_day(seconds: float | None, text: str) -> None:
    assert Reader().duration(seconds) == text


def test_what_is_not_known_has_no_time() -> None:
    reader = Reader()
    assert [reader.clock(None), reader.day(None), reader.moment(None), reader.share(None)] == ["–"] * 4
    assert (
        reader.ago(None, 1.0) == "never" and reader.ago(5.0, 5.0) == "0 ms ago" and reader.ago(6.0, 5.0) == "in 1.0 s"
    )
    assert reader.share(0.0123) == "1.2 %" and reader.share(0.99987, 2) == "99.99 %"


def test_clocks_of_twelve_and_twenty_four_hours() -> None:
    assert (Reader().clock(46805), Reader().clock(46805, seconds=True)) == ("13:00", "13:00:05")
    early = Reader(hours12=True)
    assert (early.clock(46805), early.clock(46805, seconds=True), early.clock(0)) == (
        "1:00 PM",
        "1:00:05 PM",
        "12:00 AM",
    )
    assert Reader().short(5) == "1 Jan, 00:00:05" and Reader().field(60) == "1970-01-01T00:01"


@pytest.mark.parametrize(
    ("languages", "language", "hours12"),
    [("en-US", "en", True), ("en-gb,de", "en", False), ("EN-CA;q=1", "en", True), ("fil", "fil", False),
     ("abcd", "en", False), ("x1", "en", False), ("fr-CH, en;q=0.5", "fr", False)],
)  # fmt: skip
def test_the_first_language_of_the_browser_counts(languages: str, language: str, hours12: bool) -> None:
    reader = find_reader({}, languages)
    assert (reader.language, reader.hours12) == (language, hours12)


def test_more_than_two_days_of_hours_name_the_day() -> None:
    assert Reader().ticks([0, 2 * 86400], 7200)[-1] == "00:00"
    assert Reader().ticks([0, 2 * 86400 + 60], 7200)[-1] == "3 Jan 00:01"
    assert Reader().ticks([864_000, 867_600], 3600) == ["00:00", "01:00"]
    assert Reader().ticks([], 60) == [] and Reader().ticks([0, 86399], 86399)[-1] == "23:59"


@pytest.mark.parametrize(("cookie", "theme"), [("light", "light"), ("dark", "dark"), ("<x>", ""), ("", "")])
def test_a_theme_is_one_of_two(cookie: str, theme: str) -> None:
    assert find_reader({"steward_theme": cookie}, "").theme == theme
