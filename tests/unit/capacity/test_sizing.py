"""The decision: cheapest that holds, declined with reasons, contradictions named."""

import math
from typing import Any

import msgspec
import pytest

from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.memory import Deployment, estimate_memory
from steward.capacity.predict import (
    Load,
    compute_kv_capacity,
    compute_steady_batch,
    compute_steady_step_s,
    predict,
)
from steward.capacity.sizing import (
    Candidate,
    Requirements,
    SizingResult,
    _find_max_rate,
    _judge_candidate,
    _list_degrees,
    _size_candidate,
    _total_cost,
    build_deployment,
    meets_objectives,
    size_hardware,
)
from steward.capacity.step_time import StepTime, Terms, load_shipped_terms
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


def test_the_least_wishes_that_are_possible() -> None:
    least = wanted(rate=1e-9, input_tokens=1, output_tokens=1, headroom=0.0, tpot_p95_ms=1e-9)
    assert least.headroom == 0.0
    for bad in ({"rate": float("inf")}, {"headroom": -0.01}, {"tpot_p95_ms": 0.0}, {"output_tokens": 0}):
        with pytest.raises(InputError):
            wanted(**bad)


def test_an_answer_may_end_when_it_begins_and_takes_a_third_of_its_tokens_time_at_least() -> None:
    """Ten further tokens of 30 ms and a first one of 3 are 303 ms: three times 101."""
    assert wanted(ttft_p95_ms=100.0, e2e_p95_ms=100.0, tpot_p95_ms=None).e2e_p95_ms == 100.0
    assert wanted(output_tokens=11, tpot_p95_ms=30.0, ttft_p95_ms=3.0, e2e_p95_ms=101.0).output_tokens == 11
    with pytest.raises(InputError, match=r"leaves 9\.17 ms a token for 11 tokens"):  # 100.9 / 11
        wanted(output_tokens=11, tpot_p95_ms=30.0, ttft_p95_ms=3.0, e2e_p95_ms=100.9)
    assert wanted(output_tokens=11, tpot_p95_ms=30.0, e2e_p95_ms=100.0).ttft_p95_ms is None
    with pytest.raises(InputError, match="contradiction"):
        wanted(output_tokens=11, tpot_p95_ms=30.0, e2e_p95_ms=99.9)


def h100(model: str = "llama-3.1-8b", tp: int = 1, tdp_w: float | None = 700.0) -> Deployment:
    gpu = msgspec.structs.replace(find_accelerator("h100"), tdp_w=tdp_w)
    return build_deployment(find_model(model).model, gpu, find_precision("bf16"), ENGINES["vllm"], tp)


def candidate(rate: float, per_hour: float | None = None, **deployment: Any) -> Candidate:
    built = h100(**deployment)
    memory = estimate_memory(built)
    return Candidate(deployment=built, memory=memory, terms=TERMS, calibrated=False, rate=rate, per_hour=per_hour)


def test_candidates_cost_money_else_accelerators_else_watts() -> None:
    assert candidate(10.0, 3.0, tp=2).cost == (0.6, 0.2, 140.0)
    assert candidate(10.0, None, tp=2, tdp_w=None).cost == (math.inf, 0.2, 100.0)  # 500 W where nothing is known


def test_accelerators_without_a_price_come_after_all_that_have_one() -> None:
    assert _total_cost(candidate(10.0, None, tp=2), wanted(rate=6.9)) == 2 * 2 * 1000.0


@pytest.mark.parametrize(
    ("heads", "layers", "tp", "pp", "degrees"),
    [
        (8, 2, None, None, [(1, 1), (2, 1), (4, 1), (8, 1), (8, 2)]), (14, 9, None, None, [(1, 1), (2, 1)]),
        (8, 1, None, None, [(1, 1), (2, 1), (4, 1), (8, 1)]), (8, 4, 3, None, [(3, 1)]),
        (2, 4, None, 3, [(1, 3), (2, 3)]), (8, 4, 8, None, [(8, 1), (8, 2), (8, 4)]),
    ],
)  # fmt: skip
def test_degrees_divide_the_heads_and_stages_share_the_layers(
    heads: int, layers: int, tp: int | None, pp: int | None, degrees: list[tuple[int, int]]
) -> None:
    model = msgspec.structs.replace(find_model("llama-3.1-8b").model, heads=heads, layers=layers)
    assert _list_degrees(model, find_accelerator("h100"), tp, pp) == degrees


