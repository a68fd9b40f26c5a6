"""The operations of the administrative API about people's rights; `operations.py` has the others.

What they take and give names people, so it stands in bodies, never in addresses. An export is not remembered by its
Idempotency-Key: asked for again, it is made again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from steward.console.api import Nothing, Operation
from steward.core.identity import Principal, Right
from steward.core.rights import LegalHold
from steward.workflows.rights import breaches, corrections, holds
from steward.workflows.rights.breaches import BreachView, parse_past_moment
from steward.workflows.rights.corrections import CorrectionResult
from steward.workflows.rights.erase import ErasureResult, erase_person
from steward.workflows.rights.export import export_person
from steward.workflows.rights.records import PersonExport
from steward.workflows.rights.report import SCANNED, PrivacyReport, write_report

PersonName = Annotated[str, Meta(min_length=3, max_length=1000)]
ProjectName = Annotated[str, Meta(min_length=1, max_length=200)]
Words = Annotated[str, Meta(min_length=1, max_length=1000)]
PastMoment = Annotated[str, Meta(min_length=2, max_length=40)]


class PersonRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom it is about: the name that requests carry, or a pseudonym."""

    subject: PersonName
    project: ProjectName | None = None


class NewErasure(PersonRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As the options of `steward privacy erase`."""

    rebuild_datasets: bool = False


class NewHold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As the options of `steward privacy holds add`."""

    reason: Words
    subject: PersonName | None = None  # none: everybody of the tenant
    project: ProjectName | None = None


class NewCorrection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As the options of `steward privacy correct`."""

    subject: PersonName
    note: Annotated[str, Meta(min_length=1, max_length=32_768)]
    about: Annotated[str, Meta(max_length=64)] = ""
    replace: bool = False
    project: ProjectName | None = None


class NewBreach(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As the options of `steward privacy breach open`."""

    summary: Words
    since: PastMoment
    until: PastMoment | None = None
    known: PastMoment | None = None
    routes: list[ProjectName] = []


class BreachEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As the options of `steward privacy breach close`."""

    outcome: Words
    notified: PastMoment | None = None


class HoldQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    all: bool = False  # released ones too


class ReportQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    scan: Annotated[int, Meta(ge=0, le=10_000)] = SCANNED


def list_privacy_operations(home: Path, clock: Callable[[], float]) -> tuple[Operation[Any], ...]:
    return (*_list_person_operations(home, clock), *_list_account_operations(home, clock))


def _list_person_operations(home: Path, clock: Callable[[], float]) -> tuple[Operation[Any], ...]:
    def export(who: Principal, body: PersonRequest, _: dict[str, str]) -> PersonExport:
        return export_person(home, body.subject, clock(), actor=who, project=body.project)

    def erase(who: Principal, body: NewErasure, _: dict[str, str]) -> ErasureResult:
        return erase_person(
            home,
            body.subject,
            clock(),
            actor=who,
            project=body.project,
            rebuild_datasets=body.rebuild_datasets,
        )

    def correct(who: Principal, body: NewCorrection, _: dict[str, str]) -> CorrectionResult:
        return corrections.correct_person(
            home,
            body.subject,
            body.note,
            clock(),
            actor=who,
            about=body.about,
            replace=body.replace,
            project=body.project,
        )

    exports = _change("/privacy/exports", "Everything that is kept of a person.", PersonRequest, PersonExport, export)
    return (
        msgspec.structs.replace(exports, remembered=False),
        _change("/privacy/erasures", "Erase a person.", NewErasure, ErasureResult, erase),
        _change("/privacy/corrections", "Note what is wrong.", NewCorrection, CorrectionResult, correct),
    )


def _list_account_operations(home: Path, clock: Callable[[], float]) -> tuple[Operation[Any], ...]:
    def report(who: Principal, body: ReportQuery, _: dict[str, str]) -> PrivacyReport:
        return write_report(home, clock(), actor=who, scan=body.scan)

    def list_holds(who: Principal, body: HoldQuery, _: dict[str, str]) -> list[LegalHold]:
        return holds.list_holds(home, clock(), actor=who, all_states=body.all)

    def add_hold(who: Principal, body: NewHold, _: dict[str, str]) -> list[LegalHold]:
        return holds.add_hold(home, body.subject, body.reason, clock(), actor=who, project=body.project)

    def release(who: Principal, _: Nothing, segments: dict[str, str]) -> LegalHold:
        return holds.release_hold(home, segments["hold"], clock(), actor=who)

    def list_breaches(who: Principal, *_: Any) -> list[BreachView]:
        return breaches.list_breaches(home, clock(), actor=who)

    def show_breach(who: Principal, _: Nothing, segments: dict[str, str]) -> BreachView:
        return breaches.show_breach(home, segments["breach"], clock(), actor=who)

    def open_breach(who: Principal, body: NewBreach, _: dict[str, str]) -> BreachView:
        now = clock()
        return breaches.open_breach(
            home,
            body.summary,
            parse_past_moment(body.since, now, "since"),
            now if body.until is None else parse_past_moment(body.until, now, "until"),
            now,
            actor=who,
            known_at=None if body.known is None else parse_past_moment(body.known, now, "known"),
            routes=tuple(body.routes),
        )

    def close_breach(who: Principal, body: BreachEnd, segments: dict[str, str]) -> BreachView:
        now = clock()
        at = None if body.notified is None else parse_past_moment(body.notified, now, "notified")
        return breaches.close_breach(home, segments["breach"], body.outcome, now, actor=who, notified_at=at)

    views, kept = list[BreachView], list[LegalHold]
    return (
        _read("/privacy/report", "What personal data lies where.", ReportQuery, PrivacyReport, report),
        _read("/privacy/holds", "List the legal holds.", HoldQuery, kept, list_holds),
        _change("/privacy/holds", "Hold what is kept of a person or of everybody.", NewHold, kept, add_hold, 201),
        _change("/privacy/holds/{hold}/release", "Release a legal hold.", Nothing, LegalHold, release),
        _read("/privacy/breaches", "List breaches with their clocks.", Nothing, views, list_breaches),
        _read("/privacy/breaches/{breach}", "Show whom a breach touches.", Nothing, BreachView, show_breach),
        _change("/privacy/breaches", "Start the clock of a breach.", NewBreach, BreachView, open_breach, 201),
        _change("/privacy/breaches/{breach}/close", "Close a breach.", BreachEnd, BreachView, close_breach),
    )


def _read(path: str, summary: str, takes: type, returns: Any, run: Any) -> Operation[Any]:
    right: Right = "privacy.read"
    return Operation(
        method="GET",
        path=path,
        permission=right,
        tenancy="principal",
        audit="none",
        summary=summary,
        takes=takes,
        returns=returns,
        run=run,
    )


def _change(path: str, summary: str, takes: type, returns: Any, run: Any, status: int = 200) -> Operation[Any]:
    right: Right = "privacy.manage"
    return Operation(
        method="POST",
        path=path,
        permission=right,
        tenancy="principal",
        audit="administrative",
        summary=summary,
        takes=takes,
        returns=returns,
        run=run,
        body=takes is not Nothing,
        remembered=True,
        status=status,
    )
