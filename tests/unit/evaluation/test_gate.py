"""The gate's promises: three verdicts, rates at the margin, and nothing unmeasured that passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steward.core.errors import InputError, UnknownName
from steward.evaluation.compare import MetricComparison, SampledComparison, SampledGain, compare_runs
from steward.evaluation.gate import GateDecision, GatePolicy, MetricMargin, decide_gate, judge_metric, read_gate_policy
from steward.evaluation.report import render_comparison_page, render_gate_junit, render_gate_markdown
from steward.evaluation.run import EvalRun, ItemAnswer, RunManifest
from steward.evaluation.suite import MetricSpec, MustPass, PromptMessage, SuiteItem, SuiteSpec


def folder(right: list[bool | None], model: str = "m", sort: int = 2, must: MustPass | None = None) -> EvalRun:
    """A run whose items are right, wrong, or failed where None; slices "0", "1", … in turn."""
    spec = SuiteSpec(name="s", data="d.jsonl", metrics=("exact_match",), slices=("sort",), prompt="{q}", must_pass=must)
    items, answers = [], {}
    for number, value in enumerate(right):
        name = str(number)
        items.append(
            SuiteItem(name, (PromptMessage("user", "<b>q</b>"),), ("yes",), {"sort": str(number % sort)}, name)
        )
        said = None if value is None else "yes" if value else "no"
        answers[name] = ItemAnswer(id=name, prediction=said, error="timed out" if value is None else None)
    manifest = RunManifest(suite=spec, model=model, items=len(items), data_sha256=str(len(items)), prompts_sha256="p")
    return EvalRun(manifest, tuple(items), answers)


def gate(a: list[bool | None], b: list[bool | None], **policy: object) -> GateDecision:
    given = {"metrics": (MetricMargin(name="exact_match", margin=0.05),), **policy}
    return decide_gate(folder(a, "old"), folder(b, "new"), GatePolicy(**given), samples=1000)  # type: ignore[arg-type]


def test_the_same_answers_pass_where_there_are_enough() -> None:
    assert gate([True] * 150, [True] * 150).verdict == "passed"


def test_the_same_answers_are_inconclusive_where_there_are_few() -> None:
    """Without a discordant pair Tango's interval ends at z²/(n + z²): 16 % of 20 items; 5 % needs 19 z² = 73 items."""
    found = gate([True] * 20, [True] * 20)
    check = found.checks[0]
    assert found.verdict == "inconclusive" and check.low == pytest.approx(-3.8415 / 23.8415, abs=1e-4)
    assert check.more_items is not None and 20 + check.more_items == 73


def test_a_clear_loss_regresses_and_names_its_slice() -> None:
    a: list[bool | None] = [True] * 400
    b: list[bool | None] = [index % 2 == 0 or index % 10 == 1 for index in range(400)]  # slice 1 loses 80 %
    found = gate(a, b, metrics=(MetricMargin(name="exact_match", margin=0.05, slices=("sort",)),))
    verdicts = {check.name: check.verdict for check in found.checks}
    assert found.verdict == "regressed" and verdicts["exact_match where sort is 1"] == "regressed"
    assert verdicts["exact_match where sort is 0"] == "passed"


def rates(loss: float, n: int, rounds: int, seed: int) -> dict[str, float]:
    """Shares of verdicts where the candidate truly loses `loss` against a baseline that is right in 80 %."""
    random, counts = np.random.default_rng(seed), dict.fromkeys(("passed", "regressed", "inconclusive"), 0.0)
    for _ in range(rounds):
        kind = random.choice(3, n, p=[0.1 + loss, 0.1, 0.8 - loss])  # only old right, only new right, both the same
        a, b = (kind != 1).tolist(), (kind != 0).tolist()
        counts[gate(a, b).verdict] += 1 / rounds
    return counts


def test_at_the_margin_it_seldom_passes_and_seldom_refuses() -> None:
    """A loss of just the margin: 2.5 % of each by design, at most 5 % promised."""
    found = rates(0.05, 250, 240, seed=11)
    assert 0 < found["passed"] <= 0.05 and 0 < found["regressed"] <= 0.05


