"""What a plan or a forecast rests on, line by line, each with its source."""

from __future__ import annotations

from pathlib import Path

from steward.capacity.catalog import ModelMatch
from steward.capacity.memory import Deployment
from steward.capacity.plan import Assumption
from steward.capacity.predict import Load
from steward.capacity.sizing import PlanOption, Requirements
from steward.capacity.uncertainty import measure_distance
from steward.workflows.plan.prices import read_public_prices


def list_deployment_assumptions(
    match: ModelMatch, deployment: Deployment, load: Load, calibrated: bool
) -> list[Assumption]:
    d = deployment
    model = f"{d.model.name}, {d.model.params / 1e9:.3g} billion parameters ({match.how})"
    accelerator = (
        f"{d.gpu.name}: {d.gpu.bf16_tflops:g} TFLOPS in 16 bit, {d.gpu.bandwidth_gb_s:,.0f} GB/s, "
        f"{d.gpu.memory_gib:.1f} GiB visible"
    )
    engine = (
        f"{d.engine.name}: {d.utilisation:.0%} of memory, {d.max_num_seqs} sequences, {d.max_batched_tokens} tokens "
        "a step"
    )
    assumptions = [
        Assumption("model", model, d.model.source),
        *_list_unread(d),
        Assumption("accelerator", accelerator, d.gpu.source),
        Assumption("engine", engine, d.engine.source),
        Assumption("KV cache", f"{8 * d.kv_bytes:.0f} bit", "as calibrated" if calibrated else "the engine's default"),
    ]
    if calibrated:
        assumptions.append(Assumption("efficiency", "calibrated on this deployment", "steward plan calibrate"))
        return assumptions
    fitted = "fitted to public measurements, none of them yours"
    assumptions.append(Assumption("efficiency", fitted, "scripts/fit_planner.py"))
    assumptions.append(_describe_interval(deployment, load))
    return assumptions


def _describe_interval(deployment: Deployment, load: Load) -> Assumption:
    """How like the measured deployments this one is."""
    advice = "run `steward plan calibrate`"
    if deployment.gpu.is_cpu:
        return Assumption("interval", "cannot tell: the CPU's speed is guessed from its memory bandwidth", advice)
    if deployment.gpu.vendor != "NVIDIA":
        text = f"cannot tell: nothing of {deployment.gpu.vendor} is measured; NVIDIA's efficiencies are scaled down"
        return Assumption("interval", text, advice)
    distance = measure_distance(deployment, load)
    if distance.is_extrapolation:
        text = f"extrapolation, so {distance.widening:.1f} times as wide; the nearest measurement is {distance.nearest}"
        return Assumption("interval", text, advice)
    return Assumption("interval", f"like a measured deployment: {distance.nearest}", "tables/throughput.csv")


def _list_unread(d: Deployment) -> list[Assumption]:
    if not d.model.not_read:
        return []
    unread = f"{', '.join(d.model.not_read)}: not understood, so the sizes may be wrong"
    return [Assumption("fields of the configuration", unread, d.model.source)]


def list_traffic_assumptions(wanted: Requirements, best: PlanOption, prices: Path | None) -> list[Assumption]:
    """`prices`: the user's file."""
    arrivals = f"Poisson; lengths vary by {wanted.spread:.0%} around their means"
    return [
        Assumption("arrivals", arrivals, "--spread"),
        Assumption("prefix cache", "none: every prompt is read in full", "steward plan"),
        _describe_price(best, prices),
    ]


def _describe_price(best: PlanOption, prices: Path | None) -> Assumption:
    public = next((price for price in read_public_prices() if price.gpu == best.gpu), None)
    if best.usd_per_hour is None:
        return Assumption("price", "none known: ranked behind what has one", "--prices FILE")
    each = best.usd_per_hour / best.gpus
    if public is None or abs(public.usd_per_hour - each) > 1e-9:
        return Assumption("price", f"${each:,.4g} an hour each", str(prices))
    text = f"${each:,.4g} an hour each: {public.provider}, {public.instance}, {public.as_of}; yours: --prices FILE"
    return Assumption("price", text, public.source)
