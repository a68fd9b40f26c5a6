"""What clients may ask for by `model`."""

from __future__ import annotations

from steward.gateway.route_records import Route
from steward.gateway.routing import build_routes
from steward.workflows.serve.plan import ServePlan


def list_routes(plan: ServePlan) -> dict[str, Route]:
    """All routes by name; a model is a route of its own name unless only a route with a prompt may reach it."""
    direct = [model for model in plan.models if model.direct]
    return build_routes(
        plan.routes, [model.name for model in direct], {model.name: model.unreadable for model in direct}
    )
