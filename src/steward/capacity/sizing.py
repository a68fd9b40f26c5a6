"""Finds the cheapest accelerators that meet the objectives: a search over kinds, parallel degrees and replicas.

Every candidate first passes a closed form (how large a batch keeps the mean step under the objective, what rate that
batch serves); the promising ones are simulated with Poisson arrivals, because objectives are percentiles. Options rank
by price; those without one come last, ranked by their number of accelerators. What it cannot judge it
declines, with the reason: nothing fits, no batch is fast enough, lengths beyond the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from steward.capacity.catalog import Accelerator, Model
from steward.capacity.engines import EngineDefaults, Precision
from steward.capacity.memory import (
    Deployment,
    Memory,
    default_max_batched_tokens,
    default_max_num_seqs,
    estimate_memory,
)
from steward.capacity.predict import (
    DoesNotFit,
    Load,
    LoadPrediction,
    compute_kv_capacity,
    compute_steady_batch,
    compute_steady_step_s,
    predict,
)
from steward.capacity.step_time import StepTime, Terms
from steward.core.errors import InputError

DEGREES: Final = (1, 2, 4, 8)
STAGES: Final = (1, 2, 4)
MOST_REPLICAS: Final = 4096  # beyond: the simulation of one replica says little about the router before them
_SIMULATED: Final = 8  # candidates whose percentiles are simulated
_REQUESTS: Final = 300  # of one simulation
_MARGIN: Final = 1.10  # mean step to its 95th percentile, for the closed form
_BUSY: Final = 0.85  # share of the closed form's rate at which a replica is first tried


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic and objectives. An objective of None is not set."""

    rate: float  # requests a second
    input_tokens: int
    output_tokens: int
    ttft_p95_ms: float | None = None
    tpot_p95_ms: float | None = None
    e2e_p95_ms: float | None = None
    spread: float = 0.5  # coefficient of variation of the lengths
    headroom: float = 0.2  # of the capacity, kept free
    most_gpus: int = 64

    def __post_init__(self) -> None:
        if not (self.rate > 0 and math.isfinite(self.rate)):
            raise InputError(f"--rate {self.rate}: expected a number of requests per second above 0")
        for name in ("input_tokens", "output_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name.removesuffix('_tokens')} {getattr(self, name)}: expected at least 1 token")
        for name in ("ttft_p95_ms", "tpot_p95_ms", "e2e_p95_ms"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"--{name.removesuffix('_ms').replace('_', '-')} {value}: expected above 0 ms")
        if not 0 <= self.headroom < 1:
            raise InputError(f"--headroom {self.headroom}: expected a share from 0 to below 1")
        parts = (self.ttft_p95_ms or 0.0) + (self.output_tokens - 1) * (self.tpot_p95_ms or 0.0)
        if self.e2e_p95_ms is not None and self.ttft_p95_ms is not None and self.e2e_p95_ms < self.ttft_p95_ms:
            raise InputError(
                f"contradiction: --e2e-p95 {self.e2e_p95_ms:g} ms is below --ttft-p95 {self.ttft_p95_ms:g} ms; "
                "an answer cannot end before it begins"
            )
        if self.e2e_p95_ms is not None and self.tpot_p95_ms is not None and parts > 3 * self.e2e_p95_ms:
            raise InputError(
                f"contradiction: --e2e-p95 {self.e2e_p95_ms:g} ms leaves "
                f"{self.e2e_p95_ms / self.output_tokens:.3g} ms a token for {self.output_tokens} tokens, "
                f"--tpot-p95 allows {self.tpot_p95_ms:g}; raise the one or lower the other"
            )


class PlanOption(msgspec.Struct, frozen=True, kw_only=True):
    """One way to serve the traffic. `max_rate` is the most that all replicas serve within the objectives."""

    gpu: str
    precision: str
    tp: int
    pp: int
    replicas: int
    gpus: int
    memory: Memory
    prediction: LoadPrediction  # of one replica at its share of the rate
    max_rate: float
    headroom: float  # 1 - rate / max_rate
    usd_per_hour: float | None
    usd_per_1k_requests: float | None
    calibrated: bool = False


