"""Tables of measurements: rows with the columns of the shipped one, what they deploy, and how far predictions are off.

Names are resolved as well as can be, for a table is not a plan: an unknown model is taken for the nearest of its size.
What cannot be resolved is declined with a reason; beyond a tenth of the rows a declined one counts as an error of 1.
"""

from __future__ import annotations

import csv
import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, Literal

import msgspec

from steward.capacity.catalog import TABLES, Accelerator, find_accelerator, find_nearest_model
from steward.capacity.engines import ENGINES, at_version, find_engine, find_precision
from steward.capacity.memory import (
    Deployment,
    default_max_batched_tokens,
    default_max_num_seqs,
    estimate_memory,
)
from steward.capacity.predict import DoesNotFit, Load, LoadPrediction, predict
from steward.capacity.step_time import Terms
from steward.core.errors import InputError, UnknownName

MeasuredMetric = Literal["output_tok_s", "ttft_ms", "tpot_ms"]
METRICS: Final[tuple[MeasuredMetric, ...]] = ("output_tok_s", "ttft_ms", "tpot_ms")
FREE_DECLINED: Final = 0.1  # of the rows
_COLUMNS: Final = ("model", "gpu", "input_len", "output_len")


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement, resolved. `group` is what leave-one-group-out leaves out: model, GPU, engine."""

    id: str
    group: str
    source: str = ""  # who measured; what leave-one-source-out leaves out
    deployment: Deployment
    load: Load
    measured: dict[MeasuredMetric, float]


class RejectedRow(msgspec.Struct, frozen=True):
    id: str
    reason: str
    metrics: tuple[MeasuredMetric, ...]


class MetricError(msgspec.Struct, frozen=True):
    """Absolute relative errors as fractions; None: no row has the metric."""

    n: int
    median_error: float | None
    p90_error: float | None


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """`steward plan validate --json`."""

    metrics: dict[MeasuredMetric, MetricError]
    coverage: dict[MeasuredMetric, float | None] = {}  # share of rows inside their 80 % interval; None: cannot tell
    declined: dict[str, int]
    rows: int


def read_shipped_measurements() -> list[Measurement]:
    rows, _ = read_measurements(TABLES / "throughput.csv")
    return rows


def read_measurements(
    path: Path, own: Mapping[str, Accelerator] | None = None
) -> tuple[list[Measurement], list[RejectedRow]]:
    """:raises InputError: not a CSV with at least model, gpu, input_len and output_len"""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                lacking = ", ".join(missing)
                raise InputError(f"{path}: no column {lacking}; docs/how-to/plan-capacity.md lists the columns")
            raw = list(reader)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a CSV of measurements") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: {error}; expected a CSV in UTF-8") from error
    rows: list[Measurement] = []
    declined: list[RejectedRow] = []
    for number, cells in enumerate(raw, 1):
        clean = {key: _clean_cell(value) for key, value in cells.items() if isinstance(key, str)}
        identity = clean.get("row_id") or str(number)
        metrics = tuple(_parse_metrics(clean))
        try:
            rows.append(parse_measurement(clean, identity, own))
        except UnknownName as error:
            declined.append(RejectedRow(identity, str(error).split(";")[0].split(". Known")[0], metrics))
        except InputError as error:
            declined.append(RejectedRow(identity, str(error), metrics))
    return rows, declined


def _clean_cell(value: object) -> str:
    text = str(value or "").strip()
    return "" if text.lower() in ("nan", "none", "null", "n/a", "na", "-") else text


def parse_measurement(
    cells: Mapping[str, str], identity: str, own: Mapping[str, Accelerator] | None = None
) -> Measurement:
    """:raises InputError: what cannot be resolved"""

    def get(name: str) -> str:
        return cells.get(name, "")

    model = find_nearest_model(get("model")).model
    gpu = find_accelerator(get("gpu"), own)
    try:
        precision = find_precision(get("precision"), get("model"), model.precision)
    except UnknownName:  # a word that says nothing, such as "default"
        precision = find_precision("", get("model"), model.precision)
    engine = at_version(find_engine(get("engine")) or ENGINES["vllm"], get("engine_version"))
    split = {
        name: int(number)
        for name, number in re.findall(r"(moe_tp|moe_ep|attn_dp|tp|pp|dp|ep)[ =_-]?(\d+)", get("parallelism").lower())
    }
    count = int(_parse_number(get("gpu_count")) or 0)
    pp = split.get("pp", 1)
    dp = split.get("attn_dp", split.get("dp", 1))
    most = max(1, count // (pp * dp))
    tp = split.get("tp") or most
    if count:  # data-parallel attention within the tensor-parallel group, as SGLang names it
        tp = min(tp, most)
    named = re.search(r"(fp8|int8)[-_ ]*kv|kv[-_ =:]*(cache)?[-_ =:]*(fp8|int8)", get("precision").lower())
    noted = precision.name == "fp8" and re.search(r"kv[^,;]*?(fp8|8[- ]?bit)|fp8 kv", get("notes").lower())
    eight = precision.kv_bytes == 1.0 or named or noted or (precision.name == "fp8" and engine.fp8_kv)
    deployment = Deployment(
        model=model,
        gpu=gpu,
        precision=precision,
        engine=engine,
        tp=tp,
        pp=pp,
        dp=dp,
        moe_split=split["moe_tp"] * split.get("moe_ep", 1) if model.experts and "moe_tp" in split else 0,
        kv_bytes=1.0 if eight else 2.0,
        max_num_seqs=default_max_num_seqs(engine, gpu),
        max_batched_tokens=int(_parse_number(get("max_batched_tokens")) or 0)
        or default_max_batched_tokens(engine, gpu),
        utilisation=engine.utilisation,
    )
    return Measurement(
        id=identity,
        group=f"{model.name} | {gpu.name} | {engine.name} {get('engine_version')}".strip(),
        source=_parse_source(get("source")),
        deployment=deployment,
        load=_parse_load(cells),
        measured=_parse_metrics(cells),
    )


ROUNDS: Final = 10  # answers per client of a closed-loop row: load generators' recipes send 10 x concurrency requests
_STATIC: Final = ("static", "batch", "low_latency", "one_batch")
_OFFLINE: Final = ("offline", "throughput", "max")
_OPEN: Final = ("open", "qps", "rate", "rps", "poisson", "req/s", "req_per_s", "turn")


def _parse_load(cells: Mapping[str, str]) -> Load:
    """:raises InputError: lengths or load that say nothing"""
    prompt, answer = (_parse_number(cells.get(name, "")) or 0.0 for name in ("input_len", "output_len"))
    if min(prompt, answer) < 1:
        raise InputError("input_len or output_len is missing or below 1")
    kind, text = cells.get("load_type", "").lower(), cells.get("load_value", "").lower()
    infinite = text in ("inf", "infinity", "infinite", "max")
    value = None if infinite else _parse_number(text)
    load = partial(Load, input_tokens=round(prompt), output_tokens=round(answer))
    counted = re.search(r"(\d[\d,]*) (?:requests|prompts)", f"{cells.get('notes', '')} {cells.get('source', '')}")
    requests = int(counted[1].replace(",", "")) if counted else 0
    if any(word in kind for word in _STATIC):
        return load(kind="static", concurrency=round(value or 1))
    if "burst" in kind and value:
        return load(kind="open", rate=math.inf, requests=round(value))
    if any(word in kind for word in _OFFLINE):
        if value and value > 1:
            return load(kind="offline", requests=round(value))
        return load(kind="offline")
    if any(word in kind for word in _OPEN):
        if infinite:
            return load(kind="open", rate=math.inf, requests=requests or 500)
        if value is None:
            raise InputError(f"load_value {text!r}: expected requests a second")
        return load(kind="open", rate=value, requests=requests)
    if value is not None:
        clients = max(1, round(value))
        return load(kind="closed", concurrency=clients, rounds=max(2, requests // clients) if requests else ROUNDS)
    if infinite:
        return load(kind="offline")
    raise InputError(f"load_type {kind!r} with load_value {text!r}: expected a rate, a concurrency, a batch or offline")


def _parse_metrics(cells: Mapping[str, str]) -> dict[MeasuredMetric, float]:
    """What the row has of the three metrics, for all accelerators together."""
    metrics: dict[MeasuredMetric, float] = {}
    names: tuple[tuple[MeasuredMetric, str], ...] = (
        ("output_tok_s", "output_tok_s"),
        ("ttft_ms", "ttft_ms_mean"),
        ("tpot_ms", "tpot_ms_mean"),
    )
    for metric, column in names:
        value = _parse_number(cells.get(column, ""))
        if value is not None and value > 0:
            metrics[metric] = value
    if "output_tok_s" in metrics and "per gpu" in cells.get("notes", "").lower():
        metrics["output_tok_s"] *= max(1, int(_parse_number(cells.get("gpu_count", "")) or 1))
    return metrics


def _parse_source(text: str) -> str:
    """Who measured: a repository's owner, or a site.

    >>> _parse_source("NVIDIA/TensorRT-LLM docs/x.md @258c"), _parse_source("databasemart.com/blog/a40")
    ('NVIDIA', 'databasemart.com')
    """
    return text.strip().split("/")[0].split(" ")[0]


def _parse_number(text: str) -> float | None:
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


# -- errors ------------------------------------------------------------------------------------------


def get_predicted(prediction: LoadPrediction, metric: MeasuredMetric) -> float:
    if metric == "output_tok_s":
        return prediction.output_tok_s
    return (prediction.ttft_ms if metric == "ttft_ms" else prediction.tpot_ms).mean


Bounds = Mapping[MeasuredMetric, tuple[float, float]]  # of predicted/measured


def validate(
    rows: Iterable[Measurement],
    declined: Iterable[RejectedRow],
    terms: Callable[[Measurement], Terms],
    bounds: Callable[[Measurement], Bounds | None] | None = None,
) -> Validation:
    """Errors of every metric that a row has; with `bounds`, how many of the rows that have some lie inside them."""
    errors: dict[MeasuredMetric, list[float]] = {metric: [] for metric in METRICS}
    inside: dict[MeasuredMetric, list[bool]] = {metric: [] for metric in METRICS}
    listed, refused = list(rows), list(declined)
    for row in listed:
        prediction = predict_measurement(row, terms(row))
        limits = bounds(row) if bounds else None
        for metric, value in row.measured.items():
            ratio = get_predicted(prediction, metric) / value
            errors[metric].append(abs(ratio - 1))
            if limits is not None:
                inside[metric].append(limits[metric][0] <= ratio <= limits[metric][1])
    total = len(listed) + len(refused)
    free = int(FREE_DECLINED * total)
    for item in refused[free:]:
        for metric in item.metrics:
            errors[metric].append(1.0)
    return Validation(
        metrics={metric: summarize_errors(values) for metric, values in errors.items()},
        coverage={metric: sum(held) / len(held) if held else None for metric, held in inside.items()},
        declined=dict(Counter(item.reason for item in refused)),
        rows=total,
    )


def predict_measurement(row: Measurement, terms: Terms) -> LoadPrediction:
    """What was measured did fit. Where the memory model says otherwise, the room for what ran is assumed."""
    try:
        return predict(row.deployment, row.load, terms)
    except DoesNotFit:
        memory = estimate_memory(row.deployment)
        tokens = (row.load.input_tokens + row.load.output_tokens) * max(8, row.load.concurrency)
        return predict(row.deployment, row.load, terms, memory=msgspec.structs.replace(memory, kv_tokens=tokens))


def summarize_errors(errors: list[float]) -> MetricError:
    if not errors:
        return MetricError(0, None, None)
    ordered = sorted(errors)
    return MetricError(len(ordered), statistics.median(ordered), ordered[int(0.9 * len(ordered))])
