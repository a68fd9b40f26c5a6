"""The keeper's part of releases: reads what was settled, looks at the guards, and does what they say.

One keeper of all machines decides; every keeper copies what is in effect into its home. While the store is away nothing
is decided, and every home serves the shares that it served.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import StewardError, UnknownName
from steward.core.evidence import Evidence, EvidenceVerdict
from steward.core.extend import AuditLog
from steward.core.identity import Principal
from steward.core.record_ids import make_id
from steward.core.releases import ReleaseRating, ReleaseRecord, ReleaseRow, RouteVariant
from steward.improvement.canary import Canary, ReleaseDecision
from steward.improvement.config import ReleasePlan
from steward.improvement.rollout import (
    SHADOW_KEY,
    ShadowResult,
    ShadowTrials,
    choose_weight,
    make_release_event,
)
from steward.workflows.history import list_accepted
from steward.workflows.registry import find_taint
from steward.workflows.releases import (
    MOST_RELEASES,
    ReleaseDesk,
    Step,
    apply_change,
    load_catalog,
    make_change,
    open_desk,
    publish,
    set_weight,
)
from steward.workflows.reload import ReloadReport
from steward.workflows.serve.deployment import HomeDeployment
from steward.workflows.serve.plan import ServePlan, read_plan
from steward.workflows.serve.releases import Catalog, find_own_models, has_in_effect

log = logging.getLogger(__name__)

WATCHER: Final = Principal(kind="service", id="release", auth_method="local")
LAG_S: Final = 1.0  # after which a settled request has reached the store: drains come twice a second at least
OVERLAP_S: Final = 60.0  # that is read again, for what another machine's keeper brought late
RETRY_S: Final = 30.0  # between two tries to serve what could not be served


class LiveRelease:
    """One open release as the rows of the store tell it. Made anew by a keeper that starts: it reads all rows again."""

    def __init__(self, record: ReleaseRecord, plan: ReleasePlan, own: dict[str, frozenset[str]]) -> None:
        self._record, self._plan, self._own = record, plan, own
        self.canary, self.shadows = Canary(plan), ShadowTrials(plan)
        self._read_until = 0.0  # and not when it began: the clock that said so may have been ahead
        self._seen: dict[str, float] = {}  # ids of rows and ratings, and their times
        self._people: dict[float, set[str]] = {}  # who had the candidate, by its share

    def read(self, store: SqlStore, until: float) -> None:
        """Take in what settled before `until`, in the order of its times. :raises Unavailable: the store is gone"""
        since = self._read_until - OVERLAP_S
        rows = store.releases.read_rows(self._record.id, since, until)
        ratings = store.releases.read_ratings(self._record.id, since, until)
        fresh: list[tuple[float, ReleaseRow | ReleaseRating]] = [
            *((row.settled_at, row) for row in rows if self._is_new(row.request_id, row.settled_at)),
            *((one.at, one) for one in ratings if self._is_new(one.id, one.at)),
        ]
        for _, item in sorted(fresh, key=lambda pair: pair[0]):
            self._add(item)
        self._read_until = max(self._read_until, until)
        self._seen = {name: at for name, at in self._seen.items() if at >= self._read_until - OVERLAP_S}

    def is_ahead_of(self, now: float) -> bool:
        """Whether rows were read up to a time that is yet to come, for more than a late row explains."""
        return self._read_until - OVERLAP_S > now

    def _is_new(self, name: str, at: float) -> bool:
        if name in self._seen:
            return False
        self._seen[name] = at
        return True

    def _add(self, item: ReleaseRow | ReleaseRating) -> None:
        if isinstance(item, ReleaseRating):
            if item.weight:
                self.canary.add_rating(item.at, item.subject, item.arm, item.weight, item.score)
            return
        self.shadows.add(item)
        if item.judged is not None:
            self.canary.add_comparison(item.settled_at, item.subject, item.judged)
        if item.key_id == SHADOW_KEY or item.arm is None or not item.weight:
            return
        self.canary.add(make_release_event(item, self._own[item.arm], self._record.slow_s))
        if item.arm == "candidate":
            self._people.setdefault(item.weight, set()).add(item.subject or item.request_id)

    def count_people(self, weight: float) -> int:
        """Who had the candidate while its share was `weight`; a request that names nobody counts for itself."""
        return len(self._people.get(weight, ()))

    def count_everybody(self) -> int:
        """Who ever had the candidate."""
        return len(set().union(*self._people.values()))

    def decide(self) -> ReleaseDecision | None:
        return self.canary.decide() if self.canary.has_begun else None


class ReleaseWatch:
    """The job: looks at every open release, and serves what it decides at once."""

    def __init__(
        self,
        deployment: HomeDeployment,
        store: SqlStore,
        audit: AuditLog,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._deployment, self._desk = deployment, ReleaseDesk(deployment, store, audit)
        self._store, self._clock = store, clock
        self._live: dict[str, tuple[ReleasePlan, LiveRelease]] = {}
        self._looked: dict[str, float] = {}
        self._ahead: dict[tuple[str, float], float] = {}  # times of a release that are yet to come: since when

    def run(self) -> None:
        """:raises Unavailable: the store does not answer, or a decision cannot be recorded; nothing was changed"""
        records = [one for one in self._store.releases.list_in_effect() if one.is_open and not one.is_drill]
        self._live = {one.id: self._live[one.id] for one in records if one.id in self._live}
        self._note_ahead(records, self._clock())
        if records:
            plan = read_plan(self._deployment.home / "run" / "plan.json")
            for record in records:
                self._step(record, plan)

    def _step(self, record: ReleaseRecord, plan: ServePlan) -> None:
        live, policy, now = self._find_live(record, plan), plan.release, self._clock()
        if live is not None and live.is_ahead_of(now):
            del self._live[record.id]  # the clock went back: what settles from now on has been read past, so all anew
            live = self._find_live(record, plan)
        if live is None:
            return
        live.read(self._store, now - LAG_S)
        looked = self._looked.get(record.id, record.started_at)
        if 0.0 <= now - looked < policy.look_every_s:
            return
        self._looked[record.id] = now
        if problem := self._find_meddling(record):
            self._pause(record, policy, problem, now)
        elif alert := self._find_alert(record):
            self._decide(record, policy, "roll back", f"the alert {alert} names the candidate", None, now)
        elif record.state == "shadow":
            self._judge_shadows(record, policy, live.shadows.decide(), now)
        else:
            self._judge(record, policy, live, now)

    def _note_ahead(self, records: list[ReleaseRecord], now: float) -> None:
        """Remember since when a release has times that are yet to come: a clock that was ahead wrote them."""
        times = [(one.id, at) for one in records for at in (one.started_at, one.step_at) if at > now]
        self._ahead = {key: min(self._ahead.get(key, now), now) for key in times}

    def _find_past(self, record: ReleaseRecord, at: float) -> float:
        """A time of a release, as it counts; one that is yet to come counts from when that was seen."""
        return self._ahead.get((record.id, at), at)

    def _find_live(self, record: ReleaseRecord, plan: ServePlan) -> LiveRelease | None:
        """A policy that was changed by hand judges all that has been, from the beginning. None: not served here yet."""
        policy = plan.release
        known = self._live.get(record.id)
        if known is None or known[0] != policy:
            route = load_catalog(self._deployment.home).find_route(record.route)
            served = next((one for one in plan.releases if one.id == record.id), None)
            if route is None or served is None:
                return None
            own = {"champion": find_own_models(route), "candidate": find_own_models(served.candidate)}
            known = self._live[record.id] = (policy, LiveRelease(record, policy, own))
        return known[1]

    def _judge_shadows(self, record: ReleaseRecord, policy: ReleasePlan, result: ShadowResult, now: float) -> None:
        if result.verdict == "roll back":
            self._decide(record, policy, "roll back", result.why, None, now)
        elif result.verdict == "go on":
            self._grow(record, policy.steps[0], f"shadows are done: {result.why}", now)

    def _judge(self, record: ReleaseRecord, policy: ReleasePlan, live: LiveRelease, now: float) -> None:
        decision = live.decide()
        paused = record.state == "paused"
        if decision is not None and (decision.decision == "roll back" or not paused):
            if decision.decision == "inconclusive":
                self._pause(record, policy, decision.why, now, decision)
            else:
                self._decide(record, policy, decision.decision, decision.why, decision, now)
        elif not paused:
            people = live.count_people(record.weight)
            weight = choose_weight(policy, record.weight, now - self._find_past(record, record.step_at), people)
            if weight != record.weight:
                self._grow(record, weight, f"{people} people had the candidate", now)

    def _decide(
        self,
        record: ReleaseRecord,
        policy: ReleasePlan,
        verdict: str,
        why: str,
        decision: ReleaseDecision | None,
        now: float,
    ) -> None:
        proof = self._prove(record, verdict, why, decision, now)
        step: Step = "promote" if verdict == "promote" else "roll back"
        changed = make_change(record, step, policy, why, WATCHER, now)
        self._apply(record, _with_proof(changed, proof))

    def _pause(
        self, record: ReleaseRecord, policy: ReleasePlan, why: str, now: float, decision: ReleaseDecision | None = None
    ) -> None:
        if record.state != "paused":
            proof = self._prove(record, "inconclusive", why, decision, now)
            self._apply(record, _with_proof(make_change(record, "pause", policy, why, WATCHER, now), proof))

    def _grow(self, record: ReleaseRecord, weight: float, why: str, now: float) -> None:
        self._apply(record, set_weight(record, weight, why, WATCHER, now))

    def _apply(self, before: ReleaseRecord, after: ReleaseRecord) -> None:
        report = apply_change(self._deployment.home, self._desk, before, after, WATCHER)
        log.warning("release %s of route %s: %s; %s", after.id, after.route, after.state, after.why)
        _warn(report)

    def _prove(
        self, record: ReleaseRecord, verdict: str, why: str, decision: ReleaseDecision | None, now: float
    ) -> Evidence:
        """Keep the proof of a decision."""
        verdicts: dict[str, EvidenceVerdict] = {"promote": "pass", "roll back": "fail"}
        guards = () if decision is None else decision.guards
        proof = Evidence(
            id=make_id("ev"),
            check="release.decision",
            subject=f"route {record.route}, {record.candidate.describe()}",
            subject_digest=record.candidate.version or record.id,
            verdict=verdicts.get(verdict, "cannot tell"),
            value=f"{why}; " + ", ".join(f"{one.name} {one.verdict}" for one in guards),
            expected="every required guard passed, none regressed",
            source=record.id,
            produced_at=now,
            valid_until=None,
            command=f"steward release status {record.id}",
            signer=WATCHER.actor,
        )
        self._store.evidence.add(proof, tenant=record.tenant)
        return proof

    def _find_alert(self, record: ReleaseRecord) -> str | None:
        """An alert that is firing since the release began and whose scopes name the candidate."""
        if record.candidate.kind not in ("model", "version"):
            return None
        scopes = {f"model {name}" for name in name_models(record.candidate)}
        firing = self._store.alerts.list_alerts(open_only=True, outside=False)
        since = self._find_past(record, record.started_at)
        return next(
            (one.rule for one in firing if one.started_at >= since and scopes.intersection(one.scopes)),
            None,
        )

    def _find_meddling(self, record: ReleaseRecord) -> str | None:
        """Whether somebody moved the champion's alias by hand since the release began, or tainted the candidate."""
        if record.candidate.kind != "version":
            return None
        if why := find_taint(self._store, record):
            return f"{record.candidate.served} is tainted: {why}; roll back by hand"
        moves = self._store.registry.list_moves(record.candidate.name, tenant=record.tenant)
        champion = [one for one in moves if one.alias == "champion"]
        if champion and champion[-1].number != record.alias_number:
            last = champion[-1]
            return f"{last.by} moved the alias {last.name}@champion meanwhile; resume or roll back by hand"
        return None


class ReleaseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`steward release status --json`: a release, its copies, and what its guards say now, or said at its end."""

    release: ReleaseRecord
    shadow: ShadowResult
    people: int  # who had the candidate at its share of now; of a release that has ended, at any
    guards: ReleaseDecision | None  # as a decision of then would read; None: no request yet
    served: bool = True  # whether every worker serves the release as it is recorded; a change takes about a second


def describe_release(home: Path, store: SqlStore, record: ReleaseRecord, now: float) -> ReleaseStatus:
    """What is known of a release, from all of its rows. :raises Unavailable: the store does not answer"""
    plan, catalog = read_plan(home / "run" / "plan.json"), load_catalog(home)
    own = {
        "champion": find_variant_models(record.champion, record.route, catalog),
        "candidate": find_variant_models(record.candidate, record.route, catalog),
    }
    live = LiveRelease(record, plan.release, own)
    live.read(store, find_end(record, now))
    undecided = "in progress" if record.is_open else "ended by hand"
    report = live.canary.decide() or live.canary.report("inconclusive", undecided) if live.canary.has_begun else None
    return ReleaseStatus(
        release=record,
        shadow=live.shadows.decide(),
        people=live.count_people(record.weight) if record.is_open else live.count_everybody(),
        guards=report,
        served=is_served(record, plan, home),
    )


def is_served(record: ReleaseRecord, plan: ServePlan, home: Path) -> bool:
    """Whether all workers draw as the record says: the plan has its shares, and its version counts as served."""
    shares = [(one.weight, one.sample) for one in plan.releases if one.id == record.id]
    sample = record.sample if record.is_open else 0.0
    wanted = [(record.weight, sample)] if record.is_open or record.state == "promoted" else []
    accepted = list_accepted(home)
    return shares == wanted and bool(accepted) and accepted[-1].version == plan.config_version


def find_end(record: ReleaseRecord, now: float) -> float:
    """Until when its requests count: the look that ended it, else when somebody ended it, else now.

    A promoted release still notes arms, for its holdback; what comes then has decided nothing.
    """
    if record.ended_at is None:
        return now
    return record.ended_at - LAG_S if record.changed_by == WATCHER.actor else record.ended_at


def find_variant_models(variant: RouteVariant, route: str, catalog: Catalog) -> frozenset[str]:
    """The models whose answers are a variant's own, also of a release that has ended and whose route serves another."""
    if variant.kind in ("version", "model"):
        return name_models(variant)
    found = catalog.find_route(variant.name if variant.kind == "route" else route)
    return frozenset() if found is None else find_own_models(found)


