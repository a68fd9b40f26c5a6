"""The scheduler against hand calculation and a simulation that takes every step by itself."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.simulate import (
    BatchLimits,
    RequestArrival,
    SimulationResult,
    draw_poisson_arrivals,
    read_trace,
    simulate_closed_loop,
    simulate_open_loop,
)
from steward.capacity.sizing import build_deployment
from steward.capacity.step_time import StepTime, load_shipped_terms
from steward.core.errors import InputError

STEP_TIME = StepTime(
    build_deployment(
        find_model("llama-3.1-8b").model, find_accelerator("h100"), find_precision("bf16"), ENGINES["vllm"]
    ),
    load_shipped_terms(),
)
WIDE = BatchLimits(kv_tokens=10**6, max_num_seqs=256, max_batched_tokens=8192, full=False)


def test_one_request_alone() -> None:
    (found,) = simulate_open_loop(STEP_TIME, WIDE, [RequestArrival(1.0, 1000, 101)]).served
    assert found.ttft_s == pytest.approx(STEP_TIME.prefill_s(1000) + STEP_TIME.api_s)
    assert found.tpot_s == pytest.approx(STEP_TIME.step_s(1, 1051), rel=0.01)


def test_steps_taken_together_are_the_steps_taken_one_by_one() -> None:
    """An independent, naive scheduler without preemption: one step at a time."""
    asked = draw_poisson_arrivals(12.0, 60, 700, 80, random.Random(3), spread=0.4)
    ready, free = {}, 0.0  # when the front, one process, has tokenised each
    for item in asked:
        free = max(item.at, free) + STEP_TIME.api_s
        ready[id(item)] = free
    fast = sorted(simulate_open_loop(STEP_TIME, WIDE, asked).served, key=lambda item: item.at)
    now, waiting, last = 0.0, list(asked), {}
    running: list[Any] = []
    first: dict[int, float] = {}
    while waiting or running:
        arrived = [item for item in waiting if ready[id(item)] <= now]
        if not arrived and not running:
            now = ready[id(waiting[0])]
            continue
        waiting = waiting[len(arrived) :]
        new: list[Any] = [[item, 0] for item in arrived]
        context = sum(item.input_tokens + written for item, written in running)
        pairs = sum(item.input_tokens**2 / 2 for item in arrived)
        now += STEP_TIME.step_s(len(running), context, sum(item.input_tokens for item in arrived), pairs, len(arrived))
        running += new
        for entry in running:
            entry[1] += 1
            first.setdefault(id(entry[0]), now)
        last.update({id(item): now for item, written in running if written >= item.output_tokens})
        running = [entry for entry in running if entry[1] < entry[0].output_tokens]
    slow = [first[id(item)] - item.at for item in asked]
    assert [item.ttft_s for item in fast] == pytest.approx(slow, rel=0.05, abs=1e-3)
    assert [item.end for item in fast] == pytest.approx([last[id(item)] for item in asked], rel=0.01)


def test_p06_a_thousand_requests_at_once_pass_one_process_first() -> None:
    """Qwen3-0.6B, 500 requests of 512 + 128 tokens at once on an H100 with vLLM 0.19: 94.9 a second, mean time to the
    first token 2.9 s (ovg-project/kvcached, pull request 331): 10.5 ms each, however fast the accelerator."""
    deployment = build_deployment(
        find_model("qwen3-0.6b").model, find_accelerator("h100"), find_precision("bf16"), ENGINES["vllm"]
    )
    fast = StepTime(deployment, msgspec.structs.replace(load_shipped_terms(), request_ms=10.0))
    served = simulate_open_loop(fast, WIDE, [RequestArrival(0.0, 512, 128)] * 500).served
    assert 500 / max(item.end for item in served) == pytest.approx(94.9, rel=0.1)
    assert sum(item.ttft_s for item in served) / 500 == pytest.approx(2.9, rel=0.2)


def test_a_closed_loop_keeps_its_clients_busy() -> None:
    found = simulate_closed_loop(STEP_TIME, WIDE, 16, 500, 200, 6, random.Random(1))
    assert len(found.served) == 16 * 6 and found.complete
    for at in (0.4, 0.5, 0.6):
        moment = at * max(item.end for item in found.served)
        assert sum(item.at <= moment < item.end for item in found.served) == 16


def test_a_full_cache_makes_the_newest_give_way_and_all_are_served() -> None:
    tight = BatchLimits(kv_tokens=2_000, max_num_seqs=256, max_batched_tokens=8192, full=False)
    found = simulate_open_loop(STEP_TIME, tight, [RequestArrival(0.0, 300, 400)] * 8)
    assert found.preempted > 0 and found.complete and len(found.served) == 8
    assert sum(item.output_tokens for item in found.served) == 8 * 400


def test_reserving_the_whole_length_never_preempts() -> None:
    tight = BatchLimits(kv_tokens=2_000, max_num_seqs=256, max_batched_tokens=8192, full=True)
    found = simulate_open_loop(STEP_TIME, tight, [RequestArrival(0.0, 300, 400)] * 8)
    assert found.preempted == 0 and found.peak_running == 2 and len(found.served) == 8


def test_what_can_never_fit_is_refused() -> None:
    found = simulate_open_loop(STEP_TIME, BatchLimits(100, 8, 8192, False), [RequestArrival(0.0, 300, 400)])
    assert found.refused == 1 and not found.served


def test_a_trace_is_read_in_its_order_from_its_first_request(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(
        '{"at": 7, "input_tokens": 5, "output_tokens": 6}\n{"at": 4, "input_tokens": 1, "output_tokens": 2}\n'
    )
    assert read_trace(path) == (RequestArrival(0.0, 1, 2), RequestArrival(3.0, 5, 6))
    path.write_text('{"at": 7, "input_tokens": 0, "output_tokens": 6}\n')
    with pytest.raises(InputError, match=r"trace\.jsonl:1: a length below 1"):
        read_trace(path)


def test_arrivals_have_the_rate_that_was_asked_for_and_poissons_dispersion() -> None:
    times = [item.at for item in draw_poisson_arrivals(50.0, 20_000, 1, 1, random.Random(7))]
    assert len(times) / times[-1] == pytest.approx(50.0)
    counts = [0] * int(times[-1] + 1)
    for at in times:
        counts[int(at)] += 1
    whole = counts[:-1]
    mean = sum(whole) / len(whole)
    assert sum((n - mean) ** 2 for n in whole) / len(whole) / mean == pytest.approx(1.0, abs=0.2)


def test_a_prompt_is_read_in_pieces_of_the_step_budget() -> None:
    """2500 tokens at 1000 a step take three steps; a second request's prompt begins in what is left of the third."""
    tight = BatchLimits(kv_tokens=10**6, max_num_seqs=8, max_batched_tokens=1000, full=False)
    first, second = sorted(
        simulate_open_loop(STEP_TIME, tight, [RequestArrival(0.0, 2500, 2), RequestArrival(0.0, 400, 2)]).served,
        key=lambda item: -item.ttft_s,
    )
    assert second.ttft_s <= first.ttft_s
    pieces = [STEP_TIME.step_s(0, 0, 1000, STEP_TIME.count_pairs(start, 1000), 0) for start in (0, 1000)]
    last = STEP_TIME.step_s(0, 0, 500, STEP_TIME.count_pairs(2000, 500), 1)
    alone = simulate_open_loop(STEP_TIME, tight, [RequestArrival(0.0, 2500, 2)]).served[0]
    assert alone.ttft_s == pytest.approx(STEP_TIME.api_s + sum(pieces) + last)


