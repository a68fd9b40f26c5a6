"""What votes say, against counts made by hand; the coefficients themselves are checked in test_agreement.py."""

from __future__ import annotations

import math
import random
from functools import cache
from typing import Any

import pytest

from steward.core.errors import InputError
from steward.core.study import Criterion, Pairing, StudyDesign, StudyRun, StudyTask, Vote
from steward.evaluation.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha
from steward.evaluation.intervals import tango
from steward.evaluation.statistics import mcnemar, wilson
from steward.evaluation.study_page import render_study_page
from steward.evaluation.votes import (
    Coefficient,
    StudyReport,
    coefficient_title,
    format_estimate,
    report_study,
    summarise_blind,
    task_verdict,
)

RATERS = ["r1", "r2", "r3"]


def design(runs: int = 2, **more: Any) -> StudyDesign:
    pairings = [(a, b) for a in range(runs) for b in range(a + 1, runs)]
    made: dict[str, Any] = {
        "title": "Study <1>", "mode": "pairs", "question": "?", "guide": "", "data_sha256": "", "items": 9,
        "runs": tuple(StudyRun(name, "") for name in ("zebra", "quokka", "emu")[:runs]), "overlap": 1.0, "seed": 1,
        "detect": 0.6,
        "pairings": tuple(Pairing(first=a, second=b, asked=10, same=1, failed=0) for a, b in pairings),
    }  # fmt: skip
    return StudyDesign(**{**made, **more})


def task(key: int, runs: tuple[int, ...] = (0, 1), **more: Any) -> StudyTask:
    given = {"item": f"item-{key}", "cluster": str(key), "asked": (), "references": (), "answers": ("a", "b"), **more}
    return StudyTask(key=str(key), runs=runs, shared=True, **given)


def said(rater: str, key: int, chosen: str, left: int = 0) -> Vote:
    choice = {"first": ("left", "right")[left], "second": ("right", "left")[left]}.get(chosen, chosen)
    return Vote(at=0.0, rater=rater, task=str(key), left=left, choice=choice)  # type: ignore[arg-type]


@cache
def by_hand() -> StudyReport:
    """Ten tasks. Of all three: 6 for zebra, 2 for quokka, one tie; the last is a plain disagreement, settled."""
    votes = [said(r, k, "first", (k + n) % 2) for n, r in enumerate(RATERS) for k in range(6)]
    votes += [said(r, k, "second", (k + n) % 2) for n, r in enumerate(RATERS) for k in (6, 7)]
    votes += [said(r, 8, "tie") for r in RATERS]
    votes += [said("r1", 9, "first"), said("r2", 9, "second"), said("r3", 9, "bad"), said("lead", 9, "second")]
    votes += [said("r1", 0, "bad"), said("r1", 0, "first")]  # corrected twice
    return report_study(design(), [task(key) for key in range(10)], votes, RATERS)


def test_a_task_counts_once_as_settled_or_as_most_say() -> None:
    found = by_hand()
    (pair,) = found.pairs
    assert (pair.wins, pair.losses, pair.ties, pair.bad, pair.tasks) == (6, 3, 1, 0, 10)
    assert pair.share is not None and pair.share_with_ties is not None and pair.method == "tango"
    assert pair.share.low == pytest.approx(wilson(6, 9).low)  # without ties Tango's interval is Wilson's
    assert pair.share_with_ties.value == 0.65 and pair.share_with_ties.low > wilson(6.5, 10).low
    assert pair.p == mcnemar(6, 3).mid_p
    assert (found.corrected, found.settled, found.judged, found.votes) == (2, 1, 10, 33)


def test_agreement_is_over_raters_own_votes() -> None:
    rows = [["first"] * 6 + ["second"] * 2 + ["tie", last] for last in ("first", "second", "bad")]
    found = {(one.name, one.raters): one for one in by_hand().agreement}
    assert found["Krippendorff's alpha, nominal", "all"].value == pytest.approx(krippendorff_alpha(rows), abs=1e-12)
    assert found["Cohen's kappa", "r1, r2"].value == pytest.approx(cohen_kappa(rows[0], rows[1]), abs=1e-12)
    assert found["raw agreement", "all"].value == pytest.approx(0.9, abs=1e-12)  # nine of three alike, one of none
    kappa = found["Fleiss' kappa", "all"]
    assert kappa.low < kappa.value < kappa.high <= 1 and kappa.tasks == 10


