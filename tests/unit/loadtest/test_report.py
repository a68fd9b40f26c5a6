import msgspec
import pytest

from steward.core.load_report import ClientHealth, LoadPoint, LoadReport, Quantiles, Samples, Track
from steward.loadtest.page_format import TimeUnit, choose_unit
from steward.loadtest.report import describe_result, describe_verdict, interpolate, render_report, resample

HEALTH = ClientHealth(late_ms=Quantiles(p50=0.5, p99=1.0), loop_lag_ms=Quantiles(p99=1.0), cpu_share=0.2)
TTFT = Quantiles(n=42, mean=30.0, p50=25.0, p90=40.0, p95=48.9, p99=60.0, max=70.0)
GOOD = LoadReport(
    url="http://h/v1", model="<m>", arrival="poisson", started_at=0.0, duration_s=9.0, requested_rate=5.0,
    achieved_rate=5.013, sent=42, answered=42, failed=0, valid=True, client=HEALTH, ttft_ms=TTFT, ttfo_ms=TTFT,
    e2e_ms=msgspec.structs.replace(TTFT, p99=400.0), tpot_ms=Quantiles(), tokens_from="usage",
    samples=Samples(ttft_ms=tuple(float(n) for n in range(42)), e2e_ms=tuple(float(n) for n in range(42))),
    series=(LoadPoint(at_s=0.0, sent=42, answered=42, failed=0, in_flight=2.0, output_tokens=5),),
)  # fmt: skip


def changed(**fields):
    return msgspec.structs.replace(GOOD, **fields)


def test_l4_the_title_says_of_how_many():
    assert describe_result(GOOD, TimeUnit()) == (
        "95 % of 42 answers had their first token within 48.9 ms at 5.013 requests per second"
    )
    enough = changed(ttft_ms=msgspec.structs.replace(TTFT, n=20))
    assert describe_result(enough, TimeUnit()).startswith("95 % of 20 answers")
    few = changed(ttft_ms=msgspec.structs.replace(TTFT, n=19))
    assert describe_result(few, TimeUnit()) == "19 answers: first token within 70 ms at 5.013 requests per second"
    one = changed(ttft_ms=msgspec.structs.replace(TTFT, n=1), requested_concurrency=1)
    assert describe_result(one, TimeUnit()) == "1 answer: first token within 70 ms at 1 user"
    whole = changed(ttft_ms=Quantiles(), arrival="burst")
    assert describe_result(whole, TimeUnit()).startswith(
        "95 % of 42 answers had their answer within 48.9 ms at 42 requests"
    )
    assert describe_result(changed(ttft_ms=Quantiles(), e2e_ms=Quantiles()), TimeUnit()) == "No request was answered"


@pytest.mark.parametrize(
    "fields, head, style",
    [
        ({}, "Valid", ""),
        ({"slo": "x", "slo_met": True}, "Objective met", ""),
        ({"slo": "x", "slo_met": False}, "Objective missed", "no"),
        ({"slo": "x", "slo_met": None}, "Undecided", "maybe"),
        ({"partial": True}, "Partial", "maybe"),
        ({"valid": False, "slo": "x", "slo_met": True}, "Invalid", "no"),
    ],
)
def test_l7_green_only_where_all_that_was_asked_for_is_met(fields, head, style):
    found = describe_verdict(changed(**fields))
    assert found[0].startswith(head) and found[1] == style


def test_l4_the_percentiles_are_those_that_the_answers_can_tell():
    assert "Percentiles of 42 answers, ms" in render_report(GOOD)
    for answered, shown, hidden in (
        (42, ("p50", "p75", "p90", "p95"), "p99"),
        (100, ("p99",), "p99.9"),
        (1000, ("p99.9",), "p15"),
    ):
        page = render_report(changed(answered=answered))
        axis = [
            name for name in ("p15", "p50", "p75", "p90", "p95", "p99", "p99.9") if f'middle">{name}</text>' in page
        ]
        assert set(shown) <= set(axis) and hidden not in axis


def test_l7_all_latencies_of_a_page_have_one_unit():
    slow = msgspec.structs.replace(TTFT, p50=22_600.0, p95=43_494.0, p99=50_000.0)
    page = render_report(changed(ttft_ms=slow))
    assert "43.5 s" in page and "22.6 s" in page and "43,494 ms" not in page and "Time to first token, s" in page
    assert choose_unit([slow.p99]).name == "s"


def test_the_page_escapes_names_and_says_invalid_first():
    page = render_report(changed(valid=False, invalid_reasons=("late & slow",)))
    assert "<m>" not in page and "&lt;m&gt;" in page and page.index("Invalid:") < page.index("Latencies")
    assert "late &amp; slow" in page and "<script" not in page


def test_what_was_not_measured_has_no_row():
    page = render_report(GOOD)
    assert "<td>Time per output token</td>" not in page and "<td>Time to first output token</td>" not in page
    reasoning = render_report(changed(ttfo_ms=msgspec.structs.replace(TTFT, p50=90.0)))
    assert "<td>Time to first output token</td>" in reasoning