def test_no_more_sequences_at_once_than_slots() -> None:
    few = BatchLimits(kv_tokens=10**6, max_num_seqs=3, max_batched_tokens=8192, full=False)
    found = simulate_open_loop(STEP_TIME, few, [RequestArrival(0.0, 100, 50)] * 10)
    assert found.peak_running == 3 and len(found.served) == 10 and found.complete and found.refused == 0


def test_one_token_answers_end_with_their_prompt() -> None:
    (found,) = simulate_open_loop(STEP_TIME, WIDE, [RequestArrival(2.0, 300, 1)]).served
    assert found.tpot_s == 0.0 and found.end == pytest.approx(2.0 + found.ttft_s)


def test_a_closed_loop_sends_each_client_so_many_times() -> None:
    found = simulate_closed_loop(STEP_TIME, WIDE, 4, 100, 20, 3, random.Random(1))
    assert len(found.served) == 12
    starts = sorted(item.at for item in found.served)[:4]
    assert starts[0] >= 0.0 and starts[-1] <= 20 * STEP_TIME.step_s(4, 4 * 110)  # within one answer's time


def test_lengths_spread_around_their_mean() -> None:
    drawn = draw_poisson_arrivals(50.0, 20_000, 1000, 200, random.Random(5), spread=0.5)
    lengths = [item.input_tokens for item in drawn]
    mean = sum(lengths) / len(lengths)
    deviation = (sum((n - mean) ** 2 for n in lengths) / len(lengths)) ** 0.5
    assert mean == pytest.approx(1000, rel=0.02) and deviation / mean == pytest.approx(0.5, rel=0.05)


