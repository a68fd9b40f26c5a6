"""Forecasts one deployment under one load."""

from __future__ import annotations

from pathlib import Path

from steward.capacity.memory import estimate_memory
from steward.capacity.plan import Forecast, build_interval
from steward.capacity.predict import DoesNotFit, Load, predict
from steward.capacity.step_time import load_shipped_terms
from steward.capacity.uncertainty import estimate_ratios
from steward.core.errors import InputError, StewardError
from steward.workflows.plan.assumptions import list_deployment_assumptions
from steward.workflows.plan.deployment import DeploymentSpec, resolve_deployment, resolve_model
from steward.workflows.plan.home import load_calibrations


class CannotPlan(StewardError):
    """No forecast can be made of this, with the reason; exit code 3."""

    exit_code = 3


def forecast(spec: DeploymentSpec, load: Load, home: Path | None) -> Forecast:
    """Memory, throughput and latency.

    :raises InputError: an unknown name, or parallel degrees that do not make up the count
    :raises CannotPlan: it does not fit into memory
    """
    match = resolve_model(spec.model)
    deployment = resolve_deployment(spec, match.model)
    tokens = load.input_tokens + load.output_tokens
    if match.model.max_position and tokens > match.model.max_position:
        raise InputError(
            f"a request has {tokens:,} tokens; {match.model.name} reads at most {match.model.max_position:,}"
        )
    fitted = load_calibrations(home).find(deployment)
    terms, ratios = fitted or (load_shipped_terms(), estimate_ratios(deployment, load))
    memory = estimate_memory(deployment)
    try:
        prediction = predict(deployment, load, terms, memory=memory)
    except DoesNotFit as error:
        raise CannotPlan(
            f"{error}. Use more accelerators (--tp), a narrower --precision, or fewer --max-num-seqs"
        ) from error
    return Forecast(
        model=match.model.name,
        gpu=deployment.gpu.name,
        gpus=deployment.gpus,
        precision=deployment.precision.name,
        tp=deployment.tp,
        pp=deployment.pp,
        engine=deployment.engine.name,
        visible_gib=memory.visible_gib,
        usable_gib=memory.usable_gib,
        weights_gib=memory.weights_gib,
        activation_gib=memory.activation_gib,
        overhead_gib=memory.overhead_gib,
        kv_gib=memory.kv_gib,
        kv_bytes_per_token=memory.kv_bytes_per_token,
        kv_tokens=memory.kv_tokens,
        prediction=prediction,
        output_tok_s=build_interval(prediction.output_tok_s, ratios, "output_tok_s"),
        ttft_ms=build_interval(prediction.ttft_ms.mean, ratios, "ttft_ms"),
        tpot_ms=build_interval(prediction.tpot_ms.mean, ratios, "tpot_ms"),
        calibrated=fitted is not None,
        assumptions=tuple(list_deployment_assumptions(match, deployment, load, fitted is not None)),
    )