class SizingResult(msgspec.Struct, frozen=True, kw_only=True):
    """`choices`, best first. It is empty when nothing meets the objectives; `declined` then says why."""

    choices: tuple[PlanOption, ...]
    declined: dict[str, str]  # by candidate
    considered: int


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A replica that fits into memory, with the rate that the closed form gives it."""

    deployment: Deployment
    memory: Memory
    terms: Terms
    calibrated: bool
    rate: float
    per_hour: float | None

    @property
    def cost(self) -> tuple[float, float, float]:
        """Per request a second: money, else accelerators, then watts."""
        gpus = self.deployment.gpus
        return (
            gpus * (self.per_hour if self.per_hour is not None else math.inf) / self.rate,
            gpus / self.rate,
            gpus * (self.deployment.gpu.tdp_w or 500.0) / self.rate,
        )


TermsOf = Callable[[Deployment], tuple[Terms, bool]]


def size_hardware(
    wanted: Requirements,
    model: Model,
    gpus: Sequence[Accelerator],
    precisions: Sequence[Precision],
    engine: EngineDefaults,
    terms_of: TermsOf,
    prices: Mapping[str, float],
    *,
    tp: int | None = None,
    pp: int | None = None,
    kv_bytes: float | None = None,
    price_tolerance: float = 0.0,
) -> SizingResult:
    """`terms_of` gives a deployment's terms, and whether they are calibrated. `price_tolerance`: options that cost up
    to this share more than the cheapest count as equally cheap, and the fewest accelerators come first.

    :raises InputError: longer than the model reads
    """
    whole = wanted.input_tokens + wanted.output_tokens
    if model.max_position and whole > model.max_position:
        raise InputError(
            f"--input {wanted.input_tokens} and --output {wanted.output_tokens} are {whole:,} tokens together; "
            f"{model.name} reads at most {model.max_position:,}"
        )
    candidates: list[Candidate] = []
    declined: dict[str, str] = {}
    considered = 0
    for gpu in gpus:
        for precision in precisions:
            name = f"{gpu.name} {precision.name}"
            reasons = []
            for degrees in _list_degrees(model, gpu, tp, pp):
                considered += 1
                deployment = build_deployment(model, gpu, precision, engine, *degrees, kv_bytes=kv_bytes)
                candidate = _judge_candidate(deployment, wanted, terms_of, prices.get(gpu.name))
                if isinstance(candidate, str):
                    reasons.append(candidate)
                else:
                    candidates.append(candidate)
            if not any(c.deployment.gpu is gpu and c.deployment.precision is precision for c in candidates):
                declined[name] = reasons[-1]
    best: dict[str, Candidate] = {}
    for item in sorted(candidates, key=lambda c: (_total_cost(c, wanted), c.cost)):
        best.setdefault(f"{item.deployment.gpu.name} {item.deployment.precision.name}", item)
    choices: list[PlanOption] = []
    for name, item in list(best.items()):
        if len(choices) >= _SIMULATED:
            break
        outcome = _size_candidate(item, wanted)
        if isinstance(outcome, str):
            declined[name] = outcome
        else:
            choices.append(outcome)
    choices.sort(key=rank_option)
    if choices and choices[0].usd_per_hour is not None:
        limit = choices[0].usd_per_hour * (1 + price_tolerance)
        choices.sort(key=lambda option: option.gpus if (option.usd_per_hour or math.inf) <= limit else math.inf)
    return SizingResult(choices=tuple(choices), declined=declined, considered=considered)


def rank_option(choice: PlanOption) -> tuple[float, int, float]:
    return (choice.usd_per_hour if choice.usd_per_hour is not None else math.inf, choice.gpus, -choice.headroom)


def build_deployment(
    model: Model,
    gpu: Accelerator,
    precision: Precision,
    engine: EngineDefaults,
    tp: int = 1,
    pp: int = 1,
    *,
    kv_bytes: float | None = None,
    max_num_seqs: int | None = None,
    max_batched_tokens: int | None = None,
    utilisation: float | None = None,
) -> Deployment:
    """A replica; what is None takes the engine's default."""
    eight = precision.kv_bytes == 1.0 or (precision.name == "fp8" and engine.fp8_kv)
    return Deployment(
        model=model,
        gpu=gpu,
        precision=precision,
        engine=engine,
        tp=tp,
        pp=pp,
        kv_bytes=kv_bytes if kv_bytes is not None else (1.0 if eight else 2.0),
        max_num_seqs=max_num_seqs or default_max_num_seqs(engine, gpu),
        max_batched_tokens=max_batched_tokens or default_max_batched_tokens(engine, gpu),
        utilisation=utilisation or engine.utilisation,
    )


def _list_degrees(model: Model, gpu: Accelerator, tp: int | None, pp: int | None) -> list[tuple[int, int]]:
    if gpu.is_mig:
        return [(1, 1)]
    degrees = [tp] if tp else [degree for degree in DEGREES if model.heads % degree == 0]
    stages = [pp] if pp else [stage for stage in STAGES if model.layers >= stage]
    return [(degree, stage) for degree in degrees for stage in stages if stage == 1 or degree == 8 or pp]


