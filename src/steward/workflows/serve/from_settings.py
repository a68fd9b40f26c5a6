"""From the settings to the plan: which models, routes, limits and prompts are served."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from steward.adapters.exporters.otlp import require_otel
from steward.adapters.stores.url import check_server_url
from steward.core.errors import UnknownName
from steward.core.issuers import SignInPlan
from steward.core.secret import resolve, resolve_value
from steward.gateway.capture import CapturePlan
from steward.governance.fairness_schedule import FairnessAudit
from steward.monitoring.config import MonitoringPlan
from steward.monitoring.rule_file import read_rules
from steward.security.config import WitnessPlan
from steward.settings import Settings
from steward.workflows.prompts import prompts_of
from steward.workflows.serve.models import plan_models
from steward.workflows.serve.plan import ServePlan
from steward.workflows.serve.releases import RoutePlan, plan_releases
from steward.workflows.serve.rights_plan import plan_rights
from steward.workflows.tls import plan_tls


def make_plan(
    settings: Settings,
    home: Path,
    version: str,
    model: str | None = None,
    prompts_in_use: Mapping[str, str] | None = None,
) -> ServePlan:
    """What to start. `model` replaces the configured models: a GGUF file, or the URL of an OpenAI-compatible server.

    `prompts_in_use` replaces what `steward prompts use` chose: name to version.
    :raises InputError: a model file that is missing, a secret or a prompt that cannot be resolved
    :raises Unavailable: the URL's list of models cannot be read
    """
    models, gateway = plan_models(settings, home, model), settings.gateway
    tls, console_tls = plan_tls(settings, home)
    planned = RoutePlan(models=models, routes=(), prompts={})
    if not model:
        routes, prompts = tuple(item.route() for item in settings.routes), prompts_of(settings, home, prompts_in_use)
        planned = plan_releases(RoutePlan(models=models, routes=routes, prompts=prompts), settings, home)
    names = [*(item.name for item in models), *(() if model else (item.name for item in settings.routes))]
    return ServePlan(
        home=str(home),
        version=version,
        host=gateway.host,
        port=gateway.port,
        console_host=settings.console.host,
        console_port=settings.console.port,
        tls=tls,
        console_tls=console_tls,
        sessions=settings.console.sessions(),
        workers=gateway.workers or os.cpu_count() or 1,
        max_body_bytes=gateway.max_body_bytes,
        trusted_proxies=tuple(gateway.trusted_proxies),
        drain_s=gateway.drain_s,
        cors=gateway.cors.policy(),
        disclose=gateway.disclose,
        appeal_days=gateway.appeal_days,
        client_timeouts=gateway.client_timeouts(),
        timeouts=gateway.timeouts(),
        total_timeout_s=gateway.total_timeout_s,
        heartbeat_s=gateway.heartbeat_s,
        line=gateway.queue_plan(),
        health=gateway.health.plan(),
        **msgspec.structs.asdict(planned),
        **_plan_improvement(settings, None if model else names),
        limits=settings.limits.table(names, skip_others=bool(model)),
        valkey=str(settings.limits.valkey) if settings.limits.valkey else None,
        **_plan_rules(settings, None if model else names),
        store=_check_store(settings),
        root=settings.security.root_reference(),
        batches=settings.batches.plan(),
        rights=plan_rights(settings, home),
        responses_store=gateway.responses_store.plan(),
        keys_max_stale_s=settings.keys.max_stale_s,
        sign_in=_plan_sign_in(settings),
        issuers=tuple(issuer.plan() for issuer in settings.security.issuers),
        approval_policy=settings.approval_policy.policy(),
        witness=_plan_witness(settings),
        monitoring=_plan_monitoring(settings, console_tls is not None),
    )


def _plan_rules(settings: Settings, served: Collection[str] | None) -> dict[str, Any]:
    """What happens with texts. :raises UnknownName: a rule is for a route that is not among those served"""
    return {
        "privacy": settings.privacy.policy(served),
        "guardrails": tuple(guard.plan(served) for guard in settings.guards),
        "capture": _plan_capture(settings, served),
    }


def _plan_capture(settings: Settings, served: Collection[str] | None) -> CapturePlan:
    """:raises UnknownName: a rule is for a route that is not among those served"""
    plan = settings.capture.plan()
    for rule in plan.rules:
        if served is not None and rule.route is not None and rule.route not in served:
            raise UnknownName("model or route (in capture.rules)", rule.route, served)
    return plan


def _plan_fairness(settings: Settings, served: Collection[str] | None) -> tuple[FairnessAudit, ...]:
    """:raises UnknownName: an audit is of a model or route that is not among those served"""
    audits = settings.fairness.plan()
    for audit in audits:
        if served is not None and audit.model not in served:
            raise UnknownName("model or route (in fairness.audits)", audit.model, served)
    return audits


def _plan_improvement(settings: Settings, served: Collection[str] | None) -> dict[str, Any]:
    """How versions are kept, released, made and audited. :raises UnknownName: an audit is of nothing that is served"""
    return {
        "release": settings.release.plan(),
        "registry": settings.registry.plan(),
        "improve": settings.improve.plan(),
        "fairness": _plan_fairness(settings, served),
    }


def _plan_sign_in(settings: Settings) -> SignInPlan | None:
    """:raises InputError: the client's secret cannot be resolved"""
    config = settings.console.sign_in
    if config is None:
        return None
    if config.client_secret is not None:
        resolve(str(config.client_secret))
    return config.plan()


def _plan_monitoring(settings: Settings, tls: bool) -> MonitoringPlan:
    """:raises InputError: the rules cannot be understood, a secret cannot be resolved"""
    console = settings.console
    page = f"http{'s' if tls else ''}://{console.host}:{console.port}"
    plan = settings.monitoring.plan(page if console.port else "")
    if plan.rules:
        read_rules(Path(plan.rules))
    if plan.traces.otlp:
        require_otel()
    of_channels = (text for each in plan.channels for text in (each.url, each.key, each.password))
    for reference in filter(None, (plan.heartbeat, plan.traces.otlp, *plan.traces.otlp_headers.values(), *of_channels)):
        resolve_value(reference)
    slos = tuple(slo.plan() for slo in settings.slos)
    return msgspec.structs.replace(plan, slos=slos, calendar=settings.calendar.plan())


def _plan_witness(settings: Settings) -> WitnessPlan | None:
    """:raises InputError: its key cannot be resolved"""
    plan = settings.audit.plan()
    if plan is not None and plan.key is not None:
        resolve(plan.key)
    return plan


def _check_store(settings: Settings) -> str | None:
    """The reference to the store's URL. :raises InputError: the secret cannot be resolved, or is no such URL"""
    reference = settings.store.reference()
    if reference is not None:
        check_server_url(resolve(reference).reveal())
    return reference