def test_it_decides_where_there_is_something_to_see() -> None:
    assert rates(0.0, 1200, 25, seed=12)["passed"] >= 0.9
    assert rates(0.2, 400, 25, seed=13)["regressed"] >= 0.9


def test_the_number_of_items_it_asks_for_decides() -> None:
    """Power .8 at that number, if the loss seen is the true one: none here, with half of 30 % lost and won."""
    a: list[bool | None] = [index % 20 >= 3 for index in range(100)]
    b: list[bool | None] = [index % 20 < 17 for index in range(100)]
    found = gate(a, b)
    more = found.checks[0].more_items
    assert found.verdict == "inconclusive" and more
    assert more + 100 == pytest.approx(
        (2.8016 / 0.05) ** 2 * 0.3, rel=0.1
    )  # (z.975 + z.8)²·σ²/δ², σ from 1,000 samples


def test_what_was_not_measured_is_no_pass() -> None:
    b: list[bool | None] = [None if index < 10 else True for index in range(300)]
    found = gate([True] * 300, b)
    assert found.verdict == "inconclusive"
    assert "scored 290 of 300 items" in next(check.why for check in found.checks if check.name.startswith("coverage"))


def test_an_item_that_must_never_fail_refuses_alone() -> None:
    b: list[bool | None] = [True] * 299 + [False]
    must = MustPass("exact_match", ("299", "0"))
    found = gate([True] * 300, b, must_pass=must)
    assert [check.name for check in found.checks if check.verdict == "regressed"] == ["item 299 must pass exact_match"]
    b[299] = None
    assert gate([True] * 300, b, must_pass=must).verdict == "inconclusive"
    with pytest.raises(InputError, match="'300', which is not an item"):
        gate([True], [True], must_pass=MustPass("exact_match", ("300",)))


def test_strict_refuses_a_loss_within_the_margin() -> None:
    b: list[bool | None] = [index >= 20 for index in range(2000)]
    assert gate([True] * 2000, b).verdict == "passed"
    assert gate([True] * 2000, b, strict=True).verdict == "regressed"


def test_runs_over_different_data_are_refused() -> None:
    with pytest.raises(InputError, match="different data"):
        decide_gate(
            folder([True]), folder([True, True]), GatePolicy(metrics=(MetricMargin(name="exact_match", margin=0),))
        )
    with pytest.raises(UnknownName, match="slice of the suite"):
        gate([True], [True], metrics=(MetricMargin(name="exact_match", margin=0, slices=("topic",)),))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metrics: []", "pass everything"),
        ("metrics: [{name: f1, margin: -1}]", "margin -1"),
        ("metrics: [{name: f1}]", "margin"),
        ("metrics: [{name: f1, margin: 0.1}]\ncoverage: 2", "coverage 2"),
        ("metrics: [{name: f1, margin: 0.1, slice: x}]", "slice"),
        ("{", "gate.yaml"),
    ],
)
def test_a_wrong_policy_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "gate.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_gate_policy(tmp_path / "gate.yaml")


def test_a_comparison_says_what_moved() -> None:
    """McNemar of 1 and 7: mid-p .0391 (Fagerland et al. 2013)."""
    a = folder([True] * 7 + [False] + [True] * 32)
    b = folder([False] * 7 + [True] + [True] * 32, "new")
    found = compare_runs(a, b)
    whole = found.wholes[0]
    assert whole.p == 0.0390625 and whole.gain == pytest.approx(-0.15) and whole.test == "mcnemar mid-p"
    assert whole.better == ("7",) and set(whole.worse) == set("0123456")
    assert [row.name for row in found.slices] == ["0", "1"]
    page = render_comparison_page(found, a, b)
    assert "&lt;b&gt;q&lt;/b&gt;" in page and "<b>q" not in page and "://" not in page and len(page) < 500_000


