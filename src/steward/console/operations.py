"""The operations of the administrative API: each calls the function that its command calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from steward.console.api import Nothing, Operation
from steward.console.privacy_operations import list_privacy_operations
from steward.core.access import Grant, Place, Role
from steward.core.acts import RecordedAct
from steward.core.durations import parse_span_s
from steward.core.endpoint import Tenancy
from steward.core.evidence import Evidence
from steward.core.identity import DEFAULT_TENANT, Principal, Right
from steward.core.records import ExchangeRow, FeedbackReport, LimitSpec, Priority, Usage
from steward.core.stores import UsageGroup
from steward.core.traces import Trace
from steward.monitoring.metric_answer import MetricAnswer
from steward.monitoring.satisfaction import SatisfactionField, SatisfactionRow
from steward.monitoring.slo import SloStatus
from steward.security.access import parse_place
from steward.workflows import access, approvals, keys, prompts
from steward.workflows.approvals import ApprovalView
from steward.workflows.audit import list_acts
from steward.workflows.explain_access import AccessAnswer, explain_access
from steward.workflows.feedback import read_satisfaction
from steward.workflows.key_terms import make_terms
from steward.workflows.key_views import KeyDetails, KeyView, RevokedKey
from steward.workflows.keys import CreatedKey, RotatedKey
from steward.workflows.metrics import query_metrics
from steward.workflows.prompts import PromptVersion
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.endpoints import list_gateway_endpoints
from steward.workflows.slo import read_slo_status
from steward.workflows.traces import find_trace, list_traces

OF_PROJECTS: Final = frozenset({"keys", "usage", "exchanges", "feedback", "traces", "metrics"})
MOST_ACTS: Final = 10_000  # that are looked through for those of a tenant
Count = Annotated[int, Meta(ge=1, le=1000)]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Span = Annotated[str, Meta(pattern=r"^[0-9]{1,5}[smhdw]$")]
Moment = Annotated[str, Meta(pattern=r"^([0-9]{1,4}[smhdw]|never|[0-9]{4}-[0-9]{2}-[0-9]{2}.*)$", max_length=40)]
UserName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._@+-]{0,63}$")]


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As the options of `steward keys create`."""

    name: Text
    project: Text | None = None
    team: Text | None = None
    expires: Moment | None = None  # a span, a date or never; 90 days by default
    starts: Moment | None = None
    rights: list[Right] | None = None
    models: list[Text] | None = None
    networks: list[Text] = []
    rpm: int | None = None
    tpm: int | None = None
    concurrent: int | None = None
    usd_per_day: float | None = None
    usd_per_month: float | None = None
    priority: Priority = "normal"


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As the options of `steward keys rotate`."""

    overlap: Span = "24h"
    expires: Moment | None = None


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As the options of `steward users add`."""

    name: UserName
    role: Text | None = None
    groups: list[Text] = []


class GivenRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who has which role where; the place is the tenant unless told."""

    subject: Text
    role: Text
    at: Text | None = None


class UsageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    by: UsageGroup = "model"
    since: Span | None = None


class SeriesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question such as `ttft p95 by model`."""

    query: Annotated[str, Meta(min_length=1, max_length=500)]
    since: Span = "24h"


class TraceQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    since: Span = "24h"
    limit: Count = 100


class SatisfactionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    by: SatisfactionField = "model"
    since: Span = "30d"


class PageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Count = 100


class ApprovalQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Count = 100
    all: bool = False  # rejected and expired ones too


class EvidenceQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Count = 100
    check: Text | None = None  # such as evaluation.gate


class AccessQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    who: Text
    what: Text


def list_operations(home: Path, clock: Callable[[], float] = time.time) -> tuple[Operation[Any], ...]:
    """Every operation; a new one is one line here."""
    return (
        *_list_key_operations(home, clock),
        *_list_people_operations(home, clock),
        *_list_record_operations(home, clock),
        *_list_series_operations(home, clock),
        *_list_approval_operations(home, clock),
        *list_privacy_operations(home, clock),
    )


