"""What `steward check` looks at, and the waivers that people answer for."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, StewardError, UnknownName
from steward.core.evidence import Evidence
from steward.core.files import is_private, make_private_folder, write_file
from steward.core.identity import Principal
from steward.core.keys import KeyRecord
from steward.core.series import HOUR_S, start_of
from steward.governance.checks import CHECKS
from steward.governance.incidents import list_overdue
from steward.governance.readiness import (
    DAY_S,
    Facts,
    KeyFacts,
    Level,
    ModelFacts,
    Pitfall,
    ReadinessReport,
    Situation,
    Waiver,
    assess,
    list_evidence_kinds,
    make_waiver,
    refuse_full_waiver,
)
from steward.workflows.access_matrix import digest_store
from steward.workflows.appeals import list_late
from steward.workflows.approvals import list_revoked, propose_waiver, require_approval
from steward.workflows.audit import make_act, verify_home
from steward.workflows.backlog import add_up, read_backlog
from steward.workflows.evidence_inputs import find_change
from steward.workflows.incidents import list_incidents
from steward.workflows.registry import list_used
from steward.workflows.serve.deployment import find_deployment, open_served_store
from steward.workflows.serve.plan import ServePlan, read_plan
from steward.workflows.subjects import describe_subjects, list_training_sets
from steward.workflows.tls import is_loopback

_MOST_PROOFS: Final = 200  # of each kind, newest first
_FOLDER: Final = "waivers"


def check_home(
    home: Path, level: Level, now: float, answers: bool | None, problem: str, pitfall: Pitfall | None = None
) -> ReadinessReport:
    """Every check of a home. `answers`: whether its gateway says that it would answer; None: nothing runs."""
    situation = collect_situation(home, now)
    facts = msgspec.structs.replace(situation.facts, answers=answers, problem=problem)
    situation = msgspec.structs.replace(situation, facts=facts)
    return assess(situation, level, CHECKS, list_waivers(home), pitfall)


def collect_situation(home: Path, now: float) -> Situation:
    """What can be seen of a home, its newest proofs, and what they must be of. What cannot be seen is None: no error
    ends a check."""
    plan_file = home / "run" / "plan.json"
    plan = read_plan(plan_file) if plan_file.exists() else None
    audit_error, audit_entries = _verify_log(home)
    facts = Facts(
        home_private=_is_private(home),
        free_disk=_free_disk(home),
        first_key=(home / "first-key").exists(),
        audit_error=audit_error,
        audit_entries=audit_entries,
        root_key_in_home=find_deployment(home).root is None,
        overdue=_list_overdue(home, now),
    )
    if plan is None:
        return Situation(facts=facts, evidence=(), now=now)
    facts, subjects = _add_plan(facts, plan), describe_subjects(plan, home)
    unread = Situation(facts=facts, evidence=(), now=now, subjects=subjects)
    try:
        store = open_served_store(home)
    except StewardError:
        return unread
    try:
        used = list_used(store)
        data = list_training_sets(store.registry.list_versions(tenant=None), used) if used else frozenset()
        proofs = _list_proofs(store)
        return Situation(
            facts=_add_store(facts, store, plan, home, now),
            evidence=tuple(proofs),
            now=now,
            changes=_find_changes(proofs),
            revoked=list_revoked(store),
            subjects=msgspec.structs.replace(subjects, data=data, access=digest_store(store)),
        )
    except StewardError:
        return unread
    finally:
        store.close()


def _list_proofs(store: SqlStore) -> list[Evidence]:
    """The newest of each kind that decides, so that many of one kind push none of another out."""
    kinds = list_evidence_kinds(CHECKS)
    return [proof for kind in kinds for proof in store.evidence.list_evidence(_MOST_PROOFS, kind, tenant=None)]


def _find_changes(proofs: Iterable[Evidence]) -> dict[str, str]:
    changes = {proof.id: find_change(proof.inputs) for proof in proofs if proof.inputs}
    return {name: change for name, change in changes.items() if change}


def _add_plan(facts: Facts, plan: ServePlan) -> Facts:
    return msgspec.structs.replace(
        facts,
        loopback=is_loopback(plan.host),
        encrypted=plan.tls is not None,
        proxy_declared=plan.tls is None and not is_loopback(plan.host),  # `steward up` refuses anything else
        models=tuple(
            ModelFacts(name=model.name, hosted=model.backend != "embedded", priced=model.prices is not None)
            for model in plan.models
        ),
        lone_routes=_list_lone(plan),
        witness=plan.witness is not None,
        guard=plan.privacy is not None,
        discloses=plan.disclose,
        told_routes=_list_told(plan),
        channels=tuple(channel.name for channel in plan.monitoring.channels if "page" in channel.severities),
        heartbeat=plan.monitoring.heartbeat is not None,
        approvals=bool(plan.approval_policy.settings or plan.approval_policy.prompts),
    )


def _list_told(plan: ServePlan) -> tuple[str, ...]:
    """Routes whose answers end with a text that says what made them."""
    texts = [guard for guard in plan.guardrails if guard.kind == "disclosure"]
    return tuple(dict.fromkeys(route for guard in texts for route in guard.routes or ("all routes",)))


def _list_lone(plan: ServePlan) -> tuple[str, ...]:
    """Routes of one model without another to fall back to; without any route, the models themselves."""
    if not plan.routes:
        return tuple(model.name for model in plan.models)
    return tuple(route.name for route in plan.routes if len(route.reachable()) < 2)


def _add_store(facts: Facts, store: SqlStore, plan: ServePlan, home: Path, now: float) -> Facts:
    month = now - 30 * DAY_S
    hours = store.series.totals(HOUR_S, start_of(month, HOUR_S), int(now) + 1, ["start"], tenant=None)
    return msgspec.structs.replace(
        facts,
        keys=_list_key_facts(store, plan, now),
        firing=tuple(
            sorted({alert.rule for alert in store.alerts.list_alerts(open_only=True) if alert.severity == "page"})
        ),
        ledger_lag_s=measure_lag_s(home, store.ledger.offsets(), now),
        requests=int(sum(total.requests for total in hours)),
        late_appeals=list_late(store, now),
        ratings=store.feedback.report(month, 0, tenant=None).count,
    )


def _list_key_facts(store: SqlStore, plan: ServePlan, now: float) -> tuple[KeyFacts, ...]:
    used = store.keys.last_uses(tenant=None)
    keys = [key for key in store.keys.list_keys(tenant=None) if _is_in_force(key, now)]
    return tuple(
        KeyFacts(
            id=key.id,
            name=key.name,
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used=used.get(key.id),
            limited=plan.limits.default.any() or _is_limited(key) or key.team in plan.limits.teams,
        )
        for key in keys
    )


def _is_in_force(key: KeyRecord, now: float) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def _is_limited(key: KeyRecord) -> bool:
    return any(value is not None for value in (key.rpm, key.tpm, key.concurrent, key.usd_per_day, key.usd_per_month))


def measure_lag_s(home: Path, offsets: dict[str, int], now: float) -> float:
    """How long the oldest record that the store does not have has been waiting."""
    return add_up(read_backlog([home / "ledger"], offsets, now)).age_s


def _list_overdue(home: Path, now: float) -> tuple[str, ...] | None:
    try:
        return tuple(list_overdue(list_incidents(home), now))
    except StewardError:
        return None


def _is_private(home: Path) -> bool | None:
    try:
        return is_private(home)
    except OSError:
        return None


def _free_disk(home: Path) -> float | None:
    try:
        usage = shutil.disk_usage(home)
    except OSError:
        return None
    return usage.free / usage.total if usage.total else None


def _verify_log(home: Path) -> tuple[str | None, int | None]:
    try:
        verification = verify_home(home)
    except StewardError:
        return None, None
    return verification.error, verification.entries


# -- waivers -----------------------------------------------------------------------------------------


def waive(home: Path, check: str, reason: str, until: float, now: float, actor: Principal) -> Waiver:
    """Let a check wait, where the policy allows it; it stands in the audit log first.

    :raises InputError: as `make_waiver`; every check of a level would be waived; it needs approval
    """
    waiver = make_waiver(check, reason, actor.actor, until, now, CHECKS)
    refuse_full_waiver({check, *(one.check for one in list_waivers(home) if now < one.until)}, CHECKS)
    policy = find_deployment(home).approval_policy
    require_approval(home, policy, propose_waiver(waiver, actor), now, actor=actor)
    act = make_act(actor, "check.waive", f"check:{check}", after=f"until {until:.0f}: {waiver.reason}")
    find_deployment(home).open_audit_log().record(act)
    folder = home / _FOLDER
    make_private_folder(folder)
    write_file(folder / f"{check}.json", msgspec.json.encode(waiver), durable=True)
    return waiver


def end_waiver(home: Path, check: str, actor: Principal) -> None:
    """:raises UnknownName: there is none for this check"""
    file = home / _FOLDER / f"{check}.json"
    known = [waiver.check for waiver in list_waivers(home)]
    if check not in known:
        raise UnknownName("waiver", check, known)
    find_deployment(home).open_audit_log().record(make_act(actor, "check.end-waiver", f"check:{check}"))
    file.unlink(missing_ok=True)


def list_waivers(home: Path) -> list[Waiver]:
    """:raises InputError: one that cannot be read"""
    waivers = []
    for file in sorted((home / _FOLDER).glob("*.json")):
        try:
            waivers.append(msgspec.json.decode(file.read_bytes(), type=Waiver))
        except (OSError, msgspec.MsgspecError) as error:
            raise InputError(f"{file}: {error}; delete the file, and waive the check again") from error
    return waivers
