"""A sweep deletes what has an end, says what was held, and proves that nothing is left."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from steward.core.captures import CapturedExchange, ExpiredCaptures
from steward.core.rights import LegalHold
from steward.privacy.rights_config import RetentionPlan
from steward.workflows.audit import list_acts
from steward.workflows.rights.home import open_rights_home
from steward.workflows.rights.retention import CHECK, RetentionSweep, SweptClass, describe_sweep, sweep


class Rows:
    """Rows that are too old, of which so many are held."""

    def __init__(self, old: int, held: int) -> None:
        self.old, self.held, self.asked = old, held, []  # type: ignore[var-annotated]

    def delete(self, at: float) -> tuple[int, int]:
        self.asked.append(at)
        deleted, self.old = self.old - self.held, self.held
        return deleted, self.held

    def delete_expired(self, now: float) -> ExpiredCaptures:
        deleted, held = self.delete(now)
        return ExpiredCaptures(deleted=deleted, held=held)


def make_store(captures: Rows, words: Rows, people: Rows) -> Any:
    rights = SimpleNamespace(empty_feedback_before=words.delete, detach_requests_before=people.delete)
    return SimpleNamespace(captures=captures, rights=rights)


def test_classes_without_an_end_are_left_alone() -> None:
    words, people = Rows(9, 0), Rows(9, 0)
    assert sweep(make_store(Rows(3, 1), words, people), RetentionPlan(), 100.0) == [
        SweptClass(name="captured exchanges", deleted=2, held=1, left=0)
    ]
    assert words.asked == people.asked == []


def test_each_class_is_swept_by_its_own_age_and_looked_through_again() -> None:
    words, people = Rows(5, 2), Rows(4, 0)
    plan = RetentionPlan(feedback_text_s=30.0, request_people_s=60.0)
    swept = sweep(make_store(Rows(0, 0), words, people), plan, 100.0)
    assert swept[1:] == [
        SweptClass(name="feedback texts", deleted=3, held=2, left=0),
        SweptClass(name="people in requests", deleted=4, held=0, left=0),
    ]
    assert words.asked == [70.0, 70.0] and people.asked == [40.0, 40.0]


def test_what_is_left_is_a_failure() -> None:
    fine = describe_sweep(SweptClass(name="feedback texts", deleted=1200, held=2, left=0), 5.0)
    assert (fine.verdict, fine.value) == ("pass", "1,200 deleted, 2 under a legal hold or an open appeal, 0 left")
    assert describe_sweep(SweptClass(name="x", deleted=0, held=0, left=1), 5.0).verdict == "fail"


def test_the_job_deletes_what_has_expired_and_leaves_a_proof_and_an_act(tmp_path: Path) -> None:
    kept = CapturedExchange(
        request_id="req_1", at=10.0, key_id="k", project="p", endpoint="/v1/chat/completions", route="m", model="m",
        streamed=False, subject="anna", conversation=None, purpose="support", consent=None, form="masked",
        rules_version="v", expires_at=20.0, complete=True, sealed=b"x",
    )  # fmt: skip
    held = msgspec.structs.replace(kept, request_id="req_2", subject="ben")
    later = msgspec.structs.replace(kept, request_id="req_3", expires_at=20.1)
    with open_rights_home(tmp_path / "home", 1.0) as home:
        home.store.ledger.drain("w", "s", 1, [kept, held, later])
        hold = LegalHold(id="hold_1", subject="ben", reason="case 1", created_at=1.0, created_by="operator:1")
        home.store.rights.add_hold(hold)
        job = RetentionSweep(home.deployment, home.store, lambda: 20.0)
        job.run()
        left = home.store.captures.list_captures(0.0, 1e9, 9, tenant=None)
        assert [record.request_id for record in left] == ["req_2", "req_3"]
        [proof] = home.store.evidence.list_evidence(9, CHECK, tenant=None)
        assert (proof.verdict, proof.value) == ("pass", "1 deleted, 1 under a legal hold or an open appeal, 0 left")
        acts = list_acts(home.path, 9)
        assert [(act.action, act.actor, act.after) for act in acts] == [
            ("privacy.sweep", "service:keeper", "1 deleted")
        ]
        job.run()  # nothing is deleted, so nothing is written
        assert len(list_acts(home.path, 9)) == 1