def _list_key_operations(home: Path, clock: Callable[[], float]) -> tuple[Operation[Any], ...]:
    def create(who: Principal, body: NewKey, _: dict[str, str]) -> CreatedKey:
        now = clock()
        limits = LimitSpec(
            requests_per_minute=body.rpm,
            tokens_per_minute=body.tpm,
            concurrent=body.concurrent,
            usd_per_day=body.usd_per_day,
            usd_per_month=body.usd_per_month,
        )
        terms = make_terms(
            now,
            expires=body.expires,
            starts=body.starts,
            rights=body.rights,
            models=body.models,
            networks=body.networks,
        )
        return keys.create(
            home,
            body.name,
            limits,
            now,
            actor=who,
            project=body.project,
            team=body.team,
            priority=body.priority,
            terms=terms,
        )

    def rotate(who: Principal, body: Rotation, segments: dict[str, str]) -> RotatedKey:
        overlap_s = parse_span_s(body.overlap, "overlap")
        return keys.rotate(home, segments["key"], clock(), overlap_s, actor=who, expires=body.expires)

    def show(who: Principal, _: Nothing, segments: dict[str, str]) -> KeyDetails:
        return keys.show(home, segments["key"], clock(), actor=who)

    def revoke(who: Principal, _: Nothing, segments: dict[str, str]) -> RevokedKey:
        return keys.revoke(home, segments["key"], clock(), actor=who)

    return (
        _read(
            "/keys",
            "keys.read",
            "List the keys.",
            Nothing,
            list[KeyView],
            lambda who, *_: keys.list_keys(home, actor=who),
        ),
        _read("/keys/{key}", "keys.read", "Show what a key may do now.", Nothing, KeyDetails, show),
        _change(
            "POST", "/keys", "keys.manage", "Create a key; it is shown only once.", NewKey, CreatedKey, create, 201
        ),
        _change("POST", "/keys/{key}/rotation", "keys.manage", "Replace a key.", Rotation, RotatedKey, rotate, 201),
        _change("DELETE", "/keys/{key}", "keys.manage", "Revoke a key.", Nothing, RevokedKey, revoke),
    )


def _list_people_operations(home: Path, clock: Callable[[], float]) -> tuple[Operation[Any], ...]:
    def add(who: Principal, body: NewUser, _: dict[str, str]) -> access.PersonView:
        return access.add_person(home, body.name, clock(), actor=who, groups=body.groups, role=body.role)

    def disable(who: Principal, _: Nothing, segments: dict[str, str]) -> access.PersonView:
        return access.disable_person(home, segments["user"], clock(), actor=who)

    def enable(who: Principal, _: Nothing, segments: dict[str, str]) -> access.PersonView:
        return access.disable_person(home, segments["user"], clock(), actor=who, enable=True)

    def grant(who: Principal, body: GivenRole, _: dict[str, str]) -> Grant:
        return access.grant_role(home, body.subject, body.role, _place(who, body.at), clock(), actor=who)

    def remove(who: Principal, body: GivenRole, _: dict[str, str]) -> Grant:
        return access.remove_grants(home, body.subject, body.role, _place(who, body.at), clock(), actor=who)

    def explain(who: Principal, body: AccessQuery, _: dict[str, str]) -> AccessAnswer:
        endpoints = list_gateway_endpoints()
        return explain_access(home, body.who, body.what, clock(), actor=who, endpoints=endpoints)

    people, grants = list[access.PersonView], list[Grant]
    return (
        _read(
            "/users",
            "access.read",
            "List the users.",
            Nothing,
            people,
            lambda who, *_: access.list_people(home, clock(), actor=who),
        ),
        _change("POST", "/users", "people.manage", "Add a user.", NewUser, access.PersonView, add, 201),
        _change(
            "POST", "/users/{user}/disable", "people.manage", "Disable a user.", Nothing, access.PersonView, disable
        ),
        _change("POST", "/users/{user}/enable", "people.manage", "Enable a user.", Nothing, access.PersonView, enable),
        _read(
            "/grants",
            "access.read",
            "List who has which role.",
            Nothing,
            grants,
            lambda who, *_: access.list_grants(home, clock(), actor=who),
        ),
        _change("POST", "/grants", "access.manage", "Give a role.", GivenRole, Grant, grant, 201),
        _change("DELETE", "/grants", "access.manage", "Take a role away.", GivenRole, Grant, remove),
        _read(
            "/roles", "access.read", "List the roles.", Nothing, list[Role], lambda *_: access.list_roles(home, clock())
        ),
        _read(
            "/access", "access.read", "Explain whether somebody may do something.", AccessQuery, AccessAnswer, explain
        ),
    )


