"""Two runs paired by id: the interval, the test and the items that moved."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from steward.core.errors import InputError
from steward.evaluation.answer_filters import PatternFilter
from steward.evaluation.compare import compare_metric, compare_runs, match_rows, pair_rows, require_matching_runs
from steward.evaluation.gate import GatePolicy, MetricMargin, decide_gate
from steward.evaluation.intervals import tango
from steward.evaluation.run import EvalRun, ItemAnswer, RunManifest
from steward.evaluation.suite import MetricSpec, PromptMessage, SuiteItem, SuiteSpec


def make_run(said: dict[str, str | None], metrics: tuple[str, ...] = ("exact_match",), cluster: int = 1) -> EvalRun:
    """Items with the reference "yes"; None: the item failed. `cluster`: items of one cluster."""
    spec = SuiteSpec(name="s", data="d.jsonl", metrics=metrics, prompt="{q}")
    items = tuple(
        SuiteItem(name, (PromptMessage("user", "q"),), ("yes",), {}, str(number // cluster) if cluster > 1 else name)
        for number, name in enumerate(said)
    )
    answers = {
        name: ItemAnswer(id=name, prediction=text, error=None if text is not None else "timed out")
        for name, text in said.items()
    }
    manifest = RunManifest(suite=spec, model="m", items=len(said), data_sha256="|".join(said), prompts_sha256="p")
    return EvalRun(manifest, items, answers)


def yes(count: int, wrong: int = 0) -> dict[str, str | None]:
    return {str(n): "no" if n < wrong else "yes" for n in range(count)}


def test_e11_the_same_items_in_another_order_are_matched_by_id() -> None:
    one, other = make_run({"a": "yes", "b": "no", "c": "yes"}), make_run({"c": "yes", "a": "no", "b": "no"})
    found = compare_runs(one, other).wholes[0]
    assert (found.n, found.worse, found.better) == (3, ("a",), ())


def test_e11_other_items_are_still_refused() -> None:
    one = make_run({"a": "yes", "b": "no"})
    with pytest.raises(InputError, match="item 'b' differs"):
        require_matching_runs(one, make_run({"a": "yes", "c": "no"}))
    with pytest.raises(InputError, match="2 items and 3"):
        require_matching_runs(one, make_run({"a": "yes", "b": "no", "c": "no"}))
    with pytest.raises(InputError, match="different metrics"):
        require_matching_runs(one, make_run({"a": "yes", "b": "no"}, ("token_f1",)))


def test_e12_a_loss_of_every_item_has_tangos_interval() -> None:
    found = compare_runs(make_run(yes(25)), make_run(yes(25, wrong=25))).wholes[0]
    assert (
        (found.gain, found.low) == (-1.0, -1.0) and found.high == tango(25, 0, 25).high and "|tango" in found.signature
    )


def test_e12_equal_values_of_an_f1_have_a_width_and_a_p_that_agrees() -> None:
    """Every one of 25 items fell from 1 to 2/3: Tango's interval of 25 thirds lost."""
    said: dict[str, str | None] = {str(n): "yes it" for n in range(25)}
    found = compare_runs(make_run(yes(25), ("token_f1",)), make_run(said, ("token_f1",))).wholes[0]
    assert found.gain == pytest.approx(-1 / 3) and found.low is not None and found.high is not None
    assert (found.low, found.high) == pytest.approx((tango(25 / 3, 0, 25).low, tango(25 / 3, 0, 25).high))
    assert found.test == "interval" and found.p is not None and (found.p < 0.05) == (found.high < 0)


