"""Limits that people meet in evaluations: how long, how many, from when on.

One more or one less would reach people without another test's notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metrics.answers.MOST_SCHEMA_LEVELS", 200),
        ("metrics.overlap.MOST_TER_WORDS", 2_000),
        ("metrics.overlap.MOST_SUMMARY_WORDS", 2_000),
        ("choices._NEAR", 100),
        ("intervals.FEW", 10),
        ("intervals.SMALL", 30),
        ("patterns.LONGEST_S", 2.0),
        ("probe.TOLERANCE", 0.2),
        ("refusals._LONG", 25),
        ("repeatability._SHOWN", 20),
        ("robustness._SHOWN", 5),
        ("run.RETRIES", 3),
        ("run._PATIENT_S", 30.0),
        ("run._PAUSES_S", (0.5, 1.5, 4.0)),
        ("run._LONGEST_S", 60.0),
        (
            "run._RETRIED",
            {408, 409, 429, 500, 502, 503, 504},
        ),  # RFC 9110, RFC 6585
        ("spend.CHARACTERS_PER_TOKEN", 4),  # OpenAI's rule of thumb
        ("spend.MESSAGE_TOKENS", 4),
        ("spend.DEFAULT_OUTPUT", 256),
        ("statistics.SAMPLES", 10_000),
        ("statistics.MANY", 2_000),
        ("statistics.ALIKE", 8),
        ("study.DOUBLY_RATED", 50),
        ("study._SHORTEST", 3),
        ("tools.MOST_TURNS", 100),
        ("votes.SAMPLES", 1000),
    ],
)
def test_the_limit_is_the_documented_one(name: str, value: Any) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(f"steward.evaluation.{module}"), constant) == value
