"""A rehearsal of a rollback: a release whose candidate is the champion itself, taken back and timed.

Nobody gets another answer by it; people are drawn, noted and given back as in a real one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec

from steward.core.errors import InputError, Interrupted, UnknownName
from steward.core.identity import Principal
from steward.core.record_ids import make_short_id
from steward.core.releases import ReleaseRecord, RouteVariant
from steward.workflows.findings import Finding
from steward.workflows.releases import ReleaseDesk, apply_change, begin_release, load_catalog, make_change, open_desk
from steward.workflows.reload import find_supervisor

ROLLBACK_S: Final = 1.0  # from the decision to the last request that is drawn for the candidate
SHARE: Final = 0.5  # so that there is somebody to give back
SETTLE_S: Final = 2.0  # in which requests of the drill reach the store


class DrillReport(msgspec.Struct, frozen=True, kw_only=True):
    """`steward release drill --json`. `last_request_s`: from the decision to the last request that was drawn for the
    candidate, below zero where none came after it; None: nobody asked while the drill lasted.
    """

    release: str
    route: str
    workers: int
    start_s: float  # until all workers drew people
    rollback_s: float  # until no worker did
    candidate_requests: int
    last_request_s: float | None
    verdict: Literal["held", "broken"]
    allowed_s: float = ROLLBACK_S


def run_drill(
    home: Path,
    route: str,
    *,
    actor: Principal,
    hold_s: float = 0.0,
    clock: Callable[[], float] = time.time,
    wait: Callable[[float], None] = time.sleep,
) -> DrillReport:
    """Begin and take back; `hold_s` between both lets requests come.

    :raises InputError: the route has a release in progress :raises UnknownName: there is no such route
    """
    find_supervisor(home)
    with open_desk(home) as desk:
        started = clock()
        record = _make_record(home, desk, route, actor, started)
        try:
            begun = begin_release(home, desk, record, actor)
            serving = clock()
            wait(hold_s)
        except KeyboardInterrupt:
            _take_back(home, desk, record, actor, clock())
            raise Interrupted(
                f"interrupted; the drill was taken back and measured nothing. Repeat it: steward release drill {route}"
            ) from None
        decided = clock()
        _take_back(home, desk, record, actor, decided)
        gone = clock()
        wait(SETTLE_S if hold_s else 0.0)
        admitted = desk.store.releases.list_admissions(record.id)
    last_s = max(admitted) - decided if admitted else None
    return DrillReport(
        release=record.id,
        route=route,
        workers=begun.reload.workers,
        start_s=serving - started,
        rollback_s=gone - decided,
        candidate_requests=len(admitted),
        last_request_s=last_s,
        verdict="held" if (gone - decided if last_s is None else last_s) <= ROLLBACK_S else "broken",
    )


def _take_back(home: Path, desk: ReleaseDesk, record: ReleaseRecord, actor: Principal, now: float) -> None:
    """Unless it has not begun."""
    if record.id in [one.id for one in desk.store.releases.list_in_effect()]:
        ended = make_change(record, "roll back", desk.deployment.release, "drill", actor, now)
        apply_change(home, desk, record, ended, actor)


def _make_record(home: Path, desk: ReleaseDesk, route: str, actor: Principal, now: float) -> ReleaseRecord:
    """:raises InputError, UnknownName: as `run_drill`"""
    catalog = load_catalog(home)
    known = catalog.find_route(route)
    if known is None:
        raise UnknownName("route", route, catalog.list_routes())
    before = next((one for one in desk.store.releases.list_in_effect() if one.route == route), None)
    if before is not None and before.is_open:
        raise InputError(f"route {route!r} has {before.id} in progress; a drill waits until it has ended")
    variant = RouteVariant() if before is None else before.candidate
    return ReleaseRecord(
        id=make_short_id("rel"),
        tenant=actor.tenant,
        route=route,
        champion=variant,
        candidate=variant,
        state="canary",
        weight=SHARE,
        started_at=now,
        started_by=actor.actor,
        step_at=now,
        route_digest=catalog.digest_route(known) if before is None else before.route_digest,
        is_drill=True,
        changed_by=actor.actor,
        changed_at=now,
        why="drill",
    )


def make_drill_finding(report: DrillReport) -> Finding:
    """The proof that a rollback is quick enough."""
    return Finding(
        check="release.drill",
        subject=f"route {report.route}",
        subject_digest=report.release,
        verdict="pass" if report.verdict == "held" else "fail",
        value=f"rollback {report.rollback_s:.2f} s",
        expected=f"at most {report.allowed_s:g} s",
        source=report.release,
        valid_for_s=30 * 86400.0,
    )