def test_a_decision_is_written_for_people_and_build_servers() -> None:
    found = gate([True] * 20, [True] * 20)
    assert "**Gate: inconclusive**" in render_gate_markdown(found)
    assert 'errors="1"' in render_gate_junit(found) and "<error" in render_gate_junit(found)


def spent(tokens: list[int]) -> EvalRun:
    """A run that cost a millionth for each token of its answers."""
    spec = SuiteSpec(name="s", data="d", prompt="q", metrics=(MetricSpec("cost", {"output": "1"}),))
    items = [SuiteItem(str(n), (), (), {}, str(n)) for n in range(len(tokens))]
    answers = {
        str(n): ItemAnswer(id=str(n), prediction="", input_tokens=9, output_tokens=k) for n, k in enumerate(tokens)
    }
    manifest = RunManifest(suite=spec, model="m", items=len(items), data_sha256=str(len(items)), prompts_sha256="p")
    return EvalRun(manifest, tuple(items), answers)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ([100, 120] * 20, [100, 120] * 20, "passed"),
        ([100, 120] * 20, [110, 140] * 20, "passed"),  # 15 millionths more, for sure below the margin of 50
        ([100, 120] * 20, [300, 220] * 20, "regressed"),
        ([100, 120] * 2, [100, 120] * 2, "inconclusive"),  # four items are too few
    ],
)
def test_a_cost_has_no_end_so_few_items_decide_nothing(before: list[int], after: list[int], verdict: str) -> None:
    policy = GatePolicy(metrics=(MetricMargin(name="cost", margin=50e-6),))
    found = decide_gate(spent(before), spent(after), policy, samples=1000)
    assert found.verdict == verdict
    if verdict == "inconclusive":  # z² (1 - 50/120) / (50/120) = 5.4
        assert found.checks[0].more_items == 2


@pytest.mark.parametrize(
    ("items", "words"),
    [(72, "about 1 more item would decide it"), (71, "about 2 more items would decide it")],
)
def test_the_number_of_items_that_lack_is_told(items: int, words: str) -> None:
    """73 decide: see above."""
    check = gate([True] * items, [True] * items).checks[0]
    assert check.more_items == 73 - items and words in check.why


def test_a_loss_seen_so_far_asks_for_more_items_than_none() -> None:
    """(z.975 + z.8)^2 s^2 / (margin - loss)^2 with a loss of 0.02 of a margin of 0.05."""
    a: list[bool | None] = [index % 20 >= 3 for index in range(200)]
    b: list[bool | None] = [index % 20 < 17 and index >= 4 for index in range(200)]
    check = gate(a, b).checks[0]
    loss = sum(map(int, a)) / 200 - sum(map(int, b)) / 200  # type: ignore[arg-type]
    gains = np.array(b, dtype=float) - np.array(a, dtype=float)
    assert check.gain == pytest.approx(-loss) and check.more_items is not None and 0 < loss < 0.05
    assert check.more_items + 200 == pytest.approx(2.8016**2 * gains.var() / (0.05 - loss) ** 2, rel=0.15)


def test_an_interval_that_ends_at_the_margin_decides_nothing() -> None:
    a: list[bool | None] = [True] * 100
    b: list[bool | None] = [index >= 1 for index in range(100)]
    low = gate(a, b).checks[0].low
    assert low is not None
    for margin, verdict in ((-low, "inconclusive"), (-low + 1e-9, "passed")):
        assert gate(a, b, metrics=(MetricMargin(name="exact_match", margin=margin),)).checks[0].verdict == verdict


def test_a_real_loss_within_the_margin_is_told() -> None:
    b: list[bool | None] = [index >= 20 for index in range(2000)]
    assert gate([True] * 2000, b).checks[0].why.endswith("there is a real loss, but it is within the margin")
    assert "real loss" not in gate([True] * 200, [True] * 200).checks[0].why


def test_slices_have_twice_the_margin_unless_they_have_their_own() -> None:
    for own, margin in ((None, 0.1), (0.07, 0.07)):
        entry = MetricMargin(name="exact_match", margin=0.05, slices=("sort",), slice_margin=own)
        found = gate([True] * 200, [True] * 200, metrics=(entry,))
        assert [check.margin for check in found.checks[:3]] == [0.05, margin, margin]


