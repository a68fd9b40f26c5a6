"""A legal hold of the person, or of everybody, forbids an erasure and names its release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.core.errors import InputError
from steward.core.identity import operator
from steward.core.records import Feedback
from steward.core.rights import LegalHold, PersonalRows
from steward.settings import Settings
from steward.workflows.rights.erase import ErasureResult, check_holds, erase_person, list_owners
from steward.workflows.rights.home import open_rights_home
from steward.workflows.rights.subjects import DataSubject
from steward.workflows.serve.from_settings import make_plan

PERSON = DataSubject(tenant="t", name="anna", by_project={"p": "1", "q": "2"})


def hold(subject: str | None) -> LegalHold:
    return LegalHold(id="hold_9", subject=subject, reason="r", created_at=1.0, created_by="a")


@pytest.mark.parametrize("subject", ["2", None])
def test_a_hold_forbids_an_erasure(subject: str | None) -> None:
    with pytest.raises(InputError, match="steward privacy holds release hold_9"):
        check_holds([hold("3"), hold(subject)], PERSON)


def test_holds_of_others_do_not() -> None:
    check_holds([], PERSON)
    check_holds([hold("3")], PERSON)


def test_keys_are_the_persons_and_those_of_exchanges_whose_texts_name_nobody() -> None:
    named = Feedback(id="f1", at=1.0, key_id="k", project="p", request_id="req_1", score=1.0, subject="1")
    nameless = Feedback(id="f2", at=1.0, key_id="k", project="p", request_id="req_2", score=1.0)
    assert list_owners(PERSON, PersonalRows(feedback=(named, nameless))) == ["1", "2", "exchange:req_2"]


def test_what_is_complete() -> None:
    usual: dict[str, Any] = {
        "erased": {}, "keys": 0, "datasets": (), "rebuilt": (), "models": (), "processors": (), "receipt": "ev",
    }  # fmt: skip
    assert ErasureResult(**usual, remaining={}, unread=()).is_complete
    assert not ErasureResult(**usual, remaining={"feedback": 1}, unread=()).is_complete
    assert not ErasureResult(**usual, remaining={}, unread=("a file",)).is_complete


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Of a deployment with a registered file that names anna twice, and two processors."""
    notes, unread = tmp_path / "notes.jsonl", tmp_path / "scan.bin"
    notes.write_text('{"u": "anna"}\n{"u": "bob"}\n{"v": "anna"}\n')
    unread.write_bytes(b"?")
    files = [{"name": "notes", "path": str(notes)}, {"name": "scans", "path": str(unread)}]
    usual = {"purpose": "answers", "country": "CH"}
    processors = [{"name": "keeps", "keeps_days": 30, **usual}, {"name": "forgets", **usual}]
    settings = {
        "models": [{"name": "m", "backend": "openai", "url": "http://x"}],
        "personal_files": files,
        "processors": processors,
    }
    (tmp_path / "home" / "run").mkdir(parents=True)
    plan = make_plan(Settings.model_validate(settings), tmp_path / "home", "0")
    (tmp_path / "home" / "run" / "plan.json").write_bytes(msgspec.json.encode(plan))
    return tmp_path / "home"


def test_an_erasure_says_what_went_what_is_left_and_who_else_to_ask(home: Path) -> None:
    result = erase_person(home, "anna", 5.0, actor=operator(7), project="p")
    assert (result.erased, result.remaining) == ({"notes": 2}, {})
    assert (home.parent / "notes.jsonl").read_text() == '{"u": "bob"}\n'
    assert [one.name for one in result.processors] == ["keeps"]
    assert len(result.unread) == 1 and "scan.bin is of a kind that is not searched" in result.unread[0]
    assert not result.is_complete
    again = erase_person(home, "anna", 6.0, actor=operator(7), project="p")
    assert again.erased == {} and again.receipt != result.receipt
    with open_rights_home(home, 7.0) as opened:
        second, first = opened.store.evidence.list_evidence(9, "privacy.erasure", tenant=None)
    assert (first.verdict, first.value, first.produced_at) == ("pass", "2 notes erased; nothing left", 5.0)
    assert second.value == "nothing erased; nothing left" and first.signer == "operator:7"
    assert first.subject_digest == second.subject_digest and first.subject == f"person {first.subject_digest[7:19]}"
