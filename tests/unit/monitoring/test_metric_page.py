"""An answer as a page."""

from __future__ import annotations

import msgspec
import pytest

from steward.monitoring.metric_answer import MetricAnswer, MetricGroup, MetricPoint
from steward.monitoring.metric_page import choose_time_pattern, format_value, make_metric_page, name_group


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "s", "–"), (0.9994, "s", "999 ms"), (1.0, "s", "1.00 s"), (0.985, "share", "98.50 %"),
        (0.5, "USD", "$0.5000"), (1.0, "USD", "$1.00"), (1234.5, "USD", "$1,234.50"), (1234.6, "tokens", "1,235"),
        (3.0, "requests", "3"), (0.1234, "requests/s", "0.123"), (100.0, "tokens", "100"), (99.5, "tokens", "99.5"),
    ],
)  # fmt: skip
def test_values_as_people_read_them(value: float | None, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


def answer(*groups: MetricGroup) -> MetricAnswer:
    return MetricAnswer(
        query="ttft p95 by model", unit="s", since=0, until=7200, resolution_s=3600, by=("model",), relative_error=0.01,
        groups=groups,
    )  # fmt: skip


def test_the_page_names_groups_times_and_the_error() -> None:
    points = (MetricPoint(0, 0.25, 3), MetricPoint(3600, None, 0))
    page = make_metric_page(answer(MetricGroup({"model": "<m>"}, 0.25, 3, points)))
    assert "&lt;m&gt;" in page and "<m>" not in page
    assert "250 ms" in page and "01-01 00:00" in page and "1970-01-01 00:00 to 1970-01-01 02:00 UTC" in page
    assert "within 1% of the exact ones" in page


def test_a_page_about_nothing() -> None:
    assert "No requests in this time." in make_metric_page(answer())


def test_names_of_groups() -> None:
    assert name_group(MetricGroup({}, None, 0, ())) == "all"
    assert name_group(MetricGroup({"model": "m", "key": "k"}, None, 0, ())) == "m, k"


def test_times_below_a_chart_are_short() -> None:
    spans = ((60, 7200), (3600, 90_000), (3600, 90_001), (86_400, 90 * 86_400))
    assert [choose_time_pattern(*span) for span in spans] == ["%H:%M", "%H:%M", "%d. %H:%M", "%Y-%m-%d"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(2**20, "1.0 MiB"), (2**30 - 1, "1,024.0 MiB"), (2**30, "1.00 GiB"), (1536 * 2**30, "1,536.00 GiB")],
)
def test_bytes_are_mebibytes_and_from_one_on_gibibytes(value: float, text: str) -> None:
    assert format_value(value, "bytes") == text


def test_shares_have_their_interval_or_a_dash() -> None:
    groups = (MetricGroup({"model": "m"}, 0.5, 10, (), 0.237, 0.763), MetricGroup({"model": "n"}, None, 0, ()))
    page = make_metric_page(msgspec.structs.replace(answer(*groups), unit="share"))
    assert "<td>23.7-76.3 %</td>" in page.replace(' class="number"', "") or "23.7-76.3 %" in page
    assert "95 % interval" in page and "50.00 %" in page and "–" in page
    assert "95 % interval" not in make_metric_page(answer(MetricGroup({}, 0.25, 1234, ())))
    assert "1,234" in make_metric_page(answer(MetricGroup({}, 0.25, 1234, ())))
