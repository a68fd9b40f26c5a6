"""The decision: cheapest that holds, declined with reasons, contradictions named."""

import msgspec
import pytest

from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.memory import estimate_memory
from steward.capacity.predict import Load, predict
from steward.capacity.sizing import (
    Candidate,
    Requirements,
    SizingResult,
    _total_cost,
    build_deployment,
    meets_objectives,
    size_hardware,
)
from steward.capacity.step_time import load_shipped_terms
from steward.core.errors import InputError

TERMS = load_shipped_terms()


def wanted(**more: float) -> Requirements:
    return Requirements(**{"rate": 10.0, "input_tokens": 1024, "output_tokens": 256, "tpot_p95_ms": 50.0, **more})  # type: ignore[arg-type]


def decided(
    asked: Requirements, *gpus: str, model: str = "llama-3.1-8b", prices: dict[str, float] | None = None
) -> SizingResult:
    listed = [find_accelerator(name) for name in gpus or ("h100", "a100", "l40s")]
    kinds = [find_precision("bf16")]
    return size_hardware(
        asked, find_model(model).model, listed, kinds, ENGINES["vllm"], lambda _: (TERMS, False), prices or {}
    )


def test_the_cheapest_by_the_users_prices_comes_first() -> None:
    dear = decided(wanted(), prices={"H100-SXM-80GB": 9.0, "A100-SXM-80GB": 1.0, "L40S": 9.0})
    cheap = decided(wanted(), prices={"H100-SXM-80GB": 0.1, "A100-SXM-80GB": 1.0, "L40S": 9.0})
    assert dear.choices[0].gpu == "A100-SXM-80GB" and cheap.choices[0].gpu == "H100-SXM-80GB"
    best = cheap.choices[0]
    assert best.usd_per_hour == pytest.approx(0.1 * best.gpus)
    assert best.usd_per_1k_requests == pytest.approx(best.usd_per_hour / 36)  # 36,000 requests an hour


def test_what_is_chosen_holds_the_objectives_with_the_headroom_asked_for() -> None:
    asked = wanted(rate=40.0, ttft_p95_ms=500.0)
    best = decided(asked, "h100").choices[0]
    assert best.headroom >= asked.headroom and best.max_rate >= 40
    deployment = build_deployment(
        find_model("llama-3.1-8b").model,
        find_accelerator("h100"),
        find_precision("bf16"),
        ENGINES["vllm"],
        best.tp,
        best.pp,
    )
    load = Load(kind="open", rate=40 / best.replicas, input_tokens=1024, output_tokens=256, spread=0.5, requests=300)
    assert meets_objectives(predict(deployment, load, TERMS), asked)


def test_ten_times_the_traffic_takes_about_ten_times_the_replicas() -> None:
    one, ten = (decided(wanted(rate=rate, most_gpus=1000), "l40s").choices[0].gpus for rate in (20.0, 200.0))
    assert 8 <= ten / one <= 12