def test_what_cannot_be_told_says_why() -> None:
    nothing = gate([None] * 5, [True] * 5).checks[0]
    assert (nothing.verdict, nothing.why) == ("inconclusive", "no item was scored in both runs")
    policy = GatePolicy(metrics=(MetricMargin(name="cost", margin=50e-6),))
    free = decide_gate(spent([0] * 40), spent([0] * 40), policy, samples=100).checks[0]
    assert (free.verdict, free.why) == ("inconclusive", "too few different values for an interval")


def test_scoring_as_many_items_as_the_policy_asks_for_is_enough() -> None:
    b: list[bool | None] = [None] * 10 + [True] * 90
    for coverage, verdict in ((0.9, "passed"), (0.91, "inconclusive")):
        checks = {check.name: check for check in gate([True] * 100, b, coverage=coverage).checks}
        assert checks["coverage of exact_match"].verdict == verdict


def test_only_checks_that_regressed_may_be_chance() -> None:
    """Two slices of 200, of which one lost 6 of 200: alone for certain, among three checks perhaps by chance."""
    a: list[bool | None] = [True] * 400
    b: list[bool | None] = [not (index % 2 and index < 12) for index in range(400)]
    entry = MetricMargin(name="exact_match", margin=0.0, slices=("sort",), slice_margin=0.0)
    found = gate(a, b, metrics=(entry,), strict=True)
    by_name = {check.name: check for check in found.checks}
    assert "chance" not in by_name["exact_match where sort is 0"].why
    twenty = MetricMargin(name="exact_match", margin=0.3, slices=("sort",), slice_margin=0.3)
    few = decide_gate(
        folder([True] * 160, "old", sort=20),
        folder([index % 20 != 0 for index in range(160)], "new", sort=20),
        GatePolicy(metrics=(twenty,)),
        samples=100,
    )
    noted = [check for check in few.checks if "this may be chance" in check.why]
    assert [check.name for check in noted] == ["exact_match where sort is 0"] and "needed 0.025)" in noted[0].why


def test_an_item_that_must_pass_is_one_item() -> None:
    found = gate([True] * 9, [True] * 9, must_pass=MustPass("exact_match", ("3",)))
    check = next(check for check in found.checks if check.name.startswith("item"))
    assert (check.verdict, check.n, check.why) == ("passed", 1, "exact_match 1, expected at least 1")


def test_the_least_margin_and_the_ends_of_the_shares_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text("metrics: [{name: f1, margin: 0, slice_margin: 0}]\nconfidence: 0.9999\ncoverage: 0.0")
    assert read_gate_policy(path).confidence == 0.9999
    for line, said in (("confidence: 1.0", "confidence 1.0"), ("confidence: 0.4", "0.4"), ("coverage: 1.01", "1.01")):
        path.write_text(f"metrics: [{{name: f1, margin: 0}}]\n{line}")
        with pytest.raises(InputError, match=said):
            read_gate_policy(path)


@pytest.mark.parametrize(("high", "is_real"), [(-0.001, True), (0.0, False), (0.001, False)])
def test_a_loss_within_the_margin_is_called_real_where_its_interval_has_no_zero(high: float, is_real: bool) -> None:
    sampled = SampledGain(gain=-0.01, drawn=np.zeros(1), units=np.zeros(1), scale=1.0)
    paired = MetricComparison(
        metric="exact_match", field="", name="", baseline=0.9, candidate=0.89, gain=-0.01, low=-0.02, high=high, p=0.5,
        test="", n=100, units=100, items=100, spread=0.1, better=(), worse=(), signature="",
    )  # fmt: skip
    policy = GatePolicy(metrics=(MetricMargin(name="exact_match", margin=0.05),))
    check = judge_metric(SampledComparison(paired, sampled), 0.05, policy)
    assert check.verdict == "passed" and ("real loss" in check.why) is is_real
