"""Retention: how long each class of data is kept, which setting says so, and what the last sweeps did and proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import csv_endpoint, show_page
from steward.console.shell import Handler, page_endpoint
from steward.console.source import ConsoleSource, find_scope
from steward.core.endpoint import Endpoint
from steward.core.errors import StewardError
from steward.core.evidence import Evidence
from steward.core.identity import Principal
from steward.settings import load_settings
from steward.workflows.reload import read_source
from steward.workflows.rights.retained_classes import PERIODS, RetainedClass, list_classes
from steward.workflows.rights.retention import CHECK

PATH: Final = "/privacy/retention"
COLUMNS: Final = ("data", "keep_s", "setting", "origin", "state", "looked_at", "proved_at", "verdict", "proved")
LATE_PERIODS: Final = 3.0  # without a look, after which a sweep is late; at the least LATE_S
LATE_S: Final = 600.0

RetentionState = Literal["in force", "no end", "nothing kept", "late", "left over", "no setting"]


class RetentionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One class of data. `proof`: of the newest sweep that deleted something of it, or should have."""

    data: str
    keep_s: float | None  # None: it has no end
    setting: str
    origin: str
    state: RetentionState
    looked_at: float | None  # None: not yet, or each machine looks on its own
    proof: Evidence | None
    each_machine: bool

    @property
    def proved_at(self) -> float | None:
        return self.proof.produced_at if self.proof is not None else None

    @property
    def verdict(self) -> str:
        return self.proof.verdict if self.proof is not None else ""

    @property
    def proved(self) -> str:
        return self.proof.value if self.proof is not None else ""


def list_retention_endpoints(
    source: ConsoleSource, tabs: Sequence[tuple[str, str]]
) -> tuple[Endpoint[Handler[Principal]], ...]:
    async def show(request: Request, who: Principal) -> Response:
        def compute() -> dict[str, Any]:
            holds = source.store.rights.list_holds(tenant=who.tenant)
            return {
                "rows": list_rows(source, who),
                "holds": len(holds),
                "everybody": any(hold.subject is None for hold in holds),
                "file_period_s": PERIODS["responses"],
                "now": source.clock(),
            }

        return await show_page(source, request, who, "privacy_retention.html", compute, tabs=tabs)

    return (
        page_endpoint(PATH, "privacy.read", show, tenancy="principal"),
        csv_endpoint(PATH, "privacy.read", "principal", COLUMNS, lambda _, who: list_rows(source, who)),
    )


def list_rows(source: ConsoleSource, who: Principal) -> list[RetentionRow]:
    """Empty where nothing was ever served. It blocks. :raises Unavailable: the store does not answer"""
    proofs: list[Evidence] = []
    if who.has("evidence.read"):
        proofs = source.store.evidence.list_newest(CHECK, tenant=find_scope(who))
    due = source.store.jobs.list_due()
    if not (source.home / "run" / "plan.json").exists():
        return []
    classes = list_classes(source.plan())
    return make_rows(classes, read_origins(source.home), due, proofs, source.clock())


def read_origins(home: Path) -> Mapping[str, str] | None:
    """Where each value of the settings comes from; None: the file does not say any more."""
    try:
        config = read_source(home)
        return load_settings(config.file if config.file.exists() else None, config.overrides).origins
    except StewardError:
        return None


def make_rows(
    classes: Sequence[RetainedClass],
    origins: Mapping[str, str] | None,
    due: Mapping[str, float],
    proofs: Sequence[Evidence],
    now: float,
) -> list[RetentionRow]:
    """The classes in their order, then those that only proofs still name. `due`: as `JobStore.list_due` says."""
    by_name = {proof.subject: proof for proof in proofs}
    rows = []
    for one in classes:
        each_machine = one.job == "responses"
        looked_at = due[one.job] - PERIODS[one.job] if one.job in due and not each_machine else None
        proof = by_name.get(one.swept)
        rows.append(
            RetentionRow(
                data=one.data,
                keep_s=one.keep_s,
                setting=one.setting,
                origin="–" if origins is None else origins.get(one.setting, "default"),
                state=find_state(one, looked_at, proof, now),
                looked_at=looked_at,
                proof=proof,
                each_machine=each_machine,
            )
        )
    swept = {one.swept for one in classes}
    return rows + [_make_former(proof) for proof in proofs if proof.subject not in swept]


def find_state(one: RetainedClass, looked_at: float | None, proof: Evidence | None, now: float) -> RetentionState:
    """The gravest first: what should be gone and is not, then a sweep that does not come."""
    if proof is not None and proof.verdict == "fail":
        return "left over"
    if looked_at is not None and now - looked_at > max(LATE_S, LATE_PERIODS * PERIODS[one.job]):
        return "late"
    if one.keep_s is None:
        return "no end"
    return "in force" if one.keep_s > 0 else "nothing kept"


def _make_former(proof: Evidence) -> RetentionRow:
    return RetentionRow(
        data=proof.subject,
        keep_s=None,
        setting="",
        origin="",
        state="no setting",
        looked_at=None,
        proof=proof,
        each_machine=False,
    )
