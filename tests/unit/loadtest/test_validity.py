import msgspec
import pytest

from steward.core.load_report import ClientHealth, LoadReport, Quantiles
from steward.loadtest.recorder import SenderStats, TokenTotals
from steward.loadtest.validity import RunFacts, collect_warnings, find_invalid_reasons, sum_totals

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
        (
            {"late_ms": Quantiles(n=42, max=11.0)},
            "the largest of actual - intended send is 11.0 ms, the budget is 10 ms",
        ),
        ({"late_ms": Quantiles(p99=11.0)}, "p99 of actual - intended send is 11.0 ms, the budget is 10 ms"),
        ({"loop_lag_ms": Quantiles(p99=30.0)}, "event loop lagged"),
        ({"loop_lag_ms": Quantiles(n=42, max=30.0)}, "event loop lagged: the largest is 30.0 ms"),
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


@pytest.mark.parametrize(
    "fields, valid",
    [
        ({"late_ms": Quantiles(p99=10.0)}, True),
        ({"late_ms": Quantiles(p99=10.1)}, False),
        ({"loop_lag_ms": Quantiles(p99=10.0)}, True),
        ({"cpu_share": 0.9}, True),
        ({"cpu_share": 0.91}, False),
        ({"achieved_rate": 9.81}, True),  # 600 requests took 61.2 s for 60: two percent
        ({"achieved_rate": 9.79}, False),
        ({"achieved_rate": 10.203}, True),  # 58.8 s, within 1.2 s of 60
        ({"achieved_rate": 10.3}, False),
        ({"achieved_rate": 5.0, "sent": 51, "answered": 51}, False),
        ({"achieved_rate": 5.0, "sent": 50, "answered": 50}, True),  # too few to tell
        ({"achieved_rate": 5.0, "requested_concurrency": 4}, True),
        ({"dispersion_asked": 1.0, "dispersion_achieved": 1.09}, True),
        ({"dispersion_asked": 1.0, "dispersion_achieved": 0.89}, False),
        ({"dispersion_asked": 4.0, "dispersion_achieved": 4.39}, True),  # a tenth of what was asked for
        ({"dispersion_asked": 0.0, "dispersion_achieved": 0.11}, False),
        ({"dispersion_asked": None, "dispersion_achieved": 3.0}, True),
    ],
)
def test_where_a_run_stops_being_valid(fields, valid):
    assert (find_invalid_reasons(changed(**fields), FACTS) == ()) == valid


def test_short_runs_may_be_late_by_twice_the_budget():
    short = changed(sent=60, answered=60, achieved_rate=60.0)  # 1 s for 1.01 s
    assert find_invalid_reasons(short, msgspec.structs.replace(FACTS, scheduled_rate=60.9)) == ()  # 15 ms
    assert find_invalid_reasons(short, msgspec.structs.replace(FACTS, scheduled_rate=61.5)) != ()  # 24 ms


def test_a_run_that_sent_nothing_in_its_time_is_invalid_and_no_division_by_zero():
    (reason,) = find_invalid_reasons(changed(achieved_rate=0.0), FACTS)
    assert "0.00 requests per second were sent" in reason


def test_l2_a_burst_has_no_schedule_to_keep():
    burst = changed(arrival="burst", achieved_rate=5000.0, late_ms=Quantiles(p99=90.0), e2e_ms=Quantiles(p50=1000.0))
    assert find_invalid_reasons(burst, FACTS) == ()  # a tenth of the median answer
    assert find_invalid_reasons(msgspec.structs.replace(burst, e2e_ms=Quantiles(p50=800.0)), FACTS) != ()


@pytest.mark.parametrize("got, warned", [(105, False), (106, True), (95, False), (94, True)])
def test_tokens_may_differ_by_five_percent(got, warned):
    for totals in ("input_totals", "output_totals"):
        stats = [SenderStats(**{totals: TokenTotals(requests=1, asked=100, got=got)})]
        assert ("were asked for" in told(GOOD, stats=stats)) == warned


def test_l6_a_prompt_of_other_tokens_is_told_with_its_reason():
    stats = [SenderStats(input_totals=TokenTotals(requests=2, asked=80, got=128))]
    assert "prompts have 64.0 tokens, 40 were asked for; count exactly with --tokenizer" in told(GOOD, stats=stats)
    assert "40 were asked for; its chat template adds them" in told(GOOD, stats=stats, text_is_exact=True)
    assert "asked for" not in told(changed(tokens_from="estimated"), stats=stats)
    assert "asked for" not in told(changed(endpoint="embeddings"), stats=stats)


def test_l1_bundles_and_buffered_streams_are_told():
    assert "the server bundles tokens, 5.0 in an event" in told(changed(tokens_per_event_mean=5.0))
    assert told(changed(tokens_per_event_mean=1.5)) == ""
    assert "7 of 600 answers arrived all at once" in told(GOOD, unknown_tpot=7)


def test_few_answers_and_repeated_requests():
    assert "99 answers are too few for a p99" in told(changed(answered=99)) and told(changed(answered=100)) == ""
    assert "19 answers are too few for a p95, a p99 or an interval" in told(changed(answered=19))
    assert "1 answer is too few for a p90, a p95, a p99 or" in told(changed(answered=1)) and "too few" not in told(
        changed(answered=0)
    )
    assert "3 requests were sent again" in told(GOOD, stats=[SenderStats(retried=1), SenderStats(retried=2)])
    assert "1 request was sent again" in told(GOOD, stats=[SenderStats(retried=1)])
    assert "no answer arrived as a stream with text" in told(changed(ttft_ms=Quantiles()))
    assert "as a stream" not in told(changed(ttft_ms=Quantiles(), streamed=False))


def test_means_of_tokens_over_processes():
    assert sum_totals([TokenTotals(1, 10, 20), TokenTotals(3, 50, 100)]) == (15.0, 30.0) and sum_totals([]) == (
        0.0,
        0.0,
    )


def test_l1_more_than_one_and_a_half_tokens_in_an_event_are_bundled():
    assert "bundles tokens, 1.6 in an event" in told(changed(tokens_per_event_mean=1.6))


def test_l1_events_that_arrive_several_at_a_time_are_told():
    """Five events of one token in a packet every 20 ms: four of five gaps are none, a token takes 4 ms."""
    times = {"tpot_ms": Quantiles(n=600, p50=4.0)}
    said = told(changed(itl_ms=Quantiles(n=9000, p50=0.01), **times))
    assert "events arrive several at a time (half of the gaps are within 0.01 ms, a token takes 4 ms)" in said
    assert told(changed(itl_ms=Quantiles(n=9000, p50=0.4), **times)) == ""


def test_two_percent_late_is_just_in_time():
    """A hundred requests in 102 s, of 100 s that were scheduled; one hundredth of a second more is too late."""
    slow = msgspec.structs.replace(FACTS, scheduled_rate=1.0)
    assert find_invalid_reasons(changed(sent=100, answered=100, achieved_rate=100 / 102), slow) == ()
    assert find_invalid_reasons(changed(sent=100, answered=100, achieved_rate=100 / 102.01), slow) != ()
