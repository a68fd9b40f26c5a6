"""What is added up for each minute."""

from __future__ import annotations

import math
from typing import Any

import pytest

from steward.core.minutes import (
    COLUMNS,
    add_rating,
    add_request,
    empty_sums,
    is_failure,
    judges_service,
    minute_of,
    sum_exchanges,
)


def row(**changed: Any) -> dict[str, Any]:
    return {
        "tenant": "t", "settled_at": 125.0, "model": "m", "route": "r", "key_id": "k", "ttft_s": 0.2, "duration_s": 1.0,
        "streamed": True, "input_tokens": 10, "output_tokens": 0, "usd": None, "outcome": "ok", "status": 200,
        **changed,
    }  # fmt: skip


def named(values: list[float]) -> dict[str, float]:
    return {name: value for name, value in zip(COLUMNS, values, strict=True) if value}


def test_a_minute_begins_on_the_minute() -> None:
    assert [minute_of(at) for at in (0.0, 59.9, 60.0)] == [0, 0, 1]


@pytest.mark.parametrize(
    ("outcome", "status", "failed", "judged"),
    [
        ("ok", 200, False, True), ("upstream_error", 502, True, True), (None, 500, True, True),
        (None, 499, False, False),
        (None, 400, False, False), ("timeout", 408, True, True), ("client_closed", 499, False, False),
        ("refused", 429, False, False), ("lost", None, True, True), (None, None, False, True), (None, 399, False, True),
    ],
)  # fmt: skip
def test_what_counts_against_the_service(outcome: str | None, status: int | None, failed: bool, judged: bool) -> None:
    assert (is_failure(outcome, status), judges_service(outcome, status)) == (failed, judged)


def test_a_request_counts_in_the_minute_in_which_it_ended() -> None:
    minutes = sum_exchanges([row(), row(outcome="timeout", status=504), row(model=None, settled_at=60.0)])
    assert minutes.keys() == {("t", 2, "m", "r"), ("t", 1, "", "r")}
    assert named(minutes["t", 2, "m", "r"]) == pytest.approx(
        {
            "requests": 2, "judged": 2, "failed": 1, "latency_ms_n": 1, "latency_ms_log": math.log(1000),
            "latency_ms_log_squared": math.log(1000) ** 2, "ttft_ms_n": 1, "ttft_ms_log": math.log(200),
            "ttft_ms_log_squared": math.log(200) ** 2, "input_tokens_n": 1, "input_tokens_log": math.log(10),
            "input_tokens_log_squared": math.log(10) ** 2,
        }
    )  # fmt: skip


def test_only_a_stream_has_a_first_token_and_nobody_waits_for_a_shadow() -> None:
    (sums,) = sum_exchanges([row(streamed=False), row(key_id="shadow")]).values()
    assert (named(sums)["requests"], "ttft_ms_n" in named(sums)) == (1, False)


@pytest.mark.parametrize(("score", "satisfied"), [(1.0, 1), (0.1, 1), (0.0, 0), (-1.0, 0)])
def test_a_rating_above_zero_is_a_satisfied_one(score: float, satisfied: int) -> None:
    sums = empty_sums()
    add_rating(sums, score)
    expected = {"rated": 1, "satisfied": satisfied, "score": score, "score_squared": score * score}
    assert named(sums) == {name: value for name, value in expected.items() if value}


@pytest.mark.parametrize(("refused", "asked", "counted"), [(None, 0, 0), (False, 1, 0), (True, 1, 1)])
def test_what_is_known_of_refusals_counts_also_of_requests_that_failed(
    refused: bool | None, asked: int, counted: int
) -> None:
    for outcome, failed in (("ok", 0), ("timeout", 1)):
        sums = empty_sums()
        add_request(sums, outcome, None, (None,) * 6, refused)
        expected = {"requests": 1, "judged": 1, "failed": failed, "asked": asked, "refused": counted}
        assert named(sums) == {name: value for name, value in expected.items() if value}
