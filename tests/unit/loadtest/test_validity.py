import msgspec
import pytest

from steward.core.load_report import ClientHealth, LoadReport, Quantiles
from steward.loadtest.recorder import SenderStats, TokenTotals
from steward.loadtest.report import render_report
from steward.loadtest.validity import RunFacts, collect_warnings, find_invalid_reasons

HEALTH = ClientHealth(late_ms=Quantiles(p99=1.0), loop_lag_ms=Quantiles(p99=1.0), cpu_share=0.2)
GOOD = LoadReport(
    url="http://h/v1", model="<m>", arrival="poisson", started_at=0.0, duration_s=60.0, requested_rate=10.0,
    achieved_rate=10.0, sent=600, answered=600, failed=0, valid=True, client=HEALTH, ttft_ms=Quantiles(n=600, p95=50.0),
    output_tokens_mean=128.0, tokens_from="usage",
)  # fmt: skip


FACTS = RunFacts(budget_ms=10.0, scheduled_rate=10.0)


def changed(**fields):
    health = {name: fields.pop(name) for name in list(fields) if name in ClientHealth.__struct_fields__}
    return msgspec.structs.replace(GOOD, client=msgspec.structs.replace(HEALTH, **health), **fields)


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"late_ms": Quantiles(p99=11.0)}, "p99 of actual - intended send is 11.0 ms, the budget is 10 ms"),
        ({"loop_lag_ms": Quantiles(p99=30.0)}, "event loop lagged"),
        ({"cpu_share": 0.95}, "95% of a core"),
        ({"achieved_rate": 9.5}, "9.50 requests per second were sent, 10.00 were scheduled"),
        ({"dispersion_asked": 1.0, "dispersion_achieved": 1.3}, "index of dispersion is 1.30, 1.00 was scheduled"),
    ],
)
def test_each_reason_alone_makes_a_run_invalid(fields, said):
    (reason,) = find_invalid_reasons(changed(**fields), FACTS)
    assert said in reason


def test_a_good_run_is_valid_and_one_without_answers_is_not():
    assert find_invalid_reasons(GOOD, FACTS) == ()
    assert "no request was answered" in find_invalid_reasons(changed(answered=0), FACTS)[0]


def told(report, **facts):
    return " ".join(collect_warnings(report, msgspec.structs.replace(FACTS, **facts)))


def test_warnings_name_what_a_reader_must_know():
    assert told(GOOD) == ""
    stats = [SenderStats(output_totals=TokenTotals(requests=2, asked=256, got=40))]
    assert "answers have 20.0 tokens, 128 were asked for" in told(GOOD, stats=stats)
    assert "rate_limited" in told(changed(failed=3), stats=[SenderStats(error_texts={"http_429": "rate_limited"})])
    assert "partial: interrupted after 60.0 s" in told(GOOD, stats=[SenderStats(stopped="interrupted")])
    assert "4 requests were still in flight" in told(GOOD, unfinished=4)
    assert "estimated" in told(changed(tokens_from="estimated"))


def test_the_page_escapes_names_and_says_invalid_first():
    page = render_report(msgspec.structs.replace(GOOD, valid=False, invalid_reasons=("late & slow",)))
    assert "<m>" not in page and "&lt;m&gt;" in page and page.index("Invalid:") < page.index("Latencies")
    assert "late &amp; slow" in page and "<script" not in page