class Steps:
    """Steps of known length: `each` seconds, and `context` for each token in the contexts of decoding sequences."""

    api_s = 0.0

    def __init__(self, each: float = 1.0, context: float = 0.0) -> None:
        self.each, self.context = each, context

    def step_s(
        self, decode: float, context: float, prefill: float = 0.0, pairs: float = 0.0, prompts: float = 0.0
    ) -> float:
        return self.each + self.context * context

    def count_pairs(self, start: float, count: float) -> float:
        return 0.0


def ran(
    *asked: tuple[float, int, int], steps: Steps | None = None, kv: int = 10**6, seqs: int = 9, tokens: int = 10**6,
    full: bool = False,
) -> SimulationResult:  # fmt: skip
    """Of (at, input, output) requests."""
    room = BatchLimits(kv_tokens=kv, max_num_seqs=seqs, max_batched_tokens=tokens, full=full)
    arrivals = [RequestArrival(*each) for each in asked]
    return simulate_open_loop(steps or Steps(), room, arrivals)  # type: ignore[arg-type]


def ends(found: SimulationResult) -> list[float]:
    return [item.end for item in sorted(found.served, key=lambda item: (item.at, item.end))]


def test_an_answer_takes_a_step_for_each_token() -> None:
    (alone,) = ran((2.0, 5, 4)).served
    assert (alone.ttft_s, alone.tpot_s, alone.end, alone.output_tokens) == (1.0, 1.0, 6.0, 4)


def test_contexts_grow_by_a_token_a_step() -> None:
    """A prompt of 10 decodes at contexts of 11, 12 and 13; beside one of 20 whose answer is two tokens longer:
    32, 34 and 36 together, then 24 and 25 alone."""
    steps = Steps(each=0.0, context=1.0)
    assert ends(ran((0.0, 10, 4), steps=steps)) == [36.0]
    assert ends(ran((0.0, 10, 4), (0.0, 20, 6), steps=steps)) == [102.0, 151.0]


@pytest.mark.parametrize(("kv", "refused"), [(10, 0), (9, 1)])
def test_a_request_that_fills_the_cache_is_served_and_a_longer_one_refused(kv: int, refused: int) -> None:
    for full in (True, False):
        assert ran((0.0, 4, 6), kv=kv, full=full).refused == refused


