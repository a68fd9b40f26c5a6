"""Figures and heat maps of traffic; values by hand."""

import re

from steward.console.reader import Reader
from steward.console.time_range import TimeRange
from steward.console.traffic_view import SHADES, TrafficCharts, label_heat, list_figures, make_heat_rows
from steward.core.acts import RecordedAct
from steward.monitoring.slo import SloKind, SloPlan
from steward.monitoring.traffic import Traffic, TrafficGroup, TrafficSums

READER, TIME = Reader(), TimeRange(since=0.0, until=240.0, name="1h")


def sums(p95_s: float | None = None) -> TrafficSums:
    return TrafficSums(p95_s=p95_s)


def traffic(*points: TrafficSums, **groups: list[TrafficSums]) -> Traffic:
    named = tuple(TrafficGroup(name, TrafficSums(), tuple(of)) for name, of in groups.items())
    starts = tuple(range(0, 60 * len(points), 60))
    return Traffic(step_s=60, starts=starts, total=TrafficSums(), points=points, groups={"model": named})


def test_what_was_not_measured_is_a_dash() -> None:
    figures = {one.name: one for one in list_figures(TrafficSums(), None, READER)}
    assert {figures[name].value for name in ("Errors", "Latency p95", "Satisfied", "Spend")} == {"–"}
    assert figures["Satisfied"].note == "no ratings" and figures["Requests"].before == ""
    assert figures["First token p95"].note == "no streamed answers" and figures["Latency p95"].note == ""
    known = {one.name: one.note for one in list_figures(TrafficSums(p50_s=0.5, ttft_p95_s=0.2), None, READER)}
    assert (known["First token p95"], known["Latency p95"]) == ("streamed answers", "half within 500 ms")


def test_each_figure_says_what_it_was_before() -> None:
    now = TrafficSums(requests=100, judged=80, failed=2, rated=10, satisfied=9, usd=1.5, p50_s=1.0, p95_s=2.0)
    before = TrafficSums(requests=50, judged=50, failed=1)
    figures = {one.name: one for one in list_figures(now, before, READER)}
    assert (figures["Requests"].value, figures["Requests"].before, figures["Requests"].note[:2]) == ("100", "50", "20")
    assert (figures["Errors"].value, figures["Errors"].before) == ("2.50 %", "2.00 %")
    # Wilson's interval of 9 of 10 is 59.6 % to 98.2 % (Wilson 1927; Brown, Cai and DasGupta 2001 table the method)
    assert figures["Satisfied"].note == "59.6 % to 98.2 %, 10 ratings"


def test_charts_draw_thresholds_and_what_changed() -> None:
    act = RecordedAct(at=60.0, actor="operator:1", action="config.serve", subject="<config>", entry=1)
    slo = SloPlan(name="whole", kind="total", objective=0.9, threshold=8.0)
    charts = TrafficCharts(traffic(sums(1.0), sums(2.0)), traffic(sums(3.0)), READER, acts=[act], slos=[slo])
    text = str(charts.latency())
    assert "whole: 8.0 s" in text and "config.serve &lt;config&gt;, 1 Jan 1970, 00:01" in text
    assert "p95 before" in text and "<config>" not in text
    assert "left or refused" not in str(charts.requests())


def test_requests_are_those_that_were_answered_those_that_failed_and_the_others() -> None:
    chart = str(TrafficCharts(traffic(TrafficSums(requests=12, judged=9, failed=3), sums()), None, READER).requests())
    assert "<td>6</td><td>3</td><td>3</td>" in chart and "left or refused" in chart


def test_an_act_is_drawn_at_its_part_of_the_time() -> None:
    hour = Traffic(step_s=60, starts=(600, 660, 720, 780), total=TrafficSums(), points=(), groups={})
    acts = [
        RecordedAct(at=at, actor="a", action="x", subject="y", entry=1) for at in (599.0, 600.0, 660.0, 839.0, 840.0)
    ]
    places = [event.place for event in TrafficCharts(hour, None, READER, acts=acts)._events]
    assert places == [0.0, 0.25, 239 / 240]  # the first and the last lie outside of [600, 840)


def test_each_chart_draws_the_first_three_objectives_of_its_kind() -> None:
    kinds: tuple[SloKind, ...] = ("total", "ttft", "cost")
    slos = [
        SloPlan(name=f"{kind}-{number}", kind=kind, objective=0.9, threshold=8.0)
        for kind in kinds for number in range(4)
    ]  # fmt: skip
    slos += [SloPlan(name=f"up-{number}", kind="availability", objective=0.99) for number in range(4)]
    slos += [SloPlan(name=f"liked-{number}", kind="satisfaction", objective=0.8) for number in range(4)]
    point = TrafficSums(p95_s=1.0, ttft_p95_s=1.0, judged=2, failed=1, rated=2, satisfied=1)
    charts = TrafficCharts(traffic(point, point), None, READER, slos=slos)
    for chart, kind in (
        (charts.latency(), "total"), (charts.first_token(), "ttft"), (charts.errors(), "up"),
        (charts.satisfaction(), "liked"),
    ):  # fmt: skip
        assert [slo.name for slo in slos if f"{slo.name}:" in chart] == [f"{kind}-0", f"{kind}-1", f"{kind}-2"]


