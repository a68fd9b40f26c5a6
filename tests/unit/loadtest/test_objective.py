import pytest

from steward.core.errors import InputError
from steward.loadtest.objective import Limit, parse_objective


@pytest.mark.parametrize(
    "text, limit",
    [
        ("ttft_p95<500ms", Limit("ttft", 0.05, 500.0)),
        ("ttft<=0.5s", Limit("ttft", 0.05, 500.0)),  # without a percentile: p95
        ("tpot_p99 < 50ms", Limit("tpot", 0.01, 50.0)),
        ("e2e_p50<2m", Limit("e2e", 0.5, 120_000.0)),
        ("TTFT_P95 < 500MS", Limit("ttft", 0.05, 500.0)),
        ("e2e<1h", Limit("e2e", 0.05, 3_600_000.0)),
        ("ttfo_p90<1.5s", Limit("ttfo", 0.1, 1500.0)),
        ("tps>20", Limit("tps", 0.05, 20.0)),  # without a percentile: 95 % of requests are at least as fast
        ("tps_p50>=7.5tok/s", Limit("tps", 0.5, 7.5)),
        ("error_rate<1%", Limit("error_rate", 0.01)),
        ("error_rate<0.001", Limit("error_rate", 0.001)),
    ],
)
def test_l6_one_grammar_for_all_metrics(text, limit):
    assert parse_objective(text) == (limit,)
    assert parse_objective(str(limit)) == (limit,)  # what is printed can be read again


def test_several_terms():
    assert [limit.metric for limit in parse_objective(" ttft<1s , error_rate<2%,tps>3")] == [
        "ttft",
        "error_rate",
        "tps",
    ]


@pytest.mark.parametrize(
    "text, said",
    [
        ("ttft<500", "500 has no unit; expected ttft<500ms or ttft<500s"),
        ("ttft<500us", "500 has the unit us"),
        ("ttft>500ms", "expected ttft<, not ttft>"),
        ("tps<20", "expected tps>, not tps<"),
        ("tps>20ms", "expected tokens per second, such as tps>20"),
        ("error_rate<1", r"expected a share of the requests, such as error_rate<1%"),
        ("error_rate_p95<1%", "expected a share of the requests"),
        ("error_rate<100%", "expected a share of the requests"),
        ("ttft_mean<1s", "a mean hides the slow requests"),
        ("ttft_p0<1s", "above 0 and below 100"),
        ("ttft_p100<1s", "above 0 and below 100"),
        ("ttft<0ms", "expected a limit above 0"),
        ("speed<1s", "expected ttft, ttfo, tpot or e2e"),
        ("", "expected ttft, ttfo, tpot or e2e"),
    ],
)
def test_what_cannot_be_meant_says_what_was_expected(text, said):
    with pytest.raises(InputError, match=said):
        parse_objective(text)


def test_the_quantile_that_must_be_within_the_limit():
    ttft, tps = parse_objective("ttft_p99<1s,tps>20")
    assert ttft.quantile == pytest.approx(0.99) and tps.quantile == 0.05
