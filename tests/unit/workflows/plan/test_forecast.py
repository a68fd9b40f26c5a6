"""The forecast of one deployment: what does not fit or is too long is said, and the figures are those of its parts."""

from __future__ import annotations

from typing import Any

import pytest

from steward.capacity.memory import estimate_memory
from steward.capacity.predict import Load
from steward.core.errors import InputError
from steward.workflows.plan.deployment import DeploymentSpec, resolve_deployment, resolve_model
from steward.workflows.plan.forecast import CannotPlan, forecast

LLAMA = resolve_model("llama-3.1-8b").model  # reads at most 131,072 tokens: its config.json


def spec(**more: Any) -> DeploymentSpec:
    return DeploymentSpec(**{"model": "llama-3.1-8b", "gpu": "h100", **more})


def load(input_tokens: int = 512, output_tokens: int = 128) -> Load:
    return Load(kind="open", rate=1.0, input_tokens=input_tokens, output_tokens=output_tokens)


def test_the_figures_are_those_of_the_deployment() -> None:
    made, deployment = forecast(spec(tp=2), load(), None), resolve_deployment(spec(tp=2), LLAMA)
    memory = estimate_memory(deployment)
    assert (made.gpus, made.tp, made.pp, made.calibrated) == (2, 2, 1, False)
    assert (made.weights_gib, made.kv_gib, made.kv_tokens) == (memory.weights_gib, memory.kv_gib, memory.kv_tokens)
    assert made.output_tok_s.low is not None and made.output_tok_s.high is not None
    assert made.output_tok_s.low < made.prediction.output_tok_s < made.output_tok_s.high


def test_a_request_may_be_as_long_as_the_model_reads() -> None:
    assert LLAMA.max_position == 131_072
    with pytest.raises(InputError, match=r"a request has 131,073 tokens; Llama-3\.1-8B reads at most 131,072"):
        forecast(spec(), load(131_000, 73), None)
    assert forecast(spec(), load(131_000, 72), None).gpus == 1


def test_what_does_not_fit_ends_with_3_and_says_what_would() -> None:
    with pytest.raises(CannotPlan, match="Use more accelerators") as caught:
        forecast(spec(model="llama-3.1-70b", gpu="l4"), load(), None)
    assert caught.value.exit_code == 3
