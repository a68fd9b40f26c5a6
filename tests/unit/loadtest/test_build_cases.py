"""A load test as test cases."""

from __future__ import annotations

from typing import Any

import msgspec

from steward.core.load_report import ClientHealth, LoadReport, Quantiles, Samples
from steward.loadtest.build_cases import list_load_cases

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
