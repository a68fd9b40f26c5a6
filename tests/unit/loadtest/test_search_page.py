import msgspec

from steward.loadtest.search import FindMax, RateTrial
from steward.loadtest.search_page import render_find_max, render_sweep
from steward.loadtest.slo import TermResult
from steward.loadtest.sweep import SweepPoint, summarize_sweep

TERM = TermResult(
    term="ttft_p95<250ms", answer="holds", share_over=0.01, low=0.0, high=0.03, allowed=0.05, n=150, value=180.0,
    value_low=150.0, value_high=220.0,
)  # fmt: skip
OVER = msgspec.structs.replace(TERM, answer="fails", share_over=0.6, low=0.5, high=0.7, value=900.0)
TRIALS = (
    RateTrial(rate=80.0, answer="holds", why="1.0% over", answered_rate=79.0, terms=(TERM,), sent=150),
    RateTrial(rate=160.0, answer="fails", why="<behind>", answered_rate=99.0, terms=(OVER,), sent=320),
)
FOUND = FindMax(
    slo=TERM.term, rate=80.0, fails_at=160.0, verdict="found", interval=(80.0, 160.0), trials=TRIALS, model="m"
)


def test_the_page_marks_the_rate_that_was_chosen_and_shows_each_trial():
    html = render_find_max(FOUND)
    assert "80 requests per second meet ttft_p95&lt;250ms" in html and "&lt;behind&gt;" in html
    assert "clearly met up to 80 and clearly missed from 160" in html and "60 %" in html and "the rate lies" not in html


def test_l3_the_page_shows_latency_against_rate():
    html = render_find_max(FOUND)
    assert "ttft p95, ms, by requests per second" in html and "Requests beyond ttft_p95&lt;250ms" in html
    assert html.count("<circle") == 2 * 5  # the rate, and two charts of two trials, each drawn twice
    assert html.count('class="mark"') == 2 * 3 and "whisker open" not in html


def test_l3_an_end_that_is_open_is_an_arrow_and_says_so():
    few = msgspec.structs.replace(TERM, value_high=None)
    trials = (msgspec.structs.replace(TRIALS[0], terms=(few,)),)
    html = render_find_max(msgspec.structs.replace(FOUND, trials=trials))
    assert html.count("whisker open") == 2 and "arrow: too few answers for an upper end" in html
    latency = html[html.index("<h2>ttft p95") :].split("</figure>")[0]
    assert "<td>180</td><td>150</td><td>no end</td>" in latency.replace("\n", "")


def test_l3_at_least_is_an_arrow():
    found = msgspec.structs.replace(
        FOUND, verdict="no_limit_found", fails_at=None, reason="r", interval=(76.0, None), trials=TRIALS[:1]
    )
    html = render_find_max(found)
    assert "At least 80 requests per second" in html and "not found" in html and "76/s" in html and "–/s" not in html
    assert html.count("whisker open") == 2 and "arrow: no end found" in html


def test_l7_the_charts_and_the_table_have_one_unit():
    slow = msgspec.structs.replace(OVER, value=43494.0, value_low=43000.0, value_high=44000.0)
    trials = (TRIALS[0], msgspec.structs.replace(TRIALS[1], terms=(slow,), ttft_p95_ms=22600.0))
    html = render_find_max(msgspec.structs.replace(FOUND, trials=trials))
    assert "ttft p95, s, by requests per second" in html and "TTFT p95, s" in html
    assert "43,494" not in html and "43.5" in html and "22.6" in html
    latency = html[html.index("<h2>ttft p95") :].split("</figure>")[0]
    assert "<td>43.5</td><td>43</td><td>44</td>" in latency.replace("\n", "")


def test_terms_without_a_value_have_only_their_share():
    errors = msgspec.structs.replace(TERM, term="error_rate<1%", value=None)
    trials = (msgspec.structs.replace(TRIALS[0], terms=(errors,)),)
    assert render_find_max(msgspec.structs.replace(FOUND, trials=trials)).count("<svg") == 2 * 2
    speed = msgspec.structs.replace(TERM, term="tps_p5>20")
    trials = (msgspec.structs.replace(TRIALS[0], terms=(speed,)),)
    assert "tps p5, tokens per second" in render_find_max(msgspec.structs.replace(FOUND, trials=trials))


def test_a_search_without_an_answer_says_why():
    html = render_find_max(FindMax(slo="x", rate=None, fails_at=None, verdict="too_noisy", reason="too noisy here"))
    assert "<circle" not in html and "No answer for x: too noisy here" in html


def sweep(e2e_ms=900.0, **fields):
    points = [
        SweepPoint(
            rate=rate, concurrency=None, achieved_rate=rate, answered_rate=min(rate, 5.0), output_tok_s=1.0,
            concurrency_mean=1.0, failed=0, ttft_p50_ms=1.0, ttft_p95_ms=2.0, tpot_p50_ms=None, tpot_p95_ms=None,
            e2e_p50_ms=800.0, e2e_p95_ms=e2e_ms, saturated=rate > 5, valid=True,
        )
        for rate in (1.0, 4.0, 6.5)
    ]  # fmt: skip
    return msgspec.structs.replace(summarize_sweep("m", "u", "poisson", points), **fields)


def test_l7_a_sweep_draws_throughput_against_latency_on_numeric_axes():
    html = render_sweep(sweep())
    assert "Latency against throughput: end to end p95, ms, by answers per second" in html
    assert (
        "The server kept up with 4 requests per second and was saturated from 6.5" in html
        and "<td>saturated</td>" in html
    )
    assert html.count("<svg") == 2 * 4 and "sweep of 3 steps" in html
    assert html.count("<circle") == 2 * 3 and html.count("<polyline") == 2 * (
        1 + 2
    )  # no time per output token was measured


def test_notes_and_long_latencies():
    html = render_sweep(sweep(e2e_ms=43_494.0, notes=("<late>",)))
    assert "&lt;late&gt;" in html and "43.5" in html and "TTFT p50, s" in html
