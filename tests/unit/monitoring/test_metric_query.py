"""Questions about series."""

from __future__ import annotations

import pytest

from steward.core.errors import InputError, UnknownName
from steward.core.series import HISTOGRAMS, SUMS
from steward.monitoring.metric_query import FIELDS, METRICS, MOST_LETTERS, STATISTICS, parse_query


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("ttft p95 by model", "ttft p95 by model"),
        ("ttft", "ttft p95"),
        ("p99.9 of latency", "total p99.9"),
        ("P50 TTFT", "ttft p50"),
        ("time to first token mean", "ttft mean"),
        ("inter-token p90 by route, key", "inter_token p90 by route, key"),
        ("requests", "requests sum"),
        ("cost by key", "usd sum by key"),
        ("tokens rate", "tokens rate"),
        ("error rate where route=assistant", 'error_rate share where route = "assistant"'),
        ('errors by key where model = "a, b" and key = ci', 'errors sum by key where model = "a, b" and key = "ci"'),
        ("ttft p100 where model = 'by'", 'ttft p100 where model = "by"'),
        ("satisfaction by model,route", "satisfaction share by model, route"),
        ("ttft p95 where model=m, key=k", 'ttft p95 where model = "m" and key = "k"'),
    ],
)
def test_what_is_understood(text: str, full: str) -> None:
    query = parse_query(text)
    assert query.describe() == full
    assert parse_query(full) == query  # the full form means the same


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no metric; expected one such as 'ttft p95 by model'"),
        ("by model", "names no metric"),
        ("tfft p95", "unknown metric 'tfft'; did you mean 'ttft'?"),
        ("p95", "unknown metric 'p95'"),
        ("ttft p95 by modle", "unknown field 'modle'; did you mean 'model'?"),
        ("ttft by", "by what?"),
        ("ttft by model, model", "groups by the same field twice"),
        ("ttft avarage", "unknown statistic of ttft 'avarage'"),
        ("ttft maen", "unknown statistic of ttft 'maen'; did you mean 'mean'?"),
        ("requests p95", "unknown statistic of requests 'p95'"),
        ("error rate mean", "unknown statistic of error_rate 'mean'"),
        ("ttft p50 p95", "names 2 statistics"),
        ("ttft p101", "unknown statistic of ttft 'p101'"),
        ("ttft where", "where what?"),
        ("ttft where model", "expected `where FIELD = NAME`"),
        ("ttft where model m x", "expected `where FIELD = NAME`"),
        ("ttft where model = m or key = k", "expected `and FIELD = NAME` after model = m"),
        ("ttft where model = m and", "expected `and FIELD = NAME` after model = m"),
        ("ttft where tenant = t", "unknown field 'tenant'"),
        ('ttft where model = "m', "a quotation mark without its partner"),
        ("ttft " * 101, "a query of 505 letters; expected at most 500"),
        ("ttft; drop table series", "unknown metric"),
    ],
)
def test_what_is_not_understood_says_why(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_query(text)
    assert message in str(caught.value)


def test_a_query_of_the_most_letters_is_read() -> None:
    assert parse_query("ttft" + " " * (MOST_LETTERS - 4)).metric.name == "ttft"


def test_names_that_resemble_none_are_listed() -> None:
    with pytest.raises(UnknownName, match=r"Known: .*latency"):
        parse_query("weather")


@pytest.mark.parametrize(("text", "share"), [("ttft p95", 0.95), ("ttft p99.9", 0.999), ("ttft mean", None)])
def test_the_percentile_as_a_share(text: str, share: float | None) -> None:
    assert parse_query(text).percentile() == pytest.approx(share)


def test_every_metric_has_columns_that_there_are_and_a_statistic() -> None:
    for metric in METRICS:
        if metric.kind not in ("gauge", "counter"):
            assert set(metric.columns) <= set(HISTOGRAMS if metric.kind == "histogram" else SUMS)
        assert parse_query(metric.name).statistic == STATISTICS[metric.kind][0]
    assert FIELDS == ("model", "route", "key")


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("kv cache by model", "kv_cache mean by model"),
        ("max kv_cache_usage", "kv_cache max"),
        ("waiting last by model where model = m", 'waiting last by model where model = "m"'),
        ("preemptions", "preemptions sum"),
        ("queue p95 by model", "queue p95 by model"),
        ("queue wait", "queue p95"),
        ("concurrency by route", "concurrency mean by route"),
        ("guard blocks by guard", "guard_blocks sum by guard"),
        ("engine prompt tokens rate by model", "engine_prompt_tokens rate by model"),
    ],
)
def test_questions_about_engines_queues_and_guards(text: str, means: str) -> None:
    assert parse_query(text).describe() == means


def test_an_engine_knows_no_routes_and_keys() -> None:
    with pytest.raises(UnknownName, match="unknown field of kv_cache 'route'"):
        parse_query("kv cache by route")
    with pytest.raises(UnknownName, match="unknown field 'gpu'"):
        parse_query("ttft by gpu")
