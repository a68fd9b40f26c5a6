"""The engines of a plan's models: made, used again by the next generation, asked whether they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from steward.adapters.engines.http import HttpEngine
from steward.core.errors import InputError
from steward.core.secret import resolve, resolve_value
from steward.core.timeouts import Timeouts
from steward.gateway.models import OPENAI_ENDPOINTS
from steward.workflows.serve.plan import ModelPlan, ServePlan


def make_engines(plan: ServePlan, before: ServePlan | None, running: Mapping[str, HttpEngine]) -> dict[str, HttpEngine]:
    """An engine for each model; one of `before`'s that is `running` and leads to the same server with the same secret
    is used again, with its open connections.

    :raises InputError: a secret that cannot be resolved
    """
    return {
        model.name: find_same_engine(model, plan.timeouts, before, running) or make_engine(model, plan.timeouts)
        for model in plan.models
    }


def find_same_engine(
    model: ModelPlan, timeouts: Timeouts, before: ServePlan | None, running: Mapping[str, HttpEngine]
) -> HttpEngine | None:
    if before is None or before.timeouts != timeouts:
        return None
    same = _connection(model)
    names = (old.name for old in before.models if old.name == model.name and _connection(old) == same)
    return next((running[name] for name in names), None)


def _connection(model: ModelPlan) -> tuple[object, ...]:
    """All that an engine's connections depend on."""
    return (model.backend, model.url, model.socket, model.key, model.key_mark, model.headers, model.tls)


def make_engine(model: ModelPlan, timeouts: Timeouts) -> HttpEngine:
    key = resolve(model.key) if model.key else None
    headers = {name: resolve_value(value) for name, value in model.headers.items()}
    return HttpEngine(model.url, key, model.socket, timeouts, model.backend == "anthropic", headers, model.tls)


async def check_models(plan: ServePlan) -> dict[str, bool]:
    """Which models' engines answer now, asked afresh; an engine that cannot even be made does not."""

    async def ask(model: ModelPlan) -> bool:
        try:
            engine = make_engine(model, Timeouts())  # of which `is_alive` has its own
        except InputError:  # its key is gone
            return False
        try:
            return await engine.is_alive()
        finally:
            await engine.close()

    return dict(zip((model.name for model in plan.models), await asyncio.gather(*map(ask, plan.models)), strict=True))


def list_metrics_urls(plan: ServePlan | None) -> dict[str, str]:
    """Where engines tell their metrics, by model; empty where nothing is served."""
    return {model.name: model.metrics_url for model in (plan.models if plan else ()) if model.metrics_url}


def list_endpoints(model: ModelPlan) -> frozenset[str]:
    """What its engine answers itself; the gateway translates the rest, or refuses it."""
    if model.backend == "anthropic":
        return frozenset({"/v1/messages"})
    if model.backend == "embedded" and model.embeddings is None:
        return OPENAI_ENDPOINTS - {"/v1/embeddings"}
    return OPENAI_ENDPOINTS | {f"/v1/{name}" for name in model.speaks}
