"""`steward access matrix`: who may do what where in a home, of all tenants, and what in it breaks a rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.identity import Right
from steward.governance.approval_policy import ApprovalPolicy, identify_person, latest_decisions
from steward.security.access_matrix import AccessFault, AccessRow, AccessState, digest_access, find_faults, list_access
from steward.security.keys import resolve_keys
from steward.workflows.access import open_home
from steward.workflows.approvals import MOST_REQUESTS
from steward.workflows.key_cache import find_reach
from steward.workflows.key_views import find_state


class AccessMatrix(msgspec.Struct, frozen=True, kw_only=True):
    """`steward access matrix --json`."""

    rows: tuple[AccessRow, ...]
    faults: tuple[AccessFault, ...]
    apart: tuple[tuple[Right, ...], ...]  # rights that were asked to lie apart
    digest: str  # of people, grants and roles


def list_matrix(home: Path, now: float, apart: Sequence[tuple[Right, ...]] = ()) -> AccessMatrix:
    """For an operator of this machine: of every tenant. :raises Unavailable: the store does not answer"""
    with open_home(home, now) as (deployment, store, _publish):
        state = _read_state(store, deployment.approval_policy, now)
        digest = digest_store(store)
    rows = list_access(state)
    return AccessMatrix(rows=rows, faults=find_faults(state, rows, apart), apart=tuple(apart), digest=digest)


def digest_store(store: SqlStore) -> str:
    """Of the grants that hold now: a proof of any others is stale."""
    access = store.access
    return digest_access(access.list_people(tenant=None), access.list_grants(tenant=None), access.list_roles())


def _read_state(store: SqlStore, policy: ApprovalPolicy, now: float) -> AccessState:
    keys = store.keys.list_keys(tenant=None)
    resolved = resolve_keys(keys, find_reach(store.access))
    return AccessState(
        people=tuple(store.access.list_people(tenant=None)),
        grants=tuple(store.access.list_grants(tenant=None)),
        roles=tuple(store.access.list_roles()),
        keys=tuple(key for key in keys if find_state(key, now) == "valid"),
        resolved=tuple(key for key in resolved if find_state(key, now) == "valid"),
        own_approvals=tuple(_list_own_approvals(store, policy, now)),
    )


def _list_own_approvals(store: SqlStore, policy: ApprovalPolicy, now: float) -> Iterator[tuple[str, str]]:
    """Of requests that are open and not rejected: by somebody who is an author, by another account."""
    for request in store.approvals.list_requests(MOST_REQUESTS, tenant=None):
        authors = {identify_person(author, policy.people) for author in request.authors}
        latest = latest_decisions(store.approvals.list_decisions(request.id), request.digest)
        if request.expires_at < now or any(one.verdict == "reject" for one in latest):
            continue
        for decision in latest:
            if identify_person(decision.person, policy.people) in authors:
                yield decision.person, request.id
