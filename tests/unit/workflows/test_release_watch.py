"""Whose answers are an arm's own, in a release that goes on and in one that has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.releases import RouteVariant
from steward.gateway.route_records import Route, Target
from steward.workflows.release_watch import find_variant_models
from steward.workflows.serve.plan import ModelPlan
from steward.workflows.serve.releases import Catalog, RoutePlan

MODEL = ModelPlan(name="shop", backend="openai", url="http://a", upstream_model="shop")
ROUTES = (Route("support", (Target("shop"),)), Route("other", (Target("x"), Target("y"))))


@pytest.mark.parametrize(
    ("variant", "route", "models"),
    [
        (RouteVariant(), "support", {"shop"}),
        (RouteVariant(kind="prompt", name="tone", version="1"), "support", {"shop"}),
        (RouteVariant(kind="version", name="bot", version="sha256:3f", served="bot@3f"), "support", {"bot@3f"}),
        (RouteVariant(kind="model", name="dear"), "support", {"dear"}),
        (RouteVariant(kind="route", name="other"), "support", {"x", "y"}),
        (RouteVariant(), "gone", set()),
    ],
)
def test_a_variant_knows_its_models_whatever_its_route_serves_now(
    variant: RouteVariant, route: str, models: set[str], tmp_path: Path
) -> None:
    catalog = Catalog(RoutePlan(models=(MODEL,), routes=ROUTES, prompts={}), {}, tmp_path)
    assert find_variant_models(variant, route, catalog) == models
