"""Baselines that are frozen, and the keeper's look."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.alerts import Alert
from steward.core.features import DriftBaseline, FeatureRow, RequestFeatures
from steward.core.records import Admitted, Settled
from steward.monitoring.slo import SloPlan
from steward.workflows.drift import DAY_S, LOOK_S, DriftLook, judge_store, list_quality_rules

NOW = 20_000 * DAY_S


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore(f"sqlite:///{tmp_path}/s.db")
    opened.migrate()
    yield opened
    opened.close()


def features(rng: random.Random, mean: float) -> RequestFeatures:
    return RequestFeatures(prompt_chars=round(rng.lognormvariate(mean, 1)))


def fill(store: SqlStore, mean: float) -> None:
    """A baseline, and two days of requests whose prompts have another mean."""
    rng = random.Random(1)
    rows = tuple(FeatureRow(NOW - 9 * DAY_S + 60 * index, "m", "r", features(rng, 6.0)) for index in range(500))
    store.features.add_baseline(DriftBaseline(created_at=1.0, created_by="o", since=0.0, until=1.0, rows=rows))
    records: list[Admitted | Settled] = []
    for index in range(400):
        at = NOW - 2 * DAY_S + index * 432.0
        records.append(
            Admitted(request_id=f"r{index}", at=at, key_id="k", project="p", endpoint="/v1/chat/completions", route="r",
                     streamed=False)
        )  # fmt: skip
        records.append(
            Settled(request_id=f"r{index}", at=at, outcome="ok", status=200, model="m", features=features(rng, mean))
        )
    store.ledger.drain("w", "w.seg", 1, records)


def look_twice(look: DriftLook) -> list[str]:
    """What it says once its thread has answered."""
    look()
    assert look._asked is not None
    look._asked.exception(timeout=60)
    return [one.rule for one in look()]


def test_without_a_baseline_nobody_can_tell(store: SqlStore) -> None:
    drift = judge_store(store.features, NOW)
    assert drift.state == "cannot tell" and "steward drift baseline" in drift.why


def test_drift_is_a_ticket_until_answers_are_worse(store: SqlStore) -> None:
    fill(store, 7.0)
    slos = [SloPlan(name="right", kind="quality", objective=0.9)]
    look = DriftLook(store.features, store.alerts, lambda: slos, lambda: NOW)
    assert look_twice(look) == ["drift"]
    store.alerts.put(
        Alert(id="1", rule="slo-right", severity="page", summary="", evidence="", scopes=("all",), started_at=1.0)
    )
    assert [one.rule for one in look()] == ["drift-quality-down"]


def test_health_is_silent_and_the_look_is_hourly(store: SqlStore) -> None:
    fill(store, 6.0)
    now = [NOW]
    look = DriftLook(store.features, store.alerts, tuple, lambda: now[0])
    assert look_twice(look) == []
    now[0] += LOOK_S - 1.0
    look()
    assert look._asked is None
    now[0] += 1.0
    look()
    assert look._asked is not None


def test_which_alerts_say_that_answers_are_worse() -> None:
    slos = [SloPlan(name="a", kind="quality", objective=0.9), SloPlan(name="b", kind="availability", objective=0.9)]
    assert list_quality_rules(slos) == {"satisfaction-down", "refusals-up", "slo-a", "slo-a-slow"}