@pytest.mark.parametrize(
    ("precision", "engine", "kv_bytes"),
    [("fp8", "tensorrt-llm", 1.0), ("fp8", "vllm", 2.0), ("fp4", "vllm", 1.0), ("bf16", "tensorrt-llm", 2.0)],
)
def test_a_cache_is_in_8_bit_where_format_or_engine_make_it(precision: str, engine: str, kv_bytes: float) -> None:
    model, gpu, kind = find_model("llama-3.1-8b").model, find_accelerator("h100"), find_precision(precision)
    assert build_deployment(model, gpu, kind, ENGINES[engine]).kv_bytes == kv_bytes
    own = build_deployment(
        model, gpu, kind, ENGINES[engine], kv_bytes=0.5, max_num_seqs=3, max_batched_tokens=9, utilisation=0.7
    )
    assert (own.kv_bytes, own.max_num_seqs, own.max_batched_tokens, own.utilisation) == (0.5, 3, 9, 0.7)


def judged(asked: Requirements, terms: Terms = TERMS) -> Candidate | str:
    return _judge_candidate(h100(), asked, lambda _: (terms, False), None)


QUICK = msgspec.structs.replace(TERMS, request_ms=1e-6)  # the front bounds nothing


def steady(asked: Requirements) -> tuple[StepTime, Load, float]:
    """Step times, the load, and the batch that the replica's room allows."""
    load = Load(kind="offline", input_tokens=asked.input_tokens, output_tokens=asked.output_tokens)
    room = compute_kv_capacity(h100(), estimate_memory(h100()), load)
    return StepTime(h100(), QUICK), load, compute_steady_batch(h100(), load, room)


def test_without_objectives_a_replica_serves_its_largest_batch() -> None:
    asked = wanted(tpot_p95_ms=None)
    times, load, top = steady(asked)
    found = judged(asked, QUICK)
    assert isinstance(found, Candidate)
    assert found.rate == pytest.approx(top / (256 * compute_steady_step_s(times, top, load)))


@pytest.mark.parametrize("limits", [{"tpot_p95_ms": 11.0}, {"tpot_p95_ms": None, "e2e_p95_ms": 256 * 11.0}])
def test_an_objective_bounds_the_batch_where_its_mean_step_is_a_tenth_below(limits: dict[str, Any]) -> None:
    """11 ms at the 95th percentile are 10 on average; of an answer's time, its first token's is taken off."""
    asked = wanted(**limits)
    times, load, top = steady(asked)
    alone = times.prefill_s(1024) + times.api_s if "e2e_p95_ms" in limits else 0.0
    step = (0.011 - alone / 256) / 1.1
    found = judged(asked, QUICK)
    assert isinstance(found, Candidate)
    batch = found.rate * 256 * step
    assert compute_steady_step_s(times, batch, load) == pytest.approx(step, rel=1e-3) and batch < top


def test_a_first_token_that_takes_the_limit_alone_is_possible() -> None:
    times = StepTime(h100(), TERMS)
    alone = 1e3 * (times.prefill_s(1024) + times.api_s)
    assert isinstance(judged(wanted(ttft_p95_ms=alone)), Candidate)
    assert "time to first token too long" in str(judged(wanted(ttft_p95_ms=alone * 0.999)))


def test_an_answer_shorter_than_its_first_token_is_impossible() -> None:
    assert "time per token too long" in str(judged(wanted(tpot_p95_ms=None, e2e_p95_ms=1.0)))


