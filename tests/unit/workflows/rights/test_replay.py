"""The journal of erasures is done again: at first whole, then its last day."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec

from steward.core.rights import PersonalRows
from steward.core.subject_keys import ShreddedKey
from steward.workflows.rights.replay import LATE_S, ErasureReplay

ENTRY = ShreddedKey(id="era_1", tenant="t", subject="anna", key_id=None, at=50.0, actor="operator:1")


class Journal:
    def __init__(self) -> None:
        self.since: list[float] = []
        self.erased: list[tuple[Any, ...]] = []
        self.rows = PersonalRows(open_requests=1)

    def list_erasures(self, since: float, *, tenant: str | None) -> list[ShreddedKey]:
        self.since.append(since)
        return [ENTRY, msgspec.structs.replace(ENTRY, id="era_2", subject="exchange:req_1")]

    def find(self, subjects: list[str], *, tenant: str) -> PersonalRows:
        return self.rows

    def erase(self, subjects: list[str], before: float, *, tenant: str) -> dict[str, int]:
        self.erased.append((subjects, before, tenant))
        return {"exchanges": 1}


def test_what_arrived_late_is_erased_as_of_the_erasure() -> None:
    journal = Journal()
    job = ErasureReplay(SimpleNamespace(subject_keys=journal, rights=journal), lambda: 100_000.0)  # type: ignore[arg-type]
    job.run()
    journal.rows = PersonalRows()
    job.run()
    assert journal.since == [0.0, 100_000.0 - LATE_S] and LATE_S == 86_400.0
    assert journal.erased == [(["anna"], 50.0, "t")]
