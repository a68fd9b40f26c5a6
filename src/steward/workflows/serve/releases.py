"""Releases in effect, as the routes of a plan.

The store holds the releases; each home has a copy, `releases.json`, from which plans are made, so that a home serves on
as it did while the store is away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.core.files import write_file
from steward.core.releases import ReleaseRecord, RouteVariant
from steward.gateway.config import PromptConfig, RoutePromptConfig
from steward.gateway.prompts import Prompt
from steward.gateway.route_records import Route, ServedRelease, Target
from steward.settings import Settings
from steward.workflows.prompts import resolve_prompt
from steward.workflows.serve.models import plan_file
from steward.workflows.serve.plan import ModelPlan

FILE: Final = "releases.json"
_records: Final = msgspec.json.Decoder(tuple[ReleaseRecord, ...])


class RoutePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Models, routes and prompts with the releases in effect."""

    models: tuple[ModelPlan, ...]
    routes: tuple[Route, ...]
    prompts: dict[str, Prompt]
    releases: tuple[ServedRelease, ...] = ()


def read_in_effect(home: Path) -> tuple[ReleaseRecord, ...]:
    """The home's copy. :raises InputError: it was changed by hand"""
    file = home / FILE
    try:
        return _records.decode(file.read_bytes())
    except FileNotFoundError:
        return ()
    except msgspec.MsgspecError as error:
        raise InputError(f"{file}: {error}; remove it, and the keeper writes it again from the store") from error


def write_in_effect(home: Path, records: tuple[ReleaseRecord, ...]) -> None:
    write_file(home / FILE, msgspec.json.encode(records), durable=True)


def has_in_effect(home: Path, records: tuple[ReleaseRecord, ...]) -> bool:
    """Whether the home's copy says just that; one that is damaged does not."""
    try:
        return read_in_effect(home) == records
    except InputError:
        return False


def plan_releases(planned: RoutePlan, settings: Settings, home: Path) -> RoutePlan:
    """`planned` with the releases of the home put in.

    :raises InputError: a route was changed by hand while a release of it is open
    """
    known = Catalog(planned, {item.name: item for item in settings.prompts}, home)
    models = {model.name: model for model in planned.models}
    routes = {route.name: route for route in planned.routes}
    prompts, served = dict(planned.prompts), []
    for record in read_in_effect(home):
        route = known.find_route(record.route)
        if route is None or known.digest_route(route) != record.route_digest:
            _refuse_changed(record, route)
            continue  # of a promotion: what people wrote since then holds
        champion, prompt = known.resolve(route, record.champion)
        candidate, other_prompt = known.resolve(route, record.candidate)
        for variant in (record.champion, record.candidate):
            if variant.kind == "version":
                models |= {model.name: model for model in known.plan_version(variant)}
        routes[route.name] = champion
        prompts.pop(route.name, None)
        if prompt is not None:
            prompts[route.name] = prompt
        served.append(_serve(record, candidate, other_prompt))
    return RoutePlan(
        models=tuple(models.values()), routes=tuple(routes.values()), prompts=prompts, releases=tuple(served)
    )


def _refuse_changed(record: ReleaseRecord, route: Route | None) -> None:
    if record.is_open:
        how = "is gone from" if route is None else "has changed in"
        raise InputError(
            f"route {record.route!r} {how} the settings while {record.id} is in progress; end it first: "
            f"steward release rollback {record.route}"
        )


def _serve(record: ReleaseRecord, candidate: Route, prompt: Prompt | None) -> ServedRelease:
    return ServedRelease(
        id=record.id,
        route=record.route,
        candidate=candidate,
        prompt=prompt,
        weight=record.weight,
        sample=record.sample if record.is_open else 0.0,
        judged=record.judged,
    )


