"""What a change needs by the policy that serves, what is missing now, and who may still approve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.approvals import ChangeKind
from steward.core.identity import Principal
from steward.governance.approval_policy import (
    ChangeFacts,
    EvidenceRequirement,
    RequirementResult,
    identify_person,
    judge_change,
)
from steward.workflows.access import open_home, rights_of_person
from steward.workflows.approvals import list_revoked, show_approval

_MOST: int = 100  # proofs of each kind


class PolicyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`steward policy check --json`. `free`: the policy asks for nothing."""

    change: str  # a kind, or the id of a request
    allowed: bool
    free: bool
    requirements: tuple[RequirementResult, ...]
    may_approve: tuple[str, ...]  # people with the right who are not its authors and have not decided


def check_policy(home: Path, change: ChangeKind, now: float, *, actor: Principal) -> PolicyAnswer:
    """Of a change that the actor would make now, before anybody was asked."""
    with open_home(home, now) as (deployment, store, _publish):
        requirements = deployment.approval_policy.requirements(change)
        checks = sorted({item.check for item in requirements if isinstance(item, EvidenceRequirement)})
        evidence = [one for check in checks for one in store.evidence.list_evidence(_MOST, check, tenant=None)]
        facts = ChangeFacts(
            request_id="REQUEST",
            digest="",
            authors=frozenset({actor.actor}),
            decisions=(),
            evidence=tuple(evidence),
            now=now,
            revoked=list_revoked(store),
        )
        results = judge_change(requirements, facts)
        people = list_approvers(store, {actor.actor}, deployment.approval_policy.people)
    return PolicyAnswer(
        change=change,
        allowed=all(result.met for result in results),
        free=not requirements,
        requirements=results,
        may_approve=people,
    )


def check_request(home: Path, request_id: str, now: float, *, actor: Principal) -> PolicyAnswer:
    """Of a change that was asked for. :raises UnknownName: no such request"""
    view = show_approval(home, request_id, now, actor=actor)
    with open_home(home, now) as (deployment, store, _publish):
        decided = {one.person for one in view.decisions if one.digest == view.request.digest}
        known_as = deployment.approval_policy.people
        people = list_approvers(store, {*view.request.authors, *decided}, known_as)
    return PolicyAnswer(
        change=request_id,
        allowed=view.state == "approved",
        free=not view.requirements,
        requirements=view.requirements,
        may_approve=() if view.state in ("rejected", "expired") else people,
    )


def list_approvers(
    store: SqlStore, without: Iterable[str], known_as: Mapping[str, Sequence[str]] = {}
) -> tuple[str, ...]:
    """People in force who hold the right to decide. Operators of the machine may always, and are not listed.

    `known_as`: the policy's `people`; nobody is listed who is left out by another account.
    """
    left_out = {identify_person(account, known_as) for account in without}
    names = (
        f"person:{person.id}"
        for person in store.access.list_people(tenant=None)
        if "approvals.decide" in rights_of_person(store, person)
    )
    return tuple(name for name in names if identify_person(name, known_as) not in left_out)
