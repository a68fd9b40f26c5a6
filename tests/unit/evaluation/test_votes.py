"""What votes say, against counts made by hand; the coefficients themselves are checked in test_agreement.py."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest

from steward.core.errors import InputError
from steward.core.study import Criterion, Pairing, StudyDesign, StudyRun, StudyTask, Vote
from steward.evaluation.agreement import cohen_kappa, krippendorff_alpha
from steward.evaluation.intervals import tango
from steward.evaluation.statistics import mcnemar, wilson
from steward.evaluation.study_page import render_study_page
from steward.evaluation.votes import Coefficient, StudyReport, coefficient_title, format_estimate, report_study

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
    assert one.left is not None and one.left.low > 0.85 and one.median_s == 0.2
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


def test_a_coefficient_names_its_criterion_and_its_raters() -> None:
    one = Coefficient(name="Cohen's kappa", of="clear", raters="r1, r2", tasks=3, value=0.5, low=0.1, high=0.8)
    assert coefficient_title(one) == "Cohen's kappa, clear (r1, r2)"
    assert coefficient_title(Coefficient(name="x", of="", raters="all", tasks=3, value=0.5, low=0.1, high=0.8)) == "x"
    assert format_estimate(0.5, 0.1, 0.8) == "0.50 [0.10, 0.80]" and format_estimate(0.5, float("nan"), 0.8) == "0.50"
    assert format_estimate(float("nan"), 0.1, 0.8) == "not defined"
