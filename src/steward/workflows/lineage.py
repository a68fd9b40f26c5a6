"""From an answer back to what made it: route, prompt, release, version, data, code, gate and approvals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.approvals import ApprovalDecision, ApprovalRequest
from steward.core.errors import UnknownName
from steward.core.evidence import Evidence
from steward.core.records import ExchangeOrigin
from steward.core.releases import AliasMove, ModelVersion, ReleaseRecord, RouteVariant
from steward.workflows import history

GATE: str = "evaluation.gate"
MOST: int = 1000


class LineageApproval(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for a change, and who decided what about it."""

    request: str
    asked_by: str
    asked_at: float
    decisions: tuple[ApprovalDecision, ...]


class LineageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration that served the request."""

    version: int
    at: float
    digest: str
    by: str


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """`steward model lineage --json`. `unknown` says what could not be found, and why."""

    request: ExchangeOrigin
    config: LineageConfig | None
    release: ReleaseRecord | None
    version: ModelVersion | None
    served: str | None  # the version's name, which contains its digest
    dataset: Any  # as the version's description has it
    base: Any
    code: Any
    parameters: Any
    trainer: Any
    aliases: tuple[AliasMove, ...]  # moves of aliases to this version
    gates: tuple[Evidence, ...]
    decisions: tuple[Evidence, ...]  # proofs of the release
    approvals: tuple[LineageApproval, ...]
    unknown: tuple[str, ...]


def trace_lineage(home: Path, store: SqlStore, request_id: str, *, tenant: str | None) -> Lineage:
    """:raises UnknownName: no such request has settled"""
    request = store.exchanges.find_origin(request_id, tenant=tenant)
    if request is None:
        raise UnknownName("request", request_id, [])
    release = None if request.release is None else store.releases.find(request.release, tenant=tenant)
    version = find_answering_version(store, request, release, tenant)
    details: dict[str, Any] = {} if version is None else version.details
    config = _find_config(home, request.route_version)
    gates = _find_gates(store, version, tenant)
    return Lineage(
        request=request,
        config=config,
        release=release,
        version=version,
        served=None if version is None else version.served,
        dataset=details.get("dataset"),
        base=details.get("base"),
        code=details.get("code"),
        parameters=details.get("parameters"),
        trainer=details.get("trainer"),
        aliases=_find_moves(store, version, tenant),
        gates=gates,
        decisions=_find_decisions(store, release, tenant),
        approvals=_find_approvals(store, request.route, version, tenant),
        unknown=tuple(_list_unknown(request, config, version, details, gates)),
    )


def find_answering_version(
    store: SqlStore, request: ExchangeOrigin, release: ReleaseRecord | None, tenant: str | None
) -> ModelVersion | None:
    """By the digest of the file that answered, else by the served name that the release gave it."""
    mark = (request.model_version or "").removeprefix("sha256:")
    if len(mark) == 64 and (fitting := store.registry.find_by_file(mark, tenant=tenant)):
        return fitting[0]
    variants: tuple[RouteVariant, ...] = () if release is None else (release.champion, release.candidate)
    wanted = next((one for one in variants if one.kind == "version" and request.model in one.list_served()), None)
    versions = store.registry.list_versions(tenant=tenant)
    if wanted is not None:
        return next((one for one in versions if one.digest == wanted.version and one.name == wanted.name), None)
    return next((one for one in versions if request.model is not None and one.served == request.model), None)


def _find_config(home: Path, number: int) -> LineageConfig | None:
    item = next((one for one in history.list_versions(home) if one.version == number), None)
    return None if item is None else LineageConfig(version=number, at=item.at, digest=item.digest, by=item.by)


def _find_moves(store: SqlStore, version: ModelVersion | None, tenant: str | None) -> tuple[AliasMove, ...]:
    if version is None:
        return ()
    moves = store.registry.list_moves(version.name, tenant=tenant)
    return tuple(one for one in moves if one.digest == version.digest)


def _find_gates(store: SqlStore, version: ModelVersion | None, tenant: str | None) -> tuple[Evidence, ...]:
    """Gates that speak of this version: by its digest, or by its served name."""
    if version is None:
        return ()
    proofs = store.evidence.list_evidence(MOST, GATE, tenant=tenant)
    return tuple(one for one in proofs if one.subject_digest == version.digest or version.served in one.subject)


def _find_decisions(store: SqlStore, release: ReleaseRecord | None, tenant: str | None) -> tuple[Evidence, ...]:
    if release is None:
        return ()
    proofs = store.evidence.list_evidence(MOST, "release.decision", tenant=tenant)
    return tuple(one for one in proofs if one.id in release.evidence)


def _find_approvals(
    store: SqlStore, route: str, version: ModelVersion | None, tenant: str | None
) -> tuple[LineageApproval, ...]:
    """Of releases of this version to this route."""
    if version is None:
        return ()
    requests = [
        one
        for one in store.approvals.list_requests(MOST, tenant=tenant)
        if one.subject == f"release:{route}" and version.digest in one.content
    ]
    return tuple(_describe_approval(store, one) for one in requests)


def _describe_approval(store: SqlStore, request: ApprovalRequest) -> LineageApproval:
    return LineageApproval(
        request=request.id,
        asked_by=request.requested_by,
        asked_at=request.requested_at,
        decisions=tuple(store.approvals.list_decisions(request.id)),
    )


def _list_unknown(
    request: ExchangeOrigin,
    config: LineageConfig | None,
    version: ModelVersion | None,
    details: dict[str, Any],
    gates: tuple[Evidence, ...],
) -> list[str]:
    unknown = []
    if config is None:
        unknown.append(f"configuration {request.route_version}: its history is not in this home")
    if version is None:
        named = f"model {request.model}" if request.model else "nobody answered"
        return [*unknown, f"version: {named} is no version of the registry; register it: steward model import"]
    missing = [name for name in ("dataset", "code", "parameters") if not details.get(name)]
    unknown += [f"{name}: nobody described it when the version was imported" for name in missing]
    if not gates:
        unknown.append("gate: no evaluation.gate names this version; run: steward eval gate")
    return unknown
