"""Changes that need approval: asked for when they are tried, decided by people, judged when they are tried again.

The policy is the one that serves, so that a changed steward.yaml does not judge itself. What is approved is a digest:
another text needs approvals of its own.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.approvals import ApprovalDecision, ApprovalRequest, ApprovalVerdict, ChangeKind
from steward.core.errors import InputError, UnknownName
from steward.core.identity import Principal
from steward.core.record_ids import make_short_id
from steward.core.releases import RouteVariant
from steward.gateway.prompts import PromptExample
from steward.governance.approval_policy import (
    ApprovalPolicy,
    ChangeFacts,
    EvidenceRequirement,
    RequirementResult,
    identify_person,
    judge_change,
    latest_decisions,
)
from steward.governance.cards import CardStatement
from steward.governance.readiness import DAY_S, Waiver
from steward.workflows.audit import make_act
from steward.workflows.history import list_accepted, text_file
from steward.workflows.prompts import PromptText
from steward.workflows.serve.deployment import HomeDeployment, find_deployment
from steward.workflows.serve.plan import read_plan

REQUEST_S: Final = 30 * 86400.0  # in which a request can be decided
MOST_REQUESTS: Final = 1000
_MOST_HOPS: Final = 10  # from a key to the person that created it, or the key which did


class ProposedChange(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to change. `authors`: actors whose own approval does not count."""

    kind: ChangeKind
    subject: str
    content: str
    before: str
    authors: tuple[str, ...]

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.content.encode()).hexdigest()}"


class ApprovalView(msgspec.Struct, frozen=True, kw_only=True):
    """`steward approvals show --json`: a request, who decided what, and each requirement."""

    request: ApprovalRequest
    state: str  # waiting, approved, rejected, expired
    decisions: tuple[ApprovalDecision, ...]
    requirements: tuple[RequirementResult, ...]
    diff: tuple[str, ...] = ()


def propose_settings(text: str, served: str, authors: Iterable[str]) -> ProposedChange:
    return ProposedChange(
        kind="settings", subject="settings", content=text, before=served, authors=tuple(sorted(set(authors)))
    )


def find_file_authors(file: Path) -> tuple[str, ...]:
    """Whoever owns a changed file is an author of the change; nobody where it is gone."""
    try:
        return (f"operator:{file.stat().st_uid}",)
    except OSError:
        return ()


def require_file_approval(home: Path, file: Path, text: str, now: float, *, actor: Principal, ask: bool = True) -> None:
    """As `require_approval`, of the settings' `file` with this `text`, by the policy that served last.

    :raises InputError: it changed since, and that is not approved
    """
    plan, accepted = home / "run" / "plan.json", list_accepted(home)
    if not plan.exists() or not accepted:
        return
    served = text_file(home, accepted[-1].version).read_text(encoding="utf-8")
    if served != text:
        change = propose_settings(text, served, find_file_authors(file))
        require_approval(home, read_plan(plan).approval_policy, change, now, actor=actor, ask=ask)


def propose_prompt(name: str, text: PromptText, author: Principal) -> ProposedChange:
    """The digest is of the texts, whatever the version is called."""
    return ProposedChange(
        kind="prompt", subject=f"prompt:{name}", content=_format_prompt(text), before="", authors=(author.actor,)
    )


def propose_release(route: str, candidate: RouteVariant, champion: RouteVariant, author: Principal) -> ProposedChange:
    """The digest is of what would be served, so that another version needs approvals of its own."""
    return ProposedChange(
        kind="release",
        subject=f"release:{route}",
        content=_format_variant(route, candidate),
        before=_format_variant(route, champion),
        authors=(author.actor,),
    )


def propose_waiver(waiver: Waiver, author: Principal) -> ProposedChange:
    """The digest is of the check, the reason and the length in days, so that it can be tried again tomorrow."""
    days = round((waiver.until - waiver.made_at) / DAY_S)
    return ProposedChange(
        kind="waiver",
        subject=f"check:{waiver.check}",
        content=f"check: {waiver.check}\nfor: {days} days\nreason: {waiver.reason}\n",
        before="",
        authors=(author.actor,),
    )


def propose_card(statement: CardStatement, before: CardStatement | None, author: Principal) -> ProposedChange:
    """The digest is of the words and of the subject that they are said of."""
    return ProposedChange(
        kind="card",
        subject=f"{statement.kind}:{statement.name}",
        content=_format_statement(statement),
        before="" if before is None else _format_statement(before),
        authors=(author.actor,),
    )


def _format_statement(statement: CardStatement) -> str:
    words = "".join(f"{name}: {text}\n" for name, text in sorted(statement.words.items()))
    return f"of: {statement.digest}\n{words}"


def _format_variant(route: str, variant: RouteVariant) -> str:
    fields = {"route": route, **msgspec.structs.asdict(variant)}
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def _format_prompt(text: PromptText) -> str:
    """As a person reads it, and so that no two prompts look alike."""
    parts = [f"system: {msgspec.json.encode(text.system).decode()}"]
    for example in text.examples:
        parts += _format_example(example)
    return "\n".join(parts) + "\n"