def _judge_candidate(
    deployment: Deployment, wanted: Requirements, terms_of: TermsOf, per_hour: float | None
) -> Candidate | str:
    """The candidate, or the reason why it cannot serve."""
    d = deployment
    load = Load(kind="offline", input_tokens=wanted.input_tokens, output_tokens=wanted.output_tokens)
    memory = estimate_memory(d)
    try:
        room = compute_kv_capacity(d, memory, load)
    except DoesNotFit as error:
        return f"does not fit: {error}"
    terms, calibrated = terms_of(d)
    step_time = StepTime(d, terms)
    alone = 1e3 * (step_time.prefill_s(wanted.input_tokens) + step_time.api_s)
    if wanted.ttft_p95_ms is not None and alone > wanted.ttft_p95_ms:
        return (
            f"time to first token too long: one prompt alone takes {alone:,.0f} ms, the limit is "
            f"{wanted.ttft_p95_ms:g} ms"
        )
    limit = math.inf if wanted.tpot_p95_ms is None else 1e-3 * wanted.tpot_p95_ms / _MARGIN
    if wanted.e2e_p95_ms is not None:
        limit = min(limit, 1e-3 * max(1e-6, wanted.e2e_p95_ms - alone) / wanted.output_tokens / _MARGIN)
    top = compute_steady_batch(d, load, room)
    fastest = compute_steady_step_s(step_time, 1.0, load)
    if fastest > limit:
        limit_ms = f"{1e3 * limit:.1f} ms"
        return f"time per token too long: one request alone takes {1e3 * fastest:.1f} ms, the limit is {limit_ms}"
    low, high = 1.0, top
    if compute_steady_step_s(step_time, top, load) > limit:
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if compute_steady_step_s(step_time, middle, load) <= limit else (low, middle)
    else:
        low = top
    rate = low / (wanted.output_tokens * compute_steady_step_s(step_time, low, load))
    rate = min(rate, 1 / step_time.api_s) if step_time.api_s else rate  # one process tokenises
    return Candidate(deployment=d, memory=memory, terms=terms, calibrated=calibrated, rate=rate, per_hour=per_hour)


def _total_cost(candidate: Candidate, wanted: Requirements) -> float:
    """Price per hour of all replicas, or a number of accelerators far above any price."""
    replicas = math.ceil(wanted.rate / (candidate.rate * _BUSY * (1 - wanted.headroom)))
    return replicas * candidate.deployment.gpus * (candidate.per_hour if candidate.per_hour is not None else 1e3)


def _size_candidate(item: Candidate, wanted: Requirements) -> PlanOption | str:
    """The fewest replicas that meet the objectives at the rate plus headroom, by simulation; or why there are none."""
    d = item.deployment
    asked = wanted.rate / (1 - wanted.headroom)
    replicas = max(1, math.ceil(asked / item.rate))
    most = min(MOST_REPLICAS, max(1, wanted.most_gpus // d.gpus))
    if replicas > most:
        return f"too many accelerators: {replicas * d.gpus} needed, --most-gpus allows {wanted.most_gpus}"
    while replicas <= most:
        tested = _simulate_rate(item, wanted, asked / replicas)
        if meets_objectives(tested, wanted):
            break
        replicas = max(replicas + 1, math.ceil(replicas * 1.15))
    else:
        allowed = f"--most-gpus allows {wanted.most_gpus}"
        return f"too many accelerators: more than {most * d.gpus} needed for these percentiles, {allowed}"
    max_rate = replicas * _find_max_rate(item, wanted, asked / replicas)
    per_hour = None if item.per_hour is None else item.per_hour * d.gpus * replicas
    return PlanOption(
        gpu=d.gpu.name,
        precision=d.precision.name,
        tp=d.tp,
        pp=d.pp,
        replicas=replicas,
        gpus=replicas * d.gpus,
        memory=item.memory,
        prediction=_simulate_rate(item, wanted, wanted.rate / replicas),
        max_rate=max_rate,
        headroom=1 - wanted.rate / max_rate,
        usd_per_hour=per_hour,
        usd_per_1k_requests=None if per_hour is None else per_hour / (3.6 * wanted.rate),
        calibrated=item.calibrated,
    )


def _simulate_rate(item: Candidate, wanted: Requirements, rate: float) -> LoadPrediction:
    load = Load(
        kind="open",
        rate=rate,
        input_tokens=wanted.input_tokens,
        output_tokens=wanted.output_tokens,
        spread=wanted.spread,
        requests=_REQUESTS,
    )
    return predict(item.deployment, load, item.terms, memory=item.memory)


def _find_max_rate(item: Candidate, wanted: Requirements, known: float) -> float:
    """The highest rate of one replica that still meets the objectives, to 5 %; `known` does. A short simulation can
    outrun the replica for a while, so the closed form's rate bounds it."""
    low, high = known, max(known, item.rate)
    if meets_objectives(_simulate_rate(item, wanted, high), wanted):
        return high
    while high / low > 1.05:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if meets_objectives(_simulate_rate(item, wanted, middle), wanted) else (low, middle)
    return low


def meets_objectives(found: LoadPrediction, wanted: Requirements) -> bool:
    """Whether every objective is met, and the replica keeps up with the rate."""
    asked = (
        (found.ttft_ms, wanted.ttft_p95_ms),
        (found.tpot_ms, wanted.tpot_p95_ms),
        (found.e2e_ms, wanted.e2e_p95_ms),
    )
    return not found.saturated and all(limit is None or spread.p95 <= limit for spread, limit in asked)
