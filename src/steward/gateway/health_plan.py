"""When a model is left alone, as it is configured."""

from __future__ import annotations

import msgspec


class HealthPlan(msgspec.Struct, frozen=True):
    """When a model is left alone."""

    consecutive_failures: int = 5
    error_rate: float = 0.5
    minimum_requests: int = 20
    window_s: float = 30.0
    open_s: float = 10.0
    ejected_share: float = 0.5
    retry_ratio: float = 0.2