class Catalog:
    """What the settings have that a release can choose from."""

    def __init__(self, planned: RoutePlan, written: Mapping[str, PromptConfig], home: Path) -> None:
        """`written`: the prompts of the settings, by name."""
        self._planned, self._written, self._home = planned, written, home
        self._models = {model.name: model for model in planned.models}
        self._routes = {route.name: route for route in planned.routes}

    def find_route(self, name: str) -> Route | None:
        """The route that clients know by this name; a model that they may ask for is one."""
        if name in self._routes:
            return self._routes[name]
        model = self._models.get(name)
        return None if model is None or not model.direct else Route(name, (Target(name),), unreadable=model.unreadable)

    def list_routes(self) -> list[str]:
        return sorted({*self._routes, *(model.name for model in self._models.values() if model.direct)})

    def list_models(self) -> list[str]:
        return sorted(self._models)

    def find_model(self, name: str) -> ModelPlan | None:
        return self._models.get(name)

    def digest_route(self, route: Route) -> str:
        """Changes when the route, or its prompt, is changed by hand."""
        prompt = self._planned.prompts.get(route.name)
        return hashlib.sha256(msgspec.json.encode([route, None if prompt is None else prompt.version])).hexdigest()[:16]

    def resolve(self, route: Route, variant: RouteVariant) -> tuple[Route, Prompt | None]:
        """The route as the variant has it, and its prompt.

        :raises UnknownName: a model, route, prompt or version that is not there
        """
        prompt = self._planned.prompts.get(route.name)
        if variant.kind == "settings":
            return route, prompt
        if variant.kind == "prompt":
            mode = "prepend" if prompt is None else prompt.mode
            asked = RoutePromptConfig(name=variant.name, version=variant.version or None, mode=mode)
            return route, resolve_prompt(asked, self._written, self._home, {})
        if variant.kind == "route":
            other = self.find_route(variant.name)
            if other is None:
                raise UnknownName("route", variant.name, self.list_routes())
            return msgspec.structs.replace(other, name=route.name), self._planned.prompts.get(other.name)
        if variant.kind == "model" and variant.name not in self._models:
            raise UnknownName("model", variant.name, self.list_models())
        if variant.kind == "version":
            weights = {target.model: target.weight for target in route.targets}
            served = variant.list_served().items()
            return _lead_to(route, tuple(Target(name, weights.get(base, 1.0)) for name, base in served)), prompt
        return _lead_to(route, (Target(variant.name),)), prompt

    def list_replicas(self, route: Route) -> list[str]:
        """The route's models that serve the same as its first, which leads."""
        targets = [self._models[target.model] for target in route.targets if target.model in self._models]
        first = targets[0].upstream_model if targets else ""
        return [model.name for model in targets if model.upstream_model == first]

    def plan_version(self, variant: RouteVariant) -> list[ModelPlan]:
        """How a registered version is served: an adapter by its base's servers, a file by an engine of its own.

        :raises UnknownName: its base is not there :raises InputError: its file is not
        """
        planned = []
        for name, model in variant.list_served().items():
            base = self._models.get(model)
            if base is None:
                raise UnknownName("model", model, self.list_models())
            if variant.artefact == "gguf":
                planned.append(plan_file(base, name, Path(variant.path), self._home))
            elif base.backend == "embedded":
                raise InputError(
                    f"{variant.served}: the engine of {model} loads no adapters; merge it into the model, convert that "
                    "to GGUF, and register the file"
                )
            else:
                planned.append(msgspec.structs.replace(base, name=name, upstream_model=variant.served, direct=False))
        return planned


def _lead_to(route: Route, targets: tuple[Target, ...]) -> Route:
    """The same route to other models; the route's own models help where those fail."""
    own = {target.model for target in targets}
    others = tuple(name for name in route.reachable() if name not in own)
    return msgspec.structs.replace(route, targets=targets, fallback=others)


def find_own_models(route: Route) -> frozenset[str]:
    """The models whose answers are the arm's own; others only help."""
    return frozenset(target.model for target in route.targets)