def _format_example(example: PromptExample) -> list[str]:
    user, assistant = (msgspec.json.encode(part).decode() for part in (example.user, example.assistant))
    return [f"user: {user}", f"assistant: {assistant}"]


def require_approval(
    home: Path, policy: ApprovalPolicy, change: ProposedChange, now: float, *, actor: Principal, ask: bool = True
) -> None:
    """Return where the policy allows the change now; else ask for approval, unless told not to, and refuse it.

    :raises InputError: a requirement is not met, with how to meet each :raises Unavailable: the store does not answer
    """
    requirements = policy.requirements(change.kind)
    if not requirements:
        return
    with _open_store(home) as (deployment, store):
        request = store.approvals.find_newest(change.subject, change.digest, tenant=actor.tenant)
        if request is not None and request.expires_at < now:
            request = None
        if request is None:
            request = _make_request(change, _resolve_people(store, {*change.authors, *_acting(actor)}), now, actor)
            is_kept = False
        else:
            is_kept = True
        results = _judge(store, policy, request, now)
        if all(result.met for result in results):
            return
        if ask and not is_kept:
            after = f"{change.subject} {change.digest}"
            act = make_act(actor, "approvals.request", f"approval:{request.id}", after=after)
            deployment.open_audit_log().record(act)
            store.approvals.add_request(request)
            is_kept = True
    raise InputError(_explain(request, results, is_kept))


def _acting(actor: Principal) -> tuple[str, ...]:
    """Whoever asks for a change is an author of it; the watch acts for whoever wrote the file."""
    return () if actor.kind == "service" else (actor.actor,)


def _make_request(change: ProposedChange, authors: set[str], now: float, actor: Principal) -> ApprovalRequest:
    return ApprovalRequest(
        id=make_short_id("ap"),
        tenant=actor.tenant,
        kind=change.kind,
        subject=change.subject,
        digest=change.digest,
        content=change.content,
        before=change.before,
        authors=tuple(sorted(authors)),
        requested_by=actor.actor,
        requested_at=now,
        expires_at=now + REQUEST_S,
    )


def _explain(request: ApprovalRequest, results: tuple[RequirementResult, ...], is_kept: bool) -> str:
    missing = [f"  not met: {item.requirement}: {item.because}; {item.next}" for item in results if not item.met]
    again = "run steward reload" if request.kind == "settings" else "run the command again"
    asked = (
        f"It is asked for as {request.id}; see: steward approvals show {request.id}" if is_kept else "Nobody was asked"
    )
    lines = [f"{request.subject} needs approval, and nothing was changed:", *missing]
    return "\n".join([*lines, f"{asked}. When all is met, {again}"])


def decide(home: Path, request_id: str, verdict: ApprovalVerdict, now: float, *, actor: Principal) -> ApprovalView:
    """Approve or reject a request.

    :raises UnknownName: no such request :raises InputError: it has expired, or the actor is its author or no person
    """
    with _open_store(home) as (deployment, store):
        request = _find(store, request_id, actor)
        if request.expires_at < now:
            raise InputError(f"{request.id} has expired; its author can ask again by trying the change again")
        person = _find_person(store, actor.actor)
        if person is None:
            raise InputError(f"{actor.actor} is no person and has no creator who is one; approvals are given by people")
        people = deployment.approval_policy.people
        known_as = identify_person(person, people)
        if verdict == "approve" and known_as in _identify_all(request.authors, people):
            alias = "" if known_as == person else f", known as {known_as},"
            raise InputError(f"{person}{alias} is an author of {request.id}; somebody else has to approve it")
        act = f"approvals.{verdict}"
        after = f"{request.subject} {request.digest}"
        deployment.open_audit_log().record(make_act(actor, act, f"approval:{request.id}", after=after))
        decision = ApprovalDecision(
            request_id=request.id,
            person=person,
            actor=actor.actor,
            verdict=verdict,
            digest=request.digest,
            at=now,
        )
        store.approvals.add_decision(decision)
        return _view(deployment, store, request, now)


def list_approvals(
    home: Path, now: float, limit: int, *, actor: Principal, all_states: bool = False, tenant: str | None = None
) -> list[ApprovalView]:
    """Those that wait, or all, newest first; of one tenant, or of all that the actor may see.

    :raises Unavailable: the store does not answer
    """
    with _open_store(home) as (deployment, store):
        requests = store.approvals.list_requests(MOST_REQUESTS, tenant=_tenant_of(actor))
        views = [_view(deployment, store, one, now) for one in requests if tenant in (None, one.tenant)]
    return [view for view in views if all_states or view.state in ("waiting", "approved")][:limit]


def show_approval(home: Path, request_id: str, now: float, *, actor: Principal) -> ApprovalView:
    """:raises UnknownName: no such request"""
    with _open_store(home) as (deployment, store):
        return _view(deployment, store, _find(store, request_id, actor), now, with_diff=True)


