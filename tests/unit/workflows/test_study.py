"""A rating session: queues that go on, votes that are corrected by adding, disagreements that the lead settles."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from steward.adapters.stores.study import StudyStore
from steward.core.errors import InputError
from steward.core.study import Rater
from steward.evaluation.rating_session import RatingSession
from steward.evaluation.run import EvalRun
from steward.evaluation.study import StudyOptions
from steward.workflows.study import _read_runs, open_session, plan_study, prepare_study, report_agreement
from studies import folder, write

R1, R2, LEAD = Rater("r1"), Rater("r2"), Rater("lead", True)


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    one = write(tmp_path / "runs" / "zebra", folder("zebra-7b", lambda n: f"stripes {n}"))
    return [one, write(tmp_path / "runs" / "quokka", folder("quokka-2", lambda n: f"smiles {n}"))]


def opened(tmp_path: Path, runs: list[Path], overlap: float = 1.0, raters: int = 2) -> RatingSession:
    prepare_study(tmp_path / "study.db", runs, None, StudyOptions(overlap=overlap), raters)
    return open_session(tmp_path / "study.db", now=iter(range(10_000)).__next__)


def prefer(session: RatingSession, rater: Rater, key: str, words: str) -> None:
    shown = session.show(rater, key)
    assert shown is not None
    session.vote(rater, key, "left" if words in shown.answers[0] else "right", {}, "", False)


def judge_all(session: RatingSession, rater: Rater, words: str, stop: int = 100) -> int:
    """Until the queue is empty or `stop` are done."""
    count = 0
    while count < stop and (key := session.next(rater)):
        prefer(session, rater, key, words)
        count += 1
    return count


def test_a_queue_goes_on_in_another_process(tmp_path: Path, runs: list[Path]) -> None:
    session = opened(tmp_path, runs)
    assert judge_all(session, R1, "stripes", stop=5) == 5 and session.progress(R1) == (5, 12)
    upcoming = session.next(R1)
    session.close()
    again = open_session(tmp_path / "study.db")
    assert again.next(R1) == upcoming and judge_all(again, R1, "stripes") == 7 and again.next(R1) is None
    again.close()


def test_a_correction_is_a_new_row_and_counts(tmp_path: Path, runs: list[Path]) -> None:
    session = opened(tmp_path, runs)
    key = session.next(R1)
    assert key is not None
    prefer(session, R1, key, "smiles")
    prefer(session, R1, key, "stripes")
    shown = session.show(R1, key)
    assert shown is not None and shown.choice in ("left", "right") and shown.done == 1
    session.close()
    found = report_agreement(tmp_path / "study.db")
    assert (found.votes, found.corrected, found.pairs[0].wins, found.pairs[0].losses) == (2, 1, 1, 0)


def test_the_lead_settles_what_raters_disagree_on(tmp_path: Path, runs: list[Path]) -> None:
    session = opened(tmp_path, runs)
    judge_all(session, R1, "stripes")
    assert session.next(LEAD) is None  # r2 has not said a word
    judge_all(session, R2, "smiles", stop=4)
    judge_all(session, R2, "stripes")
    assert session.overview().disagreements == 4
    key = session.next(LEAD)
    shown = session.show(LEAD, key or "")
    assert shown is not None and {one.words for one in shown.votes} == {"A", "B"}
    stripes = "A" if "stripes" in shown.answers[0] else "B"
    assert next(one.words for one in shown.votes if one.rater == "r1") == stripes
    judge_all(session, LEAD, "stripes")
    assert session.overview().disagreements == 0 and session.overview().settled == 4
    session.close()
    found = report_agreement(tmp_path / "study.db", tmp_path / "page.html")
    assert (found.pairs[0].wins, found.settled) == (12, 4) and "quokka-2" in (tmp_path / "page.html").read_text()


def test_only_what_the_page_offers_is_taken(tmp_path: Path, runs: list[Path]) -> None:
    session = opened(tmp_path, runs, overlap=0.0)
    mine, theirs = session.next(R1), session.next(R2)
    assert mine and theirs and session.show(R1, theirs) is None
    for key, choice in ((theirs, "left"), (mine, "rated"), (mine, "")):
        with pytest.raises(InputError):
            session.vote(R1, key, choice, {}, "", False)
    assert session.progress(R1) == (0, 6)
    session.close()


def test_raters_who_come_later_take_work_over(tmp_path: Path, runs: list[Path]) -> None:
    session = opened(tmp_path, runs, overlap=0.0)
    judge_all(session, R1, "stripes", stop=5)
    session.close()
    again = prepare_study(tmp_path / "study.db", runs, None, StudyOptions(), 3)
    assert [invite.rater for invite in again.invites] == ["r3"]
    session = open_session(tmp_path / "study.db")
    queues = [session.progress(Rater(name)) for name in ("r1", "r2", "r3")]
    assert queues == [(5, 5), (0, 4), (0, 3)]
    session.close()


def test_tokens_are_shown_once_and_kept_as_hashes(tmp_path: Path, runs: list[Path]) -> None:
    first = prepare_study(tmp_path / "study.db", runs, None, StudyOptions(), 2)
    assert [one.rater for one in first.invites] == ["lead", "r1", "r2"] and "***" in repr(first.invites[0])
    data = (tmp_path / "study.db").read_bytes()
    assert not any(one.token.encode() in data for one in first.invites)
    assert prepare_study(tmp_path / "study.db", [], None, StudyOptions(), 2).invites == ()
    (renewed,) = prepare_study(tmp_path / "study.db", [], None, StudyOptions(), 2, ["r1"]).invites
    session = open_session(tmp_path / "study.db")
    assert session.find_rater(renewed.token) == R1 and session.find_rater(first.invites[1].token) is None
    session.close()


def test_wrong_starts_are_named(tmp_path: Path, runs: list[Path]) -> None:
    other = write(tmp_path / "runs" / "emu", folder("emu", lambda n: "runs"))
    for given, said in (([], "no such study"), (runs[:1], "at least two")):
        with pytest.raises(InputError, match=said):
            prepare_study(tmp_path / "study.db", given, None, StudyOptions(), 2)
    assert not (tmp_path / "study.db").exists() and plan_study(runs, None, StudyOptions(), 2).invites == ()
    prepare_study(tmp_path / "study.db", runs, None, StudyOptions(), 2)
    with pytest.raises(InputError, match="a study of other runs"):
        prepare_study(tmp_path / "study.db", [runs[0], other], None, StudyOptions(), 2)
    with pytest.raises(InputError, match="no such rater"):
        prepare_study(tmp_path / "study.db", [], None, StudyOptions(), 2, ["r9"])


def test_two_runs_of_one_model_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    one = write(tmp_path / "one", folder("zebra-7b", lambda n: f"stripes {n}"))
    two = write(tmp_path / "two", folder("zebra-7b", lambda n: f"spots {n}"))
    other = write(tmp_path / "other", folder("quokka-2", lambda n: f"smiles {n}"))
    assert [name for name, _ in _read_runs([one, two])] == [f"zebra-7b ({one})", f"zebra-7b ({two})"]
    assert [name for name, _ in _read_runs([one, other])] == ["zebra-7b", "quokka-2"]


def test_raters_are_numbered_from_1_and_each_has_144_random_bits(tmp_path: Path, runs: list[Path]) -> None:
    invites = prepare_study(tmp_path / "study.db", runs, None, StudyOptions(), 2).invites
    assert [invite.rater for invite in invites] == ["lead", "r1", "r2"]
    assert all(len(invite.token) == 24 for invite in invites) and len({invite.token for invite in invites}) == 3
    assert "***" in repr(invites[0]) and invites[0].token not in repr(invites[0])
    renewed = prepare_study(tmp_path / "study.db", [], None, StudyOptions(), 3, ["r1"]).invites
    assert [invite.rater for invite in renewed] == ["r3", "r1"]
    with pytest.raises(InputError, match="--renew r8: no such rater; the study has lead, r1, r2, r3"):
        prepare_study(tmp_path / "study.db", [], None, StudyOptions(), 3, ["r9", "r8"])


def reorder(run: EvalRun, named: bool) -> EvalRun:
    """The rows from the last to the first; numbered anew, unless they have names."""
    spec = msgspec.structs.replace(run.manifest.suite, id="id" if named else None)
    items, answers = [], {}
    for number, item in enumerate(reversed(run.items), 1):
        name = item.id if named else f"item-{number}"
        items.append(msgspec.structs.replace(item, id=name, cluster=name))
        answers[name] = msgspec.structs.replace(run.answers[item.id], id=name)
    manifest = msgspec.structs.replace(run.manifest, suite=spec, data_sha256="reversed")
    return EvalRun(manifest, tuple(items), answers)


@pytest.mark.parametrize("named", [True, False])
def test_e11_a_study_shows_answers_to_the_same_question(tmp_path: Path, named: bool) -> None:
    """Each answer names its question, in the run's own order or the reverse of it."""
    one, other = folder("zebra-7b", lambda n: f"stripes {n}"), folder("quokka-2", lambda n: f"smiles {n}")
    one = reorder(reorder(one, named), named)
    runs = [write(tmp_path / "a", one), write(tmp_path / "b", reorder(other, named))]
    prepare_study(tmp_path / "study.db", runs, None, StudyOptions(overlap=1.0), 1)
    store = StudyStore.open(tmp_path / "study.db")
    tasks = store.tasks()
    store.close()
    assert len(tasks) == 12
    for task in tasks:
        number = task.asked[0][1].removeprefix("Question ").rstrip("?")
        assert sorted(task.answers) == [f"smiles {number}", f"stripes {number}"]
    again = prepare_study(tmp_path / "study.db", runs, None, StudyOptions(overlap=1.0), 1)
    assert again.study  # the same folders continue it
