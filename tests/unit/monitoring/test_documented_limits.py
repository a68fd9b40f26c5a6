"""Sizes of the rules and series as docs/explanation and the comments beside them have them: what is told, and when."""

from __future__ import annotations

from typing import Any

import pytest

from documented_limits import read_limit

SIZES: dict[str, Any] = {
    "backtest.MAX_GAP_MINUTES": 4_320,  # three days
    "backtest.WEEK_S": 604_800,
    "conditions.EXPIRES_S": 1_209_600,  # 14 days
    "conditions.EXPIRES_SOON_S": 259_200,  # three days
    "conditions.NEARLY_SPENT": 0.9,
    "conditions.LATE_S": 60.0,
    "conditions.MANY_BYTES": 16_777_216,
    "conditions.NAMED": 5,
    "conditions.DISK_FULL": 0.9,
    "conditions.SILENT_S": 300.0,
    "conditions.OVER_PLAN": 1.05,
    "conditions.LEAK_HOURS": 24,
    "conditions.LEAK_Z": 5.0,
    "conditions.LEAK_SHARE": 0.05,
    "conditions.LEAK_BYTES": 33_554_432,
    "drift.PERMUTATIONS": 1_999,
    "drift.MAX_CELLS": 1_000,
    "drift.MAX_WORDS": 50,
    "drift.MIN_EVENTS": 30,
    "drift.LEVEL": 0.05,
    "drift.MIN_EFFECT": 0.003,
    "embedding_drift.MOST_VECTORS": 500,
    "embedding_drift.MIN_VECTORS": 30,
    "embedding_drift.PERMUTATIONS": 999,
    "embedding_drift.MIN_EFFECT": 0.002,
    "events.MAX_LINE_BYTES": 1_048_576,
    "history.MINUTES_OF_DAY": 1_440,
    "history.KEPT_MINUTES": 51_840,  # 36 days
    "live_drift.LIVE_LEVEL": 0.01,
    "metric_answer.MINUTES_UP_TO_S": 21_600,  # six hours
    "metric_answer.HOURS_UP_TO_S": 1_209_600,  # 14 days
    "metric_query.MOST_LETTERS": 500,
    "power.POWER": 0.8,
    "rule_cards.MEASURED_MONTHS": 60,
    "live_drift.MOST_EVENTS": 2_000,
    "live_drift.LEAST_EVENTS": 100,
    "engine_metrics.MOST_LINES": 100_000,
    "outside_alerts.MOST_NAME": 100,
    "outside_alerts.MOST_SCOPE": 120,
    "outside_alerts.MOST_TEXT": 500,
    "outside_alerts.LATE_S": 600.0,
    "rules.GONE": 0.05,
    "rules.PATIENT": 360,  # minutes
    "rules.MIN_BEFORE": 500,
    "rules.ENOUGH": 300,
    "slo.CERTAIN": 0.001,
    "spend.HISTORY_DAYS": 28,
    "traffic.MOST_GROUPS_SHOWN": 50,
    "watch.QUIET_MINUTES": 30,
    "watch.HELD_MINUTES": 10_080,  # a week
    "watch.MAX_NAMES": 20,
}


@pytest.mark.parametrize("name", SIZES)
def test_a_limit_is_the_one_that_is_documented(name: str) -> None:
    assert read_limit("monitoring", name) == SIZES[name]