def _view(
    deployment: HomeDeployment, store: SqlStore, request: ApprovalRequest, now: float, with_diff: bool = False
) -> ApprovalView:
    policy, decisions = deployment.approval_policy, store.approvals.list_decisions(request.id)
    results = _judge(store, policy, request, now)
    latest = latest_decisions(_name_people(decisions, policy), request.digest)
    rejected = any(item.verdict == "reject" for item in latest)
    expired = request.expires_at < now
    state = "expired" if expired else "rejected" if rejected else "waiting"
    if state == "waiting" and all(result.met for result in results):
        state = "approved"
    lines = difflib.unified_diff(
        request.before.splitlines(), request.content.splitlines(), "serves", request.subject, lineterm=""
    )
    return ApprovalView(
        request=request,
        state=state,
        decisions=tuple(decisions),
        requirements=results,
        diff=tuple(lines) if with_diff else (),
    )


def _judge(
    store: SqlStore, policy: ApprovalPolicy, request: ApprovalRequest, now: float
) -> tuple[RequirementResult, ...]:
    requirements = policy.requirements(request.kind)
    checks = sorted({item.check for item in requirements if isinstance(item, EvidenceRequirement)})
    evidence = [one for check in checks for one in store.evidence.list_evidence(MOST_REQUESTS, check, tenant=None)]
    revoked = list_revoked(store)
    facts = ChangeFacts(
        request_id=request.id,
        digest=request.digest,
        authors=_identify_all(request.authors, policy.people),
        decisions=_list_counted(store, policy, request.id, revoked),
        evidence=tuple(evidence),
        now=now,
        revoked=revoked,
        candidates=find_candidates(request),
    )
    return judge_change(requirements, facts)


def find_candidates(request: ApprovalRequest) -> frozenset[str] | None:
    """Names and digests by which a gate may know what a release would serve; None: the request is of no release.

    They are read from what the approved digest binds, so that they can be no other than those that are released.
    """
    if request.kind != "release":
        return None
    fields = dict(line.split(": ", 1) for line in request.content.splitlines() if ": " in line)
    kind, name, version = fields.get("kind"), fields.get("name", ""), fields.get("version", "")
    if kind == "version":
        return frozenset({fields.get("served", ""), version} - {""})
    if kind == "prompt":
        return frozenset({f"{name}@{version}" if version else name} - {""})
    return frozenset({fields.get("route", "") if kind == "settings" else name} - {""})


def _identify_all(accounts: Iterable[str], people: Mapping[str, Sequence[str]]) -> frozenset[str]:
    return frozenset(identify_person(account, people) for account in accounts)


def _name_people(decisions: Iterable[ApprovalDecision], policy: ApprovalPolicy) -> list[ApprovalDecision]:
    """Decisions by whom they are of, so that two accounts of one person are one."""
    return [msgspec.structs.replace(one, person=identify_person(one.person, policy.people)) for one in decisions]


def list_revoked(store: SqlStore) -> frozenset[str]:
    """Actors whose keys were revoked: what they signed proves nothing."""
    return frozenset(f"key:{key}" for key in store.keys.list_revoked(tenant=None))


def _list_counted(
    store: SqlStore, policy: ApprovalPolicy, request_id: str, revoked: frozenset[str]
) -> tuple[ApprovalDecision, ...]:
    """Without approvals of people who have left, or by keys that were revoked; a rejection outlives both."""
    left = [f"person:{one.id}" for one in store.access.list_people(tenant=None) if one.disabled_at is not None]
    gone = _identify_all(left, policy.people)
    decisions = _name_people(store.approvals.list_decisions(request_id), policy)
    return tuple(
        one for one in decisions if one.verdict == "reject" or (one.person not in gone and one.actor not in revoked)
    )


def _find(store: SqlStore, request_id: str, actor: Principal) -> ApprovalRequest:
    tenant = _tenant_of(actor)
    request = store.approvals.find_request(request_id, tenant=tenant)
    if request is None:
        known = [item.id for item in store.approvals.list_requests(MOST_REQUESTS, tenant=tenant)]
        raise UnknownName("approval", request_id, known)
    return request


def _resolve_people(store: SqlStore, actors: set[str]) -> set[str]:
    """The people behind actors; an actor without one stays itself."""
    return {_find_person(store, actor) or actor for actor in actors}


def _find_person(store: SqlStore, actor: str) -> str | None:
    """Who acts: a person or an operator itself, else whoever created the key. None: nobody."""
    creators = {f"key:{key.id}": key.created_by for key in store.keys.list_keys(tenant=None)}
    for _ in range(_MOST_HOPS):
        if actor.startswith(("person:", "operator:")):
            return actor
        if actor not in creators:
            return None
        actor = creators[actor]
    return None


def _tenant_of(actor: Principal) -> str | None:
    return None if actor.kind == "operator" else actor.tenant


@contextmanager
def _open_store(home: Path) -> Iterator[tuple[HomeDeployment, SqlStore]]:
    deployment = find_deployment(home)
    store = deployment.open_store()
    try:
        store.migrate()
        yield deployment, store
    finally:
        store.close()
