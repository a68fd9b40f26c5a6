"""Baselines that are frozen, and the keeper's look."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.alerts import Alert
from steward.core.errors import InputError
from steward.core.features import DriftBaseline, FeatureRow, RequestFeatures
from steward.core.identity import operator
from steward.core.records import Admitted, Settled
from steward.monitoring.slo import SloPlan
from steward.settings import Settings
from steward.workflows.audit import list_acts
from steward.workflows.drift import (
    DAY_S,
    LOOK_S,
    DriftLook,
    freeze_baseline,
    judge_store,
    list_quality_rules,
    show_drift,
)
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.from_settings import make_plan

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


def served(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    (home / "run").mkdir(parents=True)
    plan = make_plan(Settings(), home, "0")
    (home / "run" / "plan.json").write_bytes(msgspec.json.encode(plan))
    return home


@pytest.mark.parametrize("count", [99, 100])
def test_a_baseline_needs_a_hundred_requests_and_is_in_the_audit_log(tmp_path: Path, count: int) -> None:
    home, rng = served(tmp_path), random.Random(1)
    opened = find_deployment(home).open_store()
    opened.migrate()
    records: list[Admitted | Settled] = []
    for index in range(count + 1):  # the first one was asked before the span
        at = NOW - (index - 1 if index else DAY_S)
        fields: dict[str, Any] = {"endpoint": "/v1/chat/completions", "route": "r", "streamed": False, "project": "p"}
        records.append(Admitted(request_id=f"r{index}", at=at, key_id="k", **fields))
        told = features(rng, 6.0)
        records.append(Settled(request_id=f"r{index}", at=at, outcome="ok", status=200, model="m", features=told))
    opened.ledger.drain("w", "w.seg", 1, records)
    opened.close()
    if count < 100:
        with pytest.raises(InputError, match="99 sampled requests in the last 2h; a baseline needs 100"):
            freeze_baseline(home, "2h", operator(7), NOW + 1)
        return
    baseline = freeze_baseline(home, "2h", operator(7), NOW + 1)
    assert (baseline.created_at, baseline.created_by, len(baseline.rows)) == (NOW + 1, "operator:7", 100)
    assert (baseline.since, baseline.until) == (NOW - 99, NOW)
    (act,) = [act for act in list_acts(home, 9) if act.action == "drift.baseline"]
    assert act.after == "100 requests of the last 2h"
    assert show_drift(home, NOW + 1).baseline_at == NOW + 1
