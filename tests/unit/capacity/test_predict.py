"""Loads: closed forms by hand, steady states, and what saturates."""

import math
from pathlib import Path

import msgspec
import pytest

from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.memory import estimate_memory
from steward.capacity.predict import DoesNotFit, Load, compute_steady_batch, predict, read_trace_load
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


def test_percentiles_are_those_of_the_sorted_times() -> None:
    """Twenty requests far apart: all wait alike, so mean and percentiles agree and nothing saturates."""
    trace = tuple(RequestArrival(10.0 * at, 200, 50) for at in range(20))
    found = predict(DEPLOYMENT, Load(kind="open", input_tokens=200, output_tokens=50, arrivals=trace), TERMS)
    assert found.ttft_ms.p50 == pytest.approx(found.ttft_ms.mean) == pytest.approx(found.ttft_ms.p99)
    assert not found.saturated and found.preempted == 0
    assert found.running == pytest.approx(found.req_per_s * found.e2e_ms.mean / 1e3)


def test_an_offline_batch_is_bounded_by_room_slots_and_tokens_of_a_step() -> None:
    def batch(tokens: int = 10**9, prompt: int = 100, out: int = 100, **limits: int) -> float:
        deployment = msgspec.structs.replace(DEPLOYMENT, **limits)
        load = Load(kind="offline", input_tokens=prompt, output_tokens=out)
        return compute_steady_batch(deployment, load, tokens)

    assert batch(tokens=20_000) == 20_000 / 200  # TensorRT-LLM takes a request's room at its full length
    assert batch(max_num_seqs=64) == 64
    assert batch(max_batched_tokens=1000) == 1000 / 2  # each token written brings one of a prompt
    assert batch(tokens=1) == 1.0
    grown = msgspec.structs.replace(DEPLOYMENT, engine=ENGINES["vllm"])
    load = Load(kind="offline", input_tokens=100, output_tokens=100)
    assert compute_steady_batch(grown, load, 15_000) == 15_000 / 150  # grows: the mean request is half written


def test_an_offline_load_of_few_requests_is_no_larger_than_they() -> None:
    few = predict(DEPLOYMENT, Load(kind="offline", input_tokens=100, output_tokens=100, requests=4), TERMS)
    assert few.running == 4 and few.output_tok_s == pytest.approx(4e3 / few.tpot_ms.mean)


def test_clients_that_start_together_wait_for_each_other_once_in_so_many_rounds() -> None:
    """The mean of one cold round and nine steady ones lies between them."""
    load = Load(kind="closed", concurrency=32, input_tokens=2000, output_tokens=50)
    steady = predict(DEPLOYMENT, load, TERMS).ttft_ms.mean
    cold = predict(DEPLOYMENT, msgspec.structs.replace(load, rounds=10), TERMS).ttft_ms.mean
    half = predict(DEPLOYMENT, msgspec.structs.replace(load, rounds=2), TERMS).ttft_ms.mean
    assert steady < cold < half and half - steady == pytest.approx(5 * (cold - steady), rel=1e-6)


def test_a_trace_as_a_load_has_the_lengths_of_its_longest_request(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"at": 1, "input_tokens": 10, "output_tokens": 5}\n{"at": 2, "input_tokens": 7, "output_tokens": 90}\n'
    )
    load = read_trace_load(path)
    assert (load.input_tokens, load.output_tokens, len(load.arrivals)) == (7, 90, 2)


def test_waiting_that_doubles_and_grows_by_half_a_second_is_saturation() -> None:
    for rate, saturated in ((2.0, False), (400.0, True)):
        load = Load(kind="open", rate=rate, input_tokens=1000, output_tokens=200)
        assert predict(DEPLOYMENT, load, TERMS).saturated == saturated
