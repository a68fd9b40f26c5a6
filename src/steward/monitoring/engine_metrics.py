"""Metrics of vLLM, SGLang, TGI, llama.cpp and Triton in one form that survives their renames. Pure.

Each metric has all the names that releases of an engine have given it; colons and underscores are the same, and so are
names with and without `_total` (prometheus_client adds it in one release and not in another). A metric that an engine
is known for and does not tell is `missing`, never 0. A value that no engine can have (negative, not finite, above all
bounds, a share above 1) is rejected and counted.

Ours rather than prometheus_client's parser: that one gives up a whole page for one bad line.

Sources of the names: docs.vllm.ai (usage/metrics, v0.4 to v0.32), docs.sglang.io (references/production_metrics), TGI's
docs (reference/metrics), llama.cpp's tools/server/README.md, Triton's user_guide/metrics.md and the TensorRT-LLM
backend's `nv_trt_llm_kv_cache_block_metrics`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Final, Literal

import msgspec

from steward.core.gauges import EngineMetricState, EngineState, GaugeSample, MetricState

GaugeKind = Literal["gauge", "share", "counter"]
Combine = Literal["sum", "max"]

MOST_VALUE: Final = 1e15  # of anything: a counter of tokens at a million a second reaches it in 31 years
MOST_LINES: Final = 100_000
_SLACK: Final = 1e-6  # by which a share may pass 1 through rounding
_LINE: Final = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*")
_PREFIXES: Final = (
    ("vllm_", "vllm"), ("sglang_", "sglang"), ("tgi_", "tgi"), ("llamacpp_", "llama.cpp"), ("nv_", "triton"),
)  # fmt: skip


class EngineMetric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of the normal form. `names` by engine, newest first; `{label="value"}` chooses among series."""

    name: str
    kind: GaugeKind
    combine: Combine = "sum"  # over the engine's replicas and ranks
    names: Mapping[str, tuple[str, ...]]
    unit: str


_KV_BLOCKS: Final = 'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction"}'
ENGINE_METRICS: Final = (
    EngineMetric(
        name="running",
        kind="gauge",
        unit="requests",
        names={
            "vllm": ("vllm_num_requests_running",),
            "sglang": ("sglang_num_running_reqs",),
            "tgi": ("tgi_batch_current_size",),
            "llama.cpp": ("llamacpp_requests_processing",),
        },
    ),
    EngineMetric(
        name="waiting",
        kind="gauge",
        unit="requests",
        names={
            "vllm": ("vllm_num_requests_waiting",),
            "sglang": ("sglang_num_queue_reqs",),
            "tgi": ("tgi_queue_size",),
            "llama.cpp": ("llamacpp_requests_deferred",),
            "triton": ("nv_inference_pending_request_count",),
        },
    ),
    EngineMetric(
        name="kv_cache",
        kind="share",
        combine="max",
        unit="share",
        names={
            "vllm": ("vllm_kv_cache_usage_perc", "vllm_gpu_cache_usage_perc"),
            "sglang": ("sglang_token_usage",),
            "llama.cpp": ("llamacpp_kv_cache_usage_ratio",),
            "triton": (_KV_BLOCKS,),
        },
    ),
    EngineMetric(
        name="prefix_cache_hit_rate",
        kind="share",
        combine="max",
        unit="share",
        names={
            "vllm": ("vllm_gpu_prefix_cache_hit_rate",),
            "sglang": ("sglang_cache_hit_rate",),
        },
    ),
    EngineMetric(
        name="prefix_cache_hits",
        kind="counter",
        unit="tokens",
        names={"vllm": ("vllm_prefix_cache_hits", "vllm_gpu_prefix_cache_hits"), "sglang": ("sglang_cached_tokens",)},
    ),
    EngineMetric(name="preemptions", kind="counter", unit="preemptions", names={"vllm": ("vllm_num_preemptions",)}),
    EngineMetric(
        name="engine_prompt_tokens",
        kind="counter",
        unit="tokens",
        names={
            "vllm": ("vllm_prompt_tokens",),
            "sglang": ("sglang_prompt_tokens",),
            "tgi": ("tgi_request_input_length_sum",),
            "llama.cpp": ("llamacpp_prompt_tokens",),
        },
    ),
    EngineMetric(
        name="engine_generated_tokens",
        kind="counter",
        unit="tokens",
        names={
            "vllm": ("vllm_generation_tokens",),
            "sglang": ("sglang_generation_tokens", "sglang_gen_tokens"),
            "tgi": ("tgi_request_generated_tokens_sum",),
            "llama.cpp": ("llamacpp_tokens_predicted",),
        },
    ),
)


class ParsedMetrics(msgspec.Struct):
    """Series by their normal names, as (labels, value), and how many lines or values could not be used."""

    series: dict[str, list[tuple[str, float]]] = {}
    rejected: int = 0


