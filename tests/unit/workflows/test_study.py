"""The desk: queues that go on, votes that are corrected by adding, disagreements that the lead settles."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.core.study import Rater
from steward.evaluation.study import Wanted
from steward.workflows.study import Desk, agreement, plan_only, prepare
from studies import folder, write

R1, R2, LEAD = Rater("r1"), Rater("r2"), Rater("lead", True)


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    one = write(tmp_path / "runs" / "zebra", folder("zebra-7b", lambda n: f"stripes {n}"))
    return [one, write(tmp_path / "runs" / "quokka", folder("quokka-2", lambda n: f"smiles {n}"))]


def opened(tmp_path: Path, runs: list[Path], overlap: float = 1.0, raters: int = 2) -> Desk:
    prepare(tmp_path / "study.db", runs, None, Wanted(overlap=overlap), raters)
    return Desk(tmp_path / "study.db", now=iter(range(10_000)).__next__)


def prefer(desk: Desk, rater: Rater, key: str, words: str) -> None:
    shown = desk.show(rater, key)
    assert shown is not None
    desk.vote(rater, key, "left" if words in shown.answers[0] else "right", {}, "", False)


def judge_all(desk: Desk, rater: Rater, words: str, stop: int = 100) -> int:
    """Until the queue is empty or `stop` are done."""
    count = 0
    while count < stop and (key := desk.next(rater)):
        prefer(desk, rater, key, words)
        count += 1
    return count


def test_a_queue_goes_on_in_another_process(tmp_path: Path, runs: list[Path]) -> None:
    desk = opened(tmp_path, runs)
    assert judge_all(desk, R1, "stripes", stop=5) == 5 and desk.progress(R1) == (5, 12)
    upcoming = desk.next(R1)
    desk.close()
    again = Desk(tmp_path / "study.db")
    assert again.next(R1) == upcoming and judge_all(again, R1, "stripes") == 7 and again.next(R1) is None
    again.close()


def test_a_correction_is_a_new_row_and_counts(tmp_path: Path, runs: list[Path]) -> None:
    desk = opened(tmp_path, runs)
    key = desk.next(R1)
    assert key is not None
    prefer(desk, R1, key, "smiles")
    prefer(desk, R1, key, "stripes")
    shown = desk.show(R1, key)
    assert shown is not None and shown.pressed in ("left", "right") and shown.done == 1
    desk.close()
    found = agreement(tmp_path / "study.db")
    assert (found.votes, found.corrected, found.pairs[0].wins, found.pairs[0].losses) == (2, 1, 1, 0)


def test_the_lead_settles_what_raters_disagree_on(tmp_path: Path, runs: list[Path]) -> None:
    desk = opened(tmp_path, runs)
    judge_all(desk, R1, "stripes")
    assert desk.next(LEAD) is None  # r2 has not said a word
    judge_all(desk, R2, "smiles", stop=4)
    judge_all(desk, R2, "stripes")
    assert desk.overview().disagreements == 4
    key = desk.next(LEAD)
    shown = desk.show(LEAD, key or "")
    assert shown is not None and {one.words for one in shown.said} == {"A", "B"}
    stripes = "A" if "stripes" in shown.answers[0] else "B"
    assert next(one.words for one in shown.said if one.rater == "r1") == stripes
    judge_all(desk, LEAD, "stripes")
    assert desk.overview().disagreements == 0 and desk.overview().settled == 4
    desk.close()
    found = agreement(tmp_path / "study.db", tmp_path / "page.html")
    assert (found.pairs[0].wins, found.settled) == (12, 4) and "quokka-2" in (tmp_path / "page.html").read_text()


def test_only_what_the_page_offers_is_taken(tmp_path: Path, runs: list[Path]) -> None:
    desk = opened(tmp_path, runs, overlap=0.0)
    mine, theirs = desk.next(R1), desk.next(R2)
    assert mine and theirs and desk.show(R1, theirs) is None
    for key, pressed in ((theirs, "left"), (mine, "rated"), (mine, "")):
        with pytest.raises(InputError):
            desk.vote(R1, key, pressed, {}, "", False)
    assert desk.progress(R1) == (0, 6)
    desk.close()


def test_raters_who_come_later_take_work_over(tmp_path: Path, runs: list[Path]) -> None:
    desk = opened(tmp_path, runs, overlap=0.0)
    judge_all(desk, R1, "stripes", stop=5)
    desk.close()
    again = prepare(tmp_path / "study.db", runs, None, Wanted(), 3)
    assert [invite.rater for invite in again.invites] == ["r3"]
    desk = Desk(tmp_path / "study.db")
    queues = [desk.progress(Rater(name)) for name in ("r1", "r2", "r3")]
    assert queues == [(5, 5), (0, 4), (0, 3)]
    desk.close()


def test_tokens_are_shown_once_and_kept_as_hashes(tmp_path: Path, runs: list[Path]) -> None:
    first = prepare(tmp_path / "study.db", runs, None, Wanted(), 2)
    assert [one.rater for one in first.invites] == ["lead", "r1", "r2"] and "***" in repr(first.invites[0])
    data = (tmp_path / "study.db").read_bytes()
    assert not any(one.token.encode() in data for one in first.invites)
    assert prepare(tmp_path / "study.db", [], None, Wanted(), 2).invites == ()
    (renewed,) = prepare(tmp_path / "study.db", [], None, Wanted(), 2, ["r1"]).invites
    desk = Desk(tmp_path / "study.db")
    assert desk.who(renewed.token) == R1 and desk.who(first.invites[1].token) is None
    desk.close()


def test_wrong_starts_are_named(tmp_path: Path, runs: list[Path]) -> None:
    other = write(tmp_path / "runs" / "emu", folder("emu", lambda n: "runs"))
    for given, said in (([], "no such study"), (runs[:1], "two or more")):
        with pytest.raises(InputError, match=said):
            prepare(tmp_path / "study.db", given, None, Wanted(), 2)
    assert not (tmp_path / "study.db").exists() and plan_only(runs, None, Wanted(), 2).invites == ()
    prepare(tmp_path / "study.db", runs, None, Wanted(), 2)
    with pytest.raises(InputError, match="a study of other runs"):
        prepare(tmp_path / "study.db", [runs[0], other], None, Wanted(), 2)
    with pytest.raises(InputError, match="no such rater"):
        prepare(tmp_path / "study.db", [], None, Wanted(), 2, ["r9"])
