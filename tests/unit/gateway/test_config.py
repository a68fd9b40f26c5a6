"""Sections of steward.yaml for the gateway: what each refuses, and what it becomes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ranges import read_ranges
from settings_reference import describe_settings, read_settings
from steward.core.errors import UnknownName
from steward.core.records import LimitSpec
from steward.gateway.config import (
    BatchesConfig,
    CorsConfig,
    FallbackOnConfig,
    GatewayConfig,
    HealthConfig,
    ImagePriceConfig,
    LimitConfig,
    LimitsConfig,
    ModelConfig,
    PriceConfig,
    PriceTierConfig,
    PromptConfig,
    ResponsesStoreConfig,
    RouteConfig,
    RoutePromptConfig,
    ShadowConfig,
    UpstreamTlsConfig,
)
from steward.gateway.pricing.prices import ImagePrice, Tier
from steward.gateway.route_records import ErrorFallbacks, Shadow, Target

URL = "http://127.0.0.1:1"


def refused(section: Any, **values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        section.model_validate(values)
    error = caught.value.errors()[0]
    return f"{'.'.join(map(str, error['loc']))}: {error['msg'].removeprefix('Value error, ')}"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"backend": "openai"}, "a model with backend: openai needs a url"),
        ({"backend": "openai", "url": URL, "tls": {}}, "tls is for a url that begins with https://"),
        ({"backend": "openai", "url": URL, "slots": 2}, "slots is for backend: embedded; a model with backend: openai"),
        ({"backend": "embedded", "url": URL}, "url is for backend: openai or anthropic; a model with"),
        ({"backend": "anthropic", "speaks": ["messages"]}, "speaks is for backend: openai; a model with"),
        ({"backend": "openai", "url": URL, "headers": {"x-a": "b\nc"}}, "headers: the value of x-a has a line end"),
        ({"backend": "openai", "url": URL, "headers": {"host": "a"}}, "headers: host is set by the gateway"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be(values: dict[str, Any], words: str) -> None:
    assert words in refused(ModelConfig, name="m", **values)


@pytest.mark.parametrize(
    "values",
    [
        {"backend": "openai", "url": URL},
        {"backend": "openai", "url": "https://a.example", "tls": {}},
        {"backend": "anthropic", "tls": {}},  # Anthropic's own address begins with https
        {"backend": "embedded", "slots": 256, "context": 64},
    ],
)
def test_a_model_that_can_be(values: dict[str, Any]) -> None:
    assert ModelConfig.model_validate({"name": "m", **values}).name == "m"


@pytest.mark.parametrize(("field", "value"), [("slots", 0), ("slots", 257), ("context", 63), ("threads", 0)])
def test_numbers_of_an_embedded_model_have_bounds(field: str, value: int) -> None:
    assert refused(ModelConfig, name="m", backend="embedded", **{field: value}).startswith(f"{field}: ")


def test_a_certificate_needs_its_key() -> None:
    assert "key is missing" in refused(UpstreamTlsConfig, certificate="c.pem")
    assert "certificate is missing" in refused(UpstreamTlsConfig, key="k.pem")
    assert UpstreamTlsConfig(certificate="c", key="k").key == "k" and UpstreamTlsConfig().key is None


@pytest.mark.parametrize("lengths", [[2, 1], [1, 1]])
def test_tiers_rise(lengths: list[int]) -> None:
    tiers = [{"above_tokens": length, "input": 1, "output": 1} for length in lengths]
    assert "rising above_tokens" in refused(PriceConfig, input=1, output=2, tiers=tiers)


def test_prices_become_what_requests_cost() -> None:
    prices = PriceConfig.model_validate(
        {
            "input": 1, "output": 2, "tiers": [{"above_tokens": 1, "input": 3, "output": 4, "cached_input": 5}],
            "image_prices": [{"size": "1x1", "usd": 6}], "per_request_usd": 7,
        }
    ).prices()  # fmt: skip
    assert (prices.input, prices.output, prices.per_request_usd, prices.batch_factor) == (1, 2, 7, 0.5)
    assert prices.tiers == (Tier(above_tokens=1, input=3, output=4, cached_input=5),)
    assert prices.image_prices == (ImagePrice(size="1x1", usd=6),)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "takes either name, or system and examples"),
        ({"name": "a", "system": "b"}, "takes either name, or system and examples"),
        ({"system": "b", "version": "1"}, "version goes with name"),
    ],
)
def test_a_routes_prompt_is_a_name_or_texts(values: dict[str, Any], words: str) -> None:
    assert words in refused(RoutePromptConfig, **values)


def test_a_prompt_that_says_nothing() -> None:
    assert refused(PromptConfig, name="p")
    assert RoutePromptConfig.model_validate({"name": "p", "version": "2"}).version == "2"
    assert RoutePromptConfig.model_validate({"examples": [{"user": "a", "assistant": "b"}]}).mode == "prepend"


def test_two_targets_of_one_model_are_refused() -> None:
    assert "two targets are the same model" in refused(RouteConfig, name="r", targets=[{"model": "a"}, {"model": "a"}])


def test_a_route_becomes_what_serves() -> None:
    route = RouteConfig.model_validate(
        {
            "name": "r", "targets": [{"model": "a"}, {"model": "b", "weight": 2}], "fallback": ["c"], "retries": 3,
            "choice": "least_loaded", "sticky": "subject", "shadow": {"model": "d", "sample": 0.5}, "concurrency": 4,
            "queue": 0, "unreadable": "pass", "fallback_on": {"context": ["long"], "quota": False},
        }
    ).route()  # fmt: skip
    assert route.targets == (Target("a", 1.0), Target("b", 2.0)) and route.fallback == ("c",)
    assert (route.choice, route.sticky, route.retries, route.unreadable) == ("least_loaded", "subject", 3, "pass")
    assert (route.shadow, route.concurrency, route.queue) == (Shadow("d", 0.5), 4, 0)
    assert route.error_fallbacks == ErrorFallbacks(context=("long",), quota=False)


def test_where_an_error_names_a_model() -> None:
    rules = FallbackOnConfig.model_validate({"context": ["a", "b"], "auth": ["c"], "model": False})
    assert rules.places() == [
        ("fallback_on.context.0", "a"), ("fallback_on.context.1", "b"), ("fallback_on.auth.0", "c"),
    ]  # fmt: skip
    assert rules.fallbacks() == ErrorFallbacks(context=("a", "b"), auth=("c",), model=False)


def test_limits_are_of_what_is_served() -> None:
    limits = LimitsConfig.model_validate(
        {"default": {"concurrent": 1}, "teams": {"t": {"usd_per_day": 2}}, "models": {"m": {"tokens_per_minute": 3}}}
    )
    table = limits.table(["m"])
    assert (table.default, table.max_output_tokens) == (LimitSpec(concurrent=1), 4096)
    assert table.teams == {"t": LimitSpec(usd_per_day=2.0)} and table.models == {"m": LimitSpec(tokens_per_minute=3)}
    with pytest.raises(UnknownName, match=r"limits\.models"):
        limits.table(["other"])
    assert limits.table(["other"], skip_others=True).models == {}


@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_of_requests_is_at_least_one(value: int) -> None:
    assert refused(LimitsConfig, default={"requests_per_minute": value}).startswith("default.requests_per_minute: ")
    assert LimitsConfig.model_validate({"default": {"usd_per_day": 0}}).default.usd_per_day == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("workers", 0), ("workers", 257), ("port", -1), ("port", 65_536), ("max_body_bytes", 1_023), ("drain_s", -1),
     ("idle_timeout_s", 0), ("send_timeout_s", 0), ("queue", -1), ("queue_wait_s", -1)],
)  # fmt: skip
def test_numbers_of_the_gateway_have_bounds(field: str, value: float) -> None:
    assert refused(GatewayConfig, **{field: value}).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("field", "value"), [("workers", 1), ("workers", 256), ("port", 0), ("port", 65_535), ("max_body_bytes", 1_024)]
)
def test_bounds_themselves_are_taken(field: str, value: int) -> None:
    assert getattr(GatewayConfig.model_validate({field: value}), field) == value


def test_the_gateways_defaults() -> None:
    gateway = GatewayConfig()
    assert (gateway.host, gateway.port, gateway.max_body_bytes, gateway.drain_s) == (
        "127.0.0.1", 8080, 33_554_432, 30.0,
    )  # fmt: skip
    assert (gateway.total_timeout_s, gateway.queue_plan().wait_s) == (1_200.0, 30.0)
    timeouts, clients = gateway.timeouts(), gateway.client_timeouts()
    assert (timeouts.connect_s, timeouts.first_byte_s, timeouts.idle_s, timeouts.whole_s) == (5.0, 120.0, 60.0, 600.0)
    assert (clients.receive_s, clients.send_s) == (20.0, 60.0)


@pytest.mark.parametrize("values", [{"error_rate": 0}, {"error_rate": 1.1}, {"minimum_requests": 0}, {"open_s": 0}])
def test_numbers_of_health_have_bounds(values: dict[str, Any]) -> None:
    assert refused(HealthConfig, **values).startswith(next(iter(values)))


@pytest.mark.parametrize(
    ("section", "field", "most"),
    [(ResponsesStoreConfig, "keep_s", 30 * 86_400), (ShadowConfig, "sample", 1), (RouteConfig, "retries", 5)],
)
def test_the_most_that_is_taken(section: Any, field: str, most: int) -> None:
    needed: dict[str, Any] = {"model": "m"} if section is ShadowConfig else {}
    if section is RouteConfig:
        needed = {"name": "r", "targets": [{"model": "m"}]}
    assert getattr(section.model_validate({**needed, field: most}), field) == most
    assert refused(section, **needed, **{field: most + 1}).startswith(f"{field}: ")


def test_stored_answers_have_a_megabyte_at_least() -> None:
    assert refused(ResponsesStoreConfig, max_bytes=1_048_575).startswith("max_bytes: ")
    assert ResponsesStoreConfig(max_bytes=1_048_576).plan().max_bytes == 1_048_576


def test_pages_that_may_call() -> None:
    assert refused(CorsConfig, origins=["*"], credentials=True)
    assert CorsConfig.model_validate({"origins": ["HTTPS://A.example:443"]}).origins == ["https://a.example"]
    assert CorsConfig.model_validate({"origins": ["https://a.example"], "credentials": True}).policy().credentials


def test_batches() -> None:
    plan = BatchesConfig(concurrency=2, max_requests=3, max_tenant_bytes=4_096, keep_days=5).plan()
    assert (plan.concurrency, plan.max_requests, plan.max_tenant_bytes, plan.keep_days) == (2, 3, 4_096, 5)
    assert refused(BatchesConfig, max_tenant_bytes=1_023) and refused(BatchesConfig, concurrency=1_025)


LEAST: list[tuple[Any, dict[str, Any], str, float]] = [
    *((HealthConfig, {}, name, 1) for name in ("consecutive_failures", "minimum_requests")),
    *((HealthConfig, {}, name, 0) for name in ("ejected_share", "retry_ratio")),
    *((LimitConfig, {}, name, 1) for name in ("requests_per_minute", "tokens_per_minute", "concurrent")),
    *((LimitConfig, {}, name, 0) for name in ("usd_per_day", "usd_per_month")),
    (LimitsConfig, {}, "max_output_tokens", 1),
    (GatewayConfig, {}, "concurrency", 1),
    (GatewayConfig, {}, "queue", 0),
    (CorsConfig, {}, "max_age_s", 0),
    (BatchesConfig, {}, "concurrency", 1),
    (BatchesConfig, {}, "max_requests", 1),
    (BatchesConfig, {}, "max_tenant_bytes", 1_024),
    (ModelConfig, {"name": "m", "backend": "embedded"}, "threads", 1),
    (ModelConfig, {"name": "m", "backend": "embedded"}, "slots", 1),
    (RouteConfig, {"name": "r", "targets": [{"model": "m"}]}, "concurrency", 1),
    (RouteConfig, {"name": "r", "targets": [{"model": "m"}]}, "queue", 0),
    (RouteConfig, {"name": "r", "targets": [{"model": "m"}]}, "retries", 0),
    (PriceConfig, {"output": 0}, "input", 0),
    (PriceConfig, {"input": 0, "output": 0}, "batch_factor", 0),
    (PriceTierConfig, {"input": 0, "output": 0}, "above_tokens", 1),
]  # fmt: skip


@pytest.mark.parametrize(("section", "needed", "field", "least"), LEAST)
def test_the_least_that_is_taken(section: Any, needed: dict[str, Any], field: str, least: float) -> None:
    assert getattr(section.model_validate({**needed, field: least}), field) == least
    assert refused(section, **needed, **{field: least - 1}).startswith(f"{field}: ")


MOST: list[tuple[Any, dict[str, Any], str, float]] = [
    *((HealthConfig, {}, name, 1) for name in ("error_rate", "ejected_share", "retry_ratio")),
    (BatchesConfig, {}, "concurrency", 1_024),
    (PriceConfig, {"input": 0, "output": 0}, "batch_factor", 1),
]


@pytest.mark.parametrize(("section", "needed", "field", "most"), MOST)
def test_the_most_of_shares_and_batches(section: Any, needed: dict[str, Any], field: str, most: float) -> None:
    assert getattr(section.model_validate({**needed, field: most}), field) == most
    assert refused(section, **needed, **{field: most + 1}).startswith(f"{field}: ")


@pytest.mark.parametrize("field", ["size", "quality"])
def test_a_kind_of_picture_is_named_in_32_letters(field: str) -> None:
    assert getattr(ImagePriceConfig.model_validate({"usd": 1, field: "x" * 32}), field) == "x" * 32
    assert refused(ImagePriceConfig, usd=1, **{field: "x" * 33}).startswith(f"{field}: ")


@pytest.mark.parametrize(("section", "needed"), [(PromptConfig, {"name": "p"}), (RoutePromptConfig, {})])
def test_a_text_has_a_letter_at_least(section: Any, needed: dict[str, Any]) -> None:
    assert section.model_validate({**needed, "system": "x"}).system == "x"
    assert refused(section, **needed, system="").startswith("system: ")
    pair = {"user": "x", "assistant": "y"}
    assert section.model_validate({**needed, "examples": [pair]}).examples[0].user == "x"
    assert refused(section, **needed, examples=[{**pair, "user": ""}]).startswith("examples.0.user: ")
    assert refused(section, **needed, examples=[{**pair, "assistant": ""}]).startswith("examples.0.assistant: ")


def test_a_route_has_a_target_at_least() -> None:
    assert refused(RouteConfig, name="r", targets=[]).startswith("targets: ")


def test_an_embedded_models_defaults() -> None:
    model = ModelConfig.model_validate({"name": "m", "backend": "embedded"})
    assert (model.context, model.slots, model.threads, model.embeddings) == (2_048, 8, None, None)


def test_ranges_of_numbers_that_are_accepted() -> None:
    gateway = read_ranges(GatewayConfig)
    assert {name: gateway[name] for name in ("port", "workers", "max_body_bytes", "concurrency", "queue")} == {
        "port": "0 <= x <= 65535",
        "workers": "1 <= x <= 256",
        "max_body_bytes": "1024 <= x",
        "concurrency": "1 <= x",
        "queue": "0 <= x",
    }
    assert read_ranges(HealthConfig) == {
        "consecutive_failures": "1 <= x",
        "error_rate": "0 < x <= 1",
        "minimum_requests": "1 <= x",
        "window_s": "0 < x",
        "open_s": "0 < x",
        "ejected_share": "0 <= x <= 1",
        "retry_ratio": "0 <= x <= 1",
    }
    assert read_ranges(ResponsesStoreConfig) == {"keep_s": "0 <= x <= 2592000", "max_bytes": "1048576 <= x"}
    assert read_ranges(ModelConfig) == {"context": "64 <= x", "slots": "1 <= x <= 256", "threads": "1 <= x"}
    assert read_ranges(RouteConfig) == {"retries": "0 <= x <= 5", "concurrency": "1 <= x", "queue": "0 <= x"}
    assert read_ranges(LimitsConfig) == {"max_output_tokens": "1 <= x"}
    assert read_ranges(LimitConfig) == {
        "requests_per_minute": "1 <= x",
        "tokens_per_minute": "1 <= x",
        "concurrent": "1 <= x",
        "usd_per_day": "0 <= x",
        "usd_per_month": "0 <= x",
    }
    assert read_ranges(BatchesConfig) == {
        "concurrency": "1 <= x <= 1024",
        "max_requests": "1 <= x",
        "max_tenant_bytes": "1024 <= x",
        "keep_days": "0 < x",
    }
    assert read_ranges(PriceTierConfig)["above_tokens"] == "1 <= x"
    assert read_ranges(PriceConfig)["batch_factor"] == "0 <= x <= 1"


@pytest.mark.parametrize(
    "section", ["gateway.", "models[].", "routes[].", "prompts[].", "limits.", "batches.", "capture."]
)
def test_defaults_and_bounds_are_those_that_operators_read(section: str) -> None:
    rows = read_settings(section)
    assert rows and describe_settings(section) == rows