def test_whoever_always_presses_left_is_found_out() -> None:
    golden = [task(100 + n, (), gold=True) for n in range(8)]
    r = random.Random(1)
    votes = [Vote(at=0.0, rater="r1", task=t.key, left=r.randrange(2), choice="left", seconds=0.2) for t in golden]
    votes += [Vote(at=0.0, rater="r1", task=str(k), left=r.randrange(2), choice="left") for k in range(30)]
    votes += [said("r2", 100 + n, "first", n % 2) for n in range(8)]
    found = report_study(design(), [*map(task, range(30)), *golden], votes, ["r1", "r2"])
    one, other = found.raters
    assert one.left is not None and one.left.low > 0.85 and one.median_s == 0.2 and one.hurried
    assert other.gold_right == other.gold == 8 and 0 < one.gold_right < 8 and found.tasks == 30
    assert found.position is not None and found.position.p is not None and found.position.p < 1e-6


def test_strengths_need_wins_on_both_sides() -> None:
    tasks = [task(k, runs) for k, runs in enumerate([(0, 1), (0, 1), (0, 2), (0, 2), (1, 2), (1, 2)])]
    votes = [said("r1", k, "first" if k % 2 else "second") for k in range(6)]
    found = report_study(design(3), tasks, votes, ["r1"])
    assert [s.value for s in found.strengths] == pytest.approx([0, 0, 0], abs=1e-9) and not found.no_strengths
    found = report_study(design(3), tasks, [said("r1", k, "first") for k in range(6)], ["r1"])
    assert found.strengths == () and "zebra" in found.no_strengths


