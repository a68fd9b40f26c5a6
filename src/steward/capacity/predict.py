"""What a deployment does under a load: throughput, time to first token, time per token, from step times and queues.

Loads are those that measurements come in: a rate (open loop), a number of clients (closed loop), everything at once
(offline), one batch at once (static). Rates and clients go through the simulation; the other two have closed forms.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from steward.capacity.memory import Deployment, Memory, count_kv_tokens, estimate_memory
from steward.capacity.simulate import (
    BatchLimits,
    RequestArrival,
    ServedRequest,
    SimulationResult,
    draw_poisson_arrivals,
    read_trace,
    simulate_closed_loop,
    simulate_open_loop,
)
from steward.capacity.step_time import StepTime, Terms
from steward.core.errors import InputError

Kind = Literal["open", "closed", "offline", "static"]
SEED: Final = 20261125
_SAMPLES: Final = 400  # simulated requests of a load that says no number


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What arrives. `rate`: requests per second (open; infinite: all at once). `concurrency`: clients (closed) or batch
    size (static). `requests`: how many in total; 0 means enough for a steady state."""

    kind: Kind
    input_tokens: int
    output_tokens: int
    rate: float = 0.0
    concurrency: int = 0
    requests: int = 0
    rounds: int = (
        0  # closed: answers per client, the first all asked for at once; 0: a steady state, without a beginning
    )
    spread: float = 0.0  # coefficient of variation of the lengths
    arrivals: tuple[RequestArrival, ...] = ()  # a trace; then rate is not used

    def __post_init__(self) -> None:
        for name in ("input_tokens", "output_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"{name.replace('_', ' ')}: {getattr(self, name)}; expected at least 1")
        if self.kind == "open" and not self.arrivals and not self.rate > 0:
            raise InputError(f"rate: {self.rate}; expected a number of requests per second above 0")
        if self.kind in ("closed", "static") and self.concurrency < 1:
            raise InputError(f"concurrency: {self.concurrency}; expected at least 1")


def read_trace_load(path: Path) -> Load:
    """A trace as a load; its lengths are the longest request's, which must fit. :raises InputError: see `read_trace`"""
    arrivals = read_trace(path)
    longest = max(arrivals, key=lambda item: item.input_tokens + item.output_tokens)
    return Load(kind="open", input_tokens=longest.input_tokens, output_tokens=longest.output_tokens, arrivals=arrivals)


class LatencySummary(msgspec.Struct, frozen=True):
    """Mean and percentiles, milliseconds."""

    mean: float
    p50: float
    p95: float
    p99: float


class LoadPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """One replica under a load. `saturated`: more arrives than it serves; its waiting times then grow with the test."""

    output_tok_s: float
    req_per_s: float
    ttft_ms: LatencySummary
    tpot_ms: LatencySummary
    e2e_ms: LatencySummary
    running: float  # sequences at once, mean
    saturated: bool
    preempted: int = 0


class DoesNotFit(Exception):
    """The weights, or one request's KV cache, do not fit; the message says by how much."""


def predict(deployment: Deployment, load: Load, terms: Terms, *, memory: Memory | None = None) -> LoadPrediction:
    """:raises DoesNotFit: not even one request fits"""
    memory = memory or estimate_memory(deployment)
    tokens = compute_kv_capacity(deployment, memory, load)
    step_time = StepTime(deployment, terms)
    if load.kind == "static":
        return _predict_static(step_time, load)
    if load.kind == "offline":
        return _predict_offline(step_time, deployment, load, tokens)
    room = BatchLimits(
        kv_tokens=tokens,
        max_num_seqs=deployment.max_num_seqs * deployment.dp,
        max_batched_tokens=deployment.max_batched_tokens * deployment.dp,
        full=deployment.engine.reserve == "full",
    )
    if load.kind == "closed":
        rounds = max(2, math.ceil(_SAMPLES / 2 / load.concurrency))
        outcome = simulate_closed_loop(
            step_time, room, load.concurrency, load.input_tokens, load.output_tokens, rounds, random.Random(SEED)
        )
        prediction = _summarize(outcome, load, load.concurrency if rounds > 2 else 0)
        return _add_cold_start(prediction, step_time, room, load) if load.rounds > 1 else prediction
    else:
        outcome = simulate_open_loop(step_time, room, load.arrivals or _draw_arrivals(load))
        return _summarize(outcome, load, 0)


def _add_cold_start(prediction: LoadPrediction, step_time: StepTime, room: BatchLimits, load: Load) -> LoadPrediction:
    """Load generators that start all their clients at once, and count that: one round of `rounds` waits for the others'
    prompts. (TTFT of 70B on H200 grows by a tenth of half a prompt's time with each client; steady states do not.)"""
    start = [RequestArrival(0.0, load.input_tokens, load.output_tokens)] * load.concurrency
    first = _summarize(simulate_open_loop(step_time, room, start), load, 0).ttft_ms
    share = 1.0 / load.rounds
    mean = (1 - share) * prediction.ttft_ms.mean + share * first.mean
    return msgspec.structs.replace(prediction, ttft_ms=msgspec.structs.replace(prediction.ttft_ms, mean=mean))


def compute_kv_capacity(deployment: Deployment, memory: Memory, load: Load) -> int:
    """Tokens of the cache as full-attention ones: where layers slide, a request takes fewer.

    :raises DoesNotFit: see there
    """
    whole = load.input_tokens + load.output_tokens
    share = count_kv_tokens(deployment, whole) / whole
    tokens = int(memory.kv_tokens / share)
    if tokens < whole:
        d, need = deployment, memory.usable_gib - memory.kv_gib
        raise DoesNotFit(
            f"{d.model.name} in {d.precision.name} on {d.gpus} x {d.gpu.name}: weights and engine need {need:.1f} GiB "
            f"of {memory.usable_gib:.1f} usable ({memory.visible_gib:.1f} visible) on each GPU; that leaves "
            f"{max(tokens, 0):,} tokens of KV cache, and one request takes {whole:,}"
        )
    return tokens


def _draw_arrivals(load: Load) -> Sequence[RequestArrival]:
    rng = random.Random(SEED)
    count = load.requests or _SAMPLES
    if math.isinf(load.rate):
        return [RequestArrival(0.0, load.input_tokens, load.output_tokens)] * count
    return draw_poisson_arrivals(load.rate, count, load.input_tokens, load.output_tokens, rng, spread=load.spread)


def _summarize(outcome: SimulationResult, load: Load, skip: int) -> LoadPrediction:
    served = sorted(outcome.served, key=lambda item: item.at)
    if not served:
        raise DoesNotFit("no request of the load fits the KV cache")
    counted = served[skip:] or served
    end = max(item.end for item in served)
    if load.kind == "closed":
        # Little's law over a cycle: the tail of a finite simulation, with fewer clients left, does not count
        cycle = _mean([item.end - item.at for item in counted])
        per_s = load.concurrency / cycle
        tokens_s = per_s * load.output_tokens
    else:
        # a test of so many requests ends with its last answer; without a number it is a steady state, as it arrives
        steady = not load.requests and not load.arrivals and not _is_growing(served)
        span = (served[-1].at if steady and len(served) > 1 else end) - (0.0 if steady else served[0].at)
        per_s = len(served) / span
        tokens_s = sum(item.output_tokens for item in served) / span
    e2e = [item.end - item.at for item in counted]
    saturated = load.kind == "open" and _is_growing(served)
    return LoadPrediction(
        output_tok_s=tokens_s,
        req_per_s=per_s,
        ttft_ms=_summarize_latency([item.ttft_s for item in counted]),
        tpot_ms=_summarize_latency([item.tpot_s for item in counted if item.output_tokens > 1] or [0.0]),
        e2e_ms=_summarize_latency(e2e),
        running=per_s * _mean(e2e),
        saturated=saturated or not outcome.complete,
        preempted=outcome.preempted,
    )


def _is_growing(served: Sequence[ServedRequest]) -> bool:
    """Whether the last quarter waited more than twice as long as the second, and by more than half a second."""
    quarter = len(served) // 4
    if quarter < 5:
        return False
    early = _mean([item.ttft_s for item in served[quarter : 2 * quarter]])
    late = _mean([item.ttft_s for item in served[-quarter:]])
    return late > 2 * early and late - early > 0.5


def _summarize_latency(seconds: Sequence[float]) -> LatencySummary:
    ordered = sorted(seconds)
    p50, p95, p99 = (1e3 * ordered[int(share * len(ordered))] for share in (0.5, 0.95, 0.99))
    return LatencySummary(mean=1e3 * _mean(ordered), p50=p50, p95=p95, p99=p99)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


# -- closed forms ------------------------------------------------------------------------------------


def _constant_latency(value_s: float) -> LatencySummary:
    return LatencySummary(*[1e3 * value_s] * 4)


def _predict_static(step_time: StepTime, load: Load) -> LoadPrediction:
    """One batch of equal requests: all prompts are read, then all decode together."""
    batch, out = load.concurrency, load.output_tokens
    first = step_time.prefill_s(load.input_tokens, batch)
    mean = load.input_tokens + out / 2
    step = step_time.step_s(batch, batch * mean) if out > 1 else 0.0
    total = first + step * (out - 1)
    return LoadPrediction(
        output_tok_s=batch * out / total,
        req_per_s=batch / total,
        ttft_ms=_constant_latency(first),
        tpot_ms=_constant_latency(step),
        e2e_ms=_constant_latency(total),
        running=batch,
        saturated=False,
    )


def compute_steady_batch(deployment: Deployment, load: Load, kv_tokens: int) -> float:
    """Sequences at once that room, slots and the token budget of a step allow, when work never lacks. Where requests
    grow into their room the mean one is half written."""
    whole = load.input_tokens + load.output_tokens
    each = whole if deployment.engine.reserve == "full" else load.input_tokens + 0.5 * load.output_tokens
    by_room = kv_tokens / each
    by_budget = deployment.max_batched_tokens * deployment.dp / (1 + load.input_tokens / load.output_tokens)
    slots = deployment.max_num_seqs * deployment.dp
    return max(1.0, min(by_room, slots, max(by_budget, 1.0)))


def compute_steady_step_s(step_time: StepTime, batch: float, load: Load) -> float:
    """The mean step of a steady state: each carries the prompts that replace what ends in it."""
    prompts = batch / load.output_tokens
    context = batch * (load.input_tokens + load.output_tokens / 2)
    tokens, pairs = prompts * load.input_tokens, prompts * step_time.count_pairs(0, load.input_tokens)
    return step_time.step_s(batch, context, tokens, pairs, prompts)


def _predict_offline(step_time: StepTime, deployment: Deployment, load: Load, kv_tokens: int) -> LoadPrediction:
    batch = compute_steady_batch(deployment, load, kv_tokens)
    if load.requests:
        batch = min(batch, load.requests)
    step = compute_steady_step_s(step_time, batch, load)
    total = step * load.output_tokens
    return LoadPrediction(
        output_tok_s=batch / step,
        req_per_s=batch / total,
        ttft_ms=_constant_latency(step_time.prefill_s(load.input_tokens)),
        tpot_ms=_constant_latency(step),
        e2e_ms=_constant_latency(total),
        running=batch,
        saturated=True,
    )