def name_models(variant: RouteVariant) -> frozenset[str]:
    """The models that a model of the settings, or a registered version, answers as."""
    return frozenset(variant.list_served() if variant.kind == "version" else (variant.name,))


def show_status(home: Path, wanted: str, now: float, *, tenant: str) -> ReleaseStatus:
    """Of the release of a route, or of one by its id. :raises UnknownName: the tenant has none"""
    with open_desk(home) as desk:
        records = desk.store.releases.list_releases(MOST_RELEASES, tenant=tenant)
        record = next((one for one in records if wanted in (one.id, one.route)), None)
        if record is None:
            raise UnknownName("release", wanted, sorted({one.route for one in records}))
        return describe_release(home, desk.store, record, now)


class ReleasePublisher:
    """The job of every keeper: what the store says is in effect becomes what this home serves."""

    def __init__(self, home: Path, store: SqlStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._home, self._store, self._clock = home, store, clock
        self._again_at = 0.0
        self._failed = False  # to ask for a reload, after the home's copy was written

    def run(self) -> None:
        """:raises Unavailable: the store does not answer; the home serves what it served"""
        if self._clock() < self._again_at:
            return
        try:
            if self._failed or not has_in_effect(self._home, tuple(self._store.releases.list_in_effect())):
                _warn(publish(self._home, self._store, WATCHER))
            self._failed = False
        except StewardError:
            self._failed, self._again_at = True, self._clock() + RETRY_S
            raise


def _with_proof(record: ReleaseRecord, proof: Evidence) -> ReleaseRecord:
    return msgspec.structs.replace(record, evidence=(*record.evidence, proof.id))


def _warn(report: ReloadReport) -> None:
    if report.error:
        log.error("a release is not served as the store says: %s", report.error)
