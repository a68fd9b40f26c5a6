"""Releases of a home as the routes of its plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.core.errors import InputError, UnknownName
from steward.core.identity import operator
from steward.core.releases import ReleaseRecord, RouteVariant
from steward.gateway.prompts import Prompt
from steward.gateway.route_records import Route, Target
from steward.settings import Settings
from steward.workflows import prompts
from steward.workflows.audit import HomeAuditLog
from steward.workflows.serve.plan import ModelPlan
from steward.workflows.serve.releases import (
    Catalog,
    RoutePlan,
    find_own_models,
    plan_releases,
    read_in_effect,
    write_in_effect,
)

OLD, NEW, APART = (
    ModelPlan(name="old", backend="openai", url="http://a", upstream_model="old"),
    ModelPlan(name="new", backend="openai", url="http://a", upstream_model="new"),
    ModelPlan(name="apart", backend="openai", url="http://a", upstream_model="apart", direct=False),
)
ROUTE = Route("r", (Target("old"),), ("apart",))
OTHER = Route("other", (Target("new"),), retries=3)
POLITE = Prompt("polite@1", "Be polite.", (), "prepend")
PLANNED = RoutePlan(models=(OLD, NEW, APART), routes=(ROUTE, OTHER), prompts={"other": POLITE})


def record(candidate: RouteVariant, route: str = "r", **fields: Any) -> ReleaseRecord:
    catalog = Catalog(PLANNED, {}, Path())
    known = catalog.find_route(route)
    usual: dict[str, Any] = {
        "state": "canary", "weight": 0.25, "started_at": 1.0, "started_by": "me", "step_at": 1.0,
        "route_digest": "" if known is None else catalog.digest_route(known), "sample": 0.1, "judged": 0.5,
    }  # fmt: skip
    return ReleaseRecord(id="rel", route=route, candidate=candidate, **{**usual, **fields})


def planned(home: Path, *records: ReleaseRecord) -> RoutePlan:
    write_in_effect(home, records)
    return plan_releases(PLANNED, Settings(), home)


def test_without_a_release_the_plan_is_as_it_was(tmp_path: Path) -> None:
    assert plan_releases(PLANNED, Settings(), tmp_path) == PLANNED


def test_another_model_takes_over_and_the_routes_own_help_it(tmp_path: Path) -> None:
    (release,) = planned(tmp_path, record(RouteVariant(kind="model", name="new"))).releases
    assert (release.id, release.route, release.weight, release.sample, release.judged) == ("rel", "r", 0.25, 0.1, 0.5)
    assert release.candidate == Route("r", (Target("new"),), ("old", "apart"))
    assert find_own_models(release.candidate) == {"new"}


def test_another_route_takes_over_with_its_prompt(tmp_path: Path) -> None:
    (release,) = planned(tmp_path, record(RouteVariant(kind="route", name="other"))).releases
    assert (release.candidate.name, release.candidate.retries, release.prompt) == ("r", 3, POLITE)


def test_a_prompt_takes_over(tmp_path: Path) -> None:
    audit = HomeAuditLog(tmp_path, bytes(32))
    prompts.add(tmp_path, "tone", prompts.PromptText("Be kind."), 1.0, actor=operator(1), audit=audit)
    (release,) = planned(tmp_path, record(RouteVariant(kind="prompt", name="tone", version="1"))).releases
    assert release.candidate == ROUTE
    assert release.prompt is not None and release.prompt.system == "Be kind."


def test_an_adapter_is_asked_for_by_its_served_name_at_the_bases_server(tmp_path: Path) -> None:
    variant = RouteVariant(kind="version", name="m", version="sha256:3f", served="m@3f", base="old", artefact="adapter")
    plan = planned(tmp_path, record(variant))
    served = next(model for model in plan.models if model.name == "m@3f")
    assert (served.url, served.upstream_model, served.direct) == ("http://a", "m@3f", False)


def test_an_adapter_is_asked_for_at_every_replica_with_the_weights_of_the_route(tmp_path: Path) -> None:
    twin = ModelPlan(name="twin", backend="openai", url="http://b", upstream_model="old")
    route = Route("r", (Target("old", 3.0), Target("new", 2.0), Target("twin", 1.0)))
    models = RoutePlan(models=(OLD, NEW, twin), routes=(route,), prompts={})
    catalog = Catalog(models, {}, tmp_path)
    assert catalog.list_replicas(route) == ["old", "twin"]  # `new` serves another model
    variant = RouteVariant(
        kind="version", name="m", version="sha256:3f", served="m@3f", base="old", artefact="adapter", replicas=("twin",)
    )
    candidate, _ = catalog.resolve(route, variant)
    assert candidate.targets == (Target("m@3f", 3.0), Target("m@3f+twin", 1.0))
    assert candidate.fallback == ("old", "new", "twin")
    assert [(one.name, one.url, one.upstream_model) for one in catalog.plan_version(variant)] == [
        ("m@3f", "http://a", "m@3f"), ("m@3f+twin", "http://b", "m@3f")
    ]  # fmt: skip


def test_an_engine_of_ours_takes_no_adapter(tmp_path: Path) -> None:
    ours = RoutePlan(models=(msgspec.structs.replace(OLD, backend="embedded"),), routes=(ROUTE,), prompts={})
    variant = RouteVariant(kind="version", name="m", version="sha256:3f", served="m@3f", base="old", artefact="adapter")
    with pytest.raises(InputError, match="the engine of old loads no adapters; merge it into the model"):
        Catalog(ours, {}, tmp_path).plan_version(variant)


def test_a_file_of_the_registry_gets_an_engine_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF")
    variant = RouteVariant(
        kind="version", name="m", version="sha256:3f", served="m@3f", path=str(file), base="old", artefact="gguf"
    )
    plan = planned(tmp_path, record(variant))
    served = next(model for model in plan.models if model.name == "m@3f")
    assert (served.backend, served.path, served.direct) == ("embedded", str(file), False)
    file.unlink()
    with pytest.raises(InputError, match="no such file"):
        plan_releases(PLANNED, Settings(), tmp_path)


def test_a_model_of_its_own_name_is_a_route_too(tmp_path: Path) -> None:
    plan = planned(tmp_path, record(RouteVariant(kind="model", name="new"), route="old"))
    assert plan.releases[0].route == "old"
    assert Route("old", (Target("old"),)) in plan.routes


def test_a_champion_that_was_promoted_before_serves_the_others(tmp_path: Path) -> None:
    promoted = RouteVariant(kind="model", name="new")
    plan = planned(tmp_path, record(RouteVariant(kind="model", name="apart"), champion=promoted))
    assert next(route for route in plan.routes if route.name == "r").targets == (Target("new"),)


def test_a_route_that_people_change_while_it_is_released_is_refused(tmp_path: Path) -> None:
    changed = record(RouteVariant(kind="model", name="new"), route_digest="another")
    with pytest.raises(InputError, match="steward release rollback r"):
        planned(tmp_path, changed)


def test_a_route_that_people_change_after_a_promotion_is_theirs(tmp_path: Path) -> None:
    promoted = record(RouteVariant(kind="model", name="new"), route_digest="another", state="promoted")
    assert planned(tmp_path, promoted).releases == ()


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'new'"):
        planned(tmp_path, record(RouteVariant(kind="model", name="nwe")))
    with pytest.raises(UnknownName, match="route 'nowhere'"):
        planned(tmp_path, record(RouteVariant(kind="route", name="nowhere")))


def test_a_copy_that_was_changed_by_hand_is_refused(tmp_path: Path) -> None:
    (tmp_path / "releases.json").write_text("{}")
    with pytest.raises(InputError, match="the keeper writes it again"):
        read_in_effect(tmp_path)


def test_only_routes_that_clients_may_ask_for_are_routes() -> None:
    catalog = Catalog(PLANNED, {}, Path())
    assert catalog.list_routes() == ["new", "old", "other", "r"]
    assert catalog.find_route("apart") is None
