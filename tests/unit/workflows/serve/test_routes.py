"""What clients may ask for by `model`."""

from typing import Any, cast

from steward.gateway.route_records import Route, Target
from steward.workflows.serve.plan import ModelPlan, ServePlan
from steward.workflows.serve.routes import list_routes


class Served:
    """The part of a plan that routes are made of."""

    def __init__(self, models: tuple[ModelPlan, ...], routes: tuple[Route, ...]) -> None:
        self.models, self.routes = models, routes


def test_a_model_that_only_a_route_may_reach_has_no_name_of_its_own() -> None:
    def model(name: str, **more: Any) -> ModelPlan:
        return ModelPlan(name=name, backend="openai", url="http://a", upstream_model=name, **more)

    route = Route("r", (Target("hidden"),), retries=3)
    served = Served((model("open", unreadable="pass"), model("hidden", direct=False)), (route,))
    routes = list_routes(cast(ServePlan, served))
    assert set(routes) == {"open", "r"} and routes["r"] is route
    assert (routes["open"].targets, routes["open"].unreadable) == ((Target("open"),), "pass")
