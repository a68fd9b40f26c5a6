"""A load test as test cases."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steward.core.load_report import ClientHealth, LoadReport, Quantiles, Samples
from steward.loadtest.build_cases import list_load_cases, list_search_cases, list_sweep_cases
from steward.loadtest.search import FindMax
from steward.loadtest.sweep import Sweep, SweepPoint

HEALTH = ClientHealth(late_ms=Quantiles(), loop_lag_ms=Quantiles(), cpu_share=0.2)
GOOD = LoadReport(
    url="http://h/v1", model="m", arrival="poisson", started_at=0.0, duration_s=9.0, requested_rate=5.0,
    achieved_rate=5.0, sent=4, answered=4, failed=0, valid=True, client=HEALTH, ttft_ms=Quantiles(),
    ttfo_ms=Quantiles(), e2e_ms=Quantiles(), tpot_ms=Quantiles(), tokens_from="usage", samples=Samples(), series=(),
)  # fmt: skip


def cases(**fields: Any) -> list[tuple[str, str, str]]:
    report = msgspec.structs.replace(GOOD, **fields)
    return [(case.name, case.status, case.why) for case in list_load_cases(report)]


def test_junit_of_a_load_test_without_an_objective() -> None:
    assert cases() == [("answered", "passed", ""), ("valid", "passed", "")]


def test_junit_of_an_objective() -> None:
    slo = {"slo": "ttft_p95<500ms", "slo_terms": ("9 % over",)}
    assert cases(**slo, slo_met=True)[2] == ("objective ttft_p95<500ms", "passed", "")
    assert cases(**slo, slo_met=False)[2] == ("objective ttft_p95<500ms", "failed", "9 % over")
    assert cases(**slo, slo_met=None)[2] == ("objective ttft_p95<500ms", "error", "9 % over")


def test_junit_of_failures_and_of_a_run_that_is_not_valid() -> None:
    assert cases(failed=1, answered=3, errors={"timeout": 1})[0] == (
        "answered", "failed", "1 of 4 requests failed: timeout 1"
    )  # fmt: skip
    assert cases(answered=0, failed=4)[0][:2] == ("answered", "error")
    assert cases(valid=False, invalid_reasons=("late",))[1] == ("valid", "error", "late")
    assert cases(partial=True)[1] == ("valid", "error", "the run was interrupted")


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        ("found", "passed"),
        ("no_limit_found", "passed"),
        ("not_even_the_lowest", "failed"),
        ("client_limit", "error"),
        ("too_noisy", "error"),
        ("interrupted", "error"),
    ],
)
def test_junit_of_a_search(verdict: Any, status: str) -> None:
    found = FindMax(slo="ttft_p95<1s", rate=2.0, fails_at=None, verdict=verdict, reason="so it is")
    (case,) = list_search_cases(found)
    assert (case.name, case.status) == ("a rate that meets ttft_p95<1s", status)
    assert ("so it is" in case.why) is (status != "passed")


def step(**fields: Any) -> SweepPoint:
    plain: dict[str, Any] = {
        "rate": 4.0, "concurrency": None, "achieved_rate": 4.0, "answered_rate": 4.0, "output_tok_s": 9.0,
        "concurrency_mean": 1.0, "failed": 0, "ttft_p50_ms": None, "ttft_p95_ms": None, "tpot_p50_ms": None,
        "tpot_p95_ms": None, "e2e_p50_ms": None, "e2e_p95_ms": None, "saturated": False, "valid": True,
    }  # fmt: skip
    return SweepPoint(**plain | fields)


def test_junit_of_a_sweep() -> None:
    steps = (step(), step(saturated=True), step(failed=1), step(failed=2), step(rate=None, concurrency=8, valid=False))
    sweep = Sweep(
        model="m", url="u", arrival="poisson", points=steps, saturates_at=None, capacity_rate=4.0, capacity_tok_s=9.0,
        partial=True, notes=("interrupted at 8",),
    )  # fmt: skip
    assert [(case.name, case.status, case.why) for case in list_sweep_cases(sweep)] == [
        ("step 4 req/s", "passed", ""),
        ("step 4 req/s", "passed", ""),  # a server that saturates is what a sweep looks for
        ("step 4 req/s", "failed", "1 request failed"),
        ("step 4 req/s", "failed", "2 requests failed"),
        ("step 8 users", "error", "the step is invalid; `steward load run` with this load says why"),
        ("finished", "error", "interrupted at 8"),
    ]
    assert list_sweep_cases(msgspec.structs.replace(sweep, points=(), partial=False)) == []