def test_items_that_belong_together_widen_the_interval() -> None:
    votes = [said("r1", k, "first" if k < 28 else "second") for k in range(40)]
    alone = report_study(design(), [task(k) for k in range(40)], votes, ["r1"])
    tasks = [task(k, cluster=str(k // 8)) for k in range(40)]
    together = report_study(design(), tasks, votes, ["r1"])
    one, other = alone.pairs[0].share, together.pairs[0].share
    assert one and other and other.value == one.value and other.high - other.low > 1.5 * (one.high - one.low)
    assert together.pairs[0].method == "bootstrap of 5 clusters"


def test_a_rubric_gives_means_and_gains() -> None:
    """Levels 2, 3, 4 against 3, 4, 5: means 3 and 4, a gain of exactly 1."""
    rubric = design(mode="rubric", criteria=(Criterion("clear", "?", ("1", "2", "3", "4", "5")),), pairings=())
    tasks = [task(10 * run + n, (run,), item=str(n), answers=("a",)) for run in (0, 1) for n in range(3)]
    votes = [
        Vote(at=0.0, rater=r, task=t.key, left=0, choice="rated", levels={"clear": 2 + int(t.key) % 10 + t.runs[0]})
        for t in tasks
        for r in ("r1", "r2")
    ]
    found = report_study(rubric, tasks, votes, ["r1", "r2"])
    assert [(row.run, row.against, row.value) for row in found.levels] == [
        ("zebra", "", 3.0), ("quokka", "", 4.0), ("quokka", "zebra", 1.0)
    ]  # fmt: skip
    third = tango(0, 3 * 0.25, 3)  # three equal gains of 1 on a scale of -4 to 4
    assert (found.levels[2].low, found.levels[2].high) == pytest.approx((4 * third.low, 4 * third.high))
    assert {one.name: one.value for one in found.agreement}["Krippendorff's alpha, ordinal"] == 1.0


def test_nothing_said_is_an_error_and_skips_are_missing() -> None:
    with pytest.raises(InputError, match="no votes yet"):
        report_study(design(), [task(0)], [], RATERS)
    found = report_study(design(), [task(0), task(1)], [said("r1", 0, "skip"), said("r2", 1, "first")], RATERS)
    assert found.judged == 1 and found.raters[0].skipped == 1 and found.agreement == ()


def test_the_page_is_one_small_file_and_escapes() -> None:
    page = render_study_page(by_hand())
    assert len(page) < 100_000 and "<script" not in page and "Study &lt;1&gt;" in page and "://" not in page
    assert ">6<" in page and "zebra" in page and "Tango" in page
    assert "1 item with identical answers" in page and "by 3 raters" in page and ">50 %<" in page


def test_a_coefficient_names_its_criterion_and_its_raters() -> None:
    one = Coefficient(name="Cohen's kappa", of="clear", raters="r1, r2", tasks=3, value=0.5, low=0.1, high=0.8)
    assert coefficient_title(one) == "Cohen's kappa, clear (r1, r2)"
    assert coefficient_title(Coefficient(name="x", of="", raters="all", tasks=3, value=0.5, low=0.1, high=0.8)) == "x"
    assert format_estimate(0.5, 0.1, 0.8) == "0.50 [0.10, 0.80]" and format_estimate(0.5, float("nan"), 0.8) == "0.50"
    assert format_estimate(float("nan"), 0.1, 0.8) == "not defined"


def test_sides_are_counted_over_raters_own_votes() -> None:
    """26 of the raters' votes are for a side; the lead's is not theirs, and gold was there to be seen."""
    found = by_hand().position
    assert found is not None and found.votes == 26
    votes = [said("r1", 0, "first"), said("lead", 0, "first"), said("r1", 1, "first", 1)]
    position = report_study(design(), [task(0), task(1, gold=True)], votes, ["r1"]).position
    assert position is not None and (position.votes, position.left) == (1, 1)
    rubric = design(mode="rubric", criteria=(Criterion("c", "?", ("1", "2")),), pairings=())
    vote = Vote(at=0.0, rater="r1", task="0", left=0, choice="rated", levels={"c": 1})
    assert report_study(rubric, [task(0, (0,), answers=("a",))], [vote], ["r1"]).position is None


def test_the_lead_sees_agreement_and_sides_and_nothing_of_who_is_ahead() -> None:
    votes = [said(r, k, "first" if k < 7 else "second", k % 2) for r in ("r1", "r2") for k in range(10)]
    votes += [said("r1", 50, "first", 1), said("r3", 0, "first")]
    found = summarise_blind(design(), [*map(task, range(10)), task(50, gold=True)], votes, ["r1", "r2"])
    assert [name for name, _ in found.agreement] == ["raw agreement", "Krippendorff's alpha, nominal", "Fleiss' kappa"]
    assert found.agreement[0][1].startswith("1.00 [") and found.agreement[1][1].startswith("1.00")
    left = sum(vote.choice == "left" for vote in votes if vote.rater != "r3")
    assert found.left.startswith(f"{left / 21:.2f} [")
    assert summarise_blind(design(), [task(0)], [said("r1", 0, "tie")], ["r1"]).left == ""


@pytest.mark.parametrize(
    ("chosen", "verdict"),
    [
        (["first", "first", "second"], "first"), (["first", "second"], "tie"), (["bad", "bad", "first"], "bad"),
        (["first", "second", "tie"], "tie"), (["tie", "tie", "first"], "tie"), (["second"], "second"),
        (["skip", "skip", "second"], "second"), (["skip"], None), ([], None),
    ],
)  # fmt: skip
def test_a_tasks_verdict_is_what_most_say(chosen: list[str], verdict: str | None) -> None:
    counted = {(f"r{n}", "0"): said(f"r{n}", 0, one) for n, one in enumerate(chosen)}
    raters = [f"r{n}" for n in range(3)]
    assert task_verdict(task(0), counted, raters) == verdict
    settled = {**counted, ("lead", "0"): said("lead", 0, "tie"), ("lead", "1"): said("lead", 1, "bad")}
    assert task_verdict(task(0), settled, raters) == "tie"
    other = {**counted, ("lead", "1"): said("lead", 1, "bad")}
    assert task_verdict(task(0), other, raters) == verdict


def test_ties_are_half_a_win_for_both() -> None:
    """Three wins, one loss, one tie and one where both are bad: log odds of (3 + 1) to (1 + 1)."""
    chosen = ["first"] * 3 + ["second", "tie", "bad"]
    found = report_study(
        design(), [task(k) for k in range(6)], [said("r1", k, c) for k, c in enumerate(chosen)], ["r1"]
    )
    assert [strength.name for strength in found.strengths] == ["zebra", "quokka"]
    assert found.strengths[0].value - found.strengths[1].value == pytest.approx(math.log(2))


def test_items_that_belong_together_are_tested_together() -> None:
    """Four clusters that are won: 2 of 16 signs; ties are halves. Their share ends at 1, as Wilson's of 4 of 4."""
    tasks = [task(k, cluster=str(k // 2)) for k in range(8)]
    won = report_study(design(), tasks, [said("r1", k, "first") for k in range(8)], ["r1"]).pairs[0]
    assert won.p == 2 / 16 and won.share is not None
    assert (won.share.low, won.share.high) == (pytest.approx(wilson(4, 4).low), 1.0)
    lost = report_study(design(), tasks, [said("r1", k, "second") for k in range(8)], ["r1"]).pairs[0]
    assert lost.p == 2 / 16 and lost.share is not None and (lost.share.value, lost.share.low) == (0.0, 0.0)
    chosen = ["first", "tie"] * 4
    halves = report_study(design(), tasks, [said("r1", k, c) for k, c in enumerate(chosen)], ["r1"]).pairs[0]
    assert halves.share_with_ties is not None and halves.share_with_ties.value == 0.75


def test_levels_and_their_losses_stay_on_the_scale() -> None:
    """All at level 1 of 5 after all at level 2: a mean of 1 cannot be lower, and a loss of 1 is a quarter of 4."""
    rubric = design(mode="rubric", criteria=(Criterion("clear", "?", ("1", "2", "3", "4", "5")),), pairings=())
    tasks = [task(10 * run + n, (run,), item=str(n), answers=("a",)) for run in (0, 1) for n in range(3)]
    votes = [
        Vote(at=0.0, rater="r1", task=t.key, left=0, choice="rated", levels={"clear": 2 - t.runs[0]}) for t in tasks
    ]
    first, second, gain = report_study(rubric, tasks, votes, ["r1"]).levels
    assert (second.value, second.low, gain.value) == (1.0, 1.0, -1.0)
    third = tango(3 * 0.25, 0, 3)
    assert (gain.low, gain.high) == pytest.approx((4 * third.low, 4 * third.high))
    assert first.low == pytest.approx(1 + 4 * wilson(3 * 0.25, 3).low)


def test_a_rater_is_reported_with_what_was_judged_and_what_of_gold_was_right() -> None:
    rubric = design(mode="rubric", criteria=(Criterion("a", "?", ("1", "2")), Criterion("b", "?", ("1", "2"))))
    gold = [task(k, (), answers=("x",), gold=True, levels={"a": 1, "b": 2}) for k in range(4)]
    votes = [
        Vote(at=0.0, rater="r1", task="0", left=0, choice="rated", levels={"a": 1, "b": 2}),
        Vote(at=0.0, rater="r1", task="1", left=0, choice="rated", levels={"a": 1, "b": 1}),
        Vote(at=0.0, rater="r1", task="2", left=0, choice="skip"),
    ]
    (found,) = report_study(rubric, gold, votes, ["r1"]).raters
    assert (found.judged, found.skipped, found.gold, found.gold_right) == (2, 1, 3, 1)
    assert found.gold_share == wilson(1, 3) and found.left is None and found.median_s is None


def test_agreement_where_not_everybody_judged_everything() -> None:
    """Fleiss over the tasks of all, Cohen over those of two, raw agreement as the mean over tasks of pairs alike."""
    said_by = {
        "r1": {0: "first", 1: "second", 2: "first", 3: "second"}, "r2": {0: "first", 1: "first", 3: "second"},
        "r3": {0: "first", 1: "second", 2: "second"},
    }  # fmt: skip
    votes = [said(rater, key, chosen) for rater, one in said_by.items() for key, chosen in one.items()]
    found = {
        (one.name, one.raters): one
        for one in report_study(design(), [task(k) for k in range(5)], votes, RATERS).agreement
    }
    assert found["raw agreement", "all"].value == pytest.approx((1 + 1 / 3 + 0 + 1) / 4)
    assert found["Fleiss' kappa", "all"].tasks == 2 and found["Krippendorff's alpha, nominal", "all"].tasks == 4
    assert found["Fleiss' kappa", "all"].value == pytest.approx(fleiss_kappa([[3, 0], [1, 2]]))
    for (a, b), keys in {("r1", "r2"): (0, 1, 3), ("r1", "r3"): (0, 1, 2), ("r2", "r3"): (0, 1)}.items():
        one = found["Cohen's kappa", f"{a}, {b}"]
        expected = cohen_kappa([said_by[a][k] for k in keys], [said_by[b][k] for k in keys])
        assert one.tasks == len(keys) and one.value == pytest.approx(expected, nan_ok=True), (a, b)


def test_full_agreement_ends_at_1() -> None:
    votes = [said(rater, key, "first" if key % 2 else "second") for rater in RATERS for key in range(12)]
    found = report_study(design(), [task(k) for k in range(12)], votes, RATERS).agreement[0]
    assert (found.name, found.value, found.high) == ("raw agreement", 1.0, 1.0) and found.low == wilson(12, 12).low
