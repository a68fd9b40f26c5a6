"""Makes a plan: the cheapest deployment that meets the objectives."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import msgspec

from steward.capacity import sizing
from steward.capacity.engines import find_precision
from steward.capacity.memory import Deployment
from steward.capacity.plan import Plan, build_interval
from steward.capacity.predict import Load
from steward.capacity.sizing import PlanOption, Requirements
from steward.capacity.step_time import Terms, load_shipped_terms
from steward.capacity.uncertainty import estimate_ratios
from steward.workflows.plan.assumptions import list_deployment_assumptions, list_traffic_assumptions
from steward.workflows.plan.deployment import (
    DeploymentSpec,
    find_accelerator_or_cpu,
    parse_kv_precision,
    read_own_table,
    resolve_accelerators,
    resolve_engine,
    resolve_model,
    resolve_precisions,
)
from steward.workflows.plan.home import load_calibrations
from steward.workflows.plan.prices import collect_prices

PUBLIC_PRICE_TOLERANCE: Final = 0.25  # providers' prices for one accelerator differ by more than that


def make_plan(spec: DeploymentSpec, wanted: Requirements, prices: Path | None, home: Path | None) -> Plan:
    """The cheapest deployment that meets the objectives; `chosen` is None where none does.

    :raises InputError: an unknown name, an impossible length, a contradiction, prices of another form
    """
    match, engine, own = resolve_model(spec.model), resolve_engine(spec), read_own_table(spec)
    calibrations, shipped = load_calibrations(home), load_shipped_terms()

    def terms_of(deployment: Deployment) -> tuple[Terms, bool]:
        fitted = calibrations.find(deployment)
        return (fitted[0], True) if fitted else (shipped, False)

    costs = collect_prices(prices, own)
    result = sizing.size_hardware(
        wanted,
        match.model,
        resolve_accelerators(spec, own),
        resolve_precisions(spec, match.model),
        engine,
        terms_of,
        costs,
        tp=spec.tp,
        pp=spec.pp,
        kv_bytes=parse_kv_precision(spec),
        price_tolerance=0.0 if prices else PUBLIC_PRICE_TOLERANCE,
    )
    best = result.choices[0] if result.choices else None
    plan = Plan(
        at=time.time(),
        model=match.model.name,
        engine=engine.name,
        wanted=wanted,
        chosen=best,
        alternatives=result.choices[1:],
        declined=result.declined,
        considered=result.considered,
    )
    if best is None:
        return plan
    deployment = rebuild_deployment(spec, best)
    fitted = calibrations.find(deployment)
    load = Load(
        kind="open",
        rate=wanted.rate / best.replicas,
        input_tokens=wanted.input_tokens,
        output_tokens=wanted.output_tokens,
        concurrency=max(1, round(best.prediction.running)),
    )
    ratios = fitted[1] if fitted else estimate_ratios(deployment, load)
    return msgspec.structs.replace(
        plan,
        ttft_p95_ms=build_interval(best.prediction.ttft_ms.p95, ratios, "ttft_ms"),
        tpot_p95_ms=build_interval(best.prediction.tpot_ms.p95, ratios, "tpot_ms"),
        max_rate=build_interval(best.max_rate, ratios, "output_tok_s"),
        assumptions=(
            *list_deployment_assumptions(match, deployment, load, best.calibrated),
            *list_traffic_assumptions(wanted, best, prices),
        ),
    )


def rebuild_deployment(spec: DeploymentSpec, option: PlanOption) -> Deployment:
    """The deployment of an option that a search for `spec` returned."""
    return sizing.build_deployment(
        resolve_model(spec.model).model,
        find_accelerator_or_cpu(option.gpu, read_own_table(spec)),
        find_precision(option.precision),
        resolve_engine(spec),
        option.tp,
        option.pp,
        kv_bytes=parse_kv_precision(spec),
    )
