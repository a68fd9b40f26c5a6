"""What a margin promises: seldom "moved" where no change loses more than it, and "passed" where none loses anything."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from steward.core.rates import holm
from steward.evaluation.robustness import (
    RobustnessReport,
    expected_answer,
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


def answered(said: dict[str, str | None], metric: MetricSpec | None = None, page: int = 0) -> EvalRun:
    """A run of one word each, None where it failed; with `page`, so many items stand on one page."""
    items = tuple(
        SuiteItem(name, (PromptMessage("user", f"q{name}"),), ("yes",), {}, str(n // page) if page else name)
        for n, name in enumerate(said)
    )
    answers = {
        name: ItemAnswer(id=name, prediction=text, error="timed out" if text is None else None, output_tokens=n)
        for n, (name, text) in enumerate(said.items())
    }
    spec = SuiteSpec(name="s", data="d.jsonl", metrics=(metric or "exact_match",), prompt="{q}")
    manifest = RunManifest(suite=spec, model="m", items=len(items), data_sha256="d", prompts_sha256="p")
    return EvalRun(manifest, items, answers)


def yes_no(right: int, n: int) -> dict[str, str | None]:
    return {str(k): "yes" if k < right else "no" for k in range(n)}


def measured(before: EvalRun, after: EvalRun, change: QuestionChange, margin: float | None) -> RobustnessReport:
    return measure_robustness(before, {"c": (change, after)}, margin=margin, samples=400)


TYPOS, SWAP = QuestionChange(use="typos"), QuestionChange(use="gender")


@pytest.mark.parametrize(
    ("change", "before", "after", "verdict"),
    [
        (TYPOS, 200, 100, "moved"), (TYPOS, 100, 200, "passed"), (SWAP, 100, 200, "moved"), (SWAP, 200, 100, "moved"),
        (TYPOS, 200, 200, "passed"), (SWAP, 200, 200, "passed"), (TYPOS, 200, 185, "inconclusive"),
        (TYPOS, 185, 200, "passed"), (SWAP, 185, 200, "inconclusive"),
    ],
)  # fmt: skip
def test_losing_is_moving_and_after_a_swap_winning_too(
    change: QuestionChange, before: int, after: int, verdict: str
) -> None:
    """Of 200 items, with a margin of 0.1."""
    found = measured(answered(yes_no(before, 200)), answered(yes_no(after, 200)), change, 0.1)
    assert found.verdict == verdict and found.margin == 0.1


def test_without_a_margin_there_is_no_verdict_and_without_an_interval_no_pass() -> None:
    run = answered(yes_no(200, 200))
    assert measured(run, run, TYPOS, None).verdict is None
    failed = answered(dict.fromkeys(yes_no(1, 200)))
    found = measured(run, failed, TYPOS, 0.1)
    assert found.verdict == "inconclusive" and found.effects[0].shifts[0].low is None and found.worst == ()


def test_an_effect_shows_five_items_and_those_that_lost_first() -> None:
    before = answered({str(n): "yes" if n != 2 else "no" for n in range(12)})
    after = answered({str(n): ("no" if n == 9 else f"yes {n}" if n > 3 else "no") for n in range(3, 12)})
    change = measured(before, after, TYPOS, None)
    (effect,) = change.effects
    assert (effect.items, effect.untouched, effect.change, len(effect.examples)) == (9, 3, "c", 5)
    assert {one.id for one in effect.examples} <= set(effect.shifts[0].paired.worse)
    one = answered({"a": "yes", "b": "no"}), answered({"a": "yes", "b": " no "})
    assert measured(*one, TYPOS, None).effects[0].examples == ()
    other = answered({"a": "yes", "b": "no"}), answered({"a": "yes", "b": "never"})
    (example,) = measured(*other, TYPOS, None).effects[0].examples
    assert (example.id, example.said, example.said_after, example.asked) == ("b", "no", "never", "")


def test_after_a_swap_the_answer_about_the_other_person_is_the_same() -> None:
    """ "He" where "she" was asked of; a dialect speaks of the same people."""
    before, after = answered({"a": "He is.", "b": "He is."}), answered({"a": "She is.", "b": "He is."})
    for change, share in ((SWAP, 0.5), (TYPOS, 0.5), (QuestionChange(use="gender"), 0.5)):
        same = score_same_answers(change, before, after)
        assert same is not None and same.value == share
    shown = measured(before, after, SWAP, None).effects[0].examples
    assert [one.id for one in shown] == ["b"]
    assert [one.id for one in measured(before, after, TYPOS, None).effects[0].examples] == ["a"]
    assert expected_answer(SWAP, "He is.") == "She is." and expected_answer(SWAP, "Nobody.") == "Nobody."


def test_an_answer_that_failed_in_either_run_is_not_compared() -> None:
    for pair in (
        ({"a": "yes", "b": None}, {"a": "yes", "b": "yes"}),
        ({"a": "yes", "b": "yes"}, {"a": "yes", "b": None}),
    ):
        same = score_same_answers(TYPOS, *(answered(dict(said)) for said in pair))
        assert same is not None and (same.value, same.n) == (1.0, 1)
    assert score_same_answers(TYPOS, answered({"a": "yes"}), answered({})) is None


def test_the_worst_of_a_cost_is_the_highest() -> None:
    """Items cost 0, 1 and 2 millionths for each token of their place; in the other run the third costs 5."""
    spec = MetricSpec("cost", {"output": "1"})
    one = answered(yes_no(3, 3), spec)
    answers = {
        name: msgspec.structs.replace(answer, input_tokens=1, output_tokens=5 if name == "2" else 0)
        for name, answer in one.answers.items()
    }
    first = {name: msgspec.structs.replace(answer, input_tokens=1) for name, answer in one.answers.items()}
    found = find_worst_case(
        spec, EvalRun(one.manifest, one.items, first), [EvalRun(one.manifest, one.items, answers)], 100
    )
    assert found is not None and found.n == 3
    assert (found.original, found.worst, found.gain) == pytest.approx((1e-6, 2e-6, -1e-6))


def test_items_that_a_run_could_not_score_are_left_out_of_the_worst_case() -> None:
    original = answered({"a": "yes", "b": "yes", "c": "yes"})
    found = find_worst_case(
        MetricSpec("exact_match"), original, [answered({"a": "no", "b": None}), answered({"c": "yes"})], 100
    )
    assert found is not None and (found.n, found.original, found.worst) == (2, 1.0, 0.5)
    assert find_worst_case(MetricSpec("f1"), original, [original], 100) is None
    assert find_worst_case(MetricSpec("exact_match"), original, [answered(dict.fromkeys("abc"))], 100) is None


def test_the_worst_case_of_pages_resamples_pages() -> None:
    """Four pages bound less than forty items: a tenth of each page is lost."""
    before = answered(yes_no(40, 40))
    alone = find_worst_case(MetricSpec("exact_match"), before, [answered(yes_no(20, 40))], 400)
    paged = find_worst_case(
        MetricSpec("exact_match"), answered(yes_no(40, 40), page=10), [answered(yes_no(20, 40), page=10)], 400
    )
    assert alone is not None and paged is not None and alone.low is not None and paged.low is not None
    assert alone.gain == paged.gain == -0.5 and paged.low < alone.low


def test_metrics_beside_the_suites_have_shifts_but_no_worst_case_and_no_verdict() -> None:
    before, after = answered(yes_no(200, 200)), answered({**yes_no(200, 200), "0": "yes it is, so to say"})
    found = measure_robustness(
        before, {"c": (TYPOS, after)}, extra=[MetricSpec("token_f1")], margin=0.1, samples=400, untouching=("d",)
    )
    assert [shift.paired.metric for shift in found.effects[0].shifts] == ["exact_match", "token_f1"]
    assert [one.metric for one in found.worst] == ["exact_match"] and found.untouching == ("d",)
    values = [shift.paired.p for shift in found.effects[0].shifts if shift.paired.p is not None]
    assert [shift.p for shift in found.effects[0].shifts if shift.p is not None] == holm(values)
