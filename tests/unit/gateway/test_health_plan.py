"""The defaults that docs/reference/settings.md tells under `gateway.health`."""

from steward.gateway.health_plan import HealthPlan


def test_defaults() -> None:
    assert HealthPlan() == HealthPlan(
        consecutive_failures=5, error_rate=0.5, minimum_requests=20, window_s=30.0, open_s=10.0, ejected_share=0.5,
        retry_ratio=0.2,
    )  # fmt: skip
