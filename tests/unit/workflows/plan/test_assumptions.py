"""What a plan says it rests on: facts with their sources, and where nothing is known, that."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from steward.capacity.plan import Assumption
from steward.capacity.predict import Load
from steward.capacity.sizing import PlanOption, Requirements
from steward.workflows.plan.assumptions import list_deployment_assumptions, list_traffic_assumptions
from steward.workflows.plan.deployment import DeploymentSpec, resolve_deployment, resolve_model
from steward.workflows.plan.prices import read_public_prices

LOAD = Load(kind="open", rate=1.0, input_tokens=512, output_tokens=128)


def told(calibrated: bool = False, **spec: Any) -> dict[str, Assumption]:
    wanted = DeploymentSpec(**{"model": "llama-3.1-8b", "gpu": "h100", **spec})
    match = resolve_model(wanted.model)
    found = list_deployment_assumptions(match, resolve_deployment(wanted, match.model), LOAD, calibrated)
    return {item.what: item for item in found}


def test_a_deployment_is_told_with_its_sources() -> None:
    found = told(max_num_seqs=64, max_batched_tokens=2_048, utilisation=0.5, kv_precision="fp8")
    assert "8.03 billion parameters" in found["model"].value and found["model"].source
    assert found["accelerator"].value.startswith("H100-SXM-80GB: 989") and "GB/s" in found["accelerator"].value
    assert "50% of memory, 64 sequences, 2048 tokens a step" in found["engine"].value
    assert found["KV cache"] == Assumption("KV cache", "8 bit", "the engine's default")
    assert told()["KV cache"].value == "16 bit"  # bf16: two bytes
    assert found["efficiency"].source == "scripts/fit_planner.py"


def test_a_calibration_is_ones_own_measurement() -> None:
    found = told(calibrated=True)
    assert found["efficiency"] == Assumption("efficiency", "calibrated on this deployment", "steward plan calibrate")
    assert found["KV cache"].source == "as calibrated" and "interval" not in found


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"gpu": "cpu"}, "cannot tell: the CPU's speed is guessed"),
        ({"gpu": "mi300x"}, "cannot tell: nothing of AMD is measured"),
    ],
)
def test_where_nothing_is_measured_nothing_can_be_told(spec: dict[str, str], words: str) -> None:
    interval = told(**spec)["interval"]
    assert interval.value.startswith(words) and interval.source == "run `steward plan calibrate`"


def option(gpu: str, gpus: int, usd: float | None) -> PlanOption:
    nothing = cast(Any, None)
    return PlanOption(
        gpu=gpu, precision="bf16", tp=1, pp=1, replicas=gpus, gpus=gpus, memory=nothing, prediction=nothing,
        max_rate=1.0, headroom=0.0, usd_per_hour=usd, usd_per_1k_requests=None,
    )  # fmt: skip


def price_of(best: PlanOption, file: Path | None = None) -> Assumption:
    wanted = Requirements(rate=1, input_tokens=10, output_tokens=10, spread=0.25)
    arrivals, cache, price = list_traffic_assumptions(wanted, best, file)
    assert arrivals == Assumption("arrivals", "Poisson; lengths vary by 25% around their means", "--spread")
    assert cache.value.startswith("none") and price.what == "price"
    return price


def test_a_price_is_the_public_one_or_the_users_or_none() -> None:
    public = read_public_prices()[0]
    shipped = price_of(option(public.gpu, 2, 2 * public.usd_per_hour))
    assert shipped.source == public.source and "yours: --prices FILE" in shipped.value
    assert f"${public.usd_per_hour:,.4g} an hour each" in shipped.value
    own = price_of(option(public.gpu, 2, 2 * public.usd_per_hour + 1), Path("p.yaml"))
    assert own == Assumption("price", f"${public.usd_per_hour + 0.5:,.4g} an hour each", "p.yaml")
    assert price_of(option("unknown", 1, None)) == Assumption(
        "price", "none known: ranked behind what has one", "--prices FILE"
    )
    assert price_of(option("unknown", 1, 3.0), Path("p.yaml")).source == "p.yaml"


def test_fields_that_were_not_understood_are_told() -> None:
    match = resolve_model("llama-3.1-8b")
    deployment = resolve_deployment(DeploymentSpec(model="llama-3.1-8b", gpu="h100"), match.model)
    odd = msgspec.structs.replace(deployment.model, not_read=("odd_size", "other"))
    found = list_deployment_assumptions(match, msgspec.structs.replace(deployment, model=odd), LOAD, False)
    (unread,) = [item for item in found if item.what == "fields of the configuration"]
    assert unread.value == "odd_size, other: not understood, so the sizes may be wrong"