def test_a_limit_on_accelerators_is_kept_to_the_last_one() -> None:
    """At 10 a second by the closed form, 18 asked with a tenth kept free are two replicas of two."""
    enough = _size_candidate(candidate(10.0, 2.0, tp=2), wanted(rate=18.0, headroom=0.1, most_gpus=4))
    assert not isinstance(enough, str) and (enough.replicas, enough.gpus, enough.usd_per_hour) == (2, 4, 8.0)
    assert enough.max_rate >= 20 and enough.usd_per_1k_requests == pytest.approx(8 / 64.8)
    few = _size_candidate(candidate(10.0, tp=2), wanted(rate=18.0, headroom=0.1, most_gpus=3))
    assert few == "too many accelerators: 4 needed, --most-gpus allows 3"


def test_replicas_are_added_until_the_percentiles_hold() -> None:
    """A closed form that promises 1,000 a second is not believed: one replica does not hold 40."""
    found = _size_candidate(candidate(1000.0), wanted(rate=40.0, tpot_p95_ms=12.0))
    assert not isinstance(found, str) and found.replicas > 1 and found.prediction.tpot_ms.p95 <= 12.0
    few = _size_candidate(candidate(1000.0), wanted(rate=40.0, tpot_p95_ms=12.0, most_gpus=found.replicas - 1))
    assert few == (
        f"too many accelerators: more than {found.replicas - 1} needed for these percentiles, "
        f"--most-gpus allows {found.replicas - 1}"
    )


def test_the_highest_rate_is_found_to_five_percent() -> None:
    asked = wanted(tpot_p95_ms=12.0)
    item = candidate(1000.0)
    best = _find_max_rate(item, asked, 1.0)

    def holds(rate: float) -> bool:
        load = Load(kind="open", rate=rate, input_tokens=1024, output_tokens=256, spread=0.5, requests=300)
        return meets_objectives(predict(item.deployment, load, TERMS), asked)

    assert holds(best) and not holds(best * 1.05)
    assert _find_max_rate(candidate(2.0), asked, 1.0) == 2.0  # the closed form's rate, where it holds
    assert _find_max_rate(candidate(0.5), asked, 1.0) == 1.0


def test_p08_an_option_at_the_price_tolerance_is_within_it() -> None:
    """Twice the price of the cheapest is within a tolerance of 1, and takes fewer accelerators."""
    few = decided(wanted(rate=12.0), "l40s", prices={"L40S": 1.0}).choices[0]
    prices = {"H100-SXM-80GB": 2.0, "L40S": 1.0 / few.gpus}
    listed = [find_accelerator(name) for name in ("h100", "l40s")]
    arguments = (wanted(rate=12.0), find_model("llama-3.1-8b").model, listed, [find_precision("bf16")], ENGINES["vllm"])
    for tolerance, first in ((1.0, "H100-SXM-80GB"), (0.99, "L40S")):
        found = size_hardware(*arguments, lambda _: (TERMS, False), prices, price_tolerance=tolerance)
        assert found.choices[0].gpu == first, tolerance


def test_lengths_up_to_what_the_model_reads_are_served() -> None:
    assert decided(wanted(rate=1.0, input_tokens=4000, output_tokens=96), model="llama-2-7b").choices


def test_a_part_of_an_accelerator_serves_alone() -> None:
    """NVIDIA MIG User Guide: instances have no peer-to-peer connection."""
    assert _list_degrees(find_model("llama-3.1-8b").model, find_accelerator("h100 1g.10gb"), None, None) == [(1, 1)]


def test_what_is_not_asked_for_is_as_the_options_of_plan_say() -> None:
    """docs/reference/commands.md: `--spread` 0.5, `--headroom` 0.2, `--most-gpus` 64."""
    asked = Requirements(rate=1.0, input_tokens=1, output_tokens=1)
    assert (asked.spread, asked.headroom, asked.most_gpus) == (0.5, 0.2, 64)
