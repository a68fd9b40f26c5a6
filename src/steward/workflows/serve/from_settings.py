"""From the settings to the plan: which models, routes, limits and prompts are served."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from steward.adapters.engines.http import Timeouts
from steward.core.errors import UnknownName
from steward.core.records import LimitSpec
from steward.core.secret import resolve
from steward.gateway.config import LimitConfig, RouteConfig
from steward.gateway.health import HealthPlan
from steward.gateway.limits import LimitTable
from steward.gateway.route_queue import QueuePlan
from steward.gateway.routing import Route, Shadow, Target
from steward.settings import Settings
from steward.workflows.prompts import prompts_of
from steward.workflows.serve.models import plan_models
from steward.workflows.serve.plan import ServePlan


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
    models = plan_models(settings, home, model)
    gateway = settings.gateway
    timeouts = Timeouts(
        gateway.connect_timeout_s, gateway.first_byte_timeout_s, gateway.idle_timeout_s, gateway.total_timeout_s
    )
    routes = () if model else tuple(_route(item) for item in settings.routes)
    names = [*(item.name for item in models), *(item.name for item in routes)]
    return ServePlan(
        home=str(home),
        version=version,
        host=gateway.host,
        port=gateway.port,
        console_host=settings.console.host,
        console_port=settings.console.port,
        workers=gateway.workers or os.cpu_count() or 1,
        max_body_bytes=gateway.max_body_bytes,
        drain_s=gateway.drain_s,
        receive_s=gateway.receive_timeout_s,
        send_s=gateway.send_timeout_s,
        timeouts=timeouts,
        line=QueuePlan(gateway.concurrency, gateway.queue, gateway.queue_wait_s),
        health=HealthPlan(**gateway.health.model_dump()),
        models=models,
        routes=routes,
        prompts={} if model else prompts_of(settings, home, prompts_in_use),
        limits=_limits(settings, names),
        valkey=str(settings.limits.valkey) if settings.limits.valkey else None,
        privacy=settings.privacy.policy(),
        store=_store(settings),
    )


def _limits(settings: Settings, names: list[str]) -> LimitTable:
    """:raises UnknownName: limits of a model or route that does not exist"""
    section = settings.limits
    for name in section.models:
        if name not in names:
            raise UnknownName("model or route (in limits.models)", name, names)

    def spec(item: LimitConfig) -> LimitSpec:
        return LimitSpec(**item.model_dump())

    return LimitTable(
        default=spec(section.default),
        teams={name: spec(item) for name, item in section.teams.items()},
        models={name: spec(item) for name, item in section.models.items()},
    )


def _route(item: RouteConfig) -> Route:
    return Route(
        name=item.name,
        targets=tuple(Target(target.model, target.weight) for target in item.targets),
        fallback=tuple(item.fallback),
        choice=item.choice,
        sticky=item.sticky,
        retries=item.retries,
        shadow=Shadow(item.shadow.model, item.shadow.sample) if item.shadow else None,
        concurrency=item.concurrency,
        queue=item.queue,
    )


def _store(settings: Settings) -> str | None:
    """:raises InputError: the secret cannot be resolved"""
    if settings.store.kind != "postgresql" or not settings.store.url:
        return None
    resolve(str(settings.store.url))
    return str(settings.store.url)