def test_intervals_errors_and_tracks_are_shown():
    tracks = (
        Track(name="requests running", source="server", unit="requests", at_s=(1.0,), values=(3.0,)),
        Track(name="GPU 0 power", source="gpu", unit="W", at_s=(1.0,), values=(300.0,)),
    )
    ttft = msgspec.structs.replace(TTFT, intervals={"p95": (44.0, 55.0)})
    page = render_report(changed(errors={"http_429": 1200}, tracks=tracks, ttft_ms=ttft))
    assert "<td>http_429</td>" in page and "1,200" in page and "<small>44 – 55</small>" in page
    assert "Server: requests running, requests" in page and "GPU power, W" in page


def test_a_track_is_resampled_to_equal_steps():
    track = Track(name="x", source="server", at_s=(0.0, 0.9, 1.0, 3.99, 4.0), values=(1.0, 2.0, 3.0, 4.0, 5.0))
    assert resample(track, 4, 4.0) == (2.0, 3.0, None, 4.0)


@pytest.mark.parametrize("quantile, value", [(0.0, 1.0), (0.25, 2.0), (0.9, 4.6), (1.0, 5.0)])
def test_percentiles_interpolate_as_numpys_do(quantile, value):
    assert interpolate([1.0, 2.0, 3.0, 4.0, 5.0], quantile) == pytest.approx(value)


def test_a_page_without_first_tokens_shows_whole_answers():
    page = render_report(changed(ttft_ms=Quantiles(), ttfo_ms=Quantiles()))
    assert "End to end, p95" in page and "Time to first token, p95" not in page
    nothing = render_report(changed(ttft_ms=Quantiles(), e2e_ms=Quantiles(), answered=0, samples=Samples()))
    assert "Time to first token, p95" in nothing and "End to end, p95" not in nothing
    assert "Time to first token, p95" in render_report(GOOD)


def test_goodput_stands_where_there_is_an_objective():
    assert "Goodput" in render_report(changed(goodput_rate=4.5, slo="ttft<1s")) and "4.5/s" in render_report(
        changed(goodput_rate=4.5, slo="ttft<1s")
    )
    plain = render_report(GOOD)
    assert "Goodput" not in plain and "0 failed of 42 requests" in plain


def test_a_title_needs_a_number():
    found = msgspec.structs.replace(TTFT, max=None)
    assert describe_result(changed(ttft_ms=found), TimeUnit()) == "No request was answered"


def test_l4_the_report_says_too_few_where_the_chart_leaves_a_percentile_out():
    few = msgspec.structs.replace(TTFT, n=12, p95=None, p99=None)
    page = render_report(changed(answered=12, ttft_ms=few, ttfo_ms=few, e2e_ms=few))
    row = page[page.index("<td>Time to first token</td>") :].split("</tr>")[0]
    assert row.count("too few") == 3  # p95, p99 and p99.9
    assert "12 answers: p50 25 ms, the largest 70 ms" in page
    assert 'middle">p95</text>' not in page


def test_l4_steps_of_few_answers_show_their_largest_instead_of_a_p95():
    few = LoadPoint(
        at_s=0.0, sent=3, answered=3, failed=0, in_flight=1.0, output_tokens=5, e2e_p50_ms=20.0, e2e_max_ms=33.0
    )
    many = msgspec.structs.replace(few, answered=20, e2e_p95_ms=30.0)
    for points, shown in (((few, few, many), "largest"), ((few, many, many), "p95"), ((few, many), "largest")):
        page = render_report(changed(series=points))
        chart = page[page.index("<h2>End to end, ms") :].split("</figure>")[0]
        assert f"</span>{shown}</li>" in chart


def steps(*sent, step_s=2.0):
    """A run of steps of two seconds, each with so many requests and 10 tokens for each."""
    return changed(
        series_step_s=step_s,
        series=tuple(
            LoadPoint(at_s=step_s * n, sent=count, answered=count, failed=count // 2, in_flight=float(n),
                      output_tokens=10 * count) for n, count in enumerate(sent)
        ),
    )  # fmt: skip


def chart_of(page, title):
    chart = page[page.index(title) :]
    return chart[: chart.index("</figure>")]


def test_rates_are_counts_over_the_width_of_a_step_and_end_with_the_last_request():
    page = render_report(steps(8, 4, 0))
    rates = chart_of(page, "Requests per second")
    assert ">4<" in rates and "4.0" not in rates
    assert ">40<" in chart_of(page, "Output tokens per second")


def test_charts_stand_in_pairs():
    """With a time to first token there are six; without one five, of which the last is left out."""
    assert render_report(GOOD).count("<svg") == 2 * 6
    assert render_report(changed(ttft_ms=Quantiles(), samples=Samples(e2e_ms=(1.0,)))).count("<svg") == 2 * 4


def test_pages_the_connections_say_how_long_they_took_once():
    client = msgspec.structs.replace(
        GOOD.client, connections=1_023, connect_ms=msgspec.structs.replace(TTFT, n=4, p50=0.4)
    )
    assert "<td>1,023, those opened during the run in 0.4 ms (p50)</td>" in render_report(changed(client=client))
    client = msgspec.structs.replace(client, connect_ms=Quantiles())
    assert "<td>1,023</td>" in render_report(changed(client=client))
