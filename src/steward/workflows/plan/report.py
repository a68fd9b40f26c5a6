"""Writes a plan's page: the plan, latency at other rates, and cost at other objectives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from steward.capacity.plan import Plan
from steward.capacity.predict import Load, predict
from steward.capacity.report import ObjectiveCost, RatePoint, render
from steward.capacity.sizing import PlanOption, Requirements
from steward.capacity.step_time import load_shipped_terms
from steward.core.files import SHARED, write_file
from steward.workflows.plan.deployment import DeploymentSpec
from steward.workflows.plan.home import load_calibrations
from steward.workflows.plan.make import make_plan, rebuild_deployment

RATE_SHARES: Final = (0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)  # of the most that the plan serves
OBJECTIVE_FACTORS: Final = (0.5, 0.7, 0.85, 1.0, 1.4, 2.0, 3.0)
REQUESTS: Final = 300  # of one simulation


def write_report(plan: Plan, spec: DeploymentSpec, prices: Path | None, home: Path | None, path: Path) -> None:
    """The plan must have chosen something."""
    assert plan.chosen is not None
    wanted = plan.wanted
    objective, middle = choose_objective(wanted, plan.chosen.prediction.tpot_ms.p95)
    options = []
    for factor in OBJECTIVE_FACTORS:
        found = make_plan(spec, msgspec.structs.replace(wanted, **{objective: middle * factor}), prices, home)
        options.append((found.chosen, *found.alternatives) if found.chosen is not None else ())
    costs = list_costs([middle * factor for factor in OBJECTIVE_FACTORS], options)
    curve = simulate_rates(plan.chosen, wanted, spec, home)
    page = render(plan, curve, costs, "TPOT p95" if objective == "tpot_p95_ms" else "TTFT p95")
    write_file(path, page.encode(), mode=SHARED)


def choose_objective(wanted: Requirements, expected_ms: float) -> tuple[str, float]:
    """The objective that the chart of costs goes along, and its middle in milliseconds. `expected_ms`: the time of a
    token (p95) that is expected, for plans without an objective of tokens."""
    if wanted.tpot_p95_ms is None and wanted.ttft_p95_ms is not None:
        return "ttft_p95_ms", wanted.ttft_p95_ms
    return "tpot_p95_ms", wanted.tpot_p95_ms or expected_ms


def list_costs(limits_ms: Sequence[float], options: Sequence[Sequence[PlanOption]]) -> list[ObjectiveCost]:
    """The cheapest option at each limit, from the tightest up. What holds a tighter limit holds a looser one, so that a
    cost never rises with it, whatever the search tried."""
    costs, cheapest = [], ObjectiveCost(0.0, None, None)
    for limit_ms, found in zip(limits_ms, options, strict=True):
        for option in found:
            if _cost_key(option) < _cost_key(cheapest):
                cheapest = ObjectiveCost(limit_ms, option.gpus, option.usd_per_hour)
        costs.append(msgspec.structs.replace(cheapest, objective_ms=limit_ms))
    return costs


def _cost_key(option: PlanOption | ObjectiveCost) -> tuple[float, float]:
    """By price, and by number where there is none."""
    return option.usd_per_hour or math.inf, option.gpus or math.inf


def simulate_rates(
    option: PlanOption, wanted: Requirements, spec: DeploymentSpec, home: Path | None
) -> list[RatePoint]:
    """Latency at rates up to a little more than the option serves."""
    deployment = rebuild_deployment(spec, option)
    terms = load_calibrations(home).find_terms(deployment, load_shipped_terms())
    curve = []
    for share in RATE_SHARES:
        load = Load(
            kind="open",
            rate=share * option.max_rate / option.replicas,
            input_tokens=wanted.input_tokens,
            output_tokens=wanted.output_tokens,
            spread=wanted.spread,
            requests=REQUESTS,
        )
        prediction = predict(deployment, load, terms, memory=option.memory)
        latency = (None, None) if prediction.saturated else (prediction.ttft_ms.p95, prediction.tpot_ms.p95)
        curve.append(RatePoint(share * option.max_rate, *latency))
    return curve
