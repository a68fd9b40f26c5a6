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

from steward.capacity.memory import Deployment, Memory, kv_tokens_of, plan_memory
from steward.capacity.simulate import Outcome, Request, Room, Served, closed_loop, open_loop, poisson, read_trace
from steward.capacity.speed import Pace, Terms
from steward.core.errors import InputError

Kind = Literal["open", "closed", "offline", "static"]
SEED: Final = 20261125
_SAMPLES: Final = 400  # simulated requests of a load that says no number


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What arrives. `rate`: requests a second (open; infinite: all at once), `concurrency`: clients (closed) or batch
    (static); `requests`: how many in all, 0: enough for a steady state."""

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
    arrivals: tuple[Request, ...] = ()  # a trace; then rate is not used

    def __post_init__(self) -> None:
        for name in ("input_tokens", "output_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"{name.replace('_', ' ')}: {getattr(self, name)}; expected at least 1")
        if self.kind == "open" and not self.arrivals and not self.rate > 0:
            raise InputError(f"rate: {self.rate}; expected above 0 requests a second")
        if self.kind in ("closed", "static") and self.concurrency < 1:
            raise InputError(f"concurrency: {self.concurrency}; expected at least 1")


def traced(path: Path) -> Load:
    """A trace as a load; its lengths are the longest request's, which must fit. :raises InputError: see `read_trace`"""
    found = read_trace(path)
    longest = max(found, key=lambda item: item.input_tokens + item.output_tokens)
    return Load(kind="open", input_tokens=longest.input_tokens, output_tokens=longest.output_tokens, arrivals=found)


class Spread(msgspec.Struct, frozen=True):
    """Mean and percentiles, milliseconds."""

    mean: float
    p50: float
    p95: float
    p99: float


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One replica under a load. `saturated`: more arrives than it serves; its waiting times then grow with the test."""

    output_tok_s: float
    req_per_s: float
    ttft_ms: Spread
    tpot_ms: Spread
    e2e_ms: Spread
    running: float  # sequences at once, mean
    saturated: bool
    preempted: int = 0


class DoesNotFit(Exception):
    """The weights, or one request's KV cache, do not fit; the message says by how much."""


def predict(deployment: Deployment, load: Load, terms: Terms, *, memory: Memory | None = None) -> Prediction:
    """:raises DoesNotFit: not even one request fits"""
    memory = memory or plan_memory(deployment)
    tokens = kv_room(deployment, memory, load)
    pace = Pace(deployment, terms)
    if load.kind == "static":
        return _static(pace, load)
    if load.kind == "offline":
        return _offline(pace, deployment, load, tokens)
    room = Room(
        kv_tokens=tokens,
        max_num_seqs=deployment.max_num_seqs * deployment.dp,
        max_batched_tokens=deployment.max_batched_tokens * deployment.dp,
        full=deployment.engine.reserve == "full",
    )
    if load.kind == "closed":
        rounds = max(2, math.ceil(_SAMPLES / 2 / load.concurrency))
        outcome = closed_loop(
            pace, room, load.concurrency, load.input_tokens, load.output_tokens, rounds, random.Random(SEED)
        )
        found = _summary(outcome, load, load.concurrency if rounds > 2 else 0)
        return _with_beginning(found, pace, room, load) if load.rounds > 1 else found
    else:
        outcome = open_loop(pace, room, load.arrivals or _arrivals(load))
        return _summary(outcome, load, 0)


def _with_beginning(found: Prediction, pace: Pace, room: Room, load: Load) -> Prediction:
    """Load generators that start all their clients at once, and count that: one round of `rounds` waits for the others'
    prompts. (TTFT of 70B on H200 grows by a tenth of half a prompt's time with each client; steady states do not.)"""
    start = [Request(0.0, load.input_tokens, load.output_tokens)] * load.concurrency
    first = _summary(open_loop(pace, room, start), load, 0).ttft_ms
    share = 1.0 / load.rounds
    mean = (1 - share) * found.ttft_ms.mean + share * first.mean
    return msgspec.structs.replace(found, ttft_ms=msgspec.structs.replace(found.ttft_ms, mean=mean))


def kv_room(deployment: Deployment, memory: Memory, load: Load) -> int:
    """Tokens of the cache as full-attention ones: where layers slide, a request takes fewer.

    :raises DoesNotFit: see there
    """
    whole = load.input_tokens + load.output_tokens
    share = kv_tokens_of(deployment.model, whole) / whole
    tokens = int(memory.kv_tokens / share)
    if tokens < whole:
        d, need = deployment, memory.usable_gib - memory.kv_gib
        raise DoesNotFit(
            f"{d.model.name} in {d.precision.name} on {d.gpus} x {d.gpu.name}: weights and engine need {need:.1f} GiB "
            f"of {memory.usable_gib:.1f} usable ({memory.visible_gib:.1f} visible) on each; {max(tokens, 0):,} tokens "
            f"of KV cache, one request takes {whole:,}"
        )
    return tokens


