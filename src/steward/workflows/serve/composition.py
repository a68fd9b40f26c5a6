"""One version of the configuration as a running gateway's chain of handlers. Their order is in `compose_generation`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from steward.adapters.engines.http import HttpEngine
from steward.adapters.limits.local import LocalLimiter
from steward.core.errors import InputError
from steward.core.extend import Guard, Limiter, Offload
from steward.core.extras import install_command
from steward.core.secret import resolve
from steward.gateway.answer_lengths import AnswerLengths
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.health import HealthTracker
from steward.gateway.ledger import LedgerWriter
from steward.gateway.middleware import (
    PromptEmbedder,
    ReleaseTrials,
    Shadows,
    admit,
    apply_prompt,
    assign,
    call,
    call_passthrough,
    capture,
    choose_prompt,
    embed_prompts,
    guard,
    guard_passthrough,
    identify,
    identify_passthrough,
    insert_canaries,
    keep_responses,
    note_features,
    queue,
    route,
    settle,
)
from steward.gateway.middleware.capture import CaptureSpool
from steward.gateway.middleware.offload import HERE
from steward.gateway.middleware.release_trial import AnswerJudge
from steward.gateway.models import ModelEntry
from steward.gateway.pictures import ReadPicture
from steward.gateway.route_queue import RouteQueue
from steward.gateway.route_records import Route
from steward.guardrails.plan import GuardrailPlan
from steward.security.rootkey import derive
from steward.workflows.guardrails import choose_canaries, make_canary_prompts, open_guardrails
from steward.workflows.response_store import FileResponseStore
from steward.workflows.root_keys import FollowedRoots, load_root
from steward.workflows.serve.engines import list_endpoints, make_engines
from steward.workflows.serve.plan import ServePlan
from steward.workflows.serve.routes import list_routes

SHADOWS: Final = 8  # copies under way in one worker


class Generation:
    """All that one version of the configuration serves with. Never changed after it is made, but for `open`.

    An exchange takes the newest generation at its start and keeps it to its end.
    """

    def __init__(
        self,
        plan: ServePlan,
        engines: Mapping[str, HttpEngine],
        models: Mapping[str, ModelEntry],
        routes: Mapping[str, Route],
        health: HealthTracker,
        shadows: Shadows,
        trials: ReleaseTrials,
        infer: Handler,
        pass_through: Handler,
        lines: Mapping[str, RouteQueue],
        embedder: PromptEmbedder | None = None,
    ) -> None:
        self.lines = lines  # of the routes that were asked for
        self.plan, self.engines, self.models, self.routes = plan, engines, models, routes
        self.health, self.infer, self.pass_through = health, infer, pass_through
        self._shadows, self._trials, self._embedder = shadows, trials, embedder
        self.version = plan.config_version
        self.cors = plan.cors if plan.cors.origins else None
        self.open = 0  # exchanges that have not ended

    def leave(self) -> None:
        self.open -= 1

    async def close_shadows(self) -> None:
        """End the copies that are under way."""
        await self._shadows.close()
        await self._trials.close()
        if self._embedder is not None:
            await self._embedder.close()


class WorkerParts(NamedTuple):
    """What lives as long as the worker, whichever configuration it serves."""

    subject_key: Callable[[str], bytes]  # by tenant
    ledger: LedgerWriter
    limiter: Limiter
    answer_lengths: AnswerLengths
    captures: CaptureSpool
    offload: Offload = HERE  # work on large bodies
    guards: tuple[Guard, ...] = ()  # beside those that the settings ask for


def compose_generation(plan: ServePlan, parts: WorkerParts, before: Generation | None = None) -> Generation:
    """The handlers of one plan.

    :raises InputError: a secret that cannot be resolved
    """
    engines = make_engines(plan, before.plan if before else None, before.engines if before else {})
    models = _list_models(plan, engines)
    routes = list_routes(plan)
    offload, begins = parts.offload, plan.monitoring.traces.otlp is not None
    health = HealthTracker(plan.health, models, before.health if before is not None else None)
    apart = call(models, plan.heartbeat_s, offload=offload, begins_traces=begins)  # of the copies
    shadows = Shadows(settle(parts.ledger, models)(apart), models, SHADOWS)
    embedder = make_embedder(plan, settle(parts.ledger, models)(apart))
    trials = ReleaseTrials(apart, parts.ledger, models, make_judge(plan), SHADOWS)
    releases, prompted = {item.route: item for item in plan.releases}, plan.has_prompts
    lines: dict[str, RouteQueue] = {}
    guards = (*make_guards(plan), *parts.guards)

    def is_masked(exchange: Exchange) -> bool:
        return plan.privacy is not None and bool(plan.privacy.choose_actions(exchange.route, exchange.key_id))

    shared: list[Middleware] = [
        assign(releases),
        choose_prompt(plan.prompts, offload, in_release=prompted),
        admit(parts.limiter, plan.limits, routes, models, parts.answer_lengths, offload),
        queue(routes, plan.line, plan.workers, lines),
        settle(parts.ledger, models),
    ]
    infer: list[Middleware] = [
        identify(parts.subject_key, offload),
        *keep_answers(plan, offload),
        *shared,
        note_features(plan.monitoring.drift.every_s, plan.monitoring.drift.embeddings),
        capture("as_sent", plan.capture, parts.captures, is_masked),
        guard(guards, offload, plan.privacy is not None and plan.privacy.unread == "block", find_reader(plan)),
        capture("masked", plan.capture, parts.captures, is_masked),
        *([embed_prompts(embedder)] if embedder is not None else []),
        *([apply_prompt(offload)] if prompted else []),
        *put_in_canaries(plan, routes, offload),
        route(routes, health, plan.total_timeout_s, models, shadows, trials=trials if releases else None),
    ]
    pass_through: list[Middleware] = [
        identify_passthrough(parts.subject_key, offload),
        *shared,
        guard_passthrough(guards, routes, offload),
        route(routes, health, plan.total_timeout_s, models),
    ]
    return Generation(
        plan,
        engines,
        models,
        routes,
        health,
        shadows,
        trials,
        compose(infer, call(models, plan.heartbeat_s, offload=offload, begins_traces=begins)),
        compose(pass_through, call_passthrough(models, offload, begins)),
        lines,
        embedder,
    )


def _list_models(plan: ServePlan, engines: Mapping[str, HttpEngine]) -> dict[str, ModelEntry]:
    return {
        model.name: ModelEntry(
            model.name,
            engines[model.name],
            model.upstream_model,
            model.prices,
            list_endpoints(model),
            model.backend == "embedded",
            model.backend == "openai",
        )
        for model in plan.models
    }


def make_limiter(plan: ServePlan) -> Limiter:
    """Counts shared by the workers of this machine, or through a Valkey server by those of all machines.

    :raises InputError: the extra `valkey` is not installed, or its secret cannot be resolved
    """
    if plan.valkey is None:
        return LocalLimiter(Path(plan.home) / "limits")
    try:
        from steward.adapters.limits.valkey import ValkeyLimiter
    except ImportError as error:
        raise InputError(f"limits.valkey needs the extra `valkey`: {install_command('valkey')}") from error
    return ValkeyLimiter(resolve(plan.valkey).reveal())


def make_embedder(plan: ServePlan, handler: Handler) -> PromptEmbedder | None:
    """Who embeds the texts of sampled requests; nobody, unless the settings name a model."""
    drift = plan.monitoring.drift
    return PromptEmbedder(handler, drift.embeddings) if drift.embeddings is not None and drift.every_s > 0 else None


def make_judge(plan: ServePlan) -> AnswerJudge | None:
    """Who compares answers while a release is in progress; nobody where none is, or none was named."""
    if plan.release.judge is None or not plan.releases:
        return None
    from steward.workflows.serve.release_judge import ChatJudge  # its statistics are no part of a usual worker

    return ChatJudge(plan.release.judge.model, plan.release.judge.rubric)


def choose_guardrails(plan: ServePlan) -> tuple[GuardrailPlan, ...]:
    """Those of the settings, with the canaries that they put in. :raises InputError: a root key that others can read"""
    if not any(one.insert for one in plan.guardrails):
        return plan.guardrails
    return choose_canaries(plan.guardrails, derive(load_root(Path(plan.home), plan.root), "canaries"))


def find_reader(plan: ServePlan) -> ReadPicture | None:
    """Who reads pictures; nobody unless the settings name a service."""
    if plan.privacy is None or plan.privacy.unread != "ocr":
        return None
    from steward.adapters.detectors.pictures import PictureReader  # no part of a usual worker

    return PictureReader(plan.privacy.ocr_url, plan.privacy.ocr_budget_ms / 1e3)


def put_in_canaries(plan: ServePlan, routes: Iterable[str], offload: Offload) -> list[Middleware]:
    """Nothing, unless a guard asks for it. :raises InputError: a root key that others can read"""
    canaries = make_canary_prompts(choose_guardrails(plan), routes)
    return [insert_canaries(canaries, offload)] if canaries else []


def make_guards(plan: ServePlan) -> tuple[Guard, ...]:
    """The guards that the settings ask for: that of personal data first, so that no other sees any.

    :raises InputError: a root key that others can read
    """
    rails = open_guardrails(choose_guardrails(plan))
    if plan.privacy is None:
        return rails
    from steward.privacy.guard import make_guard  # its detectors are no part of a usual worker
    from steward.workflows.detectors import open_detectors

    key = derive(load_root(Path(plan.home), plan.root), "privacy tokens")
    return (make_guard(plan.privacy, key, open_detectors(plan.privacy.detectors)), *rails)


def keep_answers(plan: ServePlan, offload: Offload) -> list[Middleware]:
    """Nothing, unless the settings ask for it. :raises InputError: a root key that others can read"""
    if not plan.responses_store.keep_s:
        return []
    home = Path(plan.home)
    store = FileResponseStore(home, FollowedRoots(home, plan.root), plan.responses_store)
    return [keep_responses(store, plan.max_body_bytes, offload)]


def compose(middlewares: list[Middleware], innermost: Handler) -> Handler:
    """The first middleware is the outermost."""
    handler = innermost
    for middleware in reversed(middlewares):
        handler = middleware(handler)
    return handler
