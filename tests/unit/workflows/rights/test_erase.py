"""A legal hold of the person, or of everybody, forbids an erasure and names its release."""

from __future__ import annotations

import pytest

from steward.core.errors import InputError
from steward.core.rights import LegalHold
from steward.workflows.rights.erase import check_holds
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