@pytest.mark.parametrize(("count", "wrong"), [(4, 4), (5, 5), (19, 18), (40, 3), (25, 0), (1, 1)])
@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5])
def test_e14_the_gate_shows_the_comparisons_interval_and_means_it(count: int, wrong: int, margin: float) -> None:
    before, after = make_run(yes(count)), make_run(yes(count, wrong))
    shown = compare_runs(before, after).wholes[0]
    policy = GatePolicy(metrics=(MetricMargin(name="exact_match", margin=margin),))
    decision = decide_gate(before, after, policy)
    check = decision.checks[0]
    assert (check.low, check.high, check.gain) == (shown.low, shown.high, shown.gain)
    assert check.low is not None and check.high is not None
    expected = "regressed" if check.high < -margin else "passed" if check.low > -margin else "inconclusive"
    assert check.verdict == decision.verdict == expected


def test_e14_few_clusters_decide_nothing_and_say_so() -> None:
    """19 items on 4 pages, 18 of them lost: four pages bound no loss."""
    before, after = make_run(yes(19), cluster=5), make_run(yes(19, 18), cluster=5)
    check = decide_gate(before, after, GatePolicy(metrics=(MetricMargin(name="exact_match", margin=0.2),))).checks[0]
    assert check.verdict == "inconclusive" and check.high is not None and check.high > -0.2