def _list_record_operations(home: Path, clock: Callable[[], float]) -> tuple[Operation[Any], ...]:
    def usage(who: Principal, body: UsageQuery, _: dict[str, str]) -> Usage:
        now = clock()
        since = now - parse_span_s(body.since, "since") if body.since is not None else 0.0
        store = find_deployment(home).open_store()
        try:
            return store.exchanges.usage(since, now + 1, body.by, tenant=who.tenant, project=who.within)
        finally:
            store.close()

    def exchanges(who: Principal, body: PageQuery, _: dict[str, str]) -> list[ExchangeRow]:
        store = find_deployment(home).open_store()
        try:
            return store.exchanges.tail(body.limit, tenant=who.tenant, project=who.within)
        finally:
            store.close()

    def feedback(who: Principal, body: PageQuery, _: dict[str, str]) -> FeedbackReport:
        store = find_deployment(home).open_store()
        try:
            return store.feedback.report(0.0, body.limit, tenant=who.tenant, project=who.within)
        finally:
            store.close()

    def acts(who: Principal, body: PageQuery, _: dict[str, str]) -> list[RecordedAct]:
        return list_acts(home, body.limit, tenant=who.tenant)

    def evidence(who: Principal, body: EvidenceQuery, _: dict[str, str]) -> list[Evidence]:
        store = find_deployment(home).open_store()
        try:
            return store.evidence.list_evidence(body.limit, body.check, tenant=who.tenant)
        finally:
            store.close()

    def stored_prompts(who: Principal, body: PageQuery, _: dict[str, str]) -> list[PromptVersion]:
        if who.tenant != DEFAULT_TENANT:
            return []  # prompts belong to the whole deployment
        versions = [one for name in prompts.list_names(home) for one in prompts.list_versions(home, name)]
        return versions[: body.limit]

    return (
        _read("/evidence", "evidence.read", "The newest proofs.", EvidenceQuery, list[Evidence], evidence),
        _read(
            "/prompts", "prompts.read", "Versions of stored prompts.", PageQuery, list[PromptVersion], stored_prompts
        ),
        _read("/usage", "usage.read", "Requests, tokens and costs.", UsageQuery, Usage, usage),
        _read(
            "/exchanges", "usage.read", "The newest requests, without content.", PageQuery, list[ExchangeRow], exchanges
        ),
        _read("/feedback", "feedback.read", "Scores, without content.", PageQuery, FeedbackReport, feedback),
        _read("/audit", "audit.read", "The newest administrative acts.", PageQuery, list[RecordedAct], acts),
    )