def test_whole_percentages_fit_beside_the_axis() -> None:
    for failed, marks in ((0, {"0 %", "100 %"}), (1, {"0 %", "0.10 %", "0.20 %", "0.30 %", "0.25 %"})):
        drawn = str(TrafficCharts(traffic(*[TrafficSums(judged=400, failed=failed)] * 2), None, READER).errors())
        assert {" ".join(mark.split()) for mark in re.findall(r">([\d.]+\s%)<", drawn)} == marks


def test_an_act_of_another_time_is_not_drawn() -> None:
    act = RecordedAct(at=6000.0, actor="a", action="config.serve", subject="config", entry=1)
    assert "config.serve" not in str(TrafficCharts(traffic(sums()), None, READER, acts=[act]).errors())


def test_a_heat_map_is_darker_where_it_is_slower() -> None:
    one = traffic(sums(), sums(), **{"fast": [sums(1.0), sums(None)], "slow": [sums(5.0), sums(10.0)]})
    rows = make_heat_rows(one, "model", {}, TIME, {"route": "r"}, READER)
    assert [[cell.shade for cell in row.cells] for row in rows] == [[1, 0], [3, SHADES]]
    assert rows[0].link == "range=1h&route=r&model=fast" and rows[0].cells[1].text == ""
    assert label_heat(one, READER) == ["00:00", "00:01"]


def test_many_points_become_a_dozen_columns_of_their_slowest() -> None:
    points = [sums(float(number)) for number in range(24)]
    row = make_heat_rows(traffic(*points, m=points), "model", {}, TIME, {}, READER)[0]
    assert [cell.text for cell in row.cells][:2] == ["1.0 s", "3.0 s"] and len(row.cells) == 12
    more = traffic(*points, sums(24.0), m=[*points, sums(24.0)])  # 25 points: three to a column
    assert [cell.text for cell in make_heat_rows(more, "model", {}, TIME, {}, READER)[0].cells][-2:] == ["23 s", "24 s"]
    assert len(label_heat(more, READER)) == 9
    many = traffic(sums(1.0), **{f"m{number:02}": [sums(1.0)] for number in range(13)})
    assert [row.name for row in make_heat_rows(many, "model", {}, TIME, {}, READER)][-1] == "m11"


def test_charts_name_their_step_and_the_failures_that_an_objective_allows() -> None:
    """Of 99.5 % half a percent may fail."""
    slo = SloPlan(name="up", kind="availability", objective=0.995)
    failing = TrafficSums(judged=100, failed=1)
    assert "up: 0.50 %" in str(TrafficCharts(traffic(failing, failing), None, READER, slos=[slo]).errors())
    minutes = traffic(sums(), sums())
    days = Traffic(step_s=86_400, starts=(0, 86_400), total=TrafficSums(), points=(sums(), sums()), groups={})
    titles = [str(TrafficCharts(shown, None, READER).requests()) for shown in (minutes, days)]
    assert "Requests per 1 min<" in titles[0] and "Requests per day, UTC<" in titles[1]


def test_what_the_time_before_had_stands_in_its_own_line_and_is_cut_to_the_points_of_now() -> None:
    before = traffic(*[TrafficSums(p95_s=1.0, ttft_p95_s=1.0, judged=2, failed=1)] * 3)
    now = traffic(sums(), sums())
    charts = TrafficCharts(now, before, READER)
    assert [line.values for line in (charts._line("p95", "e", lambda one: one.p95_s, before),)] == [(1.0, 1.0)]
    assert charts._line("p95", "e", lambda one: one.p95_s, traffic(sums(1.0))).values == (1.0, None)
    alone = TrafficCharts(traffic(sums(), sums()), None, READER)
    for name in ("latency", "errors", "first_token"):
        assert "before" in getattr(charts, name)() and "before" not in getattr(alone, name)(), name


def test_shares_of_failures_have_two_decimals_unless_both_are_zero() -> None:
    say = TrafficCharts(traffic(sums()), None, READER)._say_share
    shares = (0.0, 0.5, 0.50004, 0.50006, 0.005, 1.0, None)
    assert [say(share) for share in shares] == ["0 %", "50 %", "50 %", "50.01 %", "0.50 %", "100 %", "–"]
