"""What the overview says of GPUs, beside the plan in force."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from steward.capacity.plan import Plan
from steward.capacity.sizing import Requirements
from steward.console.pages.overview import find_planned_gib, list_gpus
from steward.console.reader import Reader
from steward.core.gpus import Gpu, GpuReading, GpuStatus
from steward.workflows.plan.deployment import DeploymentSpec
from steward.workflows.plan.home import save_plan
from steward.workflows.plan.make import make_plan

GIB = 2**30


def plan() -> Plan:
    """Weights of 8 billion parameters in 2 bytes are 15 GiB."""
    wanted = Requirements(rate=1, input_tokens=100, output_tokens=50)
    return make_plan(DeploymentSpec(model="llama-3.1-8b", gpu="h100"), wanted, None, None)


def read(*gpus: Gpu) -> GpuStatus:
    return GpuStatus(reading=GpuReading(at=1.0, source="nvml", gpus=gpus), age_s=1.0)


def test_memory_stands_beside_the_plan_and_what_is_beyond_it_is_told() -> None:
    status = read(
        Gpu(index=0, name="NVIDIA H200", memory_used_bytes=60 * GIB, memory_total_bytes=80 * GIB),
        Gpu(index=1, memory_used_bytes=60 * GIB + 1, memory_total_bytes=80 * GIB),
        Gpu(index=2),
    )
    rows = list_gpus(status, Reader(), 60.0)
    assert [(row["name"], row["share"], row["memory"]) for row in rows] == [
        ("GPU 0 H200", 75.0, "60.0 of 80.0 GiB"), ("GPU 1", 100 * (60 * GIB + 1) / (80 * GIB), "60.0 of 80.0 GiB"),
        ("GPU 2", None, "–"),
    ]  # fmt: skip
    assert [(row["planned"], row["beyond"]) for row in rows] == [
        ("60.0 GiB", False), ("60.0 GiB", True), ("60.0 GiB", False),
    ]  # fmt: skip


def test_without_a_plan_nothing_is_beyond_it(tmp_path: Path) -> None:
    assert find_planned_gib(tmp_path) is None
    rows = list_gpus(read(Gpu(index=0, memory_used_bytes=1, memory_total_bytes=2)), Reader())
    assert (rows[0]["planned"], rows[0]["beyond"]) == ("", False)
    assert list_gpus(GpuStatus(), Reader(), 60.0) == []


def test_the_plan_puts_weights_activations_overhead_and_cache_into_each_gpu(tmp_path: Path) -> None:
    save_plan(tmp_path, plan())
    chosen = plan().chosen
    assert chosen is not None
    memory = chosen.memory
    parts = memory.weights_gib + memory.activation_gib + memory.overhead_gib + memory.kv_gib
    assert find_planned_gib(tmp_path) == pytest.approx(parts) and 15 < parts <= memory.visible_gib


def test_a_plan_without_a_deployment_says_nothing_of_memory(tmp_path: Path) -> None:
    save_plan(tmp_path, msgspec.structs.replace(plan(), chosen=None))
    assert find_planned_gib(tmp_path) is None
