"""Loads: closed forms by hand, steady states, and what saturates."""

import math

import pytest

from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.memory import estimate_memory
from steward.capacity.predict import DoesNotFit, Load, predict
from steward.capacity.simulate import RequestArrival
from steward.capacity.sizing import build_deployment
from steward.capacity.step_time import StepTime, load_shipped_terms
from steward.core.errors import InputError

TERMS = load_shipped_terms()
DEPLOYMENT = build_deployment(
    find_model("llama-3.1-8b").model, find_accelerator("h100"), find_precision("bf16"), ENGINES["tensorrt-llm"]
)
STEP_TIME = StepTime(DEPLOYMENT, TERMS)


def test_a_static_batch_reads_all_prompts_and_then_decodes_together() -> None:
    found = predict(DEPLOYMENT, Load(kind="static", concurrency=8, input_tokens=100, output_tokens=11), TERMS)
    total = STEP_TIME.prefill_s(100, 8) + 10 * STEP_TIME.step_s(8, 8 * 105.5)
    assert found.output_tok_s == pytest.approx(88 / total) and found.ttft_ms.mean == pytest.approx(
        1e3 * STEP_TIME.prefill_s(100, 8)
    )


def test_a_rate_that_is_served_comes_out_as_it_went_in() -> None:
    found = predict(DEPLOYMENT, Load(kind="open", rate=5.0, input_tokens=500, output_tokens=100), TERMS)
    assert found.req_per_s == pytest.approx(5.0, rel=0.01) and not found.saturated
    assert found.output_tok_s == pytest.approx(500, rel=0.01)


def test_a_test_of_so_many_requests_ends_with_its_last_answer() -> None:
    load = Load(kind="open", rate=16.0, input_tokens=467, output_tokens=256, requests=500)
    assert predict(DEPLOYMENT, load, TERMS).req_per_s == pytest.approx(15, abs=0.5)  # TensorRT-LLM's table prints 15


def test_more_than_it_serves_saturates() -> None:
    found = predict(DEPLOYMENT, Load(kind="open", rate=500.0, input_tokens=500, output_tokens=100), TERMS)
    assert found.saturated and found.req_per_s < 250


def test_throughput_grows_with_clients_and_time_per_token_too() -> None:
    loads = [Load(kind="closed", concurrency=n, input_tokens=500, output_tokens=100) for n in (1, 4, 16, 64)]
    found = [predict(DEPLOYMENT, load, TERMS) for load in loads]
    assert [p.output_tok_s for p in found] == sorted(p.output_tok_s for p in found)
    assert [p.tpot_ms.mean for p in found] == sorted(p.tpot_ms.mean for p in found)


def test_a_trace_is_replayed() -> None:
    trace = tuple(RequestArrival(at, 200, 50) for at in (0.0, 0.1, 5.0))
    found = predict(DEPLOYMENT, Load(kind="open", input_tokens=200, output_tokens=50, arrivals=trace), TERMS)
    assert found.req_per_s == pytest.approx(3 / 5.3, rel=0.1)


def test_what_does_not_fit_says_by_how_much() -> None:
    big = build_deployment(
        find_model("llama-3.1-70b").model, find_accelerator("h100"), find_precision("bf16"), ENGINES["vllm"]
    )
    assert not estimate_memory(big).fits
    with pytest.raises(DoesNotFit, match=r"need 13\d\.\d GiB of 71\.3 usable"):
        predict(big, Load(kind="open", rate=1.0, input_tokens=9, output_tokens=9), TERMS)


@pytest.mark.parametrize(("name", "value"), [("rate", 0.0), ("rate", -1.0), ("rate", math.nan), ("input_tokens", 0)])
def test_impossible_loads_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name.replace('_', ' ')}: {value}"):
        Load(**{"kind": "open", "rate": 1.0, "input_tokens": 9, "output_tokens": 9, name: value})  # type: ignore[arg-type]