def _arrivals(load: Load) -> Sequence[Request]:
    rng = random.Random(SEED)
    count = load.requests or _SAMPLES
    if math.isinf(load.rate):
        return [Request(0.0, load.input_tokens, load.output_tokens)] * count
    return poisson(load.rate, count, load.input_tokens, load.output_tokens, rng, spread=load.spread)


def _summary(outcome: Outcome, load: Load, skip: int) -> Prediction:
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
        steady = not load.requests and not load.arrivals and not _grows(served)
        span = (served[-1].at if steady and len(served) > 1 else end) - (0.0 if steady else served[0].at)
        per_s = len(served) / span
        tokens_s = sum(item.output_tokens for item in served) / span
    e2e = [item.end - item.at for item in counted]
    saturated = load.kind == "open" and _grows(served)
    return Prediction(
        output_tok_s=tokens_s,
        req_per_s=per_s,
        ttft_ms=_spread([item.ttft_s for item in counted]),
        tpot_ms=_spread([item.tpot_s for item in counted if item.output_tokens > 1] or [0.0]),
        e2e_ms=_spread(e2e),
        running=per_s * _mean(e2e),
        saturated=saturated or not outcome.complete,
        preempted=outcome.preempted,
    )


def _grows(served: Sequence[Served]) -> bool:
    """Whether the last quarter waited more than twice as long as the second, and by more than half a second."""
    quarter = len(served) // 4
    if quarter < 5:
        return False
    early = _mean([item.ttft_s for item in served[quarter : 2 * quarter]])
    late = _mean([item.ttft_s for item in served[-quarter:]])
    return late > 2 * early and late - early > 0.5


def _spread(seconds: Sequence[float]) -> Spread:
    ordered = sorted(seconds)
    last = len(ordered) - 1
    p50, p95, p99 = (1e3 * ordered[min(last, int(share * len(ordered)))] for share in (0.5, 0.95, 0.99))
    return Spread(mean=1e3 * _mean(ordered), p50=p50, p95=p95, p99=p99)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


# -- closed forms ------------------------------------------------------------------------------------


def _flat(value_s: float) -> Spread:
    return Spread(*[1e3 * value_s] * 4)


def _static(pace: Pace, load: Load) -> Prediction:
    """One batch of equal requests: all prompts are read, then all decode together."""
    batch, out = load.concurrency, load.output_tokens
    first = pace.prefill_s(load.input_tokens, batch)
    mean = load.input_tokens + out / 2
    step = pace.step_s(batch, batch * mean) if out > 1 else 0.0
    total = first + step * (out - 1)
    return Prediction(
        output_tok_s=batch * out / total,
        req_per_s=batch / total,
        ttft_ms=_flat(first),
        tpot_ms=_flat(step),
        e2e_ms=_flat(total),
        running=batch,
        saturated=False,
    )


def steady_batch(deployment: Deployment, load: Load, kv_tokens: int) -> float:
    """Sequences at once that room, slots and the token budget of a step allow, when work never lacks. Where requests
    grow into their room the mean one is half written."""
    whole = load.input_tokens + load.output_tokens
    each = whole if deployment.engine.reserve == "full" else load.input_tokens + 0.5 * load.output_tokens
    by_room = kv_tokens / each
    by_budget = deployment.max_batched_tokens * deployment.dp / (1 + load.input_tokens / load.output_tokens)
    slots = deployment.max_num_seqs * deployment.dp
    return max(1.0, min(by_room, slots, max(by_budget, 1.0)))


def steady_step(pace: Pace, batch: float, load: Load) -> float:
    """The mean step of a steady state: each carries the prompts that replace what ends in it."""
    out = max(load.output_tokens, 1)
    prompts = batch / out
    context = batch * (load.input_tokens + out / 2)
    tokens, pairs = prompts * load.input_tokens, prompts * pace.pairs(0, load.input_tokens)
    return pace.step_s(batch, context, tokens, pairs, prompts)


def _offline(pace: Pace, deployment: Deployment, load: Load, kv_tokens: int) -> Prediction:
    batch = steady_batch(deployment, load, kv_tokens)
    if load.requests:
        batch = min(batch, load.requests)
    step = steady_step(pace, batch, load)
    total = step * load.output_tokens
    return Prediction(
        output_tok_s=batch / step,
        req_per_s=batch / total,
        ttft_ms=_flat(pace.prefill_s(load.input_tokens)),
        tpot_ms=_flat(step),
        e2e_ms=_flat(total),
        running=batch,
        saturated=True,
    )
