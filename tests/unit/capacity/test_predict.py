"""Loads: closed forms by hand, steady states, and what saturates."""

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.memory import estimate_memory
from steward.capacity.predict import (
    DoesNotFit,
    Load,
    LoadPrediction,
    _is_growing,
    _summarize,
    compute_kv_capacity,
    compute_steady_batch,
    compute_steady_step_s,
    predict,
    read_trace_load,
)
from steward.capacity.simulate import RequestArrival, ServedRequest, SimulationResult
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


@pytest.mark.parametrize("kind", ["closed", "static"])
def test_one_client_and_one_token_are_the_least(kind: Any) -> None:
    assert Load(kind=kind, concurrency=1, input_tokens=1, output_tokens=1).concurrency == 1
    with pytest.raises(InputError, match="concurrency: 0"):
        Load(kind=kind, concurrency=0, input_tokens=1, output_tokens=1)
    with pytest.raises(InputError, match="output tokens: 0"):
        Load(kind=kind, concurrency=1, input_tokens=1, output_tokens=0)


def test_a_batch_of_one_token_answers_is_over_with_its_prompts() -> None:
    found = predict(DEPLOYMENT, Load(kind="static", concurrency=8, input_tokens=100, output_tokens=1), TERMS)
    first = STEP_TIME.prefill_s(100, 8)
    assert (found.tpot_ms.mean, found.e2e_ms.p99) == (0.0, pytest.approx(1e3 * first))
    assert found.req_per_s == found.output_tok_s == pytest.approx(8 / first) and found.running == 8


def test_a_static_batch_ends_after_its_last_step() -> None:
    found = predict(DEPLOYMENT, Load(kind="static", concurrency=8, input_tokens=100, output_tokens=11), TERMS)
    step = STEP_TIME.step_s(8, 8 * 105.5)
    total = STEP_TIME.prefill_s(100, 8) + 10 * step
    assert found.tpot_ms.mean == pytest.approx(1e3 * step) and found.e2e_ms.mean == pytest.approx(1e3 * total)
    assert found.req_per_s == pytest.approx(8 / total) and not found.saturated


class CountedSteps:
    """Step times that show what they were asked for."""

    def step_s(self, *asked: float) -> tuple[float, ...]:
        return asked

    def count_pairs(self, start: float, count: float) -> float:
        return 1000 * start + count * count


def test_a_steady_step_carries_the_prompts_that_replace_what_ends() -> None:
    """Ten sequences of 100 + 20 tokens: each step half a prompt ends, contexts are half written."""
    load = Load(kind="offline", input_tokens=100, output_tokens=20)
    asked = compute_steady_step_s(CountedSteps(), 10.0, load)  # type: ignore[arg-type]
    assert asked == (10.0, 10 * 110, 50, 0.5 * 100 * 100, 0.5)


def test_an_offline_answer_takes_a_step_for_each_token() -> None:
    load = Load(kind="offline", input_tokens=100, output_tokens=20, requests=16)
    found, step = predict(DEPLOYMENT, load, TERMS), compute_steady_step_s(STEP_TIME, 16, load)
    assert found.tpot_ms.mean == pytest.approx(1e3 * step) and found.e2e_ms.mean == pytest.approx(20e3 * step)
    assert (found.output_tok_s, found.req_per_s) == pytest.approx((16 / step, 16 / (20 * step)))
    assert found.ttft_ms.mean == pytest.approx(1e3 * STEP_TIME.prefill_s(100)) and found.saturated


def test_the_token_budget_lets_one_sequence_run_at_least() -> None:
    narrow = msgspec.structs.replace(DEPLOYMENT, max_batched_tokens=10, dp=2, max_num_seqs=3)
    assert compute_steady_batch(narrow, Load(kind="offline", input_tokens=900, output_tokens=9), 10**9) == 1.0
    assert compute_steady_batch(narrow, Load(kind="offline", input_tokens=30, output_tokens=10), 10**9) == 5.0
    assert compute_steady_batch(narrow, Load(kind="offline", input_tokens=1, output_tokens=10), 10**9) == 6.0


def test_replicas_of_attention_have_their_slots_each() -> None:
    two = msgspec.structs.replace(DEPLOYMENT, max_num_seqs=1, dp=2)
    load = Load(kind="closed", concurrency=2, input_tokens=10, output_tokens=50)
    found = predict(two, load, TERMS)
    assert found.ttft_ms.p50 < 10 * found.tpot_ms.p50  # nobody waits for another's answer


def test_a_cache_of_one_request_is_just_enough() -> None:
    load = Load(kind="open", rate=1.0, input_tokens=90, output_tokens=10)
    memory = estimate_memory(DEPLOYMENT)
    assert compute_kv_capacity(DEPLOYMENT, msgspec.structs.replace(memory, kv_tokens=100), load) == 100
    with pytest.raises(DoesNotFit, match="leaves 99 tokens of KV cache, and one request takes 100"):
        compute_kv_capacity(DEPLOYMENT, msgspec.structs.replace(memory, kv_tokens=99), load)