def _list_approval_operations(home: Path, clock: Callable[[], float]) -> tuple[Operation[Any], ...]:
    def list_waiting(who: Principal, body: ApprovalQuery, _: dict[str, str]) -> list[ApprovalView]:
        return approvals.list_approvals(home, clock(), body.limit, actor=who, all_states=body.all)

    def show(who: Principal, _: Nothing, segments: dict[str, str]) -> ApprovalView:
        return approvals.show_approval(home, segments["approval"], clock(), actor=who)

    def approve(who: Principal, _: Nothing, segments: dict[str, str]) -> ApprovalView:
        return approvals.decide(home, segments["approval"], "approve", clock(), actor=who)

    def reject(who: Principal, _: Nothing, segments: dict[str, str]) -> ApprovalView:
        return approvals.decide(home, segments["approval"], "reject", clock(), actor=who)

    right: Right = "approvals.decide"
    views = list[ApprovalView]
    return (
        _read("/approvals", "approvals.read", "List the changes that wait.", ApprovalQuery, views, list_waiting),
        _read("/approvals/{approval}", "approvals.read", "Show a change that waits.", Nothing, ApprovalView, show),
        _change("POST", "/approvals/{approval}/approve", right, "Approve a change.", Nothing, ApprovalView, approve),
        _change("POST", "/approvals/{approval}/reject", right, "Reject a change.", Nothing, ApprovalView, reject),
    )


def _list_series_operations(home: Path, clock: Callable[[], float]) -> tuple[Operation[Any], ...]:
    def metrics(who: Principal, body: SeriesQuery, _: dict[str, str]) -> MetricAnswer:
        return query_metrics(home, body.query, body.since, tenant=who.tenant, project=who.within, now=clock())

    def satisfaction(who: Principal, body: SatisfactionQuery, _: dict[str, str]) -> list[SatisfactionRow]:
        start = clock() - parse_span_s(body.since, "since")
        return list(read_satisfaction(home, start, body.by, tenant=who.tenant))

    def objectives(who: Principal, *_: Any) -> list[SloStatus]:
        return read_slo_status(home, tenant=who.tenant, now=clock())

    def timeline(who: Principal, _: Nothing, segments: dict[str, str]) -> Trace:
        return find_trace(home, segments["request"], tenant=who.tenant, project=who.within)

    def timelines(who: Principal, body: TraceQuery, _: dict[str, str]) -> list[Trace]:
        since = clock() - parse_span_s(body.since, "since")
        return list_traces(home, since, body.limit, tenant=who.tenant, project=who.within)

    return (
        _read(
            "/metrics/query",
            "usage.read",
            "Latency, tokens, money and satisfaction over time.",
            SeriesQuery,
            MetricAnswer,
            metrics,
        ),
        _read(
            "/satisfaction",
            "feedback.read",
            "Ratings and signals as rates with intervals.",
            SatisfactionQuery,
            list[SatisfactionRow],
            satisfaction,
        ),
        _read(
            "/traces",
            "usage.read",
            "Kept timelines of requests, newest first.",
            TraceQuery,
            list[Trace],
            timelines,
        ),
        _read("/traces/{request}", "usage.read", "The timeline of a request.", Nothing, Trace, timeline),
        _read(
            "/slos",
            "usage.read",
            "Error budgets and burn rates, over the tenant's own requests.",
            Nothing,
            list[SloStatus],
            objectives,
        ),
    )


def _find_tenancy(path: str) -> Tenancy:
    """Of keys and requests each knows its project; the rest belongs to the tenant."""
    return "project" if path.split("/")[1] in OF_PROJECTS else "principal"


def _place(who: Principal, text: str | None) -> Place:
    return Place(who.tenant) if text is None else parse_place(text, who.tenant)


def _read(path: str, permission: Any, summary: str, takes: type, returns: Any, run: Any) -> Operation[Any]:
    return Operation(
        method="GET",
        path=path,
        permission=permission,
        tenancy=_find_tenancy(path),
        audit="none",
        summary=summary,
        takes=takes,
        returns=returns,
        run=run,
    )


def _change(
    method: Any, path: str, permission: Any, summary: str, takes: type, returns: Any, run: Any, status: int = 200
) -> Operation[Any]:
    return Operation(
        method=method,
        path=path,
        permission=permission,
        tenancy=_find_tenancy(path),
        audit="administrative",
        summary=summary,
        takes=takes,
        returns=returns,
        run=run,
        body=takes is not Nothing and method != "DELETE",
        remembered=method == "POST",
        status=status,
    )