@pytest.mark.parametrize(
    ("model", "more", "said"),
    [
        ("llama-3.1-405b", {}, "does not fit"), ("llama-3.1-8b", {"tpot_p95_ms": 0.5}, "time per token too long"),
        ("llama-3.1-8b", {"ttft_p95_ms": 5.0}, "time to first token too long"),
        ("llama-3.1-8b", {"rate": 1e5}, "too many accelerators"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_declined_with_its_reason(model: str, more: dict[str, float], said: str) -> None:
    found = decided(wanted(**more), "l4", model=model)
    assert not found.choices and said in found.declined["L4 bf16"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"rate": 0.0}, "--rate 0"), ({"rate": float("nan")}, "--rate nan"), ({"input_tokens": 0}, "--input 0"),
        ({"output_tokens": -3}, "--output -3"), ({"ttft_p95_ms": -1.0}, "--ttft-p95 -1"),
        ({"headroom": 1.0}, "--headroom 1"),
        ({"ttft_p95_ms": 2000.0, "e2e_p95_ms": 1000.0}, "contradiction"), ({"e2e_p95_ms": 1000.0}, "contradiction"),
    ],
)  # fmt: skip
def test_impossible_wishes_are_input_errors(more: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        wanted(**more)


def test_p08_accelerators_differ_in_what_they_serve() -> None:
    """Throughput is bounded by what a full batch allows, which no two of these share."""
    found = decided(wanted(rate=5.0), "h100", "h200", "b200", "gb200", "mi300x", "gh200")
    rates = [choice.max_rate for choice in found.choices]
    assert len(rates) == 6 and len({round(rate, 2) for rate in rates}) == 6
    by_name = {choice.gpu: choice.max_rate for choice in found.choices}
    assert by_name["B200-SXM"] > by_name["H200-SXM-141GB"] > by_name["H100-SXM-80GB"]


def test_p08_options_within_the_price_tolerance_rank_by_their_size() -> None:
    prices = {"H100-SXM-80GB": 1.2, "L40S": 0.25}
    listed = [find_accelerator(name) for name in ("h100", "l40s")]
    arguments = (wanted(rate=12.0), find_model("llama-3.1-8b").model, listed, [find_precision("bf16")], ENGINES["vllm"])
    strict = size_hardware(*arguments, lambda _: (TERMS, False), prices)
    loose = size_hardware(*arguments, lambda _: (TERMS, False), prices, price_tolerance=1.0)
    assert strict.choices[0].gpu == "L40S" and strict.choices[0].gpus > 1
    assert loose.choices[0].gpu == "H100-SXM-80GB" and loose.choices[0].gpus == 1


def test_a_part_of_a_divided_gpu_serves_alone() -> None:
    found = decided(wanted(rate=2.0), "A100 MIG 3g.40gb")
    assert found.considered == 1 and found.choices[0].tp == 1


def test_lengths_beyond_the_model_are_an_input_error() -> None:
    with pytest.raises(InputError, match="reads at most 4,096"):
        decided(wanted(input_tokens=4000), model="llama-2-7b")


def test_a_search_tries_the_degrees_that_divide_the_heads() -> None:
    """Llama-3.1-8B has 32 heads: 1, 2, 4, 8, and on 8 also 2 and 4 stages."""
    assert decided(wanted(), "h100").considered == 6
    assert decided(wanted(), "h100", "l40s").considered == 12


def test_prices_and_objectives_by_hand() -> None:
    found = decided(wanted(rate=2.0), "h100", prices={"H100-SXM-80GB": 3.6}).choices[0]
    assert found.usd_per_hour == pytest.approx(3.6 * found.gpus)
    assert found.usd_per_1k_requests == pytest.approx(3.6 * found.gpus / 7.2)  # 7,200 requests an hour
    assert found.headroom == pytest.approx(1 - 2.0 / found.max_rate)


def test_an_objective_equal_to_what_is_predicted_is_met() -> None:
    deployment = build_deployment(
        find_model("llama-3.1-8b").model, find_accelerator("h100"), find_precision("bf16"), ENGINES["vllm"]
    )
    found = predict(deployment, Load(kind="open", rate=2.0, input_tokens=500, output_tokens=50), TERMS)
    limits = {"ttft_p95_ms": found.ttft_ms.p95, "tpot_p95_ms": found.tpot_ms.p95, "e2e_p95_ms": found.e2e_ms.p95}
    lengths = {"rate": 2.0, "input_tokens": 500, "output_tokens": 50}
    assert meets_objectives(found, wanted(**lengths, **limits))
    for name, value in limits.items():
        assert not meets_objectives(found, wanted(**lengths, **limits | {name: value * 0.999})), name


def test_the_closed_forms_rate_bounds_what_a_replica_serves() -> None:
    """A front of 10 ms a request lets no more than 100 a second through, however small the model."""
    slow = msgspec.structs.replace(TERMS, request_ms=10.0)
    found = size_hardware(
        wanted(rate=5.0, input_tokens=16, output_tokens=4, tpot_p95_ms=500.0), find_model("smollm2-135m").model,
        [find_accelerator("h100")], [find_precision("bf16")], ENGINES["vllm"], lambda _: (slow, False), {}, tp=1,
    )  # fmt: skip
    assert 5.0 < found.choices[0].max_rate <= 100.0


def test_a_fifth_more_replicas_keep_a_fifth_free() -> None:
    busy, free = (decided(wanted(rate=60.0, headroom=share), "l40s").choices[0] for share in (0.0, 0.5))
    assert free.replicas == pytest.approx(2 * busy.replicas, abs=1.5) and free.headroom >= 0.5


def test_candidates_are_first_compared_at_85_percent_of_their_closed_form() -> None:
    """10 a second at most and 6.8 asked with a fifth kept free: 6.8 / (10 x 0.85 x 0.8) is one replica, 6.9 two."""
    deployment = build_deployment(
        find_model("llama-3.1-8b").model, find_accelerator("h100"), find_precision("bf16"), ENGINES["vllm"]
    )
    candidate = Candidate(
        deployment=deployment, memory=estimate_memory(deployment), terms=TERMS, calibrated=False, rate=10.0,
        per_hour=3.0,
    )  # fmt: skip
    assert [_total_cost(candidate, wanted(rate=rate)) for rate in (6.79, 6.9)] == [3.0, 6.0]
