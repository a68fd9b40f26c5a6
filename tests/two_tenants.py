"""A home in which two tenants have one of everything that the store keeps for tenants, each named by its canary."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from steward.adapters.stores.sql import SqlStore
from steward.core.access import PersonSession, Place
from steward.core.approvals import ApprovalRequest
from steward.core.captures import CapturedExchange
from steward.core.evidence import Evidence
from steward.core.features import RequestFeatures
from steward.core.identity import ALL_RIGHTS, Principal, operator
from steward.core.improvements import ImprovementRun
from steward.core.records import Admitted, Feedback, LimitSpec, Settled
from steward.core.releases import AliasMove, ArtefactFile, ModelVersion, ReleaseRecord, RouteVariant
from steward.core.rights import Breach, Correction, LegalHold
from steward.core.subject_keys import ShreddedKey, SubjectKey
from steward.core.traces import TracePolicy
from steward.workflows import access, keys
from steward.workflows.audit import make_act
from steward.workflows.key_terms import KeyTerms
from steward.workflows.serve.deployment import find_deployment

NOW: Final = time.time()  # commands ask the real clock
OWN, FOREIGN = "own-canary", "foreign-canary"
CANARIES: Final = {"acme": OWN, "default": FOREIGN, "bank": FOREIGN}
FILE_DIGEST: Final = "ab" * 32  # both tenants have a model of the same file
LATER: Final = NOW + 1e6


def act_in(tenant: str) -> Principal:
    return Principal(kind="operator", id="0", tenant=tenant, rights=ALL_RIGHTS, auth_method="local")


def fill(home: Path) -> None:
    store = find_deployment(home).open_store()
    store.ledger.keep_traces(TracePolicy(sample=1.0))
    for tenant, canary in CANARIES.items():
        fill_traffic(home, store, tenant, canary)
        fill_access(home, store, tenant, canary)
        fill_models(store, tenant, canary)
        fill_rights(store, tenant, canary)
        find_deployment(home).open_audit_log().record(make_act(act_in(tenant), "test.act", f"act-{canary}-{tenant}"))
    store.close()


def fill_traffic(home: Path, store: SqlStore, tenant: str, canary: str) -> None:
    name, request = f"{canary}-{tenant}", f"req-{canary}-{tenant}"
    terms = KeyTerms(rights=ALL_RIGHTS)
    key = keys.create(
        home,
        name,
        LimitSpec(usd_per_day=1.0),
        NOW,
        actor=operator(0),
        terms=terms,
        tenant=tenant,
        project=name,
        team=name,
    )
    admitted = Admitted(
        request_id=request, at=NOW - 60, key_id=key.id, tenant=tenant, project=name, team=name, subject=f"sub-{name}",
        endpoint="/v1/chat/completions", route=name, streamed=False, conversation=f"con-{name}", prompt_version=name,
    )  # fmt: skip
    settled = Settled(
        request_id=request, at=NOW - 50, outcome="ok", status=200, model=name, usd=0.5, upstream_id=f"up-{name}",
        model_version=FILE_DIGEST, masked={"email": 1}, features=RequestFeatures(),
    )  # fmt: skip
    said = Feedback(
        id=f"f-{name}", at=NOW - 40, key_id=key.id, tenant=tenant, project=name, request_id=request, score=1.0,
        label=name, sealed=b"x", subject=f"sub-{name}",
    )  # fmt: skip
    captured = CapturedExchange(
        request_id=request, at=NOW - 60, key_id=key.id, tenant=tenant, project=name, endpoint="/v1/chat/completions",
        route=name, model=name, streamed=False, subject=f"sub-{name}", conversation=None, purpose="training",
        consent=True, form="masked", rules_version="v", expires_at=LATER, complete=True, sealed=b"x",
    )  # fmt: skip
    appeal = Feedback(
        id=f"appeal_{name}", at=NOW - 30, key_id=key.id, tenant=tenant, project=name, request_id=request, score=0.0,
        label="2026-12-29", subject=f"sub-{name}", kind="appeal",
    )  # fmt: skip
    store.ledger.drain("w", f"segment-{tenant}", 1, [admitted, settled, said, appeal, captured])


def fill_access(home: Path, store: SqlStore, tenant: str, canary: str) -> None:
    name, by = f"{canary}-{tenant}", operator(0)
    access.add_person(home, name, NOW, actor=by, tenant=tenant, role="viewer")
    access.grant_role(home, f"group:{name}", "viewer", Place(tenant), NOW, actor=by)
    session = PersonSession(
        id=f"{name:0<64}"[:64], tenant=tenant, subject=f"person:{name}", method="password", created_at=NOW,
        expires_at=LATER,
    )  # fmt: skip
    store.sessions.add(session)
    store.approvals.add_request(
        ApprovalRequest(
            id=f"ap_{name}", tenant=tenant, kind="prompt", subject=f"prompt:{name}", digest="sha256:same",
            content=f"content {name}", before="", authors=(), requested_by=f"person:{name}", requested_at=NOW,
            expires_at=LATER,
        )
    )  # fmt: skip


def fill_models(store: SqlStore, tenant: str, canary: str) -> None:
    name = f"{canary}-{tenant}"
    files = (ArtefactFile(path=f"{name}.gguf", sha256=FILE_DIGEST, size=1),)
    store.registry.add_version(
        ModelVersion(
            name="shared", digest=f"sha256:{name}", tenant=tenant, kind="gguf", files=files, created_at=NOW,
            created_by=f"person:{name}", details={"dataset": {"name": name}},
        )
    )  # fmt: skip
    move = AliasMove(
        name="shared", alias="champion", number=1, tenant=tenant, digest=f"sha256:{name}", at=NOW, by=f"person:{name}",
        reason=name,
    )  # fmt: skip
    assert store.registry.move_alias(move)
    store.releases.start(
        ReleaseRecord(
            id=f"rel_{name}", tenant=tenant, route=name, candidate=RouteVariant(kind="model", name=name),
            state="canary", weight=0.1, started_at=NOW, started_by=f"person:{name}", step_at=NOW, route_digest="",
        )
    )  # fmt: skip
    store.improvements.start(
        ImprovementRun(
            id=f"imp_{name}", tenant=tenant, trigger="manual", why=name, state="finished", steps=(), started_at=NOW,
            started_by=f"person:{name}",
        )
    )  # fmt: skip
    for check in ("evaluation.run", "evaluation.gate", "data.run", "loadtest.run", "release.decision"):
        proof = Evidence(
            id=f"ev_{check}_{name}", check=check, subject=f"model {name}", subject_digest=f"sha256:{name}",
            verdict="pass", value=name, expected="", source=f"/nowhere/{name}", produced_at=NOW, valid_until=None,
            command=f"steward eval run {name}", signer=f"person:{name}",
        )  # fmt: skip
        store.evidence.add(proof, tenant=tenant)


def fill_rights(store: SqlStore, tenant: str, canary: str) -> None:
    name = f"{canary}-{tenant}"
    by = f"person:{name}"
    store.rights.add_hold(
        LegalHold(id=f"hold_{name}", tenant=tenant, subject=None, reason=name, created_at=NOW, created_by=by)
    )
    store.rights.add_correction(
        Correction(
            id=f"cor_{name}",
            tenant=tenant,
            project=name,
            subject=f"sub-{name}",
            at=NOW,
            actor=by,
            about="",
            sealed=b"x",
        )
    )
    store.rights.put_breach(
        Breach(id=f"br_{name}", tenant=tenant, summary=name, known_at=NOW, since=0.0, until=LATER, opened_by=by)
    )
    key = SubjectKey(
        id=f"key-{name}", tenant=tenant, subject=f"sub-{name}", tenant_version=1, wrapped=b"x", created_at=NOW
    )
    store.subject_keys.ensure([key])
    gone = ShreddedKey(id=f"era-{name}", tenant=tenant, subject=f"gone-{name}", key_id=None, at=NOW, actor=by)
    store.subject_keys.destroy([gone])
