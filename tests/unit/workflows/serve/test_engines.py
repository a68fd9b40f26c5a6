"""Where engines tell their metrics."""

import msgspec

from steward.workflows.serve.engines import list_metrics_urls
from steward.workflows.serve.plan import ModelPlan, ServePlan


class OnlyModels(msgspec.Struct):
    models: tuple[ModelPlan, ...]


def test_only_models_with_a_url_are_asked() -> None:
    models = tuple(
        ModelPlan(name=name, backend="openai", url="http://x", upstream_model=name, metrics_url=url)
        for name, url in (("a", "http://x/metrics"), ("b", None))
    )
    assert list_metrics_urls(None) == {}
    plan: ServePlan = OnlyModels(models)  # type: ignore[assignment]
    assert list_metrics_urls(plan) == {"a": "http://x/metrics"}