def normalise_name(name: str) -> str:
    """
    >>> normalise_name("vllm:num_preemptions_total"), normalise_name("sglang_token_usage")
    ('vllm_num_preemptions', 'sglang_token_usage')
    """
    return name.replace(":", "_").removesuffix("_total")


def parse_metrics(text: str) -> ParsedMetrics:
    """Prometheus's text format, line by line: one bad line costs itself."""
    parsed = ParsedMetrics()
    for number, line in enumerate(text.splitlines()):
        if number >= MOST_LINES:
            parsed.rejected += 1
            break
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        value = _read_value(match[3]) if match else None
        if match is None or value is None:
            parsed.rejected += 1
        elif _find_engine(name := normalise_name(match[1])) is not None:
            parsed.series.setdefault(name, []).append((match[2] or "", value))
    return parsed


def _read_value(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _find_engine(name: str) -> str | None:
    return next((engine for prefix, engine in _PREFIXES if name.startswith(prefix)), None)


def find_engine(parsed: ParsedMetrics) -> str | None:
    """Whose names these are; where several speak, the one with the most: Triton also serves vLLM's."""
    votes: dict[str, int] = {}
    for name in parsed.series:
        if (engine := _find_engine(name)) is not None:
            votes[engine] = votes.get(engine, 0) + 1
    return max(sorted(votes), key=lambda engine: votes[engine], default=None)


def observe_engine(
    model: str, before: EngineState | None, text: str, at: float
) -> tuple[EngineState, list[GaugeSample]]:
    """The engine's state after a look at its page, and what the look adds. `before`: after the last look."""
    parsed = parse_metrics(text)
    engine = find_engine(parsed)
    if engine is None:
        return fail_scrape(model, before, at, "unknown engine", "no metric of an engine that steward knows"), []
    states, samples, rejected, ever = {}, [], parsed.rejected, set(before.ever if before else ())
    for metric in ENGINE_METRICS:
        state, refused = _read_metric(metric, engine, parsed)
        rejected += refused
        states[metric.name] = state
        if state.value is None:
            continue
        ever.add(metric.name)
        value = _find_sample(metric, state, before)
        if value is not None:
            samples.append(GaugeSample(at, model, metric.name, value))
    same = before is not None and before.state == "ok"
    current = EngineState(
        model=model,
        at=at,
        state="ok",
        engine=engine,
        since=before.since if before is not None and same else at,
        metrics=states,
        rejected=rejected + (before.rejected if before else 0),
        ever=tuple(sorted(ever)),
    )
    return current, samples


def fail_scrape(
    model: str, before: EngineState | None, at: float, state: Literal["unreachable", "unknown engine"], error: str
) -> EngineState:
    """After a look that told nothing; counters go on from where they were."""
    kept = before or EngineState(model=model, at=at, state=state)
    since = kept.since if before is not None and kept.state == state else at
    return msgspec.structs.replace(kept, at=at, state=state, since=since, error=error)


def list_missing(state: EngineState) -> list[str]:
    """Metrics that this engine once told and does not tell any more."""
    return [name for name in state.ever if state.metrics.get(name, _GONE).state in ("missing", "rejected")]


_GONE: Final = EngineMetricState(state="missing")


def _read_metric(metric: EngineMetric, engine: str, parsed: ParsedMetrics) -> tuple[EngineMetricState, int]:
    """Its state, and how many of its values were rejected."""
    names = metric.names.get(engine)
    if names is None:
        return EngineMetricState(state="not offered"), 0
    rejected = 0
    for name in names:
        values = list(_find_series(name, parsed))
        usable = [value for value in values if _is_possible(value, metric.kind)]
        rejected += len(values) - len(usable)
        if usable:
            total = sum(usable) if metric.combine == "sum" else max(usable)
            return EngineMetricState(
                state="ok", value=min(total, 1.0) if metric.kind == "share" else total, source=name
            ), rejected
    state: MetricState = "rejected" if rejected else "missing"
    return EngineMetricState(state=state), rejected


def _find_series(name: str, parsed: ParsedMetrics) -> Iterator[float]:
    name, _, condition = name.partition("{")
    for labels, value in parsed.series.get(name, ()):
        if not condition or condition.rstrip("}") in labels:
            yield value


def _is_possible(value: float, kind: GaugeKind) -> bool:
    return isfinite(value) and 0.0 <= value <= (1.0 + _SLACK if kind == "share" else MOST_VALUE)


def _find_sample(metric: EngineMetric, state: EngineMetricState, before: EngineState | None) -> float | None:
    """A counter's increase: all of it where it has begun anew, and unknown at the first look."""
    value = state.value
    if metric.kind != "counter" or value is None:
        return value
    earlier = before.metrics.get(metric.name) if before is not None else None
    if earlier is None or earlier.value is None:
        return None
    return value - earlier.value if value >= earlier.value else value
