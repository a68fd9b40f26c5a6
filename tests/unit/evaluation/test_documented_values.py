"""Limits that people meet in evaluations: how long, how many, from when on.

One more or one less would reach people without another test's notice.
"""

from __future__ import annotations

import inspect
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


@pytest.mark.parametrize(
    ("function", "defaults"),
    [  # docs/reference/suites.md; intervals of 95 % and a power of 80 % are what `steward eval` says of its results
        *(
            (name, {"confidence": 0.95})
            for name in (
                "agreement.bootstrap_coefficient", "agreement.BradleyTerryFit.difference", "compare.compare_runs",
                "compare.compare_metric", "intervals.tango", "intervals.paired_proportions", "intervals.mean_interval",
                "intervals.statistic_interval", "intervals.win_rate", "intervals.mean_of_shares",
                "intervals.resampled_mean", "judge.summarise_verdicts", "perplexity.summarise_perplexity",
                "perplexity.compare_perplexity", "score.score_predictions", "statistics.wilson",
                "statistics.clopper_pearson", "statistics.paired_bootstrap", "statistics.percentile_interval",
                "statistics.required_items", "study.comparisons_needed", "study.detectable_rate",
            )
        ),
        *(
            (name, {"power": 0.8})
            for name in ("statistics.required_items", "study.comparisons_needed", "study.detectable_rate")
        ),
        ("agreement.bootstrap_coefficient", {"samples": 1000}),
        ("groups.compare_label_rates", {"samples": 2000}),
        ("metrics.answers.Groundedness", {"n": 3, "share": 0.5}),
        ("metrics.classification.CalibrationError", {"bins": 15}),  # Guo et al. 2017, arXiv 1706.04599
        ("metrics.graded.Judge", {"low": 1.0, "high": 5.0}),
        ("metrics.measured.InTime", {"seconds": 1.0}),
        ("metrics.ranking.Hit", {"k": 10}),
        ("metrics.ranking.Ndcg", {"k": 10}),
        ("metrics.ranking.ReciprocalRank", {"k": 1000}),  # trec_eval's depth of a run
        ("metrics.ranking.MeanAveragePrecision", {"k": 1000}),
        ("metrics.ranking.RecallAt", {"k": 10}),
        ("metrics.ranking.PrecisionAt", {"k": 10}),
        ("overlap.find_overlap", {"ngram": 13, "shortest": 8}),
        ("run.run_suite", {"concurrency": 16}),
    ],
)  # fmt: skip
def test_what_is_not_given_is_the_documented_default(function: str, defaults: dict[str, Any]) -> None:
    parts = function.split(".")
    depth = next(at for at, part in enumerate(parts) if part[0].isupper() or at == len(parts) - 1)
    found: Any = import_module(f"steward.evaluation.{'.'.join(parts[:depth])}")
    for part in parts[depth:]:
        found = getattr(found, part)
    parameters = inspect.signature(found).parameters
    assert {name: parameters[name].default for name in defaults} == defaults
