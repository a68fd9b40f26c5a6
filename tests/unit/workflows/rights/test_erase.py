"""A legal hold of the person, or of everybody, forbids an erasure and names its release."""

from __future__ import annotations

import pytest

from steward.core.errors import InputError
from steward.core.records import Feedback
from steward.core.rights import LegalHold, PersonalRows
from steward.workflows.rights.erase import check_holds, list_owners
from steward.workflows.rights.subjects import DataSubject

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
