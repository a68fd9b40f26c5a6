"""What requests add to series."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.histogram import count_values, find_quantile
from steward.core.reactions import KINDS, Reaction
from steward.core.series import (
    DAY_S,
    HISTOGRAMS,
    MOST_GROUPS,
    OTHER,
    RESOLUTIONS,
    SUMS,
    KnownGroups,
    SeriesFilter,
    SeriesGroup,
    SeriesPlace,
    SeriesSums,
    bound_groups,
    collect_series,
    empty_series,
    roll_up,
    start_of,
    sum_rollups,
)


def row(**changed: Any) -> dict[str, Any]:
    return {
        "tenant": "t", "settled_at": 125.0, "model": "m", "route": "r", "key_id": "k", "ttft_s": 0.2, "duration_s": 1.0,
        "streamed": True, "input_tokens": 10, "output_tokens": 5, "usd": 0.5, "outcome": "ok", "status": 200,
        "ready_s": None, "queued_s": None, "project": "", "model_version": None, "prompt_version": None,
        "route_version": 0, **changed,
    }  # fmt: skip


def sums(series: SeriesSums) -> dict[str, float]:
    return {name: value for name, value in zip(SUMS, series.sums, strict=True) if value}


def counts(series: SeriesSums) -> dict[str, int]:
    return {name: count_values(buckets) for name, buckets in zip(HISTOGRAMS, series.histograms, strict=True)}


def test_a_request_counts_in_the_minute_in_which_it_ended() -> None:
    minutes = collect_series([row(), row(settled_at=60.0, key_id="k2"), row(model=None)])
    assert minutes.keys() == {("t", 120, "m", "r", "k"), ("t", 60, "m", "r", "k2"), ("t", 120, "", "r", "k")}
    series = minutes["t", 120, "m", "r", "k"]
    assert sums(series) == {
        "requests": 1, "judged": 1, "answered": 1, "input_tokens": 10, "output_tokens": 5, "usd": 0.5
    }  # fmt: skip
    assert counts(series) == {"ttft_s": 1, "total_s": 1, "inter_token_s": 1, "request_usd": 1, "queued_s": 0}


def test_inter_token_latency_is_the_mean_of_a_request_without_its_first_token() -> None:
    (series,) = collect_series([row()]).values()
    assert find_quantile(series.histograms[2], 0.5) == pytest.approx(0.8 / 4, rel=0.01)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"streamed": False}, {"ttft_s": 0, "total_s": 1, "inter_token_s": 0, "request_usd": 1, "queued_s": 0}),
        ({"ttft_s": None}, {"ttft_s": 0, "total_s": 1, "inter_token_s": 0, "request_usd": 1, "queued_s": 0}),
        ({"output_tokens": 1}, {"ttft_s": 1, "total_s": 1, "inter_token_s": 0, "request_usd": 1, "queued_s": 0}),
        ({"output_tokens": 2}, {"ttft_s": 1, "total_s": 1, "inter_token_s": 1, "request_usd": 1, "queued_s": 0}),
        ({"usd": None}, {"ttft_s": 1, "total_s": 1, "inter_token_s": 1, "request_usd": 0, "queued_s": 0}),
        ({"outcome": "timeout", "status": 504}, dict.fromkeys(HISTOGRAMS, 0)),
    ],
)
def test_what_is_not_known_or_failed_has_no_latency(changed: dict[str, Any], expected: dict[str, int]) -> None:
    (series,) = collect_series([row(**changed)]).values()
    assert counts(series) == expected


def test_failures_count_where_they_judge_the_service() -> None:
    rows = [row(outcome="timeout", status=504), row(outcome="client_closed", status=499), row()]
    (series,) = collect_series(rows).values()
    assert {name: sums(series)[name] for name in ("requests", "judged", "failed")} == {
        "requests": 3, "judged": 2, "failed": 1,
    }  # fmt: skip


def test_what_ran_and_how_long_it_waited_counts_of_all_that_were_let_through() -> None:
    rows = [
        row(ready_s=0.5, queued_s=0.4, duration_s=2.0),
        row(ready_s=0.25, queued_s=0.0, duration_s=1.0, outcome="timeout", status=504),  # had no wait
        row(ready_s=None, queued_s=0.0, duration_s=9.0, outcome="refused", status=503),  # by the queue
    ]
    (series,) = collect_series(rows).values()
    assert sums(series)["running_s"] == 2.25
    waits = series.histograms[HISTOGRAMS.index("queued_s")]
    assert count_values(waits) == 2
    assert find_quantile(waits, 1.0) == pytest.approx(0.4, rel=0.01)
    assert find_quantile(waits, 0.0) == pytest.approx(0.0, abs=1e-6)


def test_rows_of_before_there_were_waits_and_of_crooked_clocks_add_nothing() -> None:
    (series,) = collect_series([row(ready_s=1.5, queued_s=None, duration_s=1.0)]).values()
    assert "running_s" not in sums(series)
    assert find_quantile(series.histograms[HISTOGRAMS.index("queued_s")], 1.0) == pytest.approx(0.0, abs=1e-6)


def test_copies_of_requests_do_not_count() -> None:
    assert collect_series([row(key_id="shadow")]) == {}


def test_ratings_count_in_their_own_minute_for_the_key_that_asked() -> None:
    ratings = [reaction(score=score) for score in (1.0, 0.0, -1.0)]
    minutes = collect_series([], ratings)
    assert sums(minutes["t", 60, "m", "r", "k"]) == {"rated": 3, "satisfied": 1}


def test_signals_and_scores_of_evaluators_count_apart_from_ratings() -> None:
    reactions = [reaction(kind=kind, score=1.0) for kind in KINDS] + [reaction(kind="judge", score=0.0)]
    (series,) = collect_series([], reactions).values()
    assert sums(series) == {
        "rated": 1, "satisfied": 1, "scored": 2, "passed": 1,
        "regenerated": 1, "abandoned": 1, "copied": 1, "rephrased": 1,
    }  # fmt: skip


def reaction(kind: str = "explicit", score: float = 0.0) -> Reaction:
    return Reaction(tenant="t", at=61.0, model="m", route="r", key="k", kind=kind, score=score)


def test_longer_spans_hold_what_their_minutes_hold() -> None:
    minutes = collect_series([row(settled_at=at) for at in (0.0, 59.9, 60.0, 3599.9, 3600.0, 86400.0)])
    assert RESOLUTIONS == (60, 3600, 86400)
    hours = {key[1]: sums(series)["requests"] for key, series in roll_up(minutes, 3600).items()}
    assert hours == {0: 4, 3600: 1, 86400: 1}
    days = {key[1]: counts(series)["total_s"] for key, series in roll_up(minutes, 86400).items()}
    assert days == {0: 5, 86400: 1}
    assert {key[1] for key in minutes} == {0, 60, 3540, 3600, 86400}  # unchanged


@pytest.mark.parametrize(("at", "resolution_s", "start"), [(59.99, 60, 0), (60.0, 60, 60), (86399.0, 86400, 0)])
def test_where_a_span_begins(at: float, resolution_s: int, start: int) -> None:
    assert start_of(at, resolution_s) == start


def test_ten_thousand_invented_names_end_in_other() -> None:
    known = {("m", "r", "k")}
    renamed = bound_groups([("m", "r", f"k{number}") for number in range(10_000)], known, most=100)
    assert len(known) == 100
    assert len(set(renamed.values())) == 100  # 99 by name, and the other
    assert ("m", "r", "other") in renamed.values()
    models = bound_groups([(f"m{number}", "r", "k") for number in range(10_000)], known, most=100)
    assert set(models.values()) == {("other", "other", "other")}


def test_known_names_keep_their_own_group() -> None:
    known = {("m", "r", "k")}
    assert bound_groups([("m", "r", "k")], known, most=1) == {("m", "r", "k"): ("m", "r", "k")}


def test_an_empty_series_counts_nothing() -> None:
    assert empty_series().sums == [0.0] * len(SUMS)


def test_a_tenant_has_a_thousand_groups_in_a_day() -> None:
    known = {("m", "r", f"k{number}") for number in range(999)}
    renamed = bound_groups([("m", "r", "new"), ("m", "r", "one more")], known)
    assert renamed == {("m", "r", "new"): ("m", "r", "new"), ("m", "r", "one more"): ("m", "r", OTHER)}
    assert len(known) == MOST_GROUPS == 1000


def test_a_day_is_asked_for_its_groups_again_only_for_one_that_is_new() -> None:
    stored, asked, known = {("m", "r", "a")}, list[int](), KnownGroups()

    def read() -> set[SeriesGroup]:
        asked.append(1)
        return set(stored)

    def bound(*groups: SeriesGroup, day: int = 0) -> dict[SeriesGroup, SeriesGroup]:
        return known.bound((None, "t", day), groups, read)

    assert bound(("m", "r", "a")) == {("m", "r", "a"): ("m", "r", "a")}
    assert bound(("m", "r", "a")) == {("m", "r", "a"): ("m", "r", "a")} and len(asked) == 1
    bound(("m", "r", "b"))
    bound(("m", "r", "b"))  # the transaction that would have written it may have been taken back
    assert len(asked) == 3
    stored.add(("m", "r", "b"))
    bound(("m", "r", "b"))
    bound(("m", "r", "b"), ("m", "r", "a"))
    assert len(asked) == 4
    bound(("m", "r", "a"), day=DAY_S)
    assert len(asked) == 5


def test_beyond_a_thousand_groups_a_day_the_new_ones_are_other_each_time() -> None:
    stored, known = {("m", "r", f"k{number}") for number in range(MOST_GROUPS)}, KnownGroups()
    for _ in range(2):
        groups = known.bound(("", "t", 0), [("m", "r", "k1"), ("m", "r", "new")], lambda: set(stored))
        assert groups == {("m", "r", "k1"): ("m", "r", "k1"), ("m", "r", "new"): ("m", "r", OTHER)}


def test_a_rollup_answers_a_filter_of_one_dimension() -> None:
    assert SeriesFilter(route_version=2).find_dimension() == ("route_version", "2")
    assert SeriesFilter(project="p").find_dimension() == ("project", "p")
    assert SeriesFilter(project="p", route_version=2).find_dimension() is None


def test_what_has_no_project_is_in_the_rollup_of_all_and_in_none_of_projects() -> None:
    plain = SeriesPlace("t", 60, "m", "r", "k")
    places = {plain: empty_series(), plain._replace(project="p"): empty_series()}
    rolled = sum_rollups(places, ("", "project"))
    assert sorted(rolled) == [("t", 60, "", "", "m", "r"), ("t", 60, "project", "p", "m", "r")]
