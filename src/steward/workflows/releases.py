"""Releases by hand: begun, paused, promoted, taken back. What a test decides is `release_watch.py`'s.

The store says what is in effect. It is recorded in the audit log, kept in the store, copied into the home and served by
one reload, in this order; what cannot be served is taken back whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, StewardError, Unavailable, UnknownName
from steward.core.extend import AuditLog
from steward.core.files import spell_home
from steward.core.identity import Principal
from steward.core.record_ids import make_short_id
from steward.core.releases import ReleaseRecord, ReleaseState, RouteVariant
from steward.gateway.route_records import Route
from steward.improvement.config import ReleasePlan
from steward.improvement.rollout import promoted_weight
from steward.workflows import prompts
from steward.workflows.approvals import propose_release, require_approval
from steward.workflows.audit import make_act
from steward.workflows.registry import (
    check_alias_unmoved,
    check_untainted,
    find_version,
    follow_promotion,
    release_path,
)
from steward.workflows.release_adapters import load_everywhere, unload_unneeded
from steward.workflows.reload import ReloadReport, find_supervisor, request_reload
from steward.workflows.serve.deployment import HomeDeployment, find_deployment
from steward.workflows.serve.plan import read_plan
from steward.workflows.serve.releases import Catalog, RoutePlan, has_in_effect, write_in_effect

SLOW_DAYS: Final = 7
SAFE_STEPS: Final = ("pause", "roll back")  # hold whatever the guards have decided since the release was read
SAFE_TRIES: Final = 5
FEWEST_ANSWERS: Final = 100  # from which a percentile is taken
MOST_ANSWERS: Final = 20_000
MOST_RELEASES: Final = 200
Step = Literal["pause", "resume", "promote", "roll back"]


class ReleaseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to release: exactly one of `candidate` and `prompt`.

    `candidate`: a model or route of the settings, or NAME@ALIAS or NAME@DIGEST of the registry. `prompt`: NAME:VERSION.
    `adapter_path`: where the route's server finds a registered adapter.
    """

    route: str
    candidate: str | None = None
    prompt: str | None = None
    adapter_path: str | None = None


class ChangedMeanwhile(InputError):
    """Another process changed the release since it was read."""