def test_one_round_has_no_cold_start() -> None:
    load = Load(kind="closed", concurrency=8, input_tokens=2000, output_tokens=50)
    assert predict(DEPLOYMENT, load, TERMS) == predict(DEPLOYMENT, msgspec.structs.replace(load, rounds=1), TERMS)


@pytest.mark.parametrize(("clients", "rounds"), [(1, 200), (50, 4), (99, 3), (100, 2), (1000, 2)])
def test_clients_are_simulated_beyond_the_round_in_which_all_begin(
    monkeypatch: pytest.MonkeyPatch, clients: int, rounds: int
) -> None:
    """About 200 requests, and two of each client at least: in the first round they wait for each other's prompts."""
    seen: list[tuple[int, int]] = []

    def note(step_time: Any, room: Any, concurrency: int, into: int, out: int, times: int, *_: Any) -> SimulationResult:
        seen.append((concurrency, times))
        return SimulationResult(SERVED, True, 3, 1, 0)

    monkeypatch.setattr("steward.capacity.predict.simulate_closed_loop", note)
    predict(DEPLOYMENT, Load(kind="closed", concurrency=clients, input_tokens=10, output_tokens=10), TERMS)
    assert seen == [(clients, rounds)]


SERVED = (
    ServedRequest(at=2.0, ttft_s=0.5, tpot_s=0.25, end=4.0, output_tokens=7),
    ServedRequest(at=4.0, ttft_s=1.0, tpot_s=0.0, end=5.0, output_tokens=1),
    ServedRequest(at=6.0, ttft_s=1.5, tpot_s=0.75, end=12.0, output_tokens=12),
)


def summarized(skip: int = 0, *, complete: bool = True, **load: Any) -> LoadPrediction:
    given = Load(**{"kind": "open", "rate": 1.0, "input_tokens": 5, "output_tokens": 10, **load})
    return _summarize(SimulationResult(SERVED, complete, 3, 1, 0), given, skip)


def test_a_steady_state_is_counted_to_its_last_arrival() -> None:
    """Three requests in 6 seconds, 20 tokens; they stay 2, 1 and 6 seconds."""
    found = summarized()
    assert (found.req_per_s, found.output_tok_s, found.running) == pytest.approx((0.5, 20 / 6, 1.5))
    assert found.e2e_ms.mean == 3000 and found.ttft_ms.mean == 1000 and found.preempted == 3 and not found.saturated
    assert found.tpot_ms.mean == 500  # an answer of one token has none


def test_a_test_of_so_many_requests_and_a_trace_last_from_the_first_to_the_end() -> None:
    for load in ({"requests": 3}, {"arrivals": (RequestArrival(0.0, 1, 1),)}):
        assert summarized(**load).req_per_s == pytest.approx(3 / 10)


def test_clients_take_turns_by_littles_law() -> None:
    """Four clients, answers of 3 seconds on average, or 3.5 without the first: 4/3 and 4/3.5 a second."""
    assert summarized(kind="closed", concurrency=4).req_per_s == pytest.approx(4 / 3)
    found = summarized(1, kind="closed", concurrency=4)
    assert found.req_per_s == pytest.approx(4 / 3.5) and found.output_tok_s == pytest.approx(40 / 3.5)
    assert found.running == pytest.approx(4)


def test_what_was_not_served_in_time_is_saturated() -> None:
    assert summarized(complete=False).saturated
    with pytest.raises(DoesNotFit, match="no request"):
        _summarize(SimulationResult((), True, 0, 0, 1), Load(kind="open", rate=1, input_tokens=1, output_tokens=1), 0)


@pytest.mark.parametrize(
    ("early", "late", "growing"),
    [(0.25, 1.0, True), (0.5, 1.0, False), (0.75, 1.625, True), (0.25, 0.75, False), (0.25, 0.8125, True)],
)
def test_waiting_grows_when_it_more_than_doubles_and_by_more_than_half_a_second(
    early: float, late: float, growing: bool
) -> None:
    """By the second and the last quarter; the others do not count. Fewer than twenty requests tell nothing."""

    def served(quarter: int) -> list[ServedRequest]:
        waits = [9.0] * quarter + [early] * quarter + [0.0] * quarter + [late] * quarter
        return [ServedRequest(float(at), wait, 0.1, at + wait, 2) for at, wait in enumerate(waits)]

    assert _is_growing(served(5)) == growing and not _is_growing(served(4))


def test_percentiles_of_a_hundred_times() -> None:
    served = tuple(ServedRequest(0.0, float(wait), 0.0, 200.0, 2) for wait in range(1, 101))
    load = Load(kind="open", rate=1.0, input_tokens=1, output_tokens=2, requests=100)
    found = _summarize(SimulationResult(served, True, 0, 1, 0), load, 0).ttft_ms
    assert (found.mean, found.p50, found.p95, found.p99) == (50_500, 51_000, 96_000, 100_000)
