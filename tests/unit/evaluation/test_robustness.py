"""What a margin promises: seldom "moved" where no change loses more than it, and "passed" where none loses anything."""

from __future__ import annotations

import numpy as np
import pytest

from steward.evaluation.robustness import (
    RobustnessReport,
    find_worst_case,
    measure_robustness,
    score_same_answers,
)
from steward.evaluation.run import EvalRun, ItemAnswer, RunManifest
from steward.evaluation.suite import MetricSpec, PromptMessage, QuestionChange, SuiteItem, SuiteSpec


def folder(right: list[bool]) -> EvalRun:
    items = tuple(SuiteItem(str(n), (PromptMessage("user", "q"),), ("yes",), {}, str(n)) for n in range(len(right)))
    answers = {str(n): ItemAnswer(id=str(n), prediction="yes" if value else "no") for n, value in enumerate(right)}
    spec = SuiteSpec(name="s", data="d.jsonl", metrics=("exact_match",), prompt="{q}")
    manifest = RunManifest(suite=spec, model="m", items=len(items), data_sha256="d", prompts_sha256="p")
    return EvalRun(manifest, items, answers)


def tried(loss: float, n: int, changes: int, random: np.random.Generator) -> RobustnessReport:
    """A model that is right in 80 %; each change turns 5 % of either kind round by chance, and loses `loss` beside."""
    before = random.random(n) < 0.8
    runs = {}
    for number in range(changes):
        up, down = random.random(n) < 0.05, random.random(n) < 0.0125 + loss / 0.8
        runs[f"change {number}"] = (QuestionChange(use="typos"), folder(np.where(before, ~down, up).tolist()))
    return measure_robustness(folder(before.tolist()), runs, margin=0.05, samples=400)


def shares(loss: float, n: int, changes: int, rounds: int) -> dict[str | None, float]:
    random = np.random.default_rng(1)
    verdicts = [tried(loss, n, changes, random).verdict for _ in range(rounds)]
    return {name: verdicts.count(name) / rounds for name in ("passed", "moved", "inconclusive")}


def test_at_the_margin_three_changes_are_seldom_called_moved() -> None:
    """Promised are 2.5 % after Holm's correction; 50 rounds give more than 4 of them in 1 of 100 (binomial)."""
    found = shares(0.05, 200, 3, 50)
    assert found["moved"] <= 4 / 50 and found["passed"] <= 4 / 50


def test_it_decides_where_there_is_something_to_see() -> None:
    assert shares(0.0, 500, 2, 10)["passed"] >= 0.9 and shares(0.15, 500, 2, 10)["moved"] >= 0.9


def test_worst_of_all_by_hand() -> None:
    """Right in both runs: 1 of 4. So the worst is 1/4 where the original is 3/4."""
    found = find_worst_case(
        MetricSpec("exact_match"), folder([True, True, True, False]), [folder([True, False, False, True])]
    )
    assert found is not None and (found.original, found.worst, found.gain) == (0.75, 0.25, pytest.approx(-0.5))


def test_options_in_another_order_have_no_same_answer() -> None:
    run = folder([True, False])
    assert score_same_answers(QuestionChange(use="options-order"), run, run) is None
    same = score_same_answers(QuestionChange(use="typos"), run, run)
    assert same is not None and same.value == 1.0


def test_items_that_failed_are_named() -> None:
    run = folder([True, False])
    failed = {**run.answers, "1": ItemAnswer(id="1", error="HTTP 500")}
    found = measure_robustness(run, {"t": (QuestionChange(use="typos"), EvalRun(run.manifest, run.items, failed))})
    assert found.errored == () and found.effects[0].errored == ("1: HTTP 500",)
