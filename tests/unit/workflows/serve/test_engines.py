"""What engines answer, which are used again, and where they tell their metrics."""

import asyncio
from typing import Any

import msgspec
import pytest

from steward.core.timeouts import Timeouts
from steward.gateway.models import OPENAI_ENDPOINTS
from steward.workflows.serve.engines import (
    check_models,
    find_same_engine,
    list_endpoints,
    list_metrics_urls,
    make_engines,
)
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


def plan_model(name: str = "m", **fields: Any) -> ModelPlan:
    return ModelPlan(**{"name": name, "backend": "openai", "url": "http://x", "upstream_model": name, **fields})


@pytest.mark.parametrize(
    ("fields", "answers"),
    [
        ({"backend": "anthropic"}, {"/v1/messages"}),
        ({"backend": "embedded"}, OPENAI_ENDPOINTS - {"/v1/embeddings"}),
        ({"backend": "embedded", "embeddings": "mean"}, OPENAI_ENDPOINTS),
        ({"speaks": ("responses", "messages")}, OPENAI_ENDPOINTS | {"/v1/responses", "/v1/messages"}),
    ],
)
def test_what_an_engine_answers_itself(fields: dict[str, Any], answers: set[str]) -> None:
    assert list_endpoints(plan_model(**fields)) == answers


class Plan(OnlyModels):
    timeouts: Timeouts = Timeouts()


@pytest.mark.parametrize(
    "change",
    [{"url": "http://y"}, {"key_mark": "2"}, {"headers": {"a": "b"}}, {"backend": "anthropic"}, {"socket": "s"}],
)
def test_an_engine_is_used_again_only_where_nothing_of_its_connections_changed(change: dict[str, Any]) -> None:
    old: Any = Plan(models=(plan_model(), plan_model("other")))
    engine: Any = object()
    running = {"m": engine}
    assert find_same_engine(plan_model(prices=None, direct=False), Timeouts(), old, running) is engine
    assert find_same_engine(plan_model(**change), Timeouts(), old, running) is None
    assert find_same_engine(plan_model("new"), Timeouts(), old, running) is None
    assert find_same_engine(plan_model(), Timeouts(connect_s=9.0), old, running) is None
    assert find_same_engine(plan_model(), Timeouts(), None, running) is None


def test_a_model_is_asked_where_its_key_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "k")
    models = (
        plan_model("gone", key="env:NOT_THERE"),
        plan_model("down", url="http://127.0.0.1:1", key="env:UPSTREAM_KEY"),
    )
    plan: Any = Plan(models=models)
    assert asyncio.run(check_models(plan)) == {"gone": False, "down": False}


def test_a_new_plan_keeps_the_connections_of_the_models_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steward.workflows.serve.engines.make_engine", lambda model, timeouts: f"new {model.name}")
    before: Any = Plan(models=(plan_model(), plan_model("moved")))
    plan: Any = Plan(models=(plan_model(), plan_model("moved", url="http://y"), plan_model("added")))
    running: Any = {"m": "old m", "moved": "old moved"}
    assert make_engines(plan, before, running) == {"m": "old m", "moved": "new moved", "added": "new added"}
    assert make_engines(before, None, {}) == {"m": "new m", "moved": "new moved"}
