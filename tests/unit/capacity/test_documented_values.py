"""Limits and starting points of plans that docs/explanation or a published source names.

One more or one less would reach people without another test's notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("calibrate.LEAST_ROWS", 3),
        ("calibrate._FOLDS", 5),
        (
            "calibrate._CPU_WIDTHS",
            {"bandwidth": 0.5, "step_us": 2.0, "sequence_us": 4.0, "request_ms": 1.5, "scale": 0.7},
        ),
        ("catalog._QUARTERS", {1: (0.25,), 2: (0.5,), 4: (1.0,)}),  # of memory, by compute slices: NVIDIA's MIG guide
        (
            "catalog._EIGHTHS",
            {1: (0.125, 0.25), 2: (0.25,), 3: (0.5,), 4: (0.5,), 7: (1.0,)},
        ),
        ("fit.KNEE", 0.08),
        ("gpu_health.XID_FRESH_S", 86_400.0),
        ("headroom.HOUR_S", 3600.0),
        ("headroom.DAY_S", 86_400.0),
        ("headroom.WEEK_S", 604_800.0),
        ("headroom.LEAST_HOURS", 3),
        ("headroom.LEAST_DAYS", 3),
        ("headroom.DRIFT", 0.25),
        ("headroom.SOON_DAYS", 30.0),
        ("machine._COPIED", 67_108_864),  # 64 MiB
        ("measurements.FREE_DECLINED", 0.1),
        ("measurements.ROUNDS", 10),
        ("memory.GIB", 1_073_741_824),
        ("memory.NON_TORCH_GIB", (0.14, 0.56)),
        ("memory.FIXED_GIB", 0.35),  # logs of vLLM 0.15.1
        ("quantization._WHOLE", {2: "int2", 3: "int3", 4: "int4", 5: "int5", 6: "int6", 8: "w8a16"}),
        ("sizing.DEGREES", (1, 2, 4, 8)),
        ("sizing.STAGES", (1, 2, 4)),
        ("sizing.MOST_REPLICAS", 4096),
        ("training_memory._TRAINED_BYTES", 16.0),  # ZeRO (arXiv 1910.02054), section 3.1
        ("training_memory._ACTIVATION_BYTES", 34.0),  # Korthikanti et al. (arXiv 2205.05198), equation 1
        ("uncertainty.NEAR", 1.0),
        ("uncertainty.WIDENING", 0.25),
        ("uncertainty.MOST", 3.0),
        ("uncertainty.FULL_WEIGHT", 30),
        ("uncertainty.LEAST", 0.02),
    ],
)
def test_the_limit_is_the_documented_one(name: str, value: Any) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(f"steward.capacity.{module}"), constant) == value