class ReleaseChange(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command: the release as it is now, and the reload that served it."""

    release: ReleaseRecord
    reload: ReloadReport


class ReleaseDesk(NamedTuple):
    """All that a change of a release needs."""

    deployment: HomeDeployment
    store: SqlStore
    audit: AuditLog


class _Wanted(NamedTuple):
    """A request, the route as it serves now, and what it serves."""

    request: ReleaseRequest
    route: Route
    champion: RouteVariant

    def list_bases(self, catalog: Catalog) -> list[str]:
        """The models of the settings that a registered version takes over, also where another version serves."""
        if self.champion.kind == "version":
            return list(self.champion.list_served().values())
        return catalog.list_replicas(self.route) or [self.route.targets[0].model]


@contextmanager
def open_desk(home: Path) -> Iterator[ReleaseDesk]:
    """:raises Unavailable: the store does not answer"""
    deployment = find_deployment(home)
    store = deployment.open_store()
    try:
        store.migrate()
        yield ReleaseDesk(deployment, store, deployment.open_audit_log())
    finally:
        store.close()


def start_release(
    home: Path, request: ReleaseRequest, *, actor: Principal, clock: Callable[[], float] = time.time
) -> ReleaseChange:
    """Begin a release: with copies of requests, or with the first share of people where the policy asks for none.

    :raises InputError: the route has a release in progress, the policy asks for what nobody measures, an approval is
        missing, or the candidate cannot be served; then nothing is changed
    :raises UnknownName: no such route, model, prompt or version :raises Unavailable: nothing runs, or the store is gone
    """
    find_supervisor(home)
    with open_desk(home) as desk:
        policy = desk.deployment.release
        _refuse_unmeasured(policy)
        catalog = load_catalog(home)
        route = catalog.find_route(request.route)
        if route is None:
            raise UnknownName("route", request.route, catalog.list_routes())
        before = next((one for one in desk.store.releases.list_in_effect() if one.route == request.route), None)
        if before is not None and before.is_open:
            raise _already_open(before, actor)
        champion = before.candidate if before is not None else RouteVariant()
        candidate = _find_candidate(home, desk.store, catalog, _Wanted(request, route, champion), actor)
        if candidate == champion:
            raise InputError(f"route {request.route!r} serves {candidate.describe()} already; expected something else")
        now = clock()
        require_approval(
            home,
            desk.deployment.approval_policy,
            propose_release(request.route, candidate, champion, actor),
            now,
            actor=actor,
        )
        digest = catalog.digest_route(route) if before is None else before.route_digest
        record = _make_record(desk.store, policy, digest, champion, candidate, request, actor, now)
        return begin_release(home, desk, record, actor)


def _make_record(
    store: SqlStore,
    policy: ReleasePlan,
    digest: str,
    champion: RouteVariant,
    candidate: RouteVariant,
    request: ReleaseRequest,
    actor: Principal,
    now: float,
) -> ReleaseRecord:
    shadows = policy.shadow_sample > 0.0
    moves = [one for one in store.registry.list_moves(candidate.name, tenant=actor.tenant) if one.alias == "champion"]
    return ReleaseRecord(
        id=make_short_id("rel"),
        tenant=actor.tenant,
        route=request.route,
        champion=champion,
        candidate=candidate,
        state="shadow" if shadows else "canary",
        weight=0.0 if shadows else policy.steps[0],
        started_at=now,
        started_by=actor.actor,
        step_at=now,
        route_digest=digest,
        slow_s=policy.slow_s or measure_slow(store, request.route, now),
        alias_number=moves[-1].number if moves and candidate.kind == "version" else 0,
        sample=policy.shadow_sample,
        judged=policy.judge.sample if policy.judge is not None else 0.0,
        changed_by=actor.actor,
        changed_at=now,
        why="begun",
    )


def begin_release(home: Path, desk: ReleaseDesk, record: ReleaseRecord, actor: Principal) -> ReleaseChange:
    after = f"{record.id} {record.candidate.describe()}"
    desk.audit.record(make_act(actor, "release.start", f"release:{record.route}", after=after))
    models = {model.name: model for model in read_plan(home / "run" / "plan.json").models}
    refusal = f"{record.candidate.describe()} was not released, and nothing was changed"
    try:
        loaded = load_everywhere(record.candidate, models)  # before any keeper serves what the store says
    except StewardError as error:
        desk.audit.record(make_act(actor, "release.fail", f"release:{record.route}", after=record.id))
        raise InputError(f"{refusal}: {error}") from error
    try:
        is_first = desk.store.releases.start(record)
    except UnknownName as error:
        unload_unneeded(loaded, models, desk.store.releases)
        desk.audit.record(make_act(actor, "release.fail", f"release:{record.route}", after=record.id))
        raise InputError(f"{refusal}: it was deleted meanwhile: {error}") from error
    if not is_first:
        unload_unneeded(loaded, models, desk.store.releases)
        other = next((one for one in desk.store.releases.list_in_effect() if one.route == record.route), None)
        desk.audit.record(make_act(actor, "release.fail", f"release:{record.route}", after=record.id))
        if other is None or not other.is_open:
            raise InputError(f"{refusal}: another release of the route began and ended at the same moment; try again")
        raise _already_open(other, actor)
    try:
        loaded = [*loaded, *load_everywhere(record.candidate, models)]  # another that failed took it away meanwhile
        report = publish(home, desk.store, actor)
        if report.error:
            raise InputError(report.error)
        if record.id not in [one.id for one in read_plan(home / "run" / "plan.json").releases]:
            raise InputError("`steward up` runs with --model, which leaves releases out; start it without")
    except StewardError as error:
        failed = _change(record, "failed", f"could not be served: {error}", actor, time.time(), weight=0.0)
        desk.audit.record(make_act(actor, "release.fail", f"release:{record.route}", after=record.id))
        desk.store.releases.change(failed)
        publish(home, desk.store, actor)
        unload_unneeded(loaded, models, desk.store.releases)
        raise InputError(f"{refusal}: {error}") from error
    return ReleaseChange(release=record, reload=report)


def change_release(
    home: Path, route: str, step: Step, *, actor: Principal, reason: str = "", clock: Callable[[], float] = time.time
) -> ReleaseChange:
    """Pause, resume, promote or take back the release of a route.

    :raises UnknownName: the route has none :raises InputError: it is not in a state for this
    :raises Unavailable: it is recorded, and could not be served
    """
    with open_desk(home) as desk:
        tries = SAFE_TRIES if step in SAFE_STEPS else 1
        while True:
            tries -= 1
            record = _find_in_effect(desk.store, route, actor)
            changed = make_change(record, step, desk.deployment.release, reason or "by hand", actor, clock())
            try:
                report = apply_change(home, desk, record, changed, actor)
                break
            except ChangedMeanwhile:
                if not tries:
                    raise
        if report.error:
            raise Unavailable(
                f"{changed.id} is recorded as {changed.state}, but configuration {report.version} serves as before: "
                f"{report.error}; when that is mended, serve it: steward reload{spell_home(home)}"
            )
        return ReleaseChange(release=changed, reload=report)


def _find_in_effect(store: SqlStore, wanted: str, actor: Principal) -> ReleaseRecord:
    """:raises UnknownName: the actor's tenant has none of this route or id"""
    records = [one for one in store.releases.list_in_effect() if one.tenant == actor.tenant]
    record = next((one for one in records if wanted in (one.route, one.id)), None)
    if record is None:
        raise UnknownName("release in effect", wanted, [one.route for one in records])
    return record


def make_change(
    record: ReleaseRecord, step: Step, policy: ReleasePlan, why: str, actor: Principal, now: float
) -> ReleaseRecord:
    """The release after a step. :raises InputError: it is not in a state for it"""
    if step == "pause":
        if record.state not in ("shadow", "canary"):
            raise InputError(f"{record.id} is {record.state}; only one in shadow or canary can be paused")
        paused = _change(record, "paused", why, actor, now)
        return msgspec.structs.replace(paused, paused_from=record.state)
    if step == "resume":
        if record.state != "paused":
            raise InputError(f"{record.id} is {record.state}; only one that is paused can be resumed")
        resumed = _change(record, record.paused_from or "canary", why, actor, now)
        return msgspec.structs.replace(resumed, paused_from="", step_at=now)
    if step == "promote":
        if not record.is_open:
            raise InputError(f"{record.id} is {record.state} already")
        return _change(record, "promoted", why, actor, now, weight=promoted_weight(policy))
    return _change(record, "rolled back", why, actor, now, weight=0.0)


def set_weight(record: ReleaseRecord, weight: float, why: str, actor: Principal, now: float) -> ReleaseRecord:
    """The release in canary, with another share of people."""
    return _change(record, "canary", why, actor, now, weight=weight)


def _change(
    record: ReleaseRecord, state: ReleaseState, why: str, actor: Principal, now: float, weight: float | None = None
) -> ReleaseRecord:
    ended = state in ("promoted", "rolled back", "failed", "superseded")
    return msgspec.structs.replace(
        record,
        state=state,
        weight=record.weight if weight is None else weight,
        step_at=record.step_at if weight is None else now,
        why=why,
        changed_by=actor.actor,
        changed_at=now,
        ended_at=now if ended else None,
        revision=record.revision + 1,
    )


def apply_change(
    home: Path, desk: ReleaseDesk, before: ReleaseRecord, after: ReleaseRecord, actor: Principal
) -> ReloadReport:
    """Record, keep and serve a change; aliases follow a promotion.

    :raises ChangedMeanwhile: nothing was changed :raises Unavailable: no audit log or no store
    """
    if after.state == "promoted" and after.candidate.kind == "version":
        check_alias_unmoved(desk.store, after)
        check_untainted(desk.store, after)
    act = make_act(
        actor,
        f"release.{after.state.replace(' ', '_')}",
        f"release:{after.route}",
        before=f"{before.state} {before.weight:g}",
        after=f"{after.id} {after.state} {after.weight:g}",
    )
    desk.audit.record(act)
    if not desk.store.releases.change(after):
        raise ChangedMeanwhile(
            f"{after.id} was changed by somebody else meanwhile; see: steward release status {after.route}"
        )
    if after.state == "promoted":
        _supersede(desk.store, after, actor)
        _move_aliases(desk, after, actor)
    return publish(home, desk.store, actor)


def _supersede(store: SqlStore, promoted: ReleaseRecord, actor: Principal) -> None:
    """Earlier promotions of the route serve no more. When and by whom each was decided stays: its guards end there."""
    for record in store.releases.list_releases(MOST_RELEASES, tenant=None):
        if record.route == promoted.route and record.state == "promoted" and record.id != promoted.id:
            ended = _change(record, "superseded", f"by {promoted.id}", actor, promoted.changed_at)
            store.releases.change(
                msgspec.structs.replace(ended, ended_at=record.ended_at, changed_by=record.changed_by)
            )


def _move_aliases(desk: ReleaseDesk, record: ReleaseRecord, actor: Principal) -> None:
    """The promoted version becomes the champion of its name, the one before it the previous one."""
    if record.candidate.kind == "version":
        follow_promotion(desk.store, desk.audit, record, actor)


def publish(home: Path, store: SqlStore, actor: Principal) -> ReloadReport:
    """Serve what the store says is in effect, and wait until all workers do, also where another asked for it first.

    :raises Unavailable: the supervisor is gone, or the store
    """
    wanted = tuple(store.releases.list_in_effect())
    if not has_in_effect(home, wanted):
        write_in_effect(home, wanted)
    return request_reload(home, find_supervisor(home), actor, keep_file=True)


def list_releases(home: Path, *, tenant: str) -> list[ReleaseRecord]:
    """Newest first."""
    with open_desk(home) as desk:
        return desk.store.releases.list_releases(MOST_RELEASES, tenant=tenant)


def load_catalog(home: Path) -> Catalog:
    """What serves from this home. Prompts of the settings are known by their routes alone.

    :raises InputError: nothing has been served
    """
    plan = read_plan(home / "run" / "plan.json")
    return Catalog(RoutePlan(models=plan.models, routes=plan.routes, prompts=plan.prompts), {}, home)


def measure_slow(store: SqlStore, route: str, now: float) -> float | None:
    """The 95th percentile of the route's answers of a week; None where there are too few to say."""
    durations = sorted(store.releases.read_durations(route, now - SLOW_DAYS * 86400.0, MOST_ANSWERS))
    return durations[int(0.95 * len(durations))] if len(durations) >= FEWEST_ANSWERS else None


def _refuse_unmeasured(policy: ReleasePlan) -> None:
    """:raises InputError: a guard is required that nobody will measure, so that it never passes"""
    for guard in policy.guards:
        if guard.name == "judge" and guard.required and policy.judge is None:
            raise InputError(
                "release.guards.judge is required, and no judge is named, so nothing could ever be promoted; set "
                "release.judge.model to a model of steward.yaml, or release.guards.judge.required to false"
            )


def _already_open(record: ReleaseRecord, actor: Principal) -> InputError:
    if record.tenant != actor.tenant:
        return InputError(
            f"route {record.route!r} has a release of another tenant in progress; wait until it has ended"
        )
    return InputError(
        f"route {record.route!r} has {record.id} in progress ({record.state}); end it first: "
        f"steward release rollback {record.route}"
    )


def _find_candidate(home: Path, store: SqlStore, catalog: Catalog, wanted: _Wanted, actor: Principal) -> RouteVariant:
    """:raises UnknownName, InputError: nothing that the route could be served with"""
    if (wanted.request.candidate is None) == (wanted.request.prompt is None):
        raise InputError("expected exactly one of --candidate and --prompt")
    variant = _read_variant(home, store, catalog, wanted, actor)
    if variant.kind != "prompt":  # whether the settings have it, the reload says
        catalog.resolve(wanted.route, variant)
    return variant


def _read_variant(home: Path, store: SqlStore, catalog: Catalog, wanted: _Wanted, actor: Principal) -> RouteVariant:
    request = wanted.request
    if request.prompt is not None:
        name, _, version = request.prompt.partition(":")
        if name in prompts.list_names(home):
            version = prompts.find(home, name, version or None).version
        return RouteVariant(kind="prompt", name=name, version=version)
    name = request.candidate or ""
    if name in catalog.list_models():
        return RouteVariant(kind="model", name=name)
    if "@" in name:
        return _read_version(home, store, catalog, wanted, actor)
    if catalog.find_route(name) is not None:
        return RouteVariant(kind="route", name=name)
    if Path(name).suffix == ".gguf":
        raise InputError(f"{name} is a file; register it first: steward model import {name} --name NAME")
    raise UnknownName("model or route", name, [*catalog.list_models(), *catalog.list_routes()])


def _read_version(home: Path, store: SqlStore, catalog: Catalog, wanted: _Wanted, actor: Principal) -> RouteVariant:
    request = wanted.request
    version = find_version(store, request.candidate or "", tenant=actor.tenant)
    if version.tainted:
        raise InputError(f"{version.served} is tainted: {version.tainted}; train it again and release that")
    base, *replicas = wanted.list_bases(catalog)
    path = request.adapter_path if version.kind == "adapter" else str(release_path(home, version))
    if path is None:
        raise InputError(
            f"{version.served} is an adapter: give --adapter-path, the folder where the server of {base} finds it"
        )
    variant = RouteVariant(
        kind="version",
        name=version.name,
        version=version.digest,
        served=version.served,
        path=path,
        base=base,
        artefact=version.kind,
        replicas=tuple(replicas) if version.kind == "adapter" else (),
    )
    catalog.plan_version(variant)
    return variant