@pytest.mark.parametrize(
    ("kv", "full", "running"),
    [(10, True, 2), (9, True, 1), (7, False, 2), (6, False, 1)],  # 3 + 2 each, or a prompt of 3 and 3 + 1
)
def test_a_second_request_starts_where_its_room_is_just_there(kv: int, full: bool, running: int) -> None:
    assert ran((0.0, 3, 2), (0.0, 3, 2), kv=kv, full=full).peak_running == running


def test_prompts_get_what_decoding_leaves_of_a_steps_tokens_and_one_at_least() -> None:
    """Of four tokens the first step gives one to a prompt of 1 and three to one of 7; the second 3, the third 1."""
    first, second = sorted(ran((0.0, 1, 9), (0.0, 7, 2), tokens=4).served, key=lambda item: item.ttft_s)
    assert (first.ttft_s, second.ttft_s) == (1.0, 3.0)
    first, second = sorted(ran((0.0, 1, 9), (0.0, 2, 2), tokens=1).served, key=lambda item: item.ttft_s)
    assert (first.ttft_s, second.ttft_s) == (1.0, 3.0)


def test_a_request_that_arrives_in_a_step_starts_after_it() -> None:
    """Steps of 2 s: it arrives at 5 and is read from 6 to 8."""
    found = sorted(ran((0.0, 1, 10), (5.0, 1, 1), steps=Steps(each=2.0)).served, key=lambda item: item.at)
    assert (found[1].ttft_s, found[0].end) == (3.0, 20.0)


@pytest.mark.parametrize(
    ("kv", "output", "first", "second"),
    [  # two prompts of 5, written together until the cache is full, then one alone, then the other, read again
        (20, 10, 10.0, 15.0), (14, 9, 9.0, 16.0),
    ],
)  # fmt: skip
def test_a_full_cache_makes_the_newest_give_way_by_hand(kv: int, output: int, first: float, second: float) -> None:
    found = ran((0.0, 5, output), (0.0, 5, output), kv=kv)
    assert ends(found) == [first, second] and found.preempted == 1 and found.peak_running == 2 and found.complete
    late = max(found.served, key=lambda item: item.end)
    assert late.ttft_s == 1.0 and late.tpot_s == pytest.approx((second - 1.0) / (output - 1))


def test_what_gave_way_leaves_the_cache_with_all_that_it_had() -> None:
    """Both decode once at 6 + 6 tokens. Then the second leaves with its 7; the first goes on alone at 7 to 13 tokens,
    12 + 70 s in all. The second is read again, and goes on at 8 to 13: 63 s more."""
    found = ran((0.0, 5, 9), (0.0, 5, 9), kv=14, steps=Steps(each=0.0, context=1.0))
    assert ends(found) == [82.0, 145.0] and found.preempted == 1


def test_clients_start_at_random_within_one_answers_time() -> None:
    """Of four steps at a context of two half-written requests: 4 x 2 x (10 + 4/2) = 96 s."""
    found = simulate_closed_loop(Steps(each=0.0, context=1.0), WIDE, 2, 10, 4, 1, random.Random(1))  # type: ignore[arg-type]
    draw = random.Random(1)
    assert sorted(item.at for item in found.served) == sorted(draw.random() * 96 for _ in range(2))


def test_what_the_event_limit_cuts_off_is_not_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (1, 2, 3):
        monkeypatch.setattr("steward.capacity.simulate.EVENT_LIMIT", limit)
        assert not ran((0.0, 5, 4), (0.0, 5, 9), (0.0, 5, 9), seqs=2).complete
        assert not ran((0.0, 5, 4), (9.0, 5, 4)).complete
    monkeypatch.setattr("steward.capacity.simulate.EVENT_LIMIT", 9)
    assert ran((0.0, 5, 4), (9.0, 5, 4)).complete


def test_lengths_are_one_token_at_least() -> None:
    for spread in (0.0, 0.9):
        drawn = draw_poisson_arrivals(1.0, 500, 0.4, 1.0, random.Random(3), spread=spread)
        assert min(item.input_tokens for item in drawn) == min(item.output_tokens for item in drawn) == 1
