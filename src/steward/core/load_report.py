"""What a load test found: `steward load run --json`, and what a capacity plan is calibrated on.

Latencies are in milliseconds and, unless a name says otherwise, counted from the *intended* send: a request that waited
in the client because the client was late has waited, and leaving that out is coordinated omission. None: nothing was
measured, which is not 0.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final, Literal

import msgspec

from steward.core.errors import InputError

FORMAT: Final = 1  # of the JSON file; a reader refuses a newer one

FORMULAS: Final = {
    "ttft_ms": "first event with text, reasoning or a tool call - send",
    "ttfo_ms": "first event with text or a tool call, reasoning left out - send",
    "tpot_ms": "(last event of a choice - first event with text) / (output tokens - tokens that arrived with the "
    "first), one value per request; none if all text arrived at one time",
    "itl_ms": "gaps between events with text, of all requests together",
    "e2e_ms": "last event of a choice (not streamed: last byte) - send",
    "output_tok_s": "output tokens of answered requests / duration_s",
    "achieved_rate": "(requests sent - 1) / time from the first to the last actual send",
    "goodput_rate": "answered requests that met every limit / duration_s",
    "concurrency_mean": "sum of all requests' time in flight / duration_s",
}
"""As `vllm bench serve` counts them (vllm/benchmarks/serve.py, calculate_metrics). vLLM divides TPOT by output tokens
- 1, which is the same where a server sends one token per event. "send" is the intended one, and in `from_actual_send`
the moment when the client sent."""


QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """Of one metric over answered requests. `intervals`: 95 % ends by name, such as {"p99": (210.0, 260.5)}.

    A percentile is None where there are too few values for it (`count_needed_values`).
    """

    n: int = 0
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None
    intervals: dict[str, tuple[float, float]] = {}


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """The four latencies, counted from another moment than the report's own."""

    ttft_ms: Quantiles = Quantiles()
    tpot_ms: Quantiles = Quantiles()
    itl_ms: Quantiles = Quantiles()
    e2e_ms: Quantiles = Quantiles()


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """Single answered requests in order of their intended send: all, or every k-th where there were too many.

    The arrays have one length. For comparing two runs and for calibrating a plan.
    """

    every: int = 1  # k
    at_s: tuple[float, ...] = ()  # intended send, since the start
    ttft_ms: tuple[float | None, ...] = ()  # None: not streamed
    tpot_ms: tuple[float | None, ...] = ()  # None: one token, or not streamed
    e2e_ms: tuple[float, ...] = ()
    input_tokens: tuple[int, ...] = ()
    output_tokens: tuple[int, ...] = ()
    in_flight: tuple[int, ...] = ()  # requests under way when this one was sent, itself among them


class LoadPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the time series; counts are of requests by their intended send."""

    at_s: float  # start of the step, since the start
    sent: int
    answered: int
    failed: int
    in_flight: float  # mean over the step
    output_tokens: int  # of requests that ended in the step
    ttft_p50_ms: float | None = None
    ttft_p95_ms: float | None = None
    ttft_max_ms: float | None = None
    e2e_p50_ms: float | None = None
    e2e_p95_ms: float | None = None
    e2e_max_ms: float | None = None


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """A number of the server's or of a GPU's on the time axis of the run."""

    name: str  # "vllm:num_requests_running", "gpu0 utilisation"
    source: Literal["server", "gpu"]
    unit: str = ""
    at_s: tuple[float, ...] = ()
    values: tuple[float, ...] = ()


class ClientHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the client kept up: what `valid` was decided on."""

    late_ms: Quantiles  # actual - intended send
    loop_lag_ms: Quantiles  # how late a 10 ms heartbeat of the event loop was
    cpu_share: float  # of one core, the busiest process; 1: no time left
    dispersion_asked: float | None = None  # variance / mean of the counts of intended sends in equal windows
    dispersion_achieved: float | None = None  # and of actual sends
    connect_ms: Quantiles = Quantiles()
    connections: int = 0
    peak_mb: float = 0.0  # resident memory, all processes together


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Rates are a second; `errors` counts failed requests by cause."""

    format: int = FORMAT
    steward_version: str = ""
    url: str
    model: str
    endpoint: str = "chat"  # chat, completions, embeddings
    streamed: bool = True
    arrival: str  # constant, poisson, gamma, ramp, burst, trace, concurrency
    started_at: float  # seconds since the epoch
    duration_s: float  # measured part: from the first intended send to the last answer
    seed: int = 0
    processes: int = 1

    requested_rate: float | None = None  # None: closed loop
    achieved_rate: float
    requested_concurrency: int | None = None  # closed loop
    concurrency_mean: float = 0.0
    concurrency_max: int = 0

    sent: int
    answered: int
    failed: int
    errors: dict[str, int] = {}

    ttft_ms: Quantiles = Quantiles()
    ttfo_ms: Quantiles = Quantiles()
    tpot_ms: Quantiles = Quantiles()
    itl_ms: Quantiles = Quantiles()
    e2e_ms: Quantiles = Quantiles()
    from_actual_send: Latencies = Latencies()

    input_tokens_mean: float | None = None
    output_tokens_mean: float | None = None
    input_tokens: Quantiles = Quantiles()
    output_tokens: Quantiles = Quantiles()
    tokens_per_event_mean: float | None = None
    tokens_from: Literal["usage", "tokenizer", "estimated", "none"] = "none"  # the weakest source among the answers
    input_tok_s: float = 0.0
    output_tok_s: float = 0.0
    answered_rate: float = 0.0

    slo: str | None = None
    slo_met: bool | None = None  # None: no objective, or undecided
    slo_terms: tuple[str, ...] = ()  # each term of the objective with its share, interval and answer, for people
    goodput_rate: float | None = None

    valid: bool
    invalid_reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    partial: bool = False  # stopped before its end

    client: ClientHealth
    series: tuple[LoadPoint, ...] = ()
    series_step_s: float = 1.0
    tracks: tuple[Track, ...] = ()
    samples: Samples = Samples()
    formulas: dict[str, str] = msgspec.field(default_factory=FORMULAS.copy)


def count_needed_values(quantile: float) -> int:
    """The fewest values that tell a quantile, between 0 and 1: 1 / (1 - p), and any for the median.

    Of fewer, less than one is expected beyond it: what is called p99 would be the largest, or lie between the two
    largest. The one rule for every percentile that a load test shows.

    >>> [count_needed_values(quantile) for quantile in (0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.05)]
    [1, 4, 10, 20, 100, 1000, 20]
    """
    return 1 if quantile == 0.5 else math.ceil(1 / min(quantile, 1 - quantile) - 1e-6)


def read_load_report(path: Path) -> LoadReport:
    """The file that `steward load run --out` or `--json` wrote.

    :raises InputError: no such file, not a load report, or a newer format
    """
    try:
        report = msgspec.json.decode(path.read_bytes(), type=LoadReport)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected the JSON of `steward load run --json`") from error
    except msgspec.MsgspecError as error:
        raise InputError(
            f"{path}: not a load report ({error}); expected the JSON of `steward load run --json`"
        ) from error
    if report.format > FORMAT:
        raise InputError(f"{path}: format {report.format}, this steward reads up to {FORMAT}; install a newer one")
    return report
