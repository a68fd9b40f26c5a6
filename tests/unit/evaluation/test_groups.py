"""Rates by group against fairlearn 0.15, and p values that call chance by its name."""

from __future__ import annotations

import random

import pytest

from steward.core.errors import InputError, UnknownName
from steward.core.rates import holm
from steward.evaluation.groups import LabelledCase, compare_groups, compare_label_rates, rates_by_group
from steward.evaluation.run import EvalRun, ItemAnswer, RunManifest
from steward.evaluation.suite import PromptMessage, SuiteItem, SuiteSpec

NAMES = ["a", "b", "c"]
ROWS = [LabelledCase("abc"[i % 3], (i * 7) % 5 < 2, (i * i + i // 3) % 7 < 3) for i in range(60)]

# fairlearn 0.15.0 on the same 60 rows: MetricFrame by group, and its functions of the measures' names
FAIRLEARN_RATES = [(0.55, 0.5, 7 / 12), (0.45, 0.375, 0.5), (0.25, 0.25, 0.25)]
FAIRLEARN = {
    "demographic parity difference": 0.30000000000000004,
    "demographic parity ratio": 0.45454545454545453,
    "equal opportunity difference": 0.25,
    "false positive rate difference": 0.33333333333333337,
    "equalised odds difference": 0.33333333333333337,
    "accuracy difference": 0.1,
}


def test_rates_and_differences_are_fairlearns() -> None:
    rates = [tuple(rate.value for rate in three) for three in rates_by_group(ROWS, NAMES)]
    assert rates == [pytest.approx(three) for three in FAIRLEARN_RATES]
    found = {one.measure: one.value for one in compare_label_rates(ROWS, NAMES)}
    assert found == {name: pytest.approx(value, abs=1e-12) for name, value in FAIRLEARN.items()}


def test_a_real_difference_has_a_small_p_and_chance_has_not() -> None:
    """Under equal treatment a p below .05 comes in one of twenty draws: of 40, more than 7 in 1 of 1,000 (binomial)."""
    apart = [LabelledCase("ab"[i % 2], True, i % 2 == 0 or i % 5 == 0) for i in range(100)]
    first = compare_label_rates(apart, ["a", "b"], samples=400)[0]
    assert first.value == pytest.approx(0.8) and first.p is not None and first.p < 0.01
    assert first.low is not None and first.low > 0.6
    small = 0
    for seed in range(40):
        draw = random.Random(seed)
        rows = [LabelledCase(draw.choice("abc"), draw.random() < 0.5, draw.random() < 0.5) for _ in range(90)]
        small += (compare_label_rates(rows, NAMES, samples=200)[0].p or 0) < 0.05
    assert small <= 7


def test_a_group_without_anybody_due_has_no_such_rate() -> None:
    rows = [LabelledCase("a", True, True), LabelledCase("a", False, False), LabelledCase("b", False, True)] * 5
    found = {one.measure: one.value for one in compare_label_rates(rows, ["a", "b"], samples=50)}
    assert found["equal opportunity difference"] is None and found["equalised odds difference"] is None
    assert found["false positive rate difference"] == 1.0 and found["demographic parity ratio"] == 0.5
    assert rates_by_group(rows, ["a", "b"])[1][1].n == 0


def test_clusters_have_intervals_and_no_p() -> None:
    found = compare_label_rates(ROWS, NAMES, [str(i // 6) for i in range(60)], samples=200)
    assert all(one.p is None and one.low is not None for one in found)


def test_p_counts_the_assignment_that_was_seen() -> None:
    """Phipson and Smyth 2010: (b + 1) / (m + 1); of 99 random orders of 40 none sorts the labels."""
    rows = [LabelledCase("ab"[i % 2], True, i % 2 == 0) for i in range(40)]
    assert compare_label_rates(rows, ["a", "b"], samples=99)[0].p == 0.01


def test_e12_groups_that_are_all_alike_leave_an_interval() -> None:
    """Three of three and three of three: Clopper and Pearson's lower limit of 3 of 3 is 0.2924 (their table)."""
    found = compare_label_rates([LabelledCase("ab"[i % 2], True, True) for i in range(6)], ["a", "b"], samples=99)
    first, ratio = found[0], found[1]
    assert (first.value, first.low) == (0.0, 0.0) and first.high == pytest.approx(1 - 0.2924, abs=1e-4)
    assert (ratio.value, ratio.high) == (1.0, 1.0) and ratio.low == pytest.approx(0.2924, abs=1e-4)


def answered(
    rows: list[tuple[str, str, str | None]], metrics: tuple[str, ...] = ("exact_match",), pages: bool = False
) -> EvalRun:
    """Items (group, right label, answer or None where it failed); on `pages`, two stand on one page each."""
    spec = SuiteSpec(name="s", data="d.jsonl", metrics=metrics, slices=("sort",), prompt="{q}")
    items = tuple(
        SuiteItem(str(n), (PromptMessage("user", "q"),), (due,), {"sort": sort}, str(n // 2 if pages else n))
        for n, (sort, due, _) in enumerate(rows)
    )
    answers = {
        str(n): ItemAnswer(id=str(n), prediction=said, error="timed out" if said is None else None)
        for n, (_, _, said) in enumerate(rows)
    }
    manifest = RunManifest(suite=spec, model="m", items=len(items), data_sha256="d", prompts_sha256="p")
    return EvalRun(manifest, items, answers)


EIGHT: list[tuple[str, str, str | None]] = [
    ("a", "yes", "yes"), ("a", "yes", "no"), ("a", "no", "no"), ("a", "no", "yes"),
    ("b", "yes", " Yes"), ("b", "no", "no"), ("b", "no", "maybe" * 30), ("b", "yes", None),
]  # fmt: skip


def test_a_run_is_compared_by_the_groups_of_its_items() -> None:
    """Of a: 2 of 4 selected, 1 of 2 hits, 1 of 2 false alarms; of b, with two unlabelled: 1 of 2, 1 of 1, 0 of 1."""
    found = compare_groups(answered(EIGHT), "sort", "YES ")
    a, b = found.groups
    assert (a.name, a.items, b.name, b.items, found.n) == ("a", 4, "b", 4, 6)
    assert a.selection and a.true_positive and a.false_positive and b.selection and b.true_positive and b.false_positive
    assert (a.selection.value, a.true_positive.value, a.false_positive.value) == (0.5, 0.5, 0.5)
    assert (b.selection.value, b.true_positive.value, b.false_positive.value) == (0.5, 1.0, 0.0)
    assert found.unscored == (f"6: '{'maybe' * 19}mayb…' is not one of the labels ['no', 'yes']",)
    assert found.errored == ("7: timed out",) and "bootstrap:items" in found.signature
    assert [one.measure for one in found.differences][-1] == "exact_match difference"
    values = [one.p for one in found.differences if one.p is not None]
    assert [one.p_holm for one in found.differences if one.p is not None] == holm(values)


def test_without_a_label_only_the_suites_metrics_are_compared() -> None:
    """Right: 2 of 4 in a and, of the three answered, 2 in b."""
    found = compare_groups(answered(EIGHT), "sort")
    assert [group.selection for group in found.groups] == [None, None] and found.n == 7
    (one,) = found.differences
    assert (one.measure, one.value) == ("exact_match difference", pytest.approx(2 / 3 - 1 / 2))
    assert one.p is not None and one.p == one.p_holm and [group.quality[0].n for group in found.groups] == [4, 3]


def test_what_cannot_be_compared_is_named() -> None:
    with pytest.raises(UnknownName, match="slice of the run"):
        compare_groups(answered(EIGHT), "kind")
    with pytest.raises(UnknownName, match="label among the references"):
        compare_groups(answered(EIGHT), "sort", "perhaps")
    with pytest.raises(InputError, match="every item has the same sort, 'a'"):
        compare_groups(answered(EIGHT[:4]), "sort")


def test_pages_have_intervals_and_no_p() -> None:
    found = compare_groups(answered(EIGHT, pages=True), "sort", "yes")
    assert all(one.p is None for one in found.differences) and "bootstrap:clusters" in found.signature


def test_metrics_of_a_whole_and_groups_without_a_score_are_not_compared() -> None:
    assert compare_groups(answered(EIGHT, metrics=("f1",)), "sort").differences == ()
    failed = [(sort, due, said if sort == "a" else None) for sort, due, said in EIGHT]
    assert compare_groups(answered(failed), "sort").differences == ()
    three = compare_groups(answered([*failed, ("c", "yes", "no")]), "sort").differences
    assert [one.value for one in three] == [0.5]  # a: 2 of 4, b: nothing, c: 0 of 1


def halves(right: int, n: int) -> list[tuple[str, str, str | None]]:
    """Groups a and b of n: in a so many are right, in b the others."""
    rows: list[tuple[str, str, str | None]] = []
    for k in range(n):
        rows += [("a", "yes", "yes" if k < right else "no"), ("b", "yes", "no" if k < right else "yes")]
    return rows


@pytest.mark.parametrize(
    ("n", "low"),
    [  # Clopper and Pearson: 8 of 9 is at least 0.5175, 1 of 9 at most 0.4825; ten are enough to resample
        (9, 0.5175 - 0.4825), (10, None),
    ],
)  # fmt: skip
def test_e12_fewer_than_ten_of_a_group_are_bounded_by_the_groups_own_intervals(n: int, low: float | None) -> None:
    rows = halves(n - 1, n)
    cases = [LabelledCase(sort, True, said == "yes") for sort, _, said in rows]
    for one in (compare_groups(answered(rows), "sort").differences[0], compare_label_rates(cases, ["a", "b"])[0]):
        assert one.value == pytest.approx((n - 2) / n) and one.low is not None
        assert one.low == pytest.approx(low, abs=1e-3) if low is not None else one.low > 0.3


def test_e12_ten_of_each_group_that_are_all_right_leave_an_interval() -> None:
    """Clopper and Pearson's lower limit of 10 of 10 is 0.6915."""
    run = answered([("ab"[k % 2], "yes", "yes") for k in range(20)])
    for one in compare_groups(run, "sort").differences + compare_groups(run, "sort", "yes").differences[:1]:
        assert (one.value, one.low, one.p) == (0.0, 0.0, 1.0) and one.high == pytest.approx(1 - 0.6915, abs=1e-4)


def test_a_clear_difference_has_the_least_p_there_is() -> None:
    """No order of 40 answers of 2,000 is as extreme: 1 / 2001; the ratio's p likewise, of 99: 1 / 100."""
    rows = halves(20, 20)
    assert compare_groups(answered(rows), "sort").differences[0].p == pytest.approx(1 / 2001)
    cases = [LabelledCase(sort, True, said == "yes") for sort, _, said in rows]
    assert [one.p for one in compare_label_rates(cases, ["a", "b"], samples=99)[:2]] == [0.01, 0.01]


def test_where_nobody_is_selected_there_is_no_ratio() -> None:
    found = compare_label_rates([LabelledCase("ab"[k % 2], True, False) for k in range(8)], ["a", "b"], samples=50)
    assert (found[0].value, found[1].value) == (0.0, None)


def test_e12_few_clusters_know_little_of_a_group() -> None:
    """Two conversations, one in each group, are two units: Newcombe's or any interval of 1/1 less 0/1 contains 0."""
    rows = [LabelledCase("a", True, True)] * 50 + [LabelledCase("b", True, False)] * 50
    clusters = ["x"] * 50 + ["y"] * 50
    for one in compare_label_rates(rows, ["a", "b"], clusters, samples=100):
        if one.value is not None:
            assert (one.low, one.high) == (0.0, 1.0), one
    one_each, items = (rates_by_group(rows, ["a", "b"], names)[0][0] for names in (clusters, None))
    assert one_each.low is not None and items.low is not None and one_each.low < 0.3 < 0.9 < items.low