def test_e14_among_many_checks_one_that_regressed_alone_is_not_certain() -> None:
    """20 slices, one of which lost 8 of 8: its row says regressed, the gate after Holm's correction does not."""
    policy = GatePolicy(metrics=(MetricMargin(name="exact_match", margin=0.3, slices=("part",), slice_margin=0.3),))
    runs = []
    for wrong in (0, 8):
        run = make_run(yes(160, wrong))
        spec = msgspec.structs.replace(run.manifest.suite, slices=("part",))
        items = tuple(msgspec.structs.replace(item, slices={"part": str(int(item.id) // 8)}) for item in run.items)
        runs.append(EvalRun(msgspec.structs.replace(run.manifest, suite=spec), items, run.answers))
    decision = decide_gate(runs[0], runs[1], policy)
    row = next(check for check in decision.checks if check.name == "exact_match where part is 0")
    assert row.verdict == "regressed" and "among 21 checks this may be chance" in row.why
    assert decision.verdict == "inconclusive"


def test_items_that_one_run_could_not_score_enter_no_difference() -> None:
    before = make_run({"a": "yes", "b": None, "c": "yes"})
    found = compare_metric(
        MetricSpec("exact_match"), before.items, before, make_run(yes(0) | {"a": "no", "b": "yes", "c": "yes"})
    )
    assert (found.paired.n, found.paired.items, found.paired.worse) == (2, 3, ("a",))


def test_nothing_scored_by_both_has_no_gain() -> None:
    before = make_run({"a": None})
    found = compare_metric(MetricSpec("exact_match"), before.items, before, make_run({"a": "yes"}))
    assert found.sampled is None and found.paired.gain is None and found.paired.p is None


def test_whether_the_prompts_were_the_same_is_told() -> None:
    one = make_run(yes(3))
    other = ask(one, [("q",), ("q",), ("another",)], one.manifest.data_sha256)
    assert compare_runs(one, one).same_prompts and not compare_runs(one, other).same_prompts


def test_a_cost_that_fell_is_a_gain() -> None:
    spec = MetricSpec("cost", {"output": "1"})

    def spent(tokens: int) -> EvalRun:
        run = make_run(yes(20))
        answers = {
            name: msgspec.structs.replace(answer, input_tokens=1, output_tokens=tokens + int(name))
            for name, answer in run.answers.items()
        }
        return EvalRun(run.manifest, run.items, answers)

    found = compare_metric(spec, spent(0).items, spent(30), spent(10))
    assert found.paired.gain == pytest.approx(20e-6) and len(found.paired.better) == 20 and not found.paired.worse
    assert found.sampled is not None and found.sampled.units.tolist() == pytest.approx([20e-6] * 20)


@pytest.mark.parametrize("metric", ["f1", "chrf"])
def test_metrics_of_a_whole_are_resampled_as_a_whole(metric: str) -> None:
    """No test beside the interval, whose samples lie around the gain."""
    before, after = make_run(yes(40, 20), (metric,)), make_run(yes(40, 4), (metric,))
    found = compare_metric(MetricSpec(metric), before.items, before, after)
    assert found.sampled is not None and found.paired.gain is not None and found.paired.gain > 0
    assert found.sampled.drawn.mean() == pytest.approx(found.paired.gain, rel=0.2)
    assert (found.paired.test, found.paired.p) == ("", None)


def test_an_answer_in_which_a_filter_finds_nothing_is_not_scored() -> None:
    spec = msgspec.structs.replace(make_run(yes(3)).manifest.suite, filters=(PatternFilter(r"= (\w+)"),))
    runs = []
    for said in ({"a": "= yes", "b": "= yes"}, {"a": "= no", "b": "yes"}):
        run = make_run({**said})
        runs.append(EvalRun(msgspec.structs.replace(run.manifest, suite=spec), run.items, run.answers))
    found = compare_metric(MetricSpec("exact_match"), runs[0].items, *runs).paired
    assert (found.n, found.items, found.worse) == (1, 2, ("a",))


def test_the_p_of_an_interval_is_two_sided() -> None:
    said: dict[str, str | None] = {str(n): "yes it" for n in range(25)}
    before, after = make_run(yes(25), ("token_f1",)), make_run(said, ("token_f1",))
    found = compare_metric(MetricSpec("token_f1"), before.items, before, after)
    assert found.sampled is not None
    assert found.paired.p == pytest.approx(2 * found.sampled.p_below(0.0)) and found.sampled.p_above(0.0) == 0.5


@pytest.mark.parametrize("metric", ["exact_match", "token_f1", "bleu", "f1"])
def test_a_slice_compares_as_a_run_of_its_items_does(metric: str) -> None:
    """Rows of all items are taken again for a slice only where no item's row depends on the others."""
    texts = ["yes", "no", "yes it is so", None, "no it is not", "yes", "maybe", "yes", "no", "yes"]
    runs = []
    for shift in (0, 3):
        run = make_run({str(n): texts[(n + shift) % 10] for n in range(10)}, (metric,))
        items = tuple(
            msgspec.structs.replace(item, slices={"half": "ab"[number % 2]}) for number, item in enumerate(run.items)
        )
        runs.append(
            EvalRun(
                msgspec.structs.replace(
                    run.manifest,
                    suite=SuiteSpec(name="s", data="d.jsonl", metrics=(metric,), prompt="{q}", slices=("half",)),
                ),
                items,
                run.answers,
            )
        )
    one, other = runs
    found = {(row.name, row.gain, row.low, row.high, row.n) for row in compare_runs(one, other).slices}
    alone = set()
    for name in "ab":
        part = tuple(item for item in one.items if item.slices["half"] == name)
        row = compare_metric(MetricSpec(metric), part, one, other, field="half", name=name).paired
        alone.add((name, row.gain, row.low, row.high, row.n))
    assert len(found) == 2 and found == alone


def test_e11_items_without_a_name_are_matched_by_what_they_ask() -> None:
    """Rows 1, 2, 3 of one file are rows 2, 3, 1 of the other; two of them ask the same."""

    def number(run: EvalRun, asked: list[str]) -> EvalRun:
        items = tuple(
            msgspec.structs.replace(item, messages=(PromptMessage("user", text),))
            for item, text in zip(run.items, asked, strict=True)
        )
        sha = "".join(asked)
        return EvalRun(msgspec.structs.replace(run.manifest, data_sha256=sha), items, run.answers)

    one = number(make_run({"1": "yes", "2": "no", "3": "yes"}), ["a", "b", "b"])
    other = number(make_run({"1": "yes", "2": "yes", "3": "no"}), ["b", "a", "b"])
    matched = match_rows(one, other)
    assert {name: answer.prediction for name, answer in matched.answers.items()} == {"1": "yes", "2": "yes", "3": "no"}
    found = compare_runs(one, matched).wholes[0]
    assert (found.n, found.better, found.worse) == (3, ("2",), ("3",))
    different = number(make_run({"1": "yes", "2": "yes", "3": "no"}), ["b", "a", "c"])
    assert match_rows(one, different) is different and match_rows(one, one) is one


def ask(run: EvalRun, asked: list[tuple[str, ...]], sha: str = "d") -> EvalRun:
    """The run with these messages, the last of the user's."""
    said = [tuple(PromptMessage("system", text) for text in texts[:-1]) for texts in asked]
    items = tuple(
        msgspec.structs.replace(item, messages=(*system, PromptMessage("user", texts[-1])))
        for item, system, texts in zip(run.items, said, asked, strict=True)
    )
    return EvalRun(msgspec.structs.replace(run.manifest, data_sha256=sha), items, run.answers)


def test_e11_equal_references_do_not_hide_another_order() -> None:
    """The digest of the data has no prompts: with one reference for all items both orders have the same."""
    one = ask(make_run({"1": "yes", "2": "no"}), [("a",), ("b",)])
    other = ask(make_run({"1": "no", "2": "yes"}), [("b",), ("a",)])
    matched = match_rows(one, other)
    found = compare_runs(one, matched)
    assert (found.wholes[0].better, found.wholes[0].worse, found.same_prompts) == ((), (), True)
    assert [item.id for item in matched.items] == ["1", "2"]


def test_e11_another_system_message_and_another_order_are_matched_by_the_question() -> None:
    one = ask(make_run({"1": "yes", "2": "no", "3": "no"}), [("s", "a"), ("s", "b"), ("s", "b")])
    other = ask(make_run({"1": "no", "2": "yes", "3": "yes"}), [("t", "b"), ("t", "a"), ("t", "b")])
    matched = match_rows(one, other)
    assert {name: answer.prediction for name, answer in matched.answers.items()} == {"1": "yes", "2": "no", "3": "yes"}
    assert [item.messages[0].content for item in matched.items] == ["t"] * 3  # its own prompts, as it was asked them
    assert compare_runs(one, matched).same_prompts is False


def test_e11_named_items_in_another_order_have_the_same_prompts() -> None:
    one = ask(make_run({"a": "yes", "b": "no"}), [("qa",), ("qb",)])
    other = ask(make_run({"b": "no", "a": "yes"}), [("qb",), ("qa",)], "other order")
    assert compare_runs(one, other).same_prompts is True
    assert compare_runs(one, ask(other, [("qb!",), ("qa",)])).same_prompts is False


@pytest.mark.parametrize("seed", range(30))
def test_e14_an_interval_is_away_from_zero_only_where_its_test_rejects(seed: int) -> None:
    """Of three clusters, all better, no order of signs is rarer than two in eight: p is 0.25 at least."""
    random = Random(seed)
    count = random.choice([4, 6, 8, 11, 20])
    before = {str(n): random.choice(["no", "yes no no", "yes no"]) for n in range(count)}
    after = {str(n): random.choice(["yes", "yes no", "yes yes"]) for n in range(count)}
    cluster = random.choice([1, 2, 4])
    one, other = make_run(before, ("token_f1",), cluster), make_run(after, ("token_f1",), cluster)
    found = compare_runs(one, other).wholes[0]
    assert found.low is not None and found.high is not None and found.p is not None and found.gain is not None
    assert found.low <= found.gain <= found.high
    if found.p > 0.05:
        assert found.low <= 0 <= found.high, found


@pytest.mark.parametrize(("metric", "apart"), [("exact_match", True), ("bleu", True), ("multilabel_f1", False)])
def test_means_of_items_can_be_taken_apart_and_counts_of_classes_cannot(metric: str, apart: bool) -> None:
    run = make_run(yes(4, wrong=1))
    assert pair_rows(MetricSpec(metric), run.items, run, run).apart is apart
