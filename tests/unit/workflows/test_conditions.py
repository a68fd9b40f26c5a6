"""Gathering what the watch looks at beside requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.gauges import EngineState, GaugeSample
from steward.core.gpus import Gpu, GpuReading, GpuStatus
from steward.core.keys import KeyRecord
from steward.core.records import Admitted, Settled
from steward.monitoring.conditions import Condition, Spending
from steward.workflows.conditions import (
    ModelLook,
    Seldom,
    check_engines,
    check_gpus,
    check_headroom,
    list_looks,
    read_memory,
    read_saved_plan,
    read_spendings,
)

NOW = 1_764_547_200.0 + 3600.0  # 2025-12-01 01:00 UTC


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    opened.migrate()
    yield opened
    opened.close()


def spend(store: SqlStore, key: str, at: float, usd: float) -> None:
    name = f"{key}-{at}"
    admitted = Admitted(
        request_id=name, at=at, key_id=key, project="p", endpoint="/v1/chat/completions", route="r", streamed=False
    )
    settled = Settled(request_id=name, at=at, outcome="ok", status=200, model="m", usd=usd)
    store.ledger.drain("w", f"s-{name}", 1, [admitted, settled])


def key(name: str, lineage: str | None = None, **changed: float | str | None) -> KeyRecord:
    return KeyRecord(id=name, name=name, digest="d", created_at=0.0, lineage=lineage, **changed)


def test_budgets_are_of_the_day_and_month_and_follow_a_rotation(store: SqlStore) -> None:
    spend(store, "old", NOW - 7200.0, 50.0)  # in November
    spend(store, "old", NOW, 2.0)
    spend(store, "new", NOW + 60.0, 3.0)
    spend(store, "free", NOW, 9.0)
    records = [
        key("old", usd_per_month=10.0, replaced_by="new"),
        key("new", "old", usd_per_month=10.0, usd_per_day=6.0),
        key("free"),
    ]
    assert read_spendings(records, store.series, NOW) == [
        Spending("new", "day", 5.0, 6.0), Spending("new", "month", 5.0, 10.0),
    ]  # fmt: skip
    assert read_spendings(records, store.series, NOW + 86400.0) == [
        Spending("new", "day", 0.0, 6.0), Spending("new", "month", 5.0, 10.0),
    ]  # fmt: skip


def test_what_changes_slowly_is_looked_at_seldom() -> None:
    looks, now = [0], [0.0]

    def look() -> list[Condition]:
        looks[0] += 1
        return []

    seldom = Seldom(look, 60.0, lambda: now[0])
    for now[0], times in ((0.0, 1), (59.9, 1), (60.0, 2), (119.9, 2), (120.0, 3)):
        assert (seldom(), looks[0]) == ([], times)


def test_a_home_that_serves_nothing_yet_has_nothing_wrong(store: SqlStore, tmp_path: Path) -> None:
    for look in list_looks(tmp_path, [tmp_path / "ledger"], store, lambda: NOW)[1:]:
        assert look() == []


def test_engines_that_tell_nothing_and_gpus_that_are_lost(store: SqlStore) -> None:
    states = [
        EngineState(model="a", at=NOW, state="unreachable", since=NOW - 400.0, error="it answered HTTP 500"),
        EngineState(model="b", at=NOW, state="ok", ever=("kv_cache",)),
    ]
    store.gauges.add([], states)
    (engines,) = check_engines(store.gauges, NOW)
    assert engines.evidence == "a: it answered HTTP 500 for 7 minutes, b: no kv_cache any more"
    reading = GpuReading(at=NOW, source="nvml", gpus=(Gpu(index=0, error="GPU is lost"),))
    (gpus,) = check_gpus(GpuStatus(reading=reading, age_s=1.0), None)
    assert (gpus.rule, gpus.severity) == ("gpu-unhealthy", "page")
    assert check_gpus(GpuStatus(), None) == [] == check_headroom(None, store.series, NOW)


def test_the_least_memory_of_each_whole_hour(store: SqlStore) -> None:
    samples = [GaugeSample(NOW - back, "worker@a", "process_memory", value) for back, value in
               ((3 * 86400.0, 1.0), (7200.0, 5.0), (7190.0, 4.0), (3600.0, 7.0), (0.0, 9.0))]  # fmt: skip
    store.gauges.add(samples)
    assert read_memory(store.gauges, NOW) == {"worker@a": [4.0, 7.0]}


def test_no_saved_plan_is_no_alert(tmp_path: Path) -> None:
    assert read_saved_plan(tmp_path) is None


def test_traffic_of_sixty_days_is_held_against_the_plan_hour_by_hour(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of several models and keys count together; what is older, or is to come, does not count."""
    midnight = NOW - 3600.0
    for number, (key, at) in enumerate(
        [("a", midnight), ("b", midnight + 1.0), ("a", midnight - 61 * 86400.0), ("a", midnight - 59 * 86400.0)]
    ):
        admitted = Admitted(
            request_id=f"q{number}", at=at, key_id=key, project="p", endpoint="/v1/chat/completions", route="r",
            streamed=False,
        )  # fmt: skip
        settled = Settled(
            request_id=f"q{number}",
            at=at,
            outcome="ok",
            status=200,
            model="m",
            usd=0.0,
            output_tokens=7,
            input_tokens=1,
        )
        store.ledger.drain("w", f"h-{number}", 1, [admitted, settled])
    held: list[Any] = []

    def assess(plan: object, traffic: list[Any], now: float) -> Any:
        held.extend(traffic)
        return SimpleNamespace(state="outgrown", why="it is full")

    monkeypatch.setattr("steward.workflows.conditions.assess_headroom", assess)
    (condition,) = check_headroom(cast(Any, object()), store.series, NOW)
    assert "it is full" in condition.evidence
    assert [(hour.at, hour.requests, hour.output_tokens) for hour in held] == [
        (midnight - 59 * 86400.0, 1, 7), (midnight, 2, 14),
    ]  # fmt: skip


def test_a_model_is_down_that_did_not_answer_two_looks_half_a_minute_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/how-to/tell-people.md. A look that fails itself says nothing of models."""
    now, asked, answers = [0.0], list[float](), [{"a": False}, None, {"a": False}]

    def ask(plan: object) -> dict[str, bool]:
        asked.append(now[0])
        answer = answers[len(asked) - 1]
        if answer is None:
            raise OSError("no descriptors left")
        return answer

    monkeypatch.setattr("steward.workflows.conditions._ask_models", ask)
    look = ModelLook(lambda: cast(Any, object()), lambda: now[0])

    def look_at(at: float) -> list[str]:
        now[0] = at
        conditions = look()
        if look._asked is not None:
            look._asked.exception(10)  # it has been answered
        return [condition.rule for condition in conditions]

    assert look_at(0.0) == look_at(29.9) == look_at(30.0) == look_at(59.0) == look_at(60.0) == []
    assert look_at(61.0) != [] and asked == [0.0, 30.0, 60.0]
