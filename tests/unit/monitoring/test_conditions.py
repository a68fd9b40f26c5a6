"""What is wrong and no request shows."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.durations import DAY_S
from steward.core.keys import KeyRecord
from steward.monitoring.conditions import (
    LedgerBacklog,
    Spending,
    judge_backlog,
    judge_budgets,
    judge_certificates,
    judge_disk,
    judge_drift,
    judge_engines,
    judge_gpu_memory,
    judge_gpus,
    judge_keys,
    judge_memory,
    judge_models,
    judge_plan,
    measure_growth,
)

MIB = 1 << 20


@pytest.mark.parametrize(("used", "severities"), [(89, []), (90, ["ticket"]), (97, ["ticket"]), (98, ["page"])])
def test_a_disk_that_fills(used: int, severities: list[str]) -> None:
    conditions = judge_disk(used << 30, 100 << 30, "/home")
    assert [one.severity for one in conditions] == severities
    assert all(one.evidence == f"{used}% of 100 GiB are used where /home lies" for one in conditions)


@pytest.mark.parametrize(
    ("files", "evidence"),
    [
        ([], None),
        ([LedgerBacklog(0, 9999.0)], None),  # nothing waits in it
        ([LedgerBacklog(100, 60.0)], None),
        ([LedgerBacklog(MIB, 61.0), LedgerBacklog(MIB, 5.0)], "2.0 MiB wait, the oldest for 61 s or more"),
        ([LedgerBacklog(16 * MIB, 1.0)], None),
        ([LedgerBacklog(16 * MIB, 1.0), LedgerBacklog(MIB, 2.0)], "17.0 MiB wait, the oldest for 2 s or more"),
    ],
)
def test_a_ledger_that_lags(files: list[LedgerBacklog], evidence: str | None) -> None:
    conditions = judge_backlog(files)
    assert [one.evidence for one in conditions] == ([] if evidence is None else [evidence])


def key(**changed: Any) -> KeyRecord:
    return KeyRecord(**{"id": "1", "name": "ci", "digest": "d", "created_at": 0.0, **changed})


@pytest.mark.parametrize(
    ("changed", "fires"),
    [
        ({"expires_at": 100 + 14 * DAY_S}, True), ({"expires_at": 101 + 14 * DAY_S}, False),
        ({"expires_at": 100.0}, False), ({"expires_at": None}, False),
        ({"expires_at": 200.0, "revoked_at": 1.0}, False),
        ({"expires_at": 200.0, "replaced_by": "2"}, False), ({"expires_at": 101.0}, True),
    ],
)  # fmt: skip
def test_keys_that_end_soon_and_that_nothing_replaces(changed: dict[str, Any], fires: bool) -> None:
    assert bool(judge_keys([key(**changed)], 100.0)) is fires


def test_the_key_that_ends_first_is_named_first() -> None:
    records = [key(name="b", expires_at=9 * DAY_S), key(name="a", expires_at=2 * DAY_S)]
    assert judge_keys(records, 0.0)[0].evidence == "a in 2 days, b in 9 days"


@pytest.mark.parametrize(
    ("end", "severity", "evidence"),
    [
        (14 * DAY_S + 1, None, ""),
        (14 * DAY_S, "ticket", "c.pem in 14 days"),
        (3 * DAY_S + 1, "ticket", "c.pem in 3 days"),
        (3 * DAY_S, "page", "c.pem in 3 days"),
        (0.0, "page", "c.pem has expired"),
    ],
)
def test_certificates_that_end_soon(end: float, severity: str | None, evidence: str) -> None:
    conditions = judge_certificates({"c.pem": end, "other.pem": 99 * DAY_S}, 0.0)
    assert [(one.severity, one.evidence) for one in conditions] == ([] if severity is None else [(severity, evidence)])


def test_budgets_that_are_nearly_spent_the_worst_first() -> None:
    spendings = [
        Spending("a", "month", 89.99, 100.0),
        Spending("e", "month", 95.0, 100.0),
        Spending("b", "day", 9.9, 10.0),
        Spending("c", "month", 1200.0, 1000.0),
        Spending("d", "day", 0.0, 0.0),
    ]
    assert [one.evidence for one in judge_budgets(spendings)] == [
        "c: $1,200.00 of $1,000.00 a month, b: $9.90 of $10.00 a day, e: $95.00 of $100.00 a month"
    ]
    assert judge_budgets(spendings[:1]) == []
    assert len(judge_budgets([Spending("a", "day", 9.0, 10.0)])) == 1  # nine tenths


@pytest.mark.parametrize(
    ("looks", "severity", "evidence"),
    [
        ([], None, ""),
        ([{"a": True, "b": True}] * 2, None, ""),
        ([{"a": False, "b": True}, {"a": True, "b": True}], None, ""),
        ([{"a": True, "b": True}, {"a": False, "b": True}], None, ""),
        ([{"a": False, "b": True}] * 2, "ticket", "No answer from a in 2 looks"),
        ([{"a": False, "b": False}] * 2, "page", "No answer from a, b in 2 looks"),
        ([{"b": True}, {"a": False, "b": True}], None, ""),  # it has only just been added
    ],
)
def test_a_model_that_is_down_in_all_looks(looks: list[dict[str, bool]], severity: str | None, evidence: str) -> None:
    conditions = judge_models(looks)
    assert [(one.severity, one.evidence) for one in conditions] == ([] if severity is None else [(severity, evidence)])


@pytest.mark.parametrize(
    ("silent", "missing", "evidence"),
    [
        ({"m": (299.9, "down")}, {}, []),
        ({"m": (300.0, "it answered HTTP 500")}, {}, ["m: it answered HTTP 500 for 5 minutes"]),
        ({}, {"m": []}, []),
        ({}, {"m": ["kv_cache", "waiting"]}, ["m: no kv_cache, waiting any more"]),
        ({"b": (600.0, "x")}, {"a": ["running"]}, ["b: x for 10 minutes, a: no running any more"]),
    ],
)
def test_engines_that_tell_less(
    silent: dict[str, tuple[float, str]], missing: dict[str, list[str]], evidence: list[str]
) -> None:
    assert [one.evidence for one in judge_engines(silent, missing)] == evidence


@pytest.mark.parametrize(
    ("unhealthy", "slowed", "error", "severity"),
    [
        ([], [], "", None),
        (["GPU 0: fell off"], [], "", "page"),
        ([], ["GPU 1: too hot"], "", "ticket"),
        ([], [], "the driver has not answered for 30 s", "ticket"),
        (["GPU 0: fell off"], ["GPU 1: too hot"], "", "page"),
    ],
)
def test_gpus_that_are_ill(unhealthy: list[str], slowed: list[str], error: str, severity: str | None) -> None:
    conditions = judge_gpus(unhealthy, slowed, error)
    assert [one.severity for one in conditions] == ([] if severity is None else [severity])
    assert all(one.evidence == ", ".join([*unhealthy, *slowed, *([error] if error else [])]) for one in conditions)


@pytest.mark.parametrize(
    ("used", "planned", "evidence"),
    [
        ({0: 75.6}, 72.0, []),  # 5 % above
        ({0: 75.7, 1: 10.0}, 72.0, ["GPU 0: 75.7 GiB; the plan gives 72.0 GiB"]),
        ({0: 75.7}, None, []),
        ({0: 75.7}, 0.0, []),  # a plan without accelerators
        ({}, 72.0, []),
    ],
)
def test_gpus_that_hold_more_than_planned(used: dict[int, float], planned: float | None, evidence: list[str]) -> None:
    assert [one.evidence for one in judge_gpu_memory(used, planned)] == evidence


@pytest.mark.parametrize(("state", "fires"), [("holds", 0), ("unknown", 0), ("soon", 1), ("outgrown", 1)])
def test_a_plan_that_traffic_outgrows(state: str, fires: int) -> None:
    conditions = judge_plan(state, "why")
    assert [(one.severity, one.evidence) for one in conditions] == [("ticket", "why")] * fires


def rise(hours: int, mib_an_hour: float, start: float = 500.0) -> list[float]:
    return [MIB * (start + mib_an_hour * hour) for hour in range(hours)]


def test_a_leak_is_a_steady_rise() -> None:
    assert measure_growth(rise(24, 2.0)) == pytest.approx(2.0 * MIB)  # 48 MiB a day
    assert measure_growth(rise(23, 2.0)) is None  # nobody can tell yet
    (condition,) = judge_memory({"worker@a": rise(48, 10.0), "keeper@a": rise(48, 0.0)})
    assert (condition.rule, condition.severity) == ("memory-growing", "ticket")
    assert condition.evidence == "worker@a grows by 240 MiB a day to 970 MiB"


@pytest.mark.parametrize(
    "hours",
    [
        rise(48, 0.0),  # flat
        rise(48, -2.0),
        rise(48, 1.2),  # 28.8 MiB a day: less than matters
        rise(48, 2.0, start=2000.0),  # 48 MiB a day: less than 5 %
        [MIB * 500.0] * 24 + [MIB * 900.0] * 24,  # a reload
        [MIB * (500.0 + 20.0 * min(hour, 12)) for hour in range(48)],  # warms up, then holds
        [MIB * (500.0 + 100.0 * (hour % 24 > 12)) for hour in range(48)],  # day and night
    ],
)
def test_what_is_no_leak(hours: list[float]) -> None:
    assert measure_growth(hours) is None
    assert judge_memory({"worker@a": hours}) == []


def test_drift_alone_is_a_ticket_and_with_worse_answers_a_page() -> None:
    assert judge_drift([], ["satisfaction-down"]) == []
    (alone,) = judge_drift(["language"], [])
    assert (alone.rule, alone.severity) == ("drift", "ticket") and alone.evidence.startswith("language differ")
    (worse,) = judge_drift(["language"], ["slo-right"])
    assert (worse.rule, worse.severity) == ("drift-quality-down", "page") and "firing: slo-right" in worse.evidence


def test_growth_of_just_a_twentieth_a_day_matters() -> None:
    assert measure_growth(rise(48, 2.0, start=960.0)) == pytest.approx(2.0 * MIB)  # 48 of 960 MiB
    assert measure_growth(rise(48, 2.0, start=961.0)) is None


def test_the_last_quarter_must_lie_above_the_first_as_a_whole() -> None:
    hours = rise(48, 10.0)
    assert measure_growth([*hours[:11], hours[35], *hours[12:]]) == pytest.approx(10.0 * MIB)
    assert measure_growth([*hours[:11], hours[36], *hours[12:]]) is None
